"""The scores of any folder of images made for a study's test set, by this project or by another."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ganrepro import arithmetic, settings
from ganrepro.data.images import ImageError, read_levels, write_png
from ganrepro.data.prepare import read_manifest
from ganrepro.data.spec import MOST_NAMED
from ganrepro.errors import UserError
from ganrepro.evaluation import readers
from ganrepro.evaluation.measures import SCORES, left_out, measures_of
from ganrepro.evaluation.measures.base import Job
from ganrepro.evaluation.readers.base import Reader
from ganrepro.evaluation.scoring import score as measure
from ganrepro.plan import datasets, paths
from ganrepro.reporting.markdown import markdown
from ganrepro.reporting.results import read_gate
from ganrepro.schema.registry import feature_sources
from ganrepro.store.files import expect_new, replacing

CPU = torch.device("cpu")
Found = dict[str, Any]


def score(folder: Path, study_name: str, output_name: str | None = None, params_file: str | Path = "params.yaml") -> Found:
    """Every score of the images in a folder, as of a row of that study: plain values by score, and the reader's `gate`.

    The images have the names of the study's test images, and any one size. UserError where some are missing, or where the
    dataset or the network that reads images was not made yet, with the command that makes it.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    params = settings.load(params_file)
    study = settings.find_study(params, study_name)
    outputs = {output.name: output for output in study.outputs if output.translates}
    if not outputs:
        raise UserError(f"{study_name}: its rows start from noise; images are scored of studies that translate")
    output = settings.known(outputs, output_name or next(iter(outputs)), f"outputs of {study.name}")
    data, needs = datasets.dataset_dir(params, study.dataset), paths.needs_of(params, study)
    _made(data / "manifest.json")
    manifest = read_manifest(data)
    names = manifest["names"]["test"][str(output.source)]
    files = _files_of(folder, names, study.data.channels(output.target) > MOST_NAMED)
    used = measures_of(output, needs)
    if not used:
        why = "; ".join(f"{heading}: {reason}" for heading, reason in left_out(output, needs).items())
        raise UserError(f"{study_name}: nothing measures {output.name} ({why or 'no measure is of such images'})")

    @functools.cache
    def reader() -> Reader:
        file, spec = _made(paths.reader_dir(params, study) / "reader.pt"), paths.reader_spec(params, study)
        return readers.load(file, spec, params.readers[str(study.reader)], study.data, CPU)

    with _as_prepared(folder, files) as prepared:
        job = Job(
            output, [prepared], data, manifest, study.data, study.size, CPU, None, reader, study.features,
            {name: datasets.download_dir(name) for name in feature_sources(study.features)},
            paths.features_dir(arithmetic.is_set()),
        )  # fmt: skip
        values, _ = measure(job, used, {})
    result = {name: value for of_measure in values.values() for name, value in of_measure["scores"].items()} | {
        "images": len(names)
    }
    gate = None
    if any(of_measure.uses_reader(needs) for of_measure in used):
        gate = read_gate(_made(paths.reader_dir(params, study) / "reader.json"))
    kept = gate._asdict() | {"passed": gate.passed} if gate else None
    return {"study": study.name, "output": output.name, "folder": str(folder), "scores": result, "gate": kept}


def _made(file: Path) -> Path:
    if not file.exists():
        raise UserError(
            f"{file}: not made yet; name the study under `reports` in params.yaml and run: snakemake --cores all {file}"
        )
    return file


def _files_of(folder: Path, names: list[str], many_channels: bool) -> dict[str, Path]:
    """The file of each name; of many channels also one of `translate`, a TIFF. ImageError where some are missing."""
    files = {name: folder / name for name in names}
    if many_channels:
        files |= {name: file.with_suffix(".tif") for name, file in files.items() if not file.exists()}
    missing = [name for name, file in files.items() if not file.exists()]
    if missing:
        raise ImageError(
            f"{folder}: lacks {len(missing)} of {len(names)} images, the first {missing[0]}; "
            "they are named like the test images that they are made from"
        )
    return files


@contextlib.contextmanager
def _as_prepared(folder: Path, files: Mapping[str, Path]) -> Iterator[Path]:
    """The folder, or another with the content of its TIFFs in PNGs of their names."""
    if all(file.name == name for name, file in files.items()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="ganrepro-score-") as scratch:
        for name, file in files.items():
            write_png(Path(scratch, name), read_levels(file))
        yield Path(scratch)


def table(result: Found) -> str:
    """For the terminal."""
    scores, gate = result["scores"], result["gate"]
    lines = [[SCORES[name].heading, f"{value:.4f}"] for name, value in scores.items() if name in SCORES]
    head = f"{result['folder']}: {scores['images']} images, {result['output']} of {result['study']}"
    text = f"{head}\n\n{markdown(['Score', 'Value'], lines)}\n"
    if gate:
        word = "passed" if gate["passed"] else "FAILED: do not trust the scores above"
        reads = (
            f"the reader reads real test images with a {gate['what']} of {gate['value']:.2f}, {gate['required']:.2f} is required"
        )
        text += f"\nGate {word}: {reads}.\n"
    return text


def write(result: Found, path: Path) -> None:
    """As JSON, into a new file. UserError where there is one of that name: see `expect_new`."""
    expect_new(path)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
