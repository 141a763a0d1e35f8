"""Extracted files -> checked images, splits, label maps, manifest."""

from __future__ import annotations

from ganrepro import process, settings
from ganrepro.data.derived import Derived
from ganrepro.data.faults import first_faults
from ganrepro.data.images import ImageError
from ganrepro.data.own import data_spec
from ganrepro.data.prepare import Derive, prepare
from ganrepro.plan import datasets
from ganrepro.schema.registry import FOLDER, is_downloaded
from ganrepro.store.files import filling, write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset")
    params = stage.parameters(args)
    dataset = settings.known(params.datasets, args.dataset, "datasets")
    datasets.remember(dataset)
    stage.expect(args.out, datasets.dataset_dir(params, args.dataset))
    download = datasets.download_dir(dataset.source) if is_downloaded(dataset.source) else None
    size = data_spec(dataset).size(dataset.pixels)
    derive: Derive | None = None
    if dataset.derived is not None:
        derive = Derived(dataset.derived, size)
    if dataset.edges is not None:
        from ganrepro.data.edges import detector  # with the libraries that only this needs

        process.configure(1)  # a thread for each worker: the same edges, to the bit, whatever their number
        weights = datasets.download_dir(dataset.edges) if is_downloaded(dataset.edges) else None
        derive = detector(dataset.edges, weights, size)
    with filling(args.out) as folder:
        try:
            manifest = prepare(dataset, download, folder, args.threads, derive)
        except ImageError as error:
            several = first_faults(dataset) if dataset.source == FOLDER and derive is None else []
            raise ImageError("; ".join(several) or str(error)) from None
        write_json(folder / "manifest.json", manifest)
    for note in manifest.get("notes", ()):  # the page says it too, hours later
        print(f"{args.dataset}: {note}")


if __name__ == "__main__":
    stage.run(main)
