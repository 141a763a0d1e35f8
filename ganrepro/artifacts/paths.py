"""Where each artefact lives, and what it depends on. No torch.

The key is in the path: everything that determines an artefact (settings, data, seed and the code
that makes it, entry points and plumbing apart) is hashed into a short key, and the artefact lies in
a folder that carries it. So existence means up to date, for Snakemake and DVC alike.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganrepro.artifacts import datasets
from ganrepro.artifacts.files import sha256
from ganrepro.artifacts.fingerprint import changed, code_digest, key_of
from ganrepro.data.registry import INCEPTION
from ganrepro.evaluation.base import Evaluator
from ganrepro.evaluation.scores import evaluators_of
from ganrepro.methods.base import Method, epochs
from ganrepro.methods.files import SEGMENTER, ReadsFiles
from ganrepro.outputs import Output
from ganrepro.settings import (
    REFERENCE_ROWS,
    ConfigError,
    Params,
    PublishedScorerSettings,
    Study,
    find_study,
    known,
)
from ganrepro.training.schedule import milestones

REPORTS = Path("reports")


@dataclass(frozen=True)
class Run:
    """One row of one study with one seed: a training and its scores. A reference row (seed 0) has scores alone."""

    params: Params
    study: Study
    row: str
    seed: int

    @property
    def reference(self) -> bool:
        """Whether it needs no training."""
        return self.row in REFERENCE_ROWS

    @property
    def method(self) -> Method[Any]:
        """How it is trained, with all settings; a reference row has none."""
        method = self.study.rows[self.row].method
        return method.placed(self.files) if isinstance(method, ReadsFiles) else method

    @property
    def upright(self) -> bool:
        """Whether its training images are never mirrored: digits would be other signs."""
        return datasets.has_image_classes(self.params, self.study.dataset)

    @property
    def files(self) -> dict[str, Path]:
        """What it reads besides the images, by name: folders of downloads, files in downloads/archives, its study's segmenter."""
        method = None if self.reference else self.study.rows[self.row].method
        found = {}
        for name in method.reads() if isinstance(method, ReadsFiles) else ():
            if name == SEGMENTER:
                found[name] = segmenter_dir(self.params, self.study) / "segmenter.pt"
            else:
                weights = name.endswith(".pth")
                found[name] = datasets.inside("downloads", "archives", name) if weights else datasets.download_dir(name)
        return found

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it makes."""
        return self.study.outputs if self.reference else self.method.outputs()

    @property
    def looks_back(self) -> list[int]:
        """Epochs whose generators are scored too, for curves: those of a study's first seed; none where nothing is trained."""
        trained_here = self.seed == self.study.seeds[0] and self.method.players()
        return milestones(epochs(self.method.settings)) if trained_here else []

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that determines its training, as it is hashed and stored beside the checkpoint."""
        method = self.method
        # their keys are in their paths, but of what somebody put there
        files = {name: sha256(path) if name.endswith(".pth") else str(path) for name, path in self.files.items()}
        return {
            "method": method.name,
            "settings": changed(method.settings),
            "outputs": [[output.name, output.source, output.target] for output in method.outputs()],
            "seed": self.seed,
            "dataset": datasets.dataset_key(self.params, self.study.dataset),
            "code": code_digest("training.loop", f"methods.{method.name}", *(["training.upright"] if self.upright else [])),
            **({"files": files} if files else {}),
        }

    @property
    def key(self) -> str:
        """Of its training. Rows of equal keys, of whatever study, are trained once (`first_trainings`)."""
        return key_of("run", self.spec)

    @property
    def folder(self) -> Path:
        """Checkpoint, losses and spec of its training."""
        return datasets.inside("runs", self.study.name, f"{self.row}-s{self.seed}-{self.key}")

    def equal_checkpoint(self) -> Path | None:
        """The checkpoint of an equal training that is made already, of whatever row and study."""
        return min(Path("runs").glob(f"*/*-s{self.seed}-{self.key}/checkpoint.pt"), default=None)

    @property
    def record(self) -> dict[str, Any]:
        """What run.json, beside the checkpoint, says of it."""
        return {"schema": "run/2", "study": self.study.name, "row": self.row} | self.spec

    @property
    def work(self) -> Path:
        """Resume state of its unfinished training."""
        return work_dir(self.folder)

    @property
    def evaluators(self) -> dict[Output, list[Evaluator]]:
        """What measures each of its outputs."""
        return {output: evaluators_for(self.params, self.study, output) for output in self.outputs}

    @property
    def scores(self) -> Path:
        """Its translated images and metrics."""
        params, study = self.params, self.study
        if self.reference:
            made_by: list[object] = [self.row, study.pixels, datasets.dataset_key(params, study.dataset)]
            made_by += [[output.name, output.source, output.target] for output in self.outputs]
        else:
            made_by = [self.spec, study.test_passes, self.looks_back]
        used = sorted({(e.name, e.reads) for of in self.evaluators.values() for e in of})
        features = params.distance if any("features" in reads for _, reads in used) else None
        digits = datasets.has_image_classes(params, study.dataset)
        # Inception's features need no network of our own, and a dataset without label maps has none
        own = [reads for _, reads in used if "reader" in reads and ("features" not in reads or features == "segmenter")]
        reader = bool(own) and (digits or datasets.has_classes(params, study.dataset))
        network = "evaluation.digit_classifier" if digits else "evaluation.readers"
        made_in = ["evaluation.samples"] if study.from_noise else []
        modules = [*(f"evaluation.{name}" for name, _ in used), *([network] if reader else []), *made_in]
        measured_by = [
            [name for name, _ in used],
            scorer_spec(params, study) if reader else None,
            features,
            datasets.registry_digest(INCEPTION) if features not in (None, "segmenter") else None,
            code_digest("evaluation.generation", "evaluation.scoring", *modules),
        ]
        return datasets.inside("scores", study.name, f"{self.row}-s{self.seed}-{key_of('score', made_by, measured_by)}")


def evaluators_for(params: Params, study: Study, output: Output) -> list[Evaluator]:
    """What measures an output of a study."""
    labelled = (of(params, study.dataset) for of in (datasets.has_classes, datasets.has_image_classes))
    return evaluators_of(output, *labelled)


def seeds_of(study: Study, row: str) -> list[int]:
    """The seeds that a row is trained with: one where nothing is trained, or equal results would count as several."""
    return study.seeds if study.rows[row].method.players() else study.seeds[:1]


def find_run(params: Params, study: str, row: str, seed: int) -> Run:
    """The run of those names. ConfigError where params.yaml has none."""
    found = find_study(params, study)
    known({**found.rows, **dict.fromkeys(found.references)}, row, f"rows of {found.name}")
    seeds = [0] if row in REFERENCE_ROWS else seeds_of(found, row)
    if seed not in seeds:
        raise ConfigError(f"studies.{found.name}: row '{row}' has no seed {seed}; there are: {', '.join(map(str, seeds))}")
    return Run(params, found, row, seed)


def trained(params: Params, study: Study) -> list[Run]:
    """Every training of a study; a row of somebody else's weights once, whatever the number of seeds."""
    return [Run(params, study, row, seed) for row in study.rows for seed in seeds_of(study, row)]


def runs(params: Params, study: Study) -> list[Run]:
    """Every scored row of a study: reference rows once, the others once per seed."""
    return [Run(params, study, row, 0) for row in study.references] + trained(params, study)


def first_trainings(params: Params) -> dict[str, Run]:
    """Of all reports' trainings the first of each key; the others take its results over."""
    found: dict[str, Run] = {}
    for study in params.reports.values():
        for run in trained(params, params.studies[study]):
            found.setdefault(run.key, run)
    return found


def trained_together(params: Params) -> list[list[Run]]:
    """Trainings of all reports in groups of `together`, where there is a GPU: of one study, one engine and one arithmetic."""
    if params.together == 1 or not gpu_slots(params.device):
        return []
    kinds: dict[tuple[object, ...], list[Run]] = {}
    for run in first_trainings(params).values():
        if run.method.players():
            kind = run.study.name, run.method.settings.engine, run.method.settings.precision
            kinds.setdefault(kind, []).append(run)
    groups = [of[i : i + params.together] for of in kinds.values() for i in range(0, len(of), params.together)]
    return [group for group in groups if len(group) > 1]


def gpu_slots(device: str) -> int:
    """GPUs a training asks of the workflow engine: 1 where it is to have one, else 0.

    `auto` looks at this machine; on a cluster's login node say `device: cuda`.
    """
    return int(device == "cuda" or (device == "auto" and shutil.which("nvidia-smi") is not None))


def features_dir() -> Path:
    """Features of real photos that are kept, by the code that made them."""
    return datasets.inside("work", "features", code_digest("evaluation.distances")[:12])


def milestone(epoch: object) -> str:
    """File of a run with the generators as they were after that epoch (or '*': of any)."""
    return f"generators-{epoch}.pt"


def segmenter_spec(params: Params, dataset: str, scorer: str, pixels: int) -> dict[str, Any]:
    """Everything that determines a segmentation network. pixels: crop size of the study that it scores."""
    chosen = params.scorers[scorer]
    if datasets.has_image_classes(params, dataset):
        code = code_digest("evaluation.digit_classifier")
        return {"scorer": chosen.model_dump(), "dataset": datasets.dataset_key(params, dataset), "code": code}
    if isinstance(chosen, PublishedScorerSettings):
        code = code_digest("nets.fcn8s", "nets.foreign_weights", "evaluation.gate")
        source = datasets.registry_digest(chosen.weights)
        return {"scorer": chosen.model_dump(), "source": source, "dataset": datasets.dataset_key(params, dataset), "code": code}
    recipe = chosen.model_dump()
    recipe["pixels"] = recipe["pixels"] or pixels
    return {"scorer": recipe, "dataset": datasets.dataset_key(params, dataset), "code": code_digest("evaluation.segmenter")}


def scorer_spec(params: Params, study: Study) -> dict[str, Any]:
    """The same for the network that scores a study."""
    return segmenter_spec(params, study.dataset, study.scorer, study.pixels)


def segmenter_place(dataset: str, spec: dict[str, Any]) -> Path:
    """Where the segmentation network of `segmenter_spec` lies."""
    return datasets.inside("scores", "segmenters", f"{dataset}-{key_of('segmenter', spec)}")


def segmenter_dir(params: Params, study: Study) -> Path:
    """The segmentation network of a study; shared by studies of one dataset, scorer and size."""
    return segmenter_place(study.dataset, scorer_spec(params, study))


def report_page(name: str) -> Path:
    """The Markdown page of a report; its figures lie in the folder of the same name."""
    return datasets.inside(str(REPORTS), f"{name}.md")


def report_folder(name: str) -> Path:
    """Tables as CSV and figures of a report."""
    return datasets.inside(str(REPORTS), name)


def work_dir(key_dir: Path) -> Path:
    """Resume state of an unfinished stage: never a declared output, so no engine deletes it."""
    return datasets.inside("work", key_dir.name)
