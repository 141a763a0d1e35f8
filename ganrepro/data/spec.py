"""What a dataset has: its domains, whether they form pairs, the classes of its images. No torch.

It is known from params.yaml and the registry before anything is prepared, and written into the manifest. Code asks what a
dataset has, never which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ganrepro.errors import SourceError

Size = int | tuple[int, int]  # side of a square; or width and height
MOST_NAMED = 4  # channels that have a meaning of their own: grey, colour, opacity; pictures have no more
Kind = Literal["photos", "label maps", "edges", "images"]
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp")  # of files that are taken for images
# kind -> in sentences, in the title of a translation, in the name of an output
WORDS = {
    "photos": ("photos", "photo", "photo"),
    "label maps": ("label maps", "labels", "labels"),
    "edges": ("edges", "edges", "edges"),
}
# what is made of photos themselves, as domain a: `edges` and `derived` of a dataset
DERIVED: dict[str, dict[str, Any]] = {
    "edges": {"kind": "edges"},
    "grey": {"title": "photos without colours", "word": "grey", "slug": "grey", "channels": 1},
    "holes": {"title": "photos with holes", "word": "photo with a hole", "slug": "holes"},
    **{
        f"shrink-{n}": {"title": f"photos shrunk {n} times", "word": f"photo shrunk {n} times", "slug": f"small{n}"}
        for n in (2, 4, 8)
    },
}


@dataclass(frozen=True)
class Domain:
    """Images of one kind.

    title: as in '240 photos'.  word: as in 'Labels → photo'.  slug: as in 'labels2photo'.  kind: what they show, as far as it is
    known.  channels: 1, 3, 4, of which the last is opacity, or more.  palette: of label maps, class -> [r, g, b] in the
    order of the classes.  attributes: what its images have in common that those of other domains may lack, as in {light: night}.
    """

    title: str
    word: str
    slug: str
    kind: Kind = "images"
    channels: int = 3
    palette: Mapping[str, list[int]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSpec:
    """What a method and a measure are told of a dataset.

    domains: by name, which is also the folder of their images.  paired: images of one name show one thing in all domains, so that
    the true translation of each test image is known.  classes: of whole images, in order; () where they have none.  upright:
    training never mirrors the images.  known: false where a folder is not here, and the rest is what params.yaml leads to expect.
    shape: width to height of its images.  depth: bits of their levels, 8 or 16.
    """

    domains: Mapping[str, Domain]
    paired: bool = False
    classes: tuple[str, ...] = ()
    upright: bool = False
    known: bool = field(default=True, compare=False)
    shape: tuple[int, int] = (1, 1)
    depth: int = 8

    def size(self, pixels: int, multiple: int = 1) -> Size:
        """Of images whose shorter side has so many pixels, the longer rounded to a multiple; of squares `pixels`."""
        width, height = self.shape
        if width == height:
            return pixels
        longer = multiple * round(pixels * max(self.shape) / min(self.shape) / multiple)
        return (longer, pixels) if width > height else (pixels, longer)

    @property
    def label_maps(self) -> str | None:
        """The domain that holds label maps, whose classes are known by pixel; None where there is none."""
        return next((name for name, domain in self.domains.items() if domain.palette), None)

    @property
    def palette(self) -> dict[str, list[int]]:
        """Classes of the label maps and their colours, in order; {} where there are none."""
        return dict(self.domains[self.label_maps].palette) if self.label_maps else {}

    @property
    def readable(self) -> str | None:
        """The domain whose images a reader learns to read: photos that have label maps, or images that have classes."""
        if self.label_maps:
            return next((name for name in self.domains if name != self.label_maps), None) if self.paired else None
        return next(iter(self.domains)) if self.classes else None

    @property
    def told_apart(self) -> bool:
        """Whether a reader learns which domain an image is of: there are three or more, or their attributes are said."""
        several = len(self.domains) > 2 or any(domain.attributes for domain in self.domains.values())
        alike = len({domain.channels for domain in self.domains.values()}) == 1
        differ = any(len(values) > 1 for values in self.attributes().values())
        return several and alike and differ and not self.label_maps and not self.classes

    def attributes(self, *domains: str) -> dict[str, tuple[str, ...]]:
        """What some domains (all, where none is named) are told apart by, and its values: {light: (day, night)}.

        Domains of which nothing is said are told apart by their names: {domain: (summer, winter)}.
        """
        found: dict[str, dict[str, None]] = {}
        for name in domains or self.domains:
            for attribute, value in self.attributes_of(name).items():
                found.setdefault(attribute, {})[value] = None
        return {attribute: tuple(found[attribute]) for attribute in sorted(found)}

    def places(self, *domains: str) -> dict[str, slice]:
        """Where the values of each attribute stand, all behind one another: in a label, or among logits."""
        places, first = {}, 0
        for attribute, values in self.attributes(*domains).items():
            places[attribute] = slice(first, first + len(values))
            first += len(values)
        return places

    def attributes_of(self, domain: str) -> Mapping[str, str]:
        """What is known of the images of one domain; others may be known of other domains."""
        return self.domains[domain].attributes or {"domain": domain}

    def channels(self, *domains: str) -> int:
        """Channels of one domain, or of several put one behind the other."""
        return sum(self.domains[name].channels for name in domains)

    def as_values(self) -> dict[str, Any]:
        """As plain values, for a manifest."""
        values = {
            "domains": {
                name: {
                    "title": d.title, "word": d.word, "slug": d.slug, "kind": d.kind, "channels": d.channels,
                    "palette": [[label, list(colour)] for label, colour in d.palette.items()],  # JSON keeps no order of keys
                    **({"attributes": dict(d.attributes)} if d.attributes else {}),
                }
                for name, d in self.domains.items()
            },
            "paired": self.paired, "classes": list(self.classes), "upright": self.upright,
        }  # fmt: skip
        usual = DataSpec({})  # what few datasets have is said of these alone
        return values | {name: of for name, of in self._more().items() if of != usual._more()[name]}

    def _more(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "depth": self.depth}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> DataSpec:
        """The inverse of `as_values`."""
        domains = {name: Domain(**(d | {"palette": dict(d["palette"])})) for name, d in values["domains"].items()}
        width, height = values.get("shape", (1, 1))
        return cls(
            domains,
            values["paired"],
            tuple(values["classes"]),
            values["upright"],
            shape=(width, height),
            depth=values.get("depth", 8),
        )


def spec_of(entry: Mapping[str, Any], derived: str | None = None) -> DataSpec:
    """Of a dataset with this entry of the registry (or one like it: `data.own`).

    derived: a word of DERIVED: what is made of its photos, as a domain a.
    """
    palette, given = entry.get("palette") or {}, entry["domains"]
    domains = {name: _domain(name, {"kind": d} if isinstance(d, str) else dict(d), palette) for name, d in given.items()}
    if derived:
        domains = {"a": _domain("a", DERIVED[derived], {}), "b": replace(domains[photos_of(domains)], attributes={})}
    classes = tuple(entry.get("classes", ()))
    return DataSpec(
        domains,
        bool(derived or entry.get("paired", len(domains) > 1)),
        () if derived else classes,
        entry.get("upright", False),
    )


def photos_of(domains: Mapping[str, Any]) -> str:
    """The domain whose images the other side is made of: the last one."""
    return list(domains)[-1]


def _domain(name: str, given: dict[str, Any], palette: Mapping[str, list[int]]) -> Domain:
    kind = given.get("kind", "images")
    if kind not in ("images", *WORDS):
        expected = ", ".join(("images", *WORDS))
        raise SourceError(f"domain {name}: expected one of {expected}, or {{title: {kind}}}, got {kind!r}")
    title, word, slug = WORDS.get(kind, (f"images of domain {name.upper() if len(name) == 1 else name}",) * 3)
    if kind == "images":
        word, slug = (name.upper() if len(name) == 1 else name), name
        word, slug = given.get("word", given.get("title", word)), given.get("slug", slug)
    known = dict(palette) if kind == "label maps" else {}
    attributes = given.get("attributes", {})
    return Domain(given.get("title", title), given.get("word", word), slug, kind, given.get("channels", 3), known, attributes)
