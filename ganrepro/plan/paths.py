"""Where each artefact lives, and what it depends on. No torch.

The key is in the path: everything that determines an artefact (settings, data, seed and the code
that makes it, entry points and plumbing apart) is hashed into a short key, and the artefact lies in
a folder that carries it. So existence means up to date, for Snakemake and DVC alike.

    runs/STUDY/ROW-sSEED-KEY/     what a training left
    images/STUDY/ROW-sSEED-KEY/   what was made with it
    scores/STUDY/ROW-sSEED-KEY/   what was measured of these
    readers/DATASET-KEY/          the network that reads images
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganrepro.arithmetic import VERSION
from ganrepro.errors import ConfigError
from ganrepro.evaluation.measures import measures_of
from ganrepro.evaluation.measures.base import UNTRAINED, Measure, Needs
from ganrepro.evaluation.readers import kind_of
from ganrepro.methods.base import READER, Method, epochs
from ganrepro.methods.outputs import Output
from ganrepro.plan import code, datasets
from ganrepro.schema.fields import MAKING
from ganrepro.schema.readers import PublishedReaderSettings
from ganrepro.schema.registry import feature_sources, registry_digest
from ganrepro.settings import REFERENCE_ROWS, Params, Study, find_study, known, starts
from ganrepro.store.code import code_digest
from ganrepro.store.digests import changed, key_of, without_length
from ganrepro.store.files import sha256
from ganrepro.training.schedule import milestones

REPORTS = Path("reports")
START = "start_from"  # among the files of a training


@dataclass(frozen=True)
class Run:
    """One row of one study with one seed: a training, its images, its scores. A reference row (seed 0) has no training."""

    params: Params
    study: Study
    row: str
    seed: int

    @property
    def name(self) -> str:
        """Its folders' name, but for the key."""
        return f"{self.row}-s{self.seed}"

    @property
    def reference(self) -> bool:
        """Whether it needs no training."""
        return self.row in REFERENCE_ROWS

    @cached_property
    def method(self) -> Method[Any]:
        """How it is trained, with all settings, told where its files lie; a reference row has none."""
        return self.study.rows[self.row].method.with_files(self.files)

    @cached_property
    def files(self) -> dict[str, Path]:
        """What it reads besides the images, by name: folders of downloads, files in downloads/archives, its study's reader."""
        files = {}
        for name in () if self.reference else self.study.rows[self.row].method.reads():
            if name == READER:
                files[name] = reader_dir(self.params, self.study) / "reader.pt"
            elif name.endswith(".pth"):
                files[name] = datasets.inside("downloads", "archives", name)
            else:
                files[name] = datasets.download_dir(name)
        start = self.start
        if start is not None:
            files[START] = start.folder / "checkpoint.pt" if isinstance(start, Run) else start
        return files

    @cached_property
    def start(self) -> Run | Path | None:
        """What its training begins with: another (of the same seed, where it has that, else its first), or a file with weights.

        None: fresh weights.
        """
        start = None if self.reference else starts.start_of(self.params, self.study, self.row)
        if not isinstance(start, starts.OtherRow):
            return start
        study = self.params.studies[start.study]
        seeds = seeds_of(study, start.row)
        return Run(self.params, study, start.row, self.seed if self.seed in seeds else seeds[0])

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """What it makes."""
        if self.row == UNTRAINED:
            return tuple(output for output in self.study.outputs if output.name in self.study.untrained)
        return self.study.outputs if self.reference else self.method.outputs()

    @property
    def untrained(self) -> dict[str, Run]:
        """Of the reference row of networks before training: the trainings whose first weights it has, by what is made."""
        rows = self.study.untrained if self.row == UNTRAINED else {}
        return {output: Run(self.params, self.study, row, self.study.seeds[0]) for output, row in rows.items()}

    @property
    def looks_back(self) -> list[int]:
        """Epochs whose generators are scored too, for curves: those of a study's first seed; none where nothing is trained."""
        trained_here = self.seed == self.study.seeds[0] and self.method.players()
        return milestones(epochs(self.method.settings)) if trained_here else []

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that determines its training, as it is hashed and stored beside the checkpoint."""
        method = self.method
        # the path of a download carries its key; a file that somebody put there is hashed
        files = {name: sha256(path) if name.endswith(".pth") else str(path) for name, path in self.files.items()}
        if READER in files:
            files[READER] = key_of("reader", reader_spec(self.params, self.study))  # whatever the dataset is called
        if START in files and self.start is not None:
            files[START] = self.start.key if isinstance(self.start, Run) else sha256(self.start)
        return {
            "method": method.name,
            "settings": {name: value for name, value in changed(method.settings).items() if name not in {START, *self.making}},
            "seed": self.seed,
            "dataset": datasets.dataset_key(self.params, self.study.dataset),
            "code": code.version(f"train/{method.name}", method.settings.precision, self.params.device),
            **datasets.arithmetic(self.params),
            **({"files": files} if files else {}),
        }

    @cached_property
    def making(self) -> dict[str, Any]:
        """Its settings that shape what is made and no training, those that differ from their defaults."""
        settings, fields = self.method.settings, type(self.method.settings).model_fields
        return {name: value for name, value in changed(settings).items() if MAKING in fields[name].metadata}

    @cached_property
    def key(self) -> str:
        """Of its training. Rows of equal keys, of whatever study, are trained once (`first_trainings`)."""
        return key_of("run", self.spec)

    @cached_property
    def course(self) -> str:
        """Key of its training but for its length: those of equal course are equal up to the end of the shorter constant phase."""
        return key_of("course", without_length(self.spec))

    @cached_property
    def folder(self) -> Path:
        """Checkpoint, losses and spec of its training."""
        return datasets.inside("runs", self.study.name, f"{self.name}-{self.key}")

    def equal_checkpoint(self) -> Path | None:
        """The checkpoint of an equal training that is made already, of whatever row and study."""
        return min(Path("runs").glob(f"*/*-s{self.seed}-{self.key}/checkpoint.pt"), default=None)

    @property
    def record(self) -> dict[str, Any]:
        """What run.json, beside the checkpoint, says of it."""
        return {"schema": "run/3", "study": self.study.name, "row": self.row} | self.spec

    @property
    def work(self) -> Path:
        """Resume state of its unfinished training."""
        return work_dir(self.folder)

    @cached_property
    def images_key(self) -> str:
        """Of what is made with it: the training, and the making."""
        params, study = self.params, self.study
        if self.reference:
            specs = {output: run.spec for output, run in self.untrained.items()}
            made_of: list[object] = [self.row, study.pixels, datasets.dataset_key(params, study.dataset), specs]
        else:
            made_of = [self.spec, study.test_passes, self.looks_back, *([self.making] if self.making else [])]
        outputs = [[o.name, o.source, o.target, o.asked, o.values, o.picture] for o in self.outputs]
        return key_of("images", made_of, outputs, code.version("images", device=params.device))

    @property
    def images(self) -> Path:
        """The images that it made."""
        return datasets.inside("images", self.study.name, f"{self.name}-{self.images_key}")

    @cached_property
    def measures(self) -> dict[Output, list[Measure]]:
        """What measures each of its outputs."""
        needs = needs_of(self.params, self.study)
        return {output: measures_of(output, needs) for output in self.outputs}

    @property
    def used(self) -> list[Measure]:
        """All measures of its outputs, each once."""
        return list({measure.name: measure for of in self.measures.values() for measure in of}.values())

    @property
    def read(self) -> bool:
        """Whether the study's reader measures it."""
        needs = needs_of(self.params, self.study)
        return any(measure.uses_reader(needs) for measure in self.used)

    @property
    def featured(self) -> bool:
        """Whether the network of `features` measures it."""
        needs = needs_of(self.params, self.study)
        return any(measure.uses_features(needs) for measure in self.used)

    @cached_property
    def scores_key(self) -> str:
        """Of its scores: the images, and what measures them."""
        measures = {m.name: code.version(f"measure/{m.name}", device=self.params.device) for m in self.used}
        sources = feature_sources(self.study.features)
        features = [self.study.features, *map(registry_digest, sources)] if self.featured else None
        reader = reader_spec(self.params, self.study) if self.read else None
        return key_of("scores", self.images_key, measures, reader, features, *datasets.arithmetic(self.params).items())

    @property
    def scores(self) -> Path:
        """Its scores, and the counts that they follow from."""
        return datasets.inside("scores", self.study.name, f"{self.name}-{self.scores_key}")


def needs_of(params: Params, study: Study) -> Needs:
    """What there is to measure a study with."""
    return Needs(study.data, reader_kind(params, study), study.features)


def reader_kind(params: Params, study: Study) -> str | None:
    """The kind of network that reads the images of a study; None where there is none."""
    return None if study.reader is None else kind_of(study.data, params.readers[study.reader])


def seeds_of(study: Study, row: str) -> list[int]:
    """The seeds that a row is trained with: one where nothing is trained, or equal results would count as several."""
    return study.seeds if study.rows[row].method.players() else study.seeds[:1]


def find_run(params: Params, study: str, row: str, seed: int) -> Run:
    """The run of those names. ConfigError where params.yaml has none."""
    study_of_run = find_study(params, study)
    known({**study_of_run.rows, **dict.fromkeys(study_of_run.references)}, row, f"rows of {study_of_run.name}")
    seeds = [0] if row in REFERENCE_ROWS else seeds_of(study_of_run, row)
    if seed not in seeds:
        raise ConfigError(f"studies.{study_of_run.name}: row '{row}' has no seed {seed}; there are: {', '.join(map(str, seeds))}")
    return Run(params, study_of_run, row, seed)


def first_of_each(params: Params, study: Study) -> dict[str, str]:
    """Of every row the first one of its study that has the same trainings: itself, unless they differ in what is made alone."""
    first: dict[str, str] = {}
    return {row: first.setdefault(Run(params, study, row, seeds_of(study, row)[0]).key, row) for row in study.rows}


def trained(params: Params, study: Study) -> list[Run]:
    """Every training of a study; a row of somebody else's weights once, whatever the number of seeds."""
    return [Run(params, study, row, seed) for row in study.rows for seed in seeds_of(study, row)]


def runs(params: Params, study: Study) -> list[Run]:
    """Every scored row of a study: reference rows once, the others once per seed."""
    return [Run(params, study, row, 0) for row in study.references] + trained(params, study)


def started_from(runs: Iterable[Run]) -> list[Run]:
    """The trainings that others begin with, and those that these begin with. ConfigError for a file that is not there."""
    before: list[Run] = []
    for run in runs:
        if isinstance(run.start, Run):
            before.append(run.start)
        elif run.start is not None:
            starts.expect_file(run.start, f"studies.{run.study.name}: row {run.row}")
    return [*before, *(started_from(before) if before else [])]


def first_trainings(params: Params) -> dict[str, Run]:
    """Of all reports' trainings the first of each key; the others take its results over."""
    first: dict[str, Run] = {}
    for study in params.reports.values():
        for run in trained(params, params.studies[study]):
            first.setdefault(run.key, run)
    return first


def trained_together(params: Params) -> list[list[Run]]:
    """Trainings of all reports in groups of `together`, where there is a GPU: of one study, one engine and one arithmetic."""
    if params.together == 1 or not gpu_slots(params.device):
        return []
    kinds: dict[tuple[object, ...], list[Run]] = {}
    for run in first_trainings(params).values():
        if run.method.players() and run.start is None:  # which may be one of them
            kind = run.study.name, run.method.settings.engine, run.method.settings.precision
            kinds.setdefault(kind, []).append(run)
    groups = [of[i : i + params.together] for of in kinds.values() for i in range(0, len(of), params.together)]
    return [group for group in groups if len(group) > 1]


def gpu_slots(device: str) -> int:
    """GPUs a training asks of the workflow engine: 1 where it is to have one, else 0.

    `auto` looks at this machine; on a cluster's login node say `device: cuda`.
    """
    return int(device.startswith(("cuda", "mps")) or (device == "auto" and shutil.which("nvidia-smi") is not None))


def features_dir(portable: bool) -> Path:
    """Features of real images that are kept, by the code and the arithmetic that made them."""
    made_by = code_digest("evaluation.distances")[:12]
    return datasets.inside("work", "features", made_by + f"-portable-{VERSION}" * portable)


def constant(course: str, epoch: object) -> str:
    """File of a run with everything as it was at the end of its constant phase, after that epoch (or '*': any)."""
    return f"constant-{course}-{epoch}.pt"


def milestone(epoch: object) -> str:
    """File of a run with the generators as they were after that epoch (or '*': of any)."""
    return f"generators-{epoch}.pt"


def reader_spec(params: Params, study: Study) -> dict[str, Any]:
    """Everything that determines the reader of a study. ConfigError where it has none."""
    kind = reader_kind(params, study)
    if kind is None or study.reader is None:
        raise ConfigError(f"studies.{study.name}: nothing reads its images; the dataset has no label maps and no image classes")
    recipe = params.readers[study.reader]
    values = changed(recipe)
    if isinstance(recipe, PublishedReaderSettings):
        values |= {"source": registry_digest(recipe.weights)}
    else:
        values |= {"pixels": recipe.pixels or study.pixels}
    return {
        "kind": kind,
        "recipe": values,
        "dataset": datasets.dataset_key(params, study.dataset),
        "code": code.version(f"reader/{kind}", device=params.device),
        **datasets.arithmetic(params),
    }


def reader_dir(params: Params, study: Study) -> Path:
    """The reader of a study; shared by studies of one dataset, recipe and size."""
    return datasets.inside("readers", f"{study.dataset}-{key_of('reader', reader_spec(params, study))}")


def read(params: Params, study: Study) -> bool:
    """Whether the reader of a study measures some row."""
    return any(run.read for run in runs(params, study))


def report_page(name: str) -> Path:
    """The Markdown page of a report; its figures lie in the folder of the same name."""
    return datasets.inside(str(REPORTS), f"{name}.md")


def report_folder(name: str) -> Path:
    """Tables as CSV and figures of a report."""
    return datasets.inside(str(REPORTS), name)


def work_dir(key_dir: Path) -> Path:
    """Resume state of an unfinished stage: never a declared output, so no engine deletes it."""
    return datasets.inside("work", key_dir.name)
