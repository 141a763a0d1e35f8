"""What is wrong with images of one's own, told of several at once, where their preparation stops at the first."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from ganrepro.data.images import ImageError
from ganrepro.data.layouts.base import Place
from ganrepro.data.own import data_spec, derived_of, entry_of, ranges_of
from ganrepro.data.prepare import items_of, make_item, within_limits
from ganrepro.data.spec import spec_of
from ganrepro.schema.datasets import DatasetSettings

NAMED = 5


def first_faults(dataset: DatasetSettings) -> list[str]:
    """A line on each of the first images of a folder of one's own that cannot be prepared: a size, a colour of a label map."""
    entry, found = entry_of(dataset), []
    spec = replace(spec_of(entry, derived_of(dataset)), shape=data_spec(dataset).shape, depth=dataset.depth)
    place = Place(Path(dataset.path or ".").expanduser(), dataset, entry, ranges_of(dataset))
    with tempfile.TemporaryDirectory() as scratch:
        for item in within_limits(dataset, items_of(place)):
            try:
                make_item(item, dataset, entry, spec, Path(scratch), None)
            except ImageError as error:
                found.append(str(error))
    return found[:NAMED] + ([f"and {len(found) - NAMED} more"] if len(found) > NAMED else [])
