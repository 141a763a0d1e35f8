"""Who sees what: one algorithm for each session, a real and a fake image in each trial, sides at random.

Source: pix2pix 3.4 and CycleGAN 5.1.1; timings and details of phillipi/AMT_Real_vs_Fake (index_template.html, branch matlab).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganrepro.data.images import size_in
from ganrepro.errors import UserError
from ganrepro.methods.outputs import Output
from ganrepro.plan import datasets, paths
from ganrepro.settings import Params, Study, SurveySettings

SEPARATOR = "|"  # of rows, whose names have none


class StudyError(UserError):
    """The study cannot be shown, or an answer cannot be taken; the message says why."""


class Trial(NamedTuple):
    """Names of two images, and on which side the real one is."""

    real: str
    fake: str
    real_side: str  # left | right


class Images(NamedTuple):
    """The images of a study.  real: folder; fakes: row -> folder.  names: of both, in order.  output: what is shown."""

    real: Path
    fakes: dict[str, Path]
    names: list[str]
    output: Output


def images_of(params: Params, study: Study, output: str | None, rows: Sequence[str] = (), best: bool = False) -> Images:
    """What is shown of a scored study: an output (None: its first), of some rows (none: all that make it), first seed.

    best: beside the inputs, of 'Which is best?', in place of real images.
    StudyError where images are missing, unequal in number or in size.
    """
    outputs = {output_of_study.name: output_of_study for output_of_study in study.outputs if output_of_study.translates}
    if output is not None and output not in outputs:
        raise StudyError(f"{study.name}: makes {', '.join(outputs) or 'no translation'}, not {output}")
    if not outputs:
        raise StudyError(f"{study.name}: translates nothing, so that no image of it can be held against a real one")
    shown = outputs[output] if output else next(iter(outputs.values()))
    having = [row for row, variant in study.rows.items() if shown in variant.method.outputs()]
    if odd := [row for row in rows if row not in having]:
        raise StudyError(f"{study.name}: no row '{odd[0]}' makes {shown.name}; there are: {', '.join(having)}")
    runs = {row: paths.Run(params, study, row, paths.seeds_of(study, row)[0]) for row in (rows or having)}
    folders = {row: run.images / shown.name for row, run in runs.items()}
    beside = study.untouched if best else "ground-truth"
    real = paths.Run(params, study, beside, 0).images / shown.name
    manifest = datasets.dataset_dir(params, study.dataset) / "manifest.json"
    for name, folder in {beside: real, **folders}.items():
        if not folder.is_dir() or not manifest.exists():
            what = f"{folder}: no images of {study.name}/{name} yet"
            raise StudyError(f"{what}; name the study under `reports` and run: snakemake --cores all")
    names = sorted(path.name for path in real.glob("*.png"))
    _expect_equal(real, folders, names)
    return Images(real, folders, names, shown)


def _expect_equal(real: Path, fakes: Mapping[str, Path], names: list[str]) -> None:
    """StudyError unless every folder has these images and all are of one size."""
    if not names:
        raise StudyError(f"{real}: empty; remove it and run snakemake again")
    size = size_in(real / names[0])
    for folder in (real, *fakes.values()):
        names_here = sorted(path.name for path in folder.glob("*.png"))
        if names_here != names:
            raise StudyError(f"{folder}: {len(names_here)} images, {len(names)} in {real}; expected the same names in both")
        for name in names:
            if (own := size_in(folder / name)) != size:
                raise StudyError(f"{folder / name}: {own}; expected {size}, as {real / names[0]}")


class Lineup(NamedTuple):
    """Name of an input, and the rows whose translations of it stand beside one another, in that order."""

    given: str
    order: tuple[str, ...]

    def as_trial(self) -> Trial:
        """As the file of answers holds it."""
        return Trial(self.given, SEPARATOR.join(self.order), "")


def draw_lineups(
    names: Sequence[str], rows: Sequence[str], settings: SurveySettings, random: np.random.Generator
) -> list[Lineup]:
    """The questions of one session: no input twice, rows in another order each time. There is no practice.

    Source: StarGAN (arXiv:1711.09020), section 5.4: an input and the outputs of all methods, shuffled.
    StudyError where there are too few.
    """
    if len(names) < settings.trials:
        reason = f"{settings.trials} trials, and only {len(names)} test images"
        raise StudyError(f"{reason}; lower trials under `survey` in params.yaml")
    if len(rows) < 2:
        raise StudyError(f"a choice is between two rows or more; got {', '.join(rows)}")
    chosen = random.permutation(len(names))[: settings.trials].tolist()
    return [Lineup(names[i], tuple(rows[j] for j in random.permutation(len(rows)).tolist())) for i in chosen]


def draw(names: Sequence[str], settings: SurveySettings, random: np.random.Generator) -> list[Trial]:
    """The trials of one session, practice first: no real and no fake image twice, sides at random.

    paired: the real image is the target of the input that the fake was made from; else both are drawn, each by itself.
    StudyError where there are too few images.
    """
    count = settings.practice + settings.trials
    if len(names) < count:
        reason = f"{count} trials, and only {len(names)} test images"
        raise StudyError(f"{reason}; lower practice or trials under `survey` in params.yaml")
    real = random.permutation(len(names))[:count]
    fake = real if settings.paired else random.permutation(len(names))[:count]
    sides = random.integers(0, 2, count)
    return [
        Trial(names[r], names[f], ("left", "right")[side]) for r, f, side in zip(real.tolist(), fake.tolist(), sides, strict=True)
    ]
