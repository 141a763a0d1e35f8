"""Extracted files -> checked images, splits, label maps, manifest."""

from __future__ import annotations

from ganrepro import process, settings
from ganrepro.artifacts import datasets
from ganrepro.artifacts.files import filling, write_json
from ganrepro.data.prepare import prepare
from ganrepro.data.registry import NOT_DOWNLOADED, registry
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset")
    params = settings.load(args.params)
    dataset = settings.known(params.datasets, args.dataset, "datasets")
    stage.expect(args.out, datasets.dataset_dir(params, args.dataset))
    download = None if dataset.source in NOT_DOWNLOADED else datasets.download_dir(dataset.source)
    find_edges = None
    if dataset.edges is not None:
        from ganrepro.data.edges import EdgeDetector  # with the libraries that only this needs

        process.configure(1)  # a thread for each worker: the same edges, to the bit, whatever their number
        find_edges = EdgeDetector(dataset.edges, datasets.download_dir(dataset.edges), dataset.pixels)
    with filling(args.out) as folder:
        if registry().get(dataset.source, {}).get("layout") == "digits":
            from ganrepro.data.digits import prepare_digits

            manifest = prepare_digits(dataset, download, folder)
        else:
            manifest = prepare(dataset, download, folder, args.threads, find_edges)
        write_json(folder / "manifest.json", manifest)


if __name__ == "__main__":
    stage.run(main)
