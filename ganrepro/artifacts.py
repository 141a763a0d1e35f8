"""Where each artefact lives, what it depends on, and atomic writing. No torch.

The key is in the path: everything that determines an artefact (settings, data, seed and the code
that makes it, entry points and plumbing apart) is hashed into a short key, and the artefact lies in
a folder that carries it. So existence means up to date, for Snakemake and DVC alike.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ganrepro.config import REFERENCE_ROWS, Params, PublishedScorer, Study, canonical, digest, registry

PACKAGE = Path(__file__).resolve().parent
KEY_DIGITS = 12
# Parsing, bookkeeping and logging determine no result: the parsed values are hashed themselves.
PLUMBING = ("config", "artifacts", "tracking")
# The module whose imports are followed to find the code that makes an artefact.
ENTRY = {
    "dataset": "data.prepare",
    "edges": "data.edges",
    "train": "training.loop",
    "segmenter": "evaluation.segmenter",
    "translate": "training.translate",
    "score": "evaluation.evaluators",
    "gate": "evaluation.gate",
    "distances": "evaluation.distances",
    "fcn8s": "nets.fcn8s",
    "weights": "data.weights",
    "report": "reporting.render",
}
NOT_DOWNLOADED = ("streets", "folder")
INCEPTION = "inception-2015-12-05"
REPORTS = Path("reports")


@functools.cache
def _imports(module: str) -> tuple[str, frozenset[str]]:
    """A module's digest without comments and docstrings, and the project modules it imports."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganrepro"):
            name = (node.module or "").removeprefix("ganrepro").removeprefix(".")
            for alias in node.names:
                inner = f"{name}.{alias.name}".removeprefix(".")
                found.add(inner if PACKAGE.joinpath(*inner.split(".")).with_suffix(".py").exists() else name)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return digest(_shape(tree)), frozenset(found) - {""}


def _shape(node: object) -> object:
    """A syntax tree as plain values, the same under every supported Python (ast.dump is not)."""
    if isinstance(node, ast.AST):
        fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"}
        return [
            type(node).__name__,
            {name: _shape(v) for name, v in fields.items() if name not in ("ctx", "kind", "type_params")},
        ]
    return [_shape(item) for item in node] if isinstance(node, list) else repr(node)


@functools.cache
def code_digest(*entries: str) -> str:
    """Digest of all project code that the entries of `ENTRY` execute, found by following imports.

    Taken over the syntax tree without comments and docstrings, so improving a sentence remakes
    nothing. Plumbing (config, artifacts, tracking) is left out.
    """
    todo, seen = [ENTRY[entry] for entry in entries], {}
    while todo:
        module = todo.pop()
        if module in seen or module in PLUMBING:
            continue
        seen[module], more = _imports(module)
        todo += more
    return digest(sorted(seen.items()))


def _key(*parts: object) -> str:
    return digest(parts)[:KEY_DIGITS]


def download_dir(source: str) -> Path:
    """Verified, extracted files of one registered source."""
    return Path("downloads") / f"{source}-{registry_digest(source)[:8]}"


def registry_digest(source: str) -> str:
    """Digest of what shapes a source's data: its registry entry without title, licence and addresses."""
    told = ("title", "licence", "archives", "mirror_archives")
    return digest({k: v for k, v in registry().get(source, {}).items() if k not in told})


def has_classes(params: Params, name: str) -> bool:
    """Whether a dataset has label maps, so that it can be scored."""
    dataset = params.datasets[name]
    entry = registry().get(dataset.source, {})
    return dataset.edges is None and bool(dataset.palette or entry.get("palette") or entry.get("layout") == "streets")


def gpu_slots(device: str) -> int:
    """GPUs a training asks of the workflow engine: 1 where it is to have one, else 0.

    `auto` looks at this machine; on a cluster's login node say `device: cuda`.
    """
    return int(device == "cuda" or (device == "auto" and shutil.which("nvidia-smi") is not None))


@functools.cache
def folder_digest(path: str | None) -> str:
    """Digest of names and sizes in a bring-your-own folder, so that a changed folder is prepared again.

    An edit that keeps the size of a file to the byte (uncompressed formats) is not noticed.
    """
    root = Path(path or "").expanduser()
    if path is None or not root.is_dir():
        return "none"
    return digest(sorted((p.relative_to(root).as_posix(), p.stat().st_size) for p in root.rglob("*") if p.is_file()))


def dataset_key(params: Params, name: str) -> str:
    """Key of a prepared dataset: its settings, its source, the code that prepares it."""
    dataset = params.datasets[name]
    code = [code_digest("dataset"), registry_digest(dataset.source), folder_digest(dataset.path)]
    if dataset.edges is not None:
        code += [code_digest("edges"), registry_digest(dataset.edges)]
    return _key("dataset", asdict(dataset), code)


def dataset_dir(params: Params, name: str) -> Path:
    """Prepared images, label maps and manifest."""
    return Path("data") / f"{name}-{dataset_key(params, name)}"


def milestone(epoch: object) -> str:
    """File of a run with the generators as they were after that epoch (or '*': of any)."""
    return f"generators-{epoch}.pt"


def looks_back(study: Study, row: str, seed: int) -> list[int]:
    """Epochs whose generators are scored too, for curves: those of the first seed."""
    return study.variants[row].training.milestones if seed == study.seeds[0] else []


def report_page(name: str) -> Path:
    """The Markdown page of a report; its figures lie in the folder of the same name."""
    return REPORTS / f"{name}.md"


def report_folder(name: str) -> Path:
    """Tables as CSV and figures of a report."""
    return REPORTS / name


def grids(study: Study) -> list[str]:
    """Names of the tables that a picture is shown of."""
    return [name for name, table in study.tables.items() if table.scores == "segmentation"]


def closer_looks(params: Params, study: Study) -> list[str]:
    """Figures of a report that only a dataset with classes can have."""
    return ["classes.svg", "curves.svg", "extremes.png"] if has_classes(params, study.dataset) else []


def run_spec(params: Params, study: Study, variant: str, seed: int) -> dict[str, object]:
    """Everything that determines one training, as it is hashed and stored beside the checkpoint."""
    return {
        "training": asdict(study.variants[variant].training),
        "seed": seed,
        "dataset": dataset_key(params, study.dataset),
        "code": code_digest("train"),
    }


def run_dir(params: Params, study: Study, variant: str, seed: int) -> Path:
    """Checkpoint, losses and spec of one training."""
    return Path("runs") / study.name / f"{variant}-s{seed}-{_key('run', run_spec(params, study, variant, seed))}"


def crop_pixels(study: Study) -> int:
    """Size at which this study translates the test images."""
    return next(iter(study.variants.values())).training.crop_pixels


def segmenter_spec(params: Params, dataset: str, scorer: str, pixels: int) -> dict[str, object]:
    """Everything that determines a segmentation network. pixels: crop size of the study that it scores."""
    chosen = params.scorers[scorer]
    if isinstance(chosen, PublishedScorer):
        code = code_digest("fcn8s", "weights", "gate")
        source = registry_digest(chosen.weights)
        return {"scorer": asdict(chosen), "source": source, "dataset": dataset_key(params, dataset), "code": code}
    recipe = asdict(chosen)
    recipe["pixels"] = recipe["pixels"] or pixels
    return {"scorer": recipe, "dataset": dataset_key(params, dataset), "code": code_digest("segmenter")}


def scorer_spec(params: Params, study: Study) -> dict[str, object]:
    """The same for the network that scores a study."""
    return segmenter_spec(params, study.dataset, study.scorer, crop_pixels(study))


def segmenter_place(dataset: str, spec: dict[str, object]) -> Path:
    """Where the segmentation network of `segmenter_spec` lies."""
    return Path("scores/segmenters") / f"{dataset}-{_key('segmenter', spec)}"


def segmenter_dir(params: Params, study: Study) -> Path:
    """The segmentation network of a study; shared by studies of one dataset, scorer and size."""
    return segmenter_place(study.dataset, scorer_spec(params, study))


def score_dir(params: Params, study: Study, row: str, seed: int) -> Path:
    """Translated images and metrics of one row: a trained variant, or a reference row (seed 0)."""
    if row in REFERENCE_ROWS:
        made_by: object = [row, crop_pixels(study), study.directions]
    else:
        made_by = [run_spec(params, study, row, seed), study.test_passes, looks_back(study, row, seed)]
    backbone = [params.distance, registry_digest(INCEPTION) if params.distance != "segmenter" else None]
    key = _key("score", made_by, scorer_spec(params, study), backbone, code_digest("translate", "score", "distances"))
    return Path("scores") / study.name / f"{row}-s{seed}-{key}"


def trained(study: Study) -> list[tuple[str, int]]:
    """(variant, seed) of every training of a study."""
    return [(variant, seed) for variant in study.variants for seed in study.seeds]


def rows(study: Study) -> list[tuple[str, int]]:
    """(row, seed) of every scored row of a study: reference rows once, variants once per seed."""
    return [(row, 0) for row in REFERENCE_ROWS] + trained(study)


def report_key(params: Params, study: Study) -> str:
    """Key of the report, printed in its footer: stale when it differs."""
    scores = [str(score_dir(params, study, row, seed)) for row, seed in rows(study)]
    titles = [study.title, *(variant.title for variant in study.variants.values())]
    tables = [[name, asdict(table)] for name, table in study.tables.items()]
    claims = (PACKAGE / "reporting/claims.yaml").read_text(encoding="utf-8")
    return _key("report", scores, titles, tables, claims, deviations(), code_digest("report"))


def deviations() -> list[str]:
    """Every tagged deviation in the package's source, so that no departure from the papers goes unprinted."""
    pattern = re.compile(r"DEVIATION\(([a-z-]+)\): ((?:[^\n]+\n?)+?)(?=\n|\s*DEVIATION|\s*\"\"\")")
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for tag, words in pattern.findall(path.read_text("utf-8")):
            text = " ".join(line.strip().lstrip("#").strip() for line in words.splitlines())
            found.append(f"**{tag}** (`{path.relative_to(PACKAGE.parent).as_posix()}`): {text}")
    return found


def report_is_current(params: Params, name: str) -> bool:
    """Whether the report on disk carries the current key."""
    key = report_key(params, params.find_study(params.reports[name]))
    try:
        return f"`{key}`" in report_page(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def work_dir(key_dir: Path) -> Path:
    """Resume state of an unfinished stage: never a declared output, so no engine deletes it."""
    return Path("work") / key_dir.name


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside `path`; on success renames it there, on failure removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yields an empty sibling folder; on success it takes the place of `folder` at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_section(page: Path, name: str, text: str) -> bool:
    """Puts `text` between <!-- name: ... --> and <!-- /name --> of a page; False if it has no such section."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name.split(':')[0]} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if begin not in old:
        return False
    before, rest = old.split(begin, 1)
    with replacing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
    return True


def write_json(path: Path, value: object) -> None:
    """Sorted keys, so equal values give equal bytes."""
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(json.loads(canonical(value)), indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
        )
