"""Source -> verified, extracted files."""

from __future__ import annotations

import os

from ganrepro import settings
from ganrepro.data.sources import obtain, obtain_file
from ganrepro.errors import ConfigError
from ganrepro.plan import datasets
from ganrepro.schema.registry import FOLDER, entry, is_drawn
from ganrepro.store.files import write_json
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "source")
    params, source = settings.load(args.params), args.source
    if source == FOLDER or is_drawn(source):
        raise ConfigError(f"source '{source}' is not downloaded; prepare a dataset of it")
    fetch = obtain_file if entry(source).get("layout") == "file" else obtain
    stage.expect(args.out, datasets.download_dir(source))
    content = fetch(source, os.environ.get("GANREPRO_MIRROR") or params.mirror, args.out)
    write_json(args.out / "source.json", {"schema": "source/1", "source": source, "content": content})


if __name__ == "__main__":
    stage.run(main)
