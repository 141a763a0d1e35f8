"""Extracted files -> checked images, splits, label maps, manifest."""

from __future__ import annotations

from ganrepro import artifacts
from ganrepro.data.prepare import prepare
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "")
    params, study = stage.settings(args)
    dataset = params.datasets[study.dataset]
    stage.expect(args.out, artifacts.dataset_dir(params, study.dataset))
    download = None if dataset.source in artifacts.NOT_DOWNLOADED else artifacts.download_dir(dataset.source)
    with artifacts.filling(args.out) as folder:
        manifest = prepare(dataset, download, folder, args.threads)
        artifacts.write_json(folder / "manifest.json", manifest)


if __name__ == "__main__":
    stage.run(main)
