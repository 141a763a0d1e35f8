"""Extracted files -> checked images, splits, label maps, manifest."""

from __future__ import annotations

from ganrepro import artifacts, config
from ganrepro.data.prepare import prepare
from ganrepro.process import settle
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "dataset")
    params = config.load(args.params)
    dataset = stage.known(params.datasets, args.dataset, "dataset")
    stage.expect(args.out, artifacts.dataset_dir(params, args.dataset))
    download = None if dataset.source in artifacts.NOT_DOWNLOADED else artifacts.download_dir(dataset.source)
    find_edges = None
    if dataset.edges is not None:
        from ganrepro.data.edges import EdgeDetector  # with the libraries that only this needs

        settle(1)  # a thread for each worker: the same edges, to the bit, whatever their number
        find_edges = EdgeDetector(dataset.edges, artifacts.download_dir(dataset.edges), dataset.pixels)
    with artifacts.filling(args.out) as folder:
        manifest = prepare(dataset, download, folder, args.threads, find_edges)
        artifacts.write_json(folder / "manifest.json", manifest)


if __name__ == "__main__":
    stage.run(main)
