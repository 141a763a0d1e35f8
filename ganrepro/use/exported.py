"""Folders that `export` makes: what config.json may say, checked before anything is built of it, and weights as safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ganrepro.data.spec import DataSpec, Domain
from ganrepro.evaluation.measures import SCORES
from ganrepro.nets import unet_sizes
from ganrepro.schema.fields import Channels
from ganrepro.store.files import plain, sha256
from ganrepro.use.rows import ModelError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)  # of weights

Pixels = Annotated[int, Field(ge=4, le=2048)]
MOST_PIXELS = 2048 * 8192  # of an image of the size that a model was trained at
ShapeSide = Annotated[int, Field(ge=1, le=64)]
Level = Annotated[int, Field(ge=0, le=255)]
Text = Annotated[str, Field(max_length=200)]
DomainName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Scores = dict[str, Annotated[float, Field(allow_inf_nan=False)]]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _About(_Strict):
    """What is known of its making; shown, and nothing more."""

    model_config = ConfigDict(strict=True, extra="allow")

    licence: str
    study: str | None = None
    row: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    study_title: str | None = None
    method: str | None = None
    dataset: str | None = None
    key: str | None = None
    scores: Scores = {}
    values: dict[DomainName, Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]] = {}


def _in_order(about: dict[str, Any]) -> dict[str, Any]:
    """As it came, once it is checked: exported again it is the same file."""
    _About.model_validate(about)
    return about


About = Annotated[dict[str, Any], AfterValidator(_in_order)]


class _Architecture(_Strict):
    """Words of `nets.architecture.Architecture`, which has their meaning."""

    generator: Literal["resnet", "unet", "encoder-decoder", "stargan", "segmenting"]
    filters: Annotated[int, Field(ge=1, le=1024)]
    inputs: Channels = 3
    outputs: Channels = 3
    blocks: Annotated[int, Field(ge=0, le=64)] = 0
    pixels: Pixels = 256
    flavour: Literal["lua", "pytorch"] = "lua"
    bottleneck_norm: bool = False
    norm: Literal["own", "batch", "instance", "none"] = "own"
    biased: bool | None = None
    block_dropout: bool = False
    zero_padding: bool = False
    replicate_padding: bool = False
    dropout: bool = True
    label: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=256)] = ()
    reflect: bool = False
    segmenting: unet_sizes.Kind = "u-net"
    poolings: Annotated[int, Field(ge=0, le=6)] = 0
    turned: bool = False
    colours: Annotated[tuple[tuple[Level, Level, Level], ...], Field(max_length=255)] = ()

    @model_validator(mode="after")
    def _colours_fit(self) -> _Architecture:
        if (self.generator == "segmenting") is not (len(self.colours) > 1) or (self.colours and self.outputs != 3):
            raise ValueError("colours: of a generator `segmenting` alone, two or more, in three channels")
        return self

    @model_validator(mode="after")
    def _label_fits(self) -> _Architecture:
        if (self.generator == "stargan") is not bool(self.label) or (self.label and self.inputs != self.outputs):
            raise ValueError("label: of a generator `stargan` alone, whose inputs and outputs are equal")
        return self


class _Domain(_Strict):
    """Words of `data.spec.Domain`."""

    title: Text
    word: Text
    slug: DomainName
    kind: Literal["photos", "label maps", "edges", "images"]
    channels: Channels
    palette: Annotated[list[tuple[Text, tuple[Level, Level, Level]]], Field(max_length=255)]
    attributes: Annotated[dict[DomainName, DomainName], Field(max_length=64)] = {}


class _Data(_Strict):
    """Words of `data.spec.DataSpec`."""

    domains: dict[DomainName, _Domain] = Field(min_length=1, max_length=64)
    paired: bool
    classes: Annotated[list[Text], Field(max_length=1000)]
    upright: bool
    depth: Literal[8, 16] = 8

    def spec(self) -> DataSpec:
        return DataSpec.of_values(self.model_dump())


class _DataBefore(_Strict):
    """As folders of ganrepro-sampler/1 have it."""

    channels: dict[Literal["a", "b"], Literal[1, 3]] = Field(min_length=1)
    pixels: Pixels
    classes: Annotated[int, Field(ge=0, le=1000)]

    def spec(self) -> DataSpec:
        classes = tuple(map(str, range(self.classes)))
        return DataSpec({"b": Domain("images", "images", "b", channels=self.channels["b"])}, False, classes, True)


class TranslatorConfig(_Strict):
    """config.json of a model that translates images."""

    model_config = ConfigDict(strict=True, extra="ignore")

    schema_: Literal["ganrepro-model/1"] = Field(alias="schema")
    architecture: _Architecture
    source: DomainName
    target: DomainName
    output: DomainName | None = None
    title: str
    pixels: Pixels
    palette: dict[str, tuple[Level, Level, Level]]
    label_maps: DomainName | None = "a"  # folders of before do not say it
    shape: tuple[ShapeSide, ShapeSide] = (1, 1)
    depth: Literal[8, 16] = 8
    about: About
    weights: Digest | None = None  # folders of before do not say it

    @model_validator(mode="after")
    def _of_a_size(self) -> TranslatorConfig:
        width, height = self.shape
        if self.pixels**2 * max(width, height) > MOST_PIXELS * min(width, height):
            raise ValueError(f"pixels and shape: expected at most {MOST_PIXELS // 2**20} megapixels")
        return self


class SamplerConfig(_Strict):
    """config.json of a model that starts from noise."""

    model_config = ConfigDict(strict=True, extra="ignore")

    schema_: Literal["ganrepro-sampler/2", "ganrepro-sampler/1"] = Field(alias="schema")
    method: str
    settings: dict[str, Any]
    data: _Data | _DataBefore
    title: str
    about: About
    weights: Digest | None = None  # folders of before do not say it


Kind = TypeVar("Kind", TranslatorConfig, SamplerConfig)


def schema_of(kind: type[TranslatorConfig] | type[SamplerConfig]) -> str:
    """What config.json of that kind has as `schema` when it is written."""
    return str(kind.model_fields["schema_"].annotation.__args__[0])  # type: ignore[union-attr]


def makes_samples(folder: Path) -> bool:
    """Whether an exported folder holds such a model; what else is in it is not looked at. ModelError where it is no JSON."""
    try:
        config = json.loads(plain(folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(folder, error) from None
    return isinstance(config, dict) and str(config.get("schema")).startswith("ganrepro-sampler/")


def read_config(folder: Path, kind: type[Kind]) -> Kind:
    """config.json of a folder. ModelError with what is wrong first."""
    try:
        return kind.model_validate_json(plain(folder / CONFIG).read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise damaged(folder, f"{place}: {first['msg']}") from None


def damaged(folder: Path, why: object) -> ModelError:
    """Of a folder whose config.json cannot be what `export` wrote."""
    return ModelError(f"{folder / CONFIG}: damaged ({' '.join(str(why).split())[:100]}); export it again")


def own_about(about: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a folder knows of its making, and where it lies. A stranger's words name no place on this machine."""
    return {name: value for name, value in about.items() if name not in ("folder", "dataset_folder")} | {"folder": str(folder)}


def expect_shapes(
    folder: Path, build: Callable[[], Mapping[str, torch.Tensor]], weights: Mapping[str, torch.Tensor], only: Sequence[str] = ()
) -> None:
    """ModelError where weights are not those of a network; it is drawn up without memory, however large config.json makes it.

    build: makes the network's state.  only: names of networks that have to be there; () all.
    """
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in build().items() if not only or name.partition(".")[0] in only}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    for name in sorted(wanted.keys() | (set() if only else given.keys())):
        if wanted.get(name) != given.get(name):
            expected, got = (f"{shape}" if shape is not None else "nothing" for shape in (wanted.get(name), given.get(name)))
            raise unfit(folder, f"{name}: expected {expected}, got {got}")


def read_weights(folder: Path, digest: str | None) -> dict[str, torch.Tensor]:
    """All tensors by name. ModelError where the file is none of safetensors, or not the one that config.json names."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if digest is not None and sha256(plain(folder / WEIGHTS)) != digest:
        raise ModelError(f"{folder / WEIGHTS}: not as it was exported (its sha256 differs); copy or export it again")
    try:
        weights = load_file(plain(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise unfit(folder, error) from None
    odd = (name for name, value in weights.items() if value.dtype not in KINDS and not name.endswith("num_batches_tracked"))
    if (name := next(odd, None)) is not None:
        raise unfit(folder, f"{name}: expected floating-point numbers, got {weights[name].dtype}")
    return weights


def unfit(folder: Path, why: object) -> ModelError:
    """Of weights that are not those of the network that config.json names."""
    return ModelError(f"{folder / WEIGHTS}: no weights of that network ({str(why).splitlines()[-1].strip()[:160]})")


ON_CARDS = (
    *("study", "study_title", "row", "seed", "method", "dataset", "licence"),
    *("imported", "dropout", "key", "commit", "trained_on"),
)  # of what is known of a model; None where it is not


def scores_of(about: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """For a model card: heading, value and which way is better of every score."""
    kept = about.get("scores", {})
    return [(SCORES[name].heading, value, SCORES[name].better) for name, value in kept.items() if name in SCORES]


def write(folder: Path, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], card: str) -> None:
    """config.json, model.safetensors and README.md, into a folder that is there."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: value.contiguous().clone() for name, value in weights.items()}, folder / WEIGHTS, {"format": "pt"})
    except SafetensorError as error:  # of a full disk
        raise ModelError(f"{folder / WEIGHTS}: not written ({error}); look whether the disk has room") from None
    (folder / WEIGHTS).chmod(0o644)
    config = {**config, "weights": sha256(folder / WEIGHTS)}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
