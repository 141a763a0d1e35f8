"""params.yaml as frozen dataclasses: parsed once, checked completely, no torch.

Every key is checked for spelling (with a suggestion), type and range before any job starts. A
study is one level of `base` plus its differences; a variant is its difference from its study, so
the ablation table can be read off params.yaml.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

T = TypeVar("T")

Flavour = Literal["torch", "pytorch"]
GeneratorName = Literal["resnet", "unet", "encoder-decoder"]
ReceptiveField = Literal[1, 16, 34, 70, 142, 286]
TERM_NAMES = ("adversarial", "cycle_forward", "cycle_backward")
DIRECTIONS = ("labels2photo", "photo2labels")
# Rows that need no training: the real target images (gate) and the untouched input (floor).
REFERENCE_ROWS = {"ground-truth": "Ground truth", "identity": "Identity (input unchanged)"}


class ConfigError(ValueError):
    """A setting in params.yaml is wrong; the message says where, what came and what to do."""


@dataclass(frozen=True)
class Dataset:
    """One prepared dataset. Domain a is the label (or left, or A) side, domain b the photo side.

    pixels: stored square size.  train_images, test_images: how many to draw (streets) or at most
    to take (other sources; null takes all).  unpaired: 'disjoint' gives the two domains disjoint
    halves of the pairs, 'all' gives both domains all of them, as the paper does.
    path, direction, palette and void serve source 'folder': where it lies, which side is domain a
    ('AtoB': A or left), and, where side a holds label colours, the classes as {name: [r, g, b]} and
    the colours that are not scored.
    """

    source: str
    pixels: int
    unpaired: Literal["disjoint", "all"] = "disjoint"
    train_images: int | None = None
    test_images: int | None = None
    path: str | None = None
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    palette: dict[str, list[int]] | None = None
    void: list[list[int]] | None = None


@dataclass(frozen=True)
class Scorer:
    """Recipe of the segmentation network. pixels: photos are shrunk to this square size before
    they are enlarged to the size of the label maps (null: the study's crop_pixels)."""

    filters: int
    epochs: int
    batch_images: int
    learning_rate: float
    pixels: int | None
    seed: int


@dataclass(frozen=True)
class Training:
    """Everything that determines a training but its data and its seed. Hashed into the run's key.

    load_pixels, crop_pixels: jitter resizes to the first, then crops the second at random.
    epoch_images: images drawn per epoch and domain.  pool_images: history of fakes per domain.
    engine: 'fast' runs the step as one CUDA graph on a GPU and with the convolutions of nets.fast_cpu on
    a CPU; 'plain' runs torch's own operations one by one, the reference.  precision: of the passes
    through the networks; weights, losses and optimisers are float32 always.
    terms: weight of each loss term; an absent term is not computed.
    """

    flavour: Flavour
    generator: GeneratorName
    generator_blocks: int
    generator_filters: int
    discriminator_receptive_field: ReceptiveField
    discriminator_filters: int
    load_pixels: int
    crop_pixels: int
    batch_images: int
    epoch_images: int | None
    epochs_constant: int
    epochs_decay: int
    learning_rate: float
    adam_beta1: float
    adam_beta2: float
    pool_images: int
    engine: Literal["fast", "plain"]
    precision: Literal["float32", "bfloat16"]
    terms: dict[str, float]

    @property
    def epochs(self) -> int:
        return self.epochs_constant + self.epochs_decay


@dataclass(frozen=True)
class Variant:
    """One row of an ablation table: its printed title and its complete training settings."""

    title: str
    training: Training


@dataclass(frozen=True)
class Study:
    """One dataset, one set of variants, some seeds: one report."""

    name: str
    title: str
    dataset: str
    scorer: str
    seeds: list[int]
    variants: dict[str, Variant]


@dataclass(frozen=True)
class PaperTable:
    """Published scores of one direction: rows[variant] = pixel accuracy, class accuracy, class IoU."""

    title: str
    source: str
    rows: dict[str, list[float]]


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml, expanded."""

    study: str
    device: Literal["auto", "cpu", "cuda"]
    mirror: str | None
    datasets: dict[str, Dataset]
    scorers: dict[str, Scorer]
    studies: dict[str, Study]
    paper: dict[str, PaperTable]

    def find_study(self, name: str | None = None) -> Study:
        """The study called `name` (None: the current one). ConfigError where there is none."""
        name = self.study if name is None else name
        _known(name, self.studies, "study")
        return self.studies[name]


def load(path: str | Path = "params.yaml") -> Params:
    """Reads and checks a parameter file. ConfigError with one line for anything unusable."""
    try:
        # YAML 1.2, as DVC reads it: 1e-05 is a number and `no` a string, for every tool alike.
        raw = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from the project folder or give --params") from None
    except YAMLError as error:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    return parse(raw)


def parse(raw: object) -> Params:
    """Checks a parameter mapping and expands it. ConfigError names the first key that is wrong."""
    top = _mapping(raw, "params.yaml")
    fields = ("study", "device", "mirror", "datasets", "variants", "scorers", "studies", "paper")
    _only(top, fields, "params.yaml", required=fields)
    datasets = {k: _build(Dataset, v, f"datasets.{k}") for k, v in _mapping(top["datasets"], "datasets").items()}
    scorers = {k: _build(Scorer, v, f"scorers.{k}") for k, v in _mapping(top["scorers"], "scorers").items()}
    paper = {k: _build(PaperTable, v, f"paper.{k}") for k, v in _mapping(top["paper"], "paper").items()}
    _only(paper, DIRECTIONS, "paper")
    for where, table in paper.items():
        for row, scores in table.rows.items():
            if len(scores) != 3:
                raise ConfigError(f"paper.{where}.rows.{row}: expected 3 scores, got {len(scores)}")
    studies = {}
    for name in _mapping(top["studies"], "studies"):
        studies[name] = _study(name, _expand(name, top), datasets, scorers, _mapping(top["variants"], "variants"))
    for name, dataset in datasets.items():
        _slug(name, f"datasets.{name}")
        _check_dataset(dataset, f"datasets.{name}")
    for name, scorer in scorers.items():
        for field in ("filters", "epochs", "batch_images", "learning_rate"):
            _positive(getattr(scorer, field), f"scorers.{name}.{field}")
        if scorer.pixels is not None:
            _positive(scorer.pixels, f"scorers.{name}.pixels")
    params = Params(
        study=_typed(top["study"], str, "study"),
        device=_typed(top["device"], Literal["auto", "cpu", "cuda"], "device"),
        mirror=_typed(top["mirror"], str | None, "mirror"),
        datasets=datasets,
        scorers=scorers,
        studies=studies,
        paper=paper,
    )
    params.find_study()
    return params


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """All registered datasets by name, as in data/registry.yaml."""
    path = Path(__file__).with_name("data") / "registry.yaml"
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def canonical(value: object) -> str:
    """Canonical JSON of plain values or dataclasses: sorted keys, 5 and 5.0 alike."""

    def plain(v: object) -> object:
        if dataclasses.is_dataclass(v) and not isinstance(v, type):
            return plain(dataclasses.asdict(v))
        if isinstance(v, Mapping):
            return {str(k): plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        if isinstance(v, float) and v.is_integer():
            return int(v)
        return v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _expand(name: str, top: Mapping[str, Any]) -> dict[str, Any]:
    """A study's own keys over those of its base (one level; values replace, never merge)."""
    studies = _mapping(top["studies"], "studies")
    own = dict(_mapping(studies[name], f"studies.{name}"))
    base_name = own.pop("base", None)
    if base_name is None:
        return own
    _known(base_name, studies, f"studies.{name}.base")
    base = dict(_mapping(studies[base_name], f"studies.{base_name}"))
    if "base" in base:
        raise ConfigError(f"studies.{name}.base: '{base_name}' has a base itself; one level only, so name '{base['base']}'")
    return base | own


def _study(
    name: str, raw: dict[str, Any], datasets: Mapping[str, Dataset], scorers: Mapping[str, Scorer], sets: Mapping[str, Any]
) -> Study:
    where = f"studies.{name}"
    own = ("title", "dataset", "variants", "scorer", "seeds")
    settings = tuple(f.name for f in dataclasses.fields(Training) if f.name != "terms")
    _only(raw, (*own, *settings), where, required=(*own, *settings))
    _slug(name, where)
    _known(raw["dataset"], datasets, f"{where}.dataset")
    _known(raw["scorer"], scorers, f"{where}.scorer")
    _known(raw["variants"], sets, f"{where}.variants")
    seeds = _typed(raw["seeds"], list[int], f"{where}.seeds")
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ConfigError(f"{where}.seeds: expected one or more different numbers from 0, got {seeds}")
    common = {key: raw[key] for key in settings}
    _check_training(_build(Training, common | {"terms": {"adversarial": 1}}, where), where)
    variants = {}
    for row, entry in _mapping(sets[raw["variants"]], f"variants.{raw['variants']}").items():
        place = f"variants.{raw['variants']}.{row}"
        entry = _mapping(entry, place)
        _slug(row, place)
        if row in REFERENCE_ROWS:
            raise ConfigError(f"{place}: '{row}' is the name of a reference row; choose another")
        _only(entry, ("title", "terms", *settings), place, required=("title", "terms"))
        training = _build(Training, common | {k: v for k, v in entry.items() if k != "title"}, place)
        _check_training(training, place)
        if training.crop_pixels != common["crop_pixels"]:
            raise ConfigError(f"{place}.crop_pixels: the rows of one table are scored at one size; make it a study of its own")
        variants[row] = Variant(_typed(entry["title"], str, f"{place}.title"), training)
    if not variants:
        raise ConfigError(f"variants.{raw['variants']}: empty; expected at least one row")
    return Study(name, _typed(raw["title"], str, f"{where}.title"), raw["dataset"], raw["scorer"], seeds, variants)


def _check_dataset(dataset: Dataset, where: str) -> None:
    _positive(dataset.pixels, f"{where}.pixels")
    if dataset.source == "folder":
        if dataset.path is None:
            raise ConfigError(f"{where}.path: expected the folder with trainA, trainB, testA, testB or train, test; got nothing")
    else:
        _known(dataset.source, registry() | {"folder": {}}, f"{where}.source")
        if (dataset.path, dataset.palette, dataset.void, dataset.direction) != (None, None, None, "AtoB"):
            raise ConfigError(f"{where}: path, palette, void and direction belong to source 'folder', not to '{dataset.source}'")
    for name in ("train_images", "test_images"):
        count = getattr(dataset, name)
        if count is not None and count < 2:
            raise ConfigError(f"{where}.{name}: expected at least 2, got {count}")
        if count is None and dataset.source == "streets":
            raise ConfigError(f"{where}.{name}: 'streets' is drawn on demand; say how many images")
    colours = {f"palette.{name}": colour for name, colour in (dataset.palette or {}).items()}
    colours |= {f"void[{i}]": colour for i, colour in enumerate(dataset.void or [])}
    for name, colour in colours.items():
        if len(colour) != 3 or not all(0 <= c <= 255 for c in colour):
            raise ConfigError(f"{where}.{name}: expected [r, g, b] from 0 to 255, got {colour}")


def _check_training(t: Training, where: str) -> None:
    for name in ("generator_filters", "discriminator_filters", "crop_pixels", "batch_images", "learning_rate"):
        _positive(getattr(t, name), f"{where}.{name}")
    for name in ("generator_blocks", "epochs_constant", "epochs_decay", "pool_images"):
        if getattr(t, name) < 0:
            raise ConfigError(f"{where}.{name}: expected 0 or more, got {getattr(t, name)}")
    if t.epochs < 1:
        raise ConfigError(f"{where}: epochs_constant + epochs_decay is 0; expected at least one epoch")
    for name in ("adam_beta1", "adam_beta2"):
        if not 0 <= getattr(t, name) < 1:
            raise ConfigError(f"{where}.{name}: expected 0 <= beta < 1, got {getattr(t, name)}")
    if t.epoch_images is not None and (t.epoch_images < 1 or t.epoch_images % t.batch_images):
        raise ConfigError(f"{where}.epoch_images: expected a multiple of batch_images ({t.batch_images}), got {t.epoch_images}")
    if t.load_pixels < t.crop_pixels:
        raise ConfigError(f"{where}.load_pixels: {t.load_pixels} is smaller than crop_pixels ({t.crop_pixels})")
    if t.generator == "resnet" and t.crop_pixels % 4:
        raise ConfigError(
            f"{where}.crop_pixels: the ResNet generator halves twice; expected a multiple of 4, got {t.crop_pixels}"
        )
    if t.generator != "resnet" and (t.crop_pixels < 16 or t.crop_pixels & (t.crop_pixels - 1)):
        raise ConfigError(f"{where}.crop_pixels: generator '{t.generator}' needs a power of two from 16, got {t.crop_pixels}")
    if t.discriminator_receptive_field > 1:
        # Each stride-2 layer halves; two stride-1 layers then take one pixel each off a padded map.
        halvings = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}[t.discriminator_receptive_field]
        if t.crop_pixels >> halvings < 3:
            raise ConfigError(
                f"{where}.crop_pixels: a discriminator of receptive field {t.discriminator_receptive_field} needs at least "
                f"{3 << halvings} pixels, got {t.crop_pixels}; choose a smaller discriminator_receptive_field"
            )
    if not t.terms:
        raise ConfigError(f"{where}.terms: empty; expected some of {', '.join(TERM_NAMES)}")
    _only(t.terms, TERM_NAMES, f"{where}.terms")
    for name, weight in t.terms.items():
        _positive(weight, f"{where}.terms.{name}", hint="leave a term out to switch it off")


def _build(cls: type[T], raw: object, where: str) -> T:
    """A dataclass from a mapping: unknown keys refused, every value checked against its annotation."""
    entry = _mapping(raw, where)
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    required = [f.name for f in fields if f.default is dataclasses.MISSING]
    _only(entry, [f.name for f in fields], where, required=required)
    return cls(**{key: _typed(value, hints[key], f"{where}.{key}") for key, value in entry.items()})


def _typed(value: object, kind: Any, where: str) -> Any:
    """`value` if it has the annotated type; integers serve where a float is expected."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _typed(value, next(a for a in args if a is not type(None)), where)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise ConfigError(f"{where}: expected {' or '.join(map(repr, args))}, got {value!r}{_hint(value, args)}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        return [_typed(v, args[0], f"{where}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        return {str(k): _typed(v, args[1], f"{where}.{k}") for k, v in _mapping(value, where).items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = {int: "a whole number", float: "a number", str: "text"}
        raise ConfigError(f"{where}: expected {names.get(kind, kind)}, got {value!r}")
    return value


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected 'key: value' lines, got {value!r}")
    return value


def _only(entry: Mapping[str, Any], allowed: typing.Iterable[str], where: str, required: typing.Iterable[str] = ()) -> None:
    allowed = list(allowed)
    for key in entry:
        if key not in allowed:
            hint = _hint(key, allowed) or f"; there are: {', '.join(allowed)}"
            raise ConfigError(f"{where}.{key}: unknown key{hint}")
    for key in required:
        if key not in entry:
            raise ConfigError(f"{where}.{key}: missing")


def _known(name: object, table: Mapping[str, Any], where: str) -> None:
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"{where}: there is no '{name}'{_hint(name, table)}; there are: {', '.join(table)}")


def _hint(word: object, words: typing.Iterable[object]) -> str:
    close = difflib.get_close_matches(str(word), [str(w) for w in words], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _slug(name: str, where: str) -> None:
    if not name or not all(c.isascii() and (c.islower() or c.isdigit() or c in "-.") for c in name):
        raise ConfigError(f"{where}: names become folders; expected a-z, 0-9, '-' and '.', got {name!r}")


def _positive(value: float, where: str, hint: str = "") -> None:
    if not 0 < value < float("inf"):
        raise ConfigError(f"{where}: expected more than 0, got {value}{'; ' + hint if hint else ''}")
