"""Whether this machine gives everybody's bytes in portable arithmetic: tiny examples of every kind of job, by their digests.

    python -m pipeline.portable           # says of each whether it holds here; exit status 1 where one does not
    python -m pipeline.portable --write   # keeps what this machine gives, or adds it to those on which all hold

`make reproduce` gives the committed tables to the last digit where all hold, with the libraries' versions of constraints.txt.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from ganrepro import arithmetic
from ganrepro.plan import code
from ganrepro.store.files import write_json
from pipeline import stage, tiny

KEPT = Path(__file__).with_name("portable.json")
SHAPING = ("torch", "numpy", "pillow", "scipy", "scikit-image", "scikit-learn")  # libraries whose versions shape results
# networks as wide as a paper's, for which kernels are chosen that tiny ones do not need
WIDE: dict[str, Any] = {
    "generator_filters": 64, "discriminator_filters": 64, "discriminator_receptive_field": 70, "generator_blocks": 2,
    "crop_pixels": 128, "load_pixels": 143, "epochs_decay": 0,
}  # fmt: skip
# Examples beside the usual ones: jobs, and the settings that are theirs
MORE: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "wide": (("train/cyclegan",), WIDE),
    # a U-Net as wide as the kept studies': of 512 channels oneDNN sums up-convolutions, and gradients of strided ones, in pieces
    # that it chooses by the size of the processor's cache
    "of-24": (("train/pix2pix",), WIDE | {"generator_filters": 24}),
    "penalty": (("train/lucic_gan",), {
        "loss": "wasserstein", "penalty": "gradient", "optimiser": "rmsprop", "discriminator_norm": False,
    }),
    "virtual-norm": (("train/dcgan",), {"generator_norm": "virtual"}),
}  # fmt: skip


def digests(scratch: Path) -> dict[str, str]:
    """What this machine gives, by kind of job. Takes a minute or two."""
    made: dict[str, str] = {}
    for group, (jobs, own) in {"": (code.jobs(), {}), **MORE}.items():
        tiny.make(jobs, scratch / f"tiny-{group}", own)
        made |= {f"{of.name} {group}".strip(): _digest(of) for of in sorted((scratch / f"tiny-{group}").iterdir())}
    return made


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(path.relative_to(folder).as_posix().encode())
        if path.suffix == ".npz":  # packed by Python's zlib, of which there are several
            with zipfile.ZipFile(path) as arrays:
                for name in sorted(arrays.namelist()):
                    whole.update(name.encode() + arrays.read(name))
        else:
            whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def cpu() -> str:
    """What this CPU calls itself, with what tells apart those of one name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines)) if value}
    return f"{about.get('model name', '?')} (family {about.get('cpu family', '?')}, model {about.get('model', '?')})"


def versions() -> dict[str, str]:
    """Of the libraries that shape results."""
    return {name: metadata.version(name) for name in SHAPING}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep what this machine gives")
    args = parser.parse_args()
    arithmetic.ensure("portable")
    os.environ["GANREPRO_MLFLOW"] = "off"
    with tempfile.TemporaryDirectory(prefix="ganrepro-portable-") as scratch, contextlib.redirect_stderr(io.StringIO()):
        made = digests(Path(scratch))  # without the bars of its stages
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"versions": {}, "cpus": [], "digests": {}}
    differ = [job for job, digest in made.items() if kept["digests"].get(job, digest) != digest]
    for job in made:
        print(f"{'differs' if job in differ else 'holds' if job in kept['digests'] else 'new':8} {job}")
    if args.write:
        cpus = (
            [cpu()]
            if differ or {*made} != {*kept["digests"]} or kept["versions"] != versions()
            else sorted({*kept["cpus"], cpu()})
        )
        write_json(KEPT, {"versions": versions(), "cpus": cpus, "digests": made})
        print(f"-> {KEPT.name}: holds on {', '.join(cpus)}")
    elif differ:
        have, had = (", ".join(f"{k} {v}" for k, v in of.items()) for of in (versions(), kept["versions"]))
        words = f"kept with {had}, made with {have}" if have != had else f"held so far on {', '.join(kept['cpus'])}"
        sys.exit(f"{len(differ)} of {len(made)} differ on {cpu()}; {words}")
    else:
        print(f"all hold on {cpu()}")


if __name__ == "__main__":
    stage.run(main)
