"""What is wrong with label maps of one's own, told of several at once, where preparation stops at the first. No torch."""

from __future__ import annotations

from pathlib import Path

from ganrepro.data import layouts
from ganrepro.data.images import ImageError
from ganrepro.data.label_maps import colours_to_index
from ganrepro.data.layouts.base import Place
from ganrepro.data.own import entry_of
from ganrepro.schema.datasets import DatasetSettings
from ganrepro.schema.registry import FOLDER

MOST = 5  # that are named


def first_faults(dataset: DatasetSettings) -> list[str]:
    """A line on each of the first MOST pairs that are of two sizes, or whose label map has a colour that the palette has not."""
    if dataset.source != FOLDER or not dataset.palette:
        return []
    entry, palette = entry_of(dataset), dataset.palette
    place, found = Place(Path(dataset.path or ".").expanduser(), dataset, entry), []
    for item in layouts.find(entry["layout"]).items(place):
        try:
            images = item.read().images
            (labels, photo), where = (images[domain] for domain in "ab"), f"{item.split}/{item.name}"
            if labels.size != photo.size:
                sizes = (f"{image.size[0]} × {image.size[1]}" for image in (labels, photo))
                raise ImageError("{}: its label map is {}, its photo {}".format(where, *sizes))
            colours_to_index(labels, palette, dataset.void or [], where, nearest=False)
        except ImageError as error:
            found.append(str(error))
    return found[:MOST] + ([f"and {len(found) - MOST} more"] if len(found) > MOST else [])
