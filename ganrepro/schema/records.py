"""What the files hold that stages write for one another, checked whenever one is read. No torch."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ganrepro.errors import UserError
from ganrepro.store.files import read_json

Number = Annotated[float, AllowInfNan(False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
ByName = dict[str, Number]


class Record(BaseModel):
    """A file's content; more than what is named here may stand beside it."""

    model_config = ConfigDict(strict=True, extra="allow")


class Measurement(Record):
    """What one measure found of one output: see `evaluation.scoring.score`."""

    scores: ByName
    more: dict[str, Any]
    errors: dict[str, Number | None] | None = None
    images: Count | None = None
    passes: list[ByName] = []
    by_class: list[Number] = []
    epochs: dict[Annotated[str, Field(pattern=r"^\d+$")], ByName] = {}


class Metrics(Record):
    """metrics.json of a row: output -> measure -> what it found."""

    study: str
    row: str
    seed: Count
    values: dict[str, dict[str, Measurement]]


class TrainingTime(Record):
    """timing.json of a training."""

    seconds: Seconds  # on a CPU those that it computed, for each thread; else by the clock, as in trainings of before
    resumed: Count
    commit: str
    device: str
    device_name: str
    cores: Count
    threads: Count
    versions: dict[str, str]
    parameters: Count | None = None  # weights that learn, of all networks; trainings of before do not say it


class MakingTime(Record):
    """timing.json of images."""

    seconds: Seconds
    images: Count


class GateRecord(Record):
    """How well a reader reads."""

    what: str
    value: Number
    required: Number


class ReaderRecord(Record):
    """reader.json."""

    gate: GateRecord


class Manifest(Record):
    """manifest.json of a prepared dataset."""

    source: str
    title: str
    data: dict[str, Any]
    pixels: Annotated[int, Field(ge=1)]
    counts: dict[str, dict[str, Count]]
    names: dict[str, dict[str, Annotated[list[str], Field(min_length=1)]]]
    unpaired: dict[str, list[str]]
    classes: dict[str, Count]
    files: dict[str, str]
    digest: str
    values: dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)]] = {}
    notes: list[str] = []

    @model_validator(mode="after")
    def _names_are_files(self) -> Manifest:
        for split, domains in self.names.items():
            if {domain: len(names) for domain, names in domains.items()} != self.counts.get(split):
                raise ValueError(f"counts.{split}: not those of the names")
            for domain, names in domains.items():
                if any("/" in name or name.startswith(".") for name in names):
                    raise ValueError(f"names.{split}.{domain}: expected names of files")
        if set(self.names) != {"train", "test"}:
            raise ValueError("names: expected train and test")
        return self


Kind = TypeVar("Kind", bound=Record)


def read_record(path: Path, kind: type[Kind]) -> dict[str, Any]:
    """The content of a file. UserError with one line where it is not as `kind` has it: what is wrong first, and what to do."""
    content = read_json(path)
    check(path, kind, content)
    return content


_adapter = functools.cache(TypeAdapter)  # a report reads hundreds of files of one kind


def check(path: Path, kind: Any, content: object) -> None:
    """UserError unless a content is as `kind`, a Record or any other type, has it."""
    try:
        _adapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise UserError(
            f"{path}: damaged ({place}: {first['msg'][:120]}); remove {path.parent} and run snakemake again"
        ) from None
