"""Source -> verified, extracted files."""

from __future__ import annotations

import os

from ganrepro import artifacts, config
from ganrepro.data.sources import obtain
from ganrepro.data.weight_files import obtain_file
from pipeline import stage


def main() -> None:
    args = stage.arguments(__doc__ or "", "source")
    params, source = config.load(args.params), args.source
    stage.expect(args.out, artifacts.download_dir(source))
    fetch = obtain_file if config.registry().get(source, {}).get("layout") == "file" else obtain
    content = fetch(source, os.environ.get("GANREPRO_MIRROR") or params.mirror, args.out)
    artifacts.write_json(args.out / "source.json", {"schema": "source/1", "source": source, "content": content})


if __name__ == "__main__":
    stage.run(main)
