"""Takes a study to a machine without workflow tools or network, and its results back.

    python -m pipeline.bundle make study.zip           # here, once the dataset is prepared
    python study.zip --jobs 4                          # there; start it again to go on after a stop
    python -m pipeline.bundle take study.results.zip   # here; then `snakemake` finds every result in its place

The bundle is one file that Python runs: code, parameters, the prepared images and the list of jobs. Results come back
under the same keys; checkpoints stay there.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import zipfile
import zlib
from pathlib import Path

import ruamel.yaml

from ganrepro import settings
from ganrepro.data.packed import as_webp
from ganrepro.data.prepare import read_manifest
from ganrepro.errors import UserError
from ganrepro.plan import datasets, paths
from ganrepro.reporting.current import shown
from ganrepro.schema.records import check
from ganrepro.schema.registry import FOLDER
from ganrepro.settings import ConfigError, Params, Study
from ganrepro.store.code import PACKAGE
from ganrepro.store.files import expect_new, plain, replacing
from pipeline import stage

MOST_BYTES = 4 * 10**9  # of results, unpacked in memory
RETURNED = ("runs/", "images/", "scores/", "readers/", "logs/")


def jobs(params: Params, study: Study) -> list[dict[str, object]]:
    """Every stage after preparation, costliest first: module, its words, files it needs and the one it makes."""
    listed: list[tuple[str, list[str], list[str], str]] = []
    trained = sorted(paths.trained(params, study), key=lambda run: -len(run.method.losses()))
    reader = str(paths.reader_dir(params, study) / "reader.pt") if paths.reader_kind(params, study) else ""
    if paths.read(params, study) or any(str(file) == reader for run in trained for file in run.files.values()):
        listed.append(("reader", ["--study", study.name, "--out", str(Path(reader).parent)], [], reader))
    for run in trained:
        needed = [str(file) for file in run.files.values() if str(file) == reader]
        listed.append(("train", [*_words(run), str(run.folder)], needed, f"{run.folder}/checkpoint.pt"))
    for run in paths.runs(params, study):
        needed = [] if run.reference else [f"{run.folder}/checkpoint.pt"]
        listed.append(("generate", [*_words(run), str(run.images)], needed, f"{run.images}/done"))
        needed = [f"{run.images}/done", *([reader] if run.read else [])]
        listed.append(("evaluate", [*_words(run), str(run.scores)], needed, f"{run.scores}/metrics.json"))
    return [dict(zip(("module", "words", "needs", "makes"), job, strict=True)) for job in listed]


def _words(run: paths.Run) -> list[str]:
    return ["--study", run.study.name, "--row", run.row, "--seed", str(run.seed), "--out"]


def plan_of(params: Params, study: Study) -> dict[str, object]:
    """What a bundle does of a study whose dataset is prepared, and what comes back."""
    data = datasets.dataset_dir(params, study.dataset)
    names = read_manifest(data)["names"]["test"]
    pictures = sorted({name for of in names.values() for name in [*of[:6], *shown(of)]})
    return {
        "data": str(data),
        "arithmetic": params.arithmetic,
        "jobs": jobs(params, study),
        "shown": [f"/{name}" for name in pictures],
        "returned": RETURNED,
    }


def make(params: Params, study: Study, path: Path) -> None:
    """Writes the bundle, a new file. UserError where there is one, ConfigError if the dataset is not prepared."""
    expect_new(path)
    data = datasets.dataset_dir(params, study.dataset)
    if not (data / "manifest.json").exists():
        raise ConfigError(f"{data}: not prepared yet; run: snakemake --cores all --until prepare")
    if params.datasets[study.dataset].source == FOLDER:
        raise ConfigError(
            f"datasets.{study.dataset}: a folder of your own cannot be packed; copy the checkout and the folder instead"
        )
    read = {file for run in paths.trained(params, study) for file in run.files.values() if file.name != "reader.pt"}
    for place in sorted(read):
        if not (place / "source.json").exists() and not place.is_file():
            raise ConfigError(f"{place}: not there yet; run: snakemake --cores all --until download, or put it there")
    plan, root = plan_of(params, study), PACKAGE.parent
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.write(Path(__file__).with_name("bundle_main.py"), "__main__.py")
        pack.writestr("plan.json", json.dumps(plan))
        pack.write(root / "params.yaml", "params.yaml")
        for file in sorted((root / "papers").glob("*.yaml")):
            pack.write(file, f"papers/{file.name}")
        yaml = Path(ruamel.yaml.__file__).parent  # pure Python; a library that such a machine may lack
        for folder, inside in ((PACKAGE, "ganrepro"), (root / "pipeline", "pipeline"), (yaml, "ruamel/yaml")):
            for file in sorted(folder.rglob("*")):
                if file.suffix in (".py", ".yaml", ".json"):
                    pack.write(file, f"{inside}/{file.relative_to(folder).as_posix()}")
        for file in sorted(p for place in read for p in (place, *place.rglob("*")) if p.is_file()):
            pack.write(file, str(file))
        for file in sorted(p for p in data.rglob("*") if p.is_file()):
            if file.suffix == ".png":
                pack.writestr(str(file.with_suffix(".webp")), as_webp(file), zipfile.ZIP_STORED)
            else:
                pack.write(file, str(file))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; there: python {path.name} --jobs 4")


def expected(params: Params) -> dict[Path, str]:
    """Folders that results of the current parameters lie in, and a pattern for the files that come back in them."""
    places: dict[Path, str] = {Path("logs"): r"[a-z]+-\d+\.log"}
    for study in params.studies.values():
        if paths.reader_kind(params, study):
            places[paths.reader_dir(params, study)] = r"reader\.json"
        for run in paths.runs(params, study):
            places[run.images] = r"done|timing\.json|codes\.npz|(\d+/|epoch-\d+/)?[a-z0-9._-]+/[^/]+\.png"
            places[run.scores] = r"metrics\.json|counts\.npz"
            if not run.reference:
                places[run.folder] = r"history\.csv|timing\.json|run\.json"
    return places


def take(params: Params, path: Path) -> None:
    """Puts returned results where this checkout expects them: all that the bundle declares, or nothing.

    ConfigError for a file that no job of the current parameters makes, that has another digest than declared, that would
    be written through a link, or that is here already and differs.
    """
    try:
        with zipfile.ZipFile(plain(path)) as results:
            if sum(part.file_size for part in results.infolist()) > MOST_BYTES:
                raise ValueError(f"unpacks to more than {MOST_BYTES // 10**9} GB")
            content = {name: results.read(name) for name in results.namelist()}
        declared = json.loads(content.pop("results.json"))
        check(path, dict[str, str], declared)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, UserError) as error:
        raise ConfigError(f"{path}: no results of a bundle, or damaged ({error}); carry it over again") from None
    folders = expected(params)
    for name, data in content.items():
        folder = next((f for f in folders if name.startswith(f"{f}/")), None)
        if folder is None or not re.fullmatch(folders[folder], name.removeprefix(f"{folder}/")) or ".." in Path(name).parts:
            raise ConfigError(f"{path}: '{name}' is not a result of the current parameters; nothing was taken")
        if declared.get(name) != hashlib.sha256(data).hexdigest():
            raise ConfigError(f"{path}: '{name}' is not as it was declared; nothing was taken, carry it over again")
        if any(place.is_symlink() for place in (Path(name), *Path(name).parents)):
            raise ConfigError(f"{path}: '{name}' would be written through a link that lies here; nothing was taken")
        if folder != Path("logs") and Path(name).exists() and plain(Path(name)).read_bytes() != data:
            raise ConfigError(f"{path}: '{name}' is here already and differs; remove {folder} to take it")
    if missing := set(declared) - set(content):
        raise ConfigError(f"{path}: '{min(missing)}' is declared and not there; nothing was taken, carry it over again")
    with contextlib.ExitStack() as stack:  # every file is written beside its place before the first one is put there
        for name, data in content.items():
            stack.enter_context(replacing(Path(name))).write_bytes(data)
    print(f"{path}: {len(content)} files taken; now: snakemake --cores all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "take"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--study", help="name under `studies` (default: that of the first report)")
    args = parser.parse_args()
    params = settings.load("params.yaml")
    if args.what == "take":
        take(params, args.path)
    else:
        make(params, settings.find_study(params, args.study), args.path)


if __name__ == "__main__":
    stage.run(main)
