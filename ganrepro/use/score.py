"""The scores of any folder of images made for a study's test set, by this project or by another."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from ganrepro import settings
from ganrepro.artifacts import datasets, paths
from ganrepro.artifacts.files import read_json
from ganrepro.artifacts.fingerprint import canonical
from ganrepro.data.images import ImageError
from ganrepro.data.registry import INCEPTION
from ganrepro.errors import UserError
from ganrepro.evaluation.base import Evaluator, Job
from ganrepro.evaluation.generation import reference
from ganrepro.evaluation.readers import load_reader
from ganrepro.evaluation.scores import SCORES, evaluators_of
from ganrepro.evaluation.scoring import score as measure
from ganrepro.reporting.markdown import markdown
from ganrepro.reporting.results import GATE, reads_photos

CPU = torch.device("cpu")
Found = dict[str, Any]


def score(folder: Path, study_name: str, output_name: str | None = None, params_file: str | Path = "params.yaml") -> Found:
    """Every score of the images in a folder, as of a row of that study: plain values by score, and `gate`.

    The images have the names of the study's test images, and any one size. UserError where some are missing, or where the
    dataset or the network that reads photos was not made yet, with the command that makes it.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    params = settings.load(params_file)
    study = settings.find_study(params, study_name)
    outputs = {output.name: output for output in study.outputs if output.source not in (None, output.target)}
    if not outputs:
        raise UserError(f"{study_name}: its rows start from noise; images are scored of studies that translate")
    output = settings.known(outputs, output_name or next(iter(outputs)), f"outputs of {study.name}")
    data = datasets.dataset_dir(params, study.dataset)
    manifest = read_json(_made(data / "manifest.json"))
    _check_names(folder, manifest["names"]["test"][output.source])
    spec, segmenter = paths.scorer_spec(params, study), paths.segmenter_dir(params, study) / "segmenter.pt"
    reader = functools.cache(lambda: load_reader(_made(segmenter), spec, len(manifest["classes"]), CPU))

    def job(images: Path, row: str | None) -> Job:
        return Job(
            output, [images], data, manifest, study.pixels, CPU, row, reader, params.distance, datasets.download_dir(INCEPTION),
            paths.features_dir(), canonical(spec),
        )  # fmt: skip

    used = evaluators_of(output, datasets.has_classes(params, study.dataset))
    values, _ = measure(job(folder, None), used, {})
    found = {name: values[name] for evaluator in used for name in evaluator.scores if isinstance(values.get(name), (int, float))}
    distance = {name: value for name, value in values.get("distance", {}).items() if name in SCORES}
    found |= {"images": len(manifest["names"]["test"][str(output.source)]), **distance}
    published = isinstance(params.scorers[study.scorer], settings.PublishedScorerSettings)  # which passed its own gate
    if reads_photos(output) and datasets.has_classes(params, study.dataset) and not published:
        found["gate"] = _gate(job, used, study.pixels, data / "test", manifest, output)
    return {"study": study.name, "output": output.name, "folder": str(folder), "scores": found}


def _gate(job: Any, used: list[Evaluator], pixels: int, test: Path, manifest: dict[str, Any], output: Any) -> float:
    """Per-pixel accuracy of the real test photos, which the same network reads."""
    (fcn,) = [evaluator for evaluator in used if evaluator.name == "fcn_score"]
    with tempfile.TemporaryDirectory() as scratch:
        reference("ground-truth", pixels, test, manifest["names"]["test"], Path(scratch), [output])
        values, _ = measure(job(Path(scratch) / output.name, "ground-truth"), [fcn], {})
    return float(values["pixel_accuracy"])


def _made(file: Path) -> Path:
    if not file.exists():
        raise UserError(
            f"{file}: not made yet; name the study under `reports` in params.yaml and run: snakemake --cores all {file}"
        )
    return file


def _check_names(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise ImageError(
            f"{folder}: lacks {len(missing)} of {len(names)} images, the first {missing[0]}; "
            "they are named like the test images that they are made from"
        )


def table(found: dict[str, Any]) -> str:
    """For the terminal."""
    scores = found["scores"]
    lines = [[SCORES[name], f"{value:.4f}"] for name, value in scores.items() if name in SCORES]
    head = f"{found['folder']}: {scores['images']} images, {found['output']} of {found['study']}"
    text = f"{head}\n\n{markdown(['Score', 'Value'], lines)}\n"
    if "gate" in scores:
        word = "passed" if scores["gate"] >= GATE else "FAILED: do not trust the scores above"
        text += f"\nGate {word}: real test photos score {scores['gate']:.2f} per-pixel accuracy, {GATE:.2f} is required.\n"
    return text


def write(found: dict[str, Any], path: Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
