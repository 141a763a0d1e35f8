"""What params.yaml and the files of papers/ hold, as closed and frozen models. No torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ganrepro.arithmetic import Arithmetic
from ganrepro.data.spec import DataSpec, Size
from ganrepro.evaluation.measures.base import GROUND_TRUTH, IDENTITY, UNTRAINED, Limits
from ganrepro.methods.base import Method, ScheduleSettings
from ganrepro.methods.outputs import Output
from ganrepro.methods.stargan import WRONG_MASK
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.fields import Closed, Count, CountOrZero, Name, Pixels, Positive, Share
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings

# Rows that need no training: the real target images (gate), the untouched input and networks before training (floors).
REFERENCE_ROWS = {GROUND_TRUTH: "Ground truth", IDENTITY: "Identity (input unchanged)", UNTRAINED: "Networks before training"}


def one_line(text: str) -> str:
    """ValueError for text of several lines."""
    if "\n" in text:
        raise ValueError(f"expected text of one line, got {text[:60]!r}")
    return text


ALL = "translations"  # in place of an output: all that every row makes, of data of several domains
Features = Literal["reader", "hed", "vgg", "inception-tf1", "inception-pytorch-fid", "inception-clean"]
OneLine = Annotated[str, AfterValidator(one_line)]


class TableSettings(Closed):
    """One table: its rows with the paper's scores."""

    title: str = Field(description="the heading")
    source: str | None = Field(None, description="where the scores are printed")
    output: str = Field(
        description="what is scored, as in labels2photo, photo2labels or samples; `translations` is all that every row makes, of "
        "data of several domains"
    )
    scores: list[str] | None = Field(
        None, min_length=1, description="what is printed, in this order; null: what the measures of such an output print"
    )
    rows: dict[str, list[Share]] = Field(description="row -> the paper's scores in that order, or [] where it has none")
    titles: dict[str, str] = Field({}, description="rows that are called otherwise in this table")
    note: str | None = Field(None, description="what the reader has to know of its rows, printed above it")
    against: str | None = Field(None, description="a row that all others are compared with, by their differences")

    @model_validator(mode="after")
    def _paper_scores_are_named(self) -> TableSettings:
        if self.scores is None and any(self.rows.values()):
            raise ValueError("scores: missing; the rows have numbers, so say which scores they are")
        for row, values in self.rows.items():
            if len(values) not in (0, len(self.scores or [])):
                raise ValueError(f"rows.{row}: expected {len(self.scores or [])} scores or none, got {len(values)}")
        return self


class ClaimSettings(Closed):
    """That row `better` scores more than row `than` (less, where less is better), or that both score the same."""

    text: str = Field(description="the claim in one line")
    output: str = Field(description="what is scored")
    score: str = Field(description="by which score")
    better: str = Field(description="a row")
    than: str = Field(description="another row")
    source: str = Field(description="where the paper makes the claim, or prints the numbers")
    within: Positive | None = Field(None, description="the claim is that both score the same, by less than this; null: an order")
    fails: bool = Field(False, description="the paper reports `than` as a failure, so that trainings which collapse bear it out")


class ExperimentSettings(Closed):
    """Rows that are compared with one another, the tables that they make, and what is claimed of them."""

    title: str | None = Field(None, description="the beginning of a report's heading; null: the experiment's name")
    rows: dict[Name, dict[str, Any]] = Field(
        min_length=1,
        description="row -> its title, its method where it is not the study's, and the method's settings that it changes",
    )
    tables: dict[Name, TableSettings] = Field({}, description="tables of a report")
    claims: list[ClaimSettings] = Field([], description="what is claimed of the rows, by a paper or by you")


class PaperSettings(Closed):
    """One paper, a file of papers/."""

    title: str = Field(description="the paper's title")
    cite: str = Field(description="authors, place and year")
    source: str = Field(description="arXiv number or address")
    experiments: dict[Name, ExperimentSettings] = Field({}, description="its experiments")
    fooled: dict[str, dict[str, list[Share]]] = Field(
        {},
        description="of a survey, by way (a2b, b2a) and row: % of trials in which people took the fake for real, and the ±",
    )
    preferred: dict[str, dict[str, Annotated[float, Field(ge=0, le=100)]]] = Field(
        {}, description="of a survey, by what was asked for and row: % of questions in which people chose the row as the best"
    )


class StudySettings(Closed):
    """An experiment on a dataset, with some seeds. All other keys of a study are settings of its rows' methods."""

    title: OneLine = Field(description="as printed")
    base: str | None = Field(None, description="a study whose keys this one takes over; it may have a base itself")
    dataset: str = Field(description="a name under datasets")
    experiment: str = Field(description="a name under experiments, here or in a file of papers/: its rows")
    rows: list[str] | None = Field(None, min_length=1, description="some of those rows; null: all")
    method: str = Field(description="method of the rows that name none")
    reader: str | None = Field(None, description="a name under readers: the network that reads images; null: none")
    distance_features: Features | None = Field(
        None, description="whose features this study's images are compared by; null: those that `features` names for all"
    )
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(min_length=1, description="each row is trained once with each")
    test_passes: Count = Field(
        1, description="how often a generator with dropout, its noise at test time, translates the test set; scores pool them"
    )
    collapsed_above: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.02,
        description="a training counts as collapsed whose class IoU is no more than this above that of networks before training, "
        "or of the untouched input, or, where either leaves no room for that, this much below it or worse; rows that mostly "
        "collapse decide no claim",
    )
    collapsed_classes: Share = Field(0.5, description="or whose samples show less than this share of the classes")
    row_settings: dict[str, dict[str, Any]] = Field(
        {}, description="row -> settings that it has in this study alone; they go before the row's own"
    )

    @model_validator(mode="after")
    def _seeds_and_rows_differ(self) -> StudySettings:
        if self.rows and len(set(self.rows)) != len(self.rows):
            raise ValueError(f"rows: names '{next(r for r in self.rows if self.rows.count(r) > 1)}' twice")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: expected one or more different numbers from 0, got {self.seeds}")
        return self


Milliseconds = Annotated[int, Field(ge=0, le=60_000)]


class SurveySettings(Closed):
    """The design of the survey: the papers', with the timings of the published tool (`phillipi/AMT_Real_vs_Fake`)."""

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
    """params.yaml but its studies, which are checked against everything else."""

    reports: dict[Name, str] = Field(min_length=1, description="reports/NAME.md -> the study it is made of")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$")] = Field(
        "auto",
        description="what trains: cpu, cuda (of several GPUs each job takes one that is free), cuda:1, mps (of Apple's; never "
        "tried), or auto, a GPU of NVIDIA's where there is one. Results of two devices differ in rounding, and the report names "
        "its own",
    )
    arithmetic: Arithmetic = Field(
        "usual",
        description="of a CPU. portable: slower, and the same bytes on every x86-64 CPU with AVX2, of all but wide U-Nets; "
        "`auto` is a CPU then. usual: the fastest kernels of each CPU, whose results differ in rounding",
    )
    together: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="trainings of one study that a GPU runs in one process, a step of each in turn; a CPU runs each in its own"
    )
    mirror: str | None = Field(
        None, description="folder, file:// or http:// address that holds the archives; GANREPRO_MIRROR goes first"
    )
    features: Features = Field(
        "reader",
        description="whose features generated and real images are compared by. reader: the study's own, without a download; "
        "hed: an edge detector's, which need no label maps (56 MB from the package index); vgg: VGG-16's, for LPIPS; "
        "Inception's make FID, and the rest of the name is the resize",
    )
    survey: SurveySettings = Field(SurveySettings(), description="design of the survey")
    datasets: dict[Name, DatasetSettings] = Field(description="name -> dataset")
    experiments: dict[Name, ExperimentSettings] = Field(
        {}, description="name -> experiment of your own; those of papers are in papers/"
    )
    readers: dict[Name, ReaderSettings | PublishedReaderSettings] = Field({}, description="name -> network that reads images")

    @model_validator(mode="after")
    def _portable_is_of_a_cpu(self) -> ParamsSettings:
        if self.arithmetic == "portable" and self.device not in ("auto", "cpu"):
            raise ValueError("arithmetic: portable is of a CPU; say `device: cpu`, or `arithmetic: usual`")
        return self


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
    """One dataset, some rows, some seeds: one report.

    data: what the dataset has.  features: whose are compared.  experiment: name of the experiment that the rows are taken from;
    heading: its title.  fooled: the papers' fool rates by way and row.
    """

    name: str
    title: str
    dataset: str
    data: DataSpec
    experiment: str
    heading: str
    reader: str | None
    features: str
    seeds: list[int]
    test_passes: int
    limits: Limits
    rows: dict[str, Row]
    tables: dict[str, TableSettings] = field(default_factory=dict)
    claims: tuple[ClaimSettings, ...] = ()
    fooled: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """All that some row makes; translations first, in the order of the dataset's domains."""
        outputs = {output.name: output for row in self.rows.values() for output in row.method.outputs()}
        order = list(self.data.domains)
        return tuple(
            sorted(outputs.values(), key=lambda o: (not o.translates, order.index(str(o.source)) if o.translates else 0))
        )

    def output(self, name: str) -> Output:
        """The output of that name; ALL stands for several."""
        if name == ALL:
            return replace(self.pooled[0], name=ALL, title="All translations")
        return next(output for output in self.outputs if output.name == name)

    @cached_property
    def pooled(self) -> tuple[Output, ...]:
        """Translations between several domains that every row makes: a table may print their mean. () where there are none."""
        made = [{*row.method.outputs()} for row in self.rows.values()]
        right = [output for output in self.outputs if output.translates and not output.name.endswith(WRONG_MASK)]
        common = tuple(output for output in right if all(output in of for of in made))
        several = max(Counter(output.source for output in common).values(), default=0) > 1  # targets of one source
        return common if self.data.told_apart and several else ()

    @property
    def references(self) -> tuple[str, ...]:
        """Reference rows that its outputs can have: what is made from noise has no input to pass through unchanged."""
        inputs = (IDENTITY,) if any(output.translates for output in self.outputs) else ()
        return GROUND_TRUTH, *inputs, *((UNTRAINED,) if self.untrained else ())

    @property
    def untouched(self) -> str:
        """The reference row that holds the test images as methods are given them."""
        return IDENTITY if IDENTITY in self.references else GROUND_TRUTH

    @cached_property
    def untrained(self) -> dict[str, str]:
        """The row whose networks stand for those before training, by what is made: the first of the commonest method."""
        rows = {name: row.method for name, row in self.rows.items() if row.method.players() and not row.method.reads()}
        often = Counter(method.name for method in rows.values())
        order = sorted(rows, key=lambda name: -often[rows[name].name])  # stable
        plain = [output for output in self.outputs if output.translates or (output.source is None and not output.asked)]
        first = {o.name: next((name for name in order if o in rows[name].outputs()), None) for o in plain if not o.picture}
        return {output: name for output, name in first.items() if name is not None}

    @property
    def pixels(self) -> int:
        """Size at which test images are made, that of the shorter side; the same for all rows."""
        return next(iter(self.rows.values())).settings.crop_pixels

    @property
    def size(self) -> Size:
        """The whole size."""
        return next(iter(self.rows.values())).method.size


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml and papers/, checked and expanded."""

    reports: dict[str, str]
    device: str
    arithmetic: Arithmetic
    mirror: str | None
    features: str
    datasets: dict[str, DatasetSettings]
    readers: dict[str, ReaderSettings | PublishedReaderSettings]
    studies: dict[str, Study]
    survey: SurveySettings
    together: int
    papers: dict[str, PaperSettings]
