"""Takes a study to a machine without workflow tools or network, and its results back.

    python -m pipeline.pack make study.zip        # here, once the dataset is prepared
    python study.zip --jobs 4                     # there; start it again to go on after a stop
    python -m pipeline.pack take study.results.zip   # here; then `snakemake` finds every result in its place

The pack is one file that Python runs: code, parameters, the prepared images (losslessly as WebP, a
quarter smaller than PNG; compared pixel by pixel with the manifest when unpacked) and the list of
jobs. Results come back under the same keys; checkpoints stay there.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

import ruamel.yaml
from PIL import Image

from ganrepro import artifacts, config
from ganrepro.config import REFERENCE_ROWS, ConfigError, Params, Study
from ganrepro.reporting import figures
from pipeline import stage

RETURNED = ("runs/", "scores/", "logs/")


def jobs(params: Params, study: Study) -> list[dict[str, object]]:
    """Every stage after preparation, costliest first: module, its words, files it needs and the one it makes."""
    network, found = artifacts.segmenter_dir(params, study), []
    common = ["--study", study.name]
    labelled = artifacts.has_classes(params, study.dataset)
    if labelled:
        words = ["--dataset", study.dataset, "--scorer", study.scorer, "--pixels", str(artifacts.crop_pixels(study))]
        found.append(("segmenter", [*words, "--out", str(network)], [], f"{network}/segmenter.pt"))
    for row, seed in sorted(artifacts.trained(study), key=lambda run: -len(study.variants[run[0]].training.terms)):
        out = artifacts.run_dir(params, study, row, seed)
        found.append(("train", [*common, "--row", row, "--seed", str(seed), "--out", str(out)], [], f"{out}/checkpoint.pt"))
    for row, seed in artifacts.rows(study):
        out = artifacts.score_dir(params, study, row, seed)
        words = [*common, "--row", row, "--seed", str(seed), "--out"]
        run = [] if row in REFERENCE_ROWS else [f"{artifacts.run_dir(params, study, row, seed)}/checkpoint.pt"]
        found.append(("translate", [*words, f"{out}/images"], run, f"{out}/images/done"))
        needed = [f"{out}/images/done", *([f"{network}/segmenter.pt"] if labelled else [])]
        found.append(("evaluate", [*words, str(out)], needed, f"{out}/metrics.json"))
    return [dict(zip(("module", "words", "needs", "makes"), job, strict=True)) for job in found]


def make(params: Params, study: Study, path: Path) -> None:
    """Writes the pack. ConfigError if the dataset is not prepared."""
    data = artifacts.dataset_dir(params, study.dataset)
    if not (data / "manifest.json").exists():
        raise ConfigError(f"{data}: not prepared yet; run: snakemake --cores all --until prepare")
    if params.datasets[study.dataset].source == "folder":
        raise ConfigError(
            f"datasets.{study.dataset}: a folder of your own cannot be packed; copy the checkout and the folder instead"
        )
    names = json.loads((data / "manifest.json").read_text())["names"]["test"]
    shown = sorted({name for side in "ab" for name in [*names[side][:6], *figures.shown(names[side])]})
    plan = {"data": str(data), "jobs": jobs(params, study), "shown": [f"/{n}" for n in shown], "returned": RETURNED}
    root = artifacts.PACKAGE.parent
    with artifacts.replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.write(Path(__file__).with_name("packed.py"), "__main__.py")
        pack.writestr("plan.json", json.dumps(plan))
        pack.write(root / "params.yaml", "params.yaml")
        yaml = Path(ruamel.yaml.__file__).parent  # pure Python; the one library that such a machine may lack
        for folder, inside in ((root / "ganrepro", "ganrepro"), (root / "pipeline", "pipeline"), (yaml, "ruamel/yaml")):
            for file in sorted(folder.rglob("*")):
                if file.suffix in (".py", ".yaml"):
                    pack.write(file, f"{inside}/{file.relative_to(folder).as_posix()}")
        for file in sorted(p for p in data.rglob("*") if p.is_file()):
            if file.suffix == ".png":
                picture = io.BytesIO()
                with Image.open(file) as image:
                    image.convert("RGB").save(picture, "WEBP", lossless=True, exact=True)
                pack.writestr(str(file.with_suffix(".webp")), picture.getvalue(), zipfile.ZIP_STORED)
            else:
                pack.write(file, str(file))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; there: python {path.name} --jobs 4")


def take(path: Path) -> None:
    """Puts returned results where this checkout expects them; nothing outside its result folders is written."""
    with zipfile.ZipFile(path) as results:
        for name in results.namelist():
            if not name.startswith(RETURNED) or ".." in Path(name).parts:
                raise ConfigError(f"{path}: '{name}' is not a result; was this file made by a pack?")
        for name in results.namelist():
            with artifacts.replacing(Path(name)) as temporary:
                temporary.write_bytes(results.read(name))
        print(f"{path}: {len(results.namelist())} files taken; now: snakemake --cores all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "take"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--study", help="name under `studies` (default: that of the first report)")
    args = parser.parse_args()
    if args.what == "take":
        take(args.path)
    else:
        params = config.load("params.yaml")
        make(params, params.find_study(args.study), args.path)


if __name__ == "__main__":
    stage.run(main)
