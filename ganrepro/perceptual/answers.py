"""From answers to the papers' tables: fool rates, their two-level bootstrap, and the columns of the published tool.

A fake fools where it is taken for real. Source: phillipi/AMT_Real_vs_Fake at 4f5f25c, process_csv.py: participants are drawn with
replacement, and in each drawn participant trials with replacement; printed are mean and standard deviation of the replicates.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganrepro.errors import UserError

REPLICATES = 10_000
LEVEL = 0.95


class Fooled(NamedTuple):
    """Of one row.  rate, deviation, low, high: shares.  replicates: (REPLICATES,).  excluded: trials that were left out."""

    rate: float
    deviation: float
    low: float
    high: float
    participants: int
    trials: int
    excluded: int
    replicates: np.ndarray


def off(answer: Mapping[str, Any], shown_ms: float, tolerance_ms: float) -> bool:
    """Whether an image of a trial stood too long or too short. Answers that were not timed are taken as they are."""
    shown = (answer.get("shown_left"), answer.get("shown_right"))
    return any(value is not None and abs(float(value) - shown_ms) > tolerance_ms for value in shown)


def fooled(
    answers: Iterable[Mapping[str, Any]], shown_ms: float, tolerance_ms: float | None, practice: bool = False
) -> dict[str, Fooled]:
    """Fool rates by row, of the main part (or of practice).  tolerance_ms: None keeps every trial, however it was shown."""
    by_row: dict[str, dict[int, list[float]]] = {}
    left_out: dict[str, int] = {}
    for answer in answers:
        if bool(answer["practice"]) is not practice:
            continue
        row = str(answer["row"])
        if tolerance_ms is not None and off(answer, shown_ms, tolerance_ms):
            left_out[row] = left_out.get(row, 0) + 1
            continue
        by_row.setdefault(row, {}).setdefault(int(answer["session"]), []).append(float(answer["chosen"] == answer["real_side"]))
    return {row: bootstrap(list(people.values()), left_out.get(row, 0), row) for row, people in by_row.items()}


def bootstrap(people: Sequence[Sequence[float]], excluded: int, purpose: str) -> Fooled:
    """people: of each participant, 1 for every trial that fooled, else 0.  purpose: names the random stream."""
    random, count = np.random.default_rng([*purpose.encode()]), len(people)
    sizes = np.array([len(one) for one in people])
    rates = np.array([np.mean(one) for one in people])
    drawn = random.integers(0, count, (REPLICATES, count))
    # trials of zeros and ones drawn with replacement: their number of ones is binomial
    ones = random.binomial(sizes[drawn], rates[drawn])
    replicates = ones.sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    rate = float(sum(map(sum, people)) / sizes.sum())
    return Fooled(rate, float(replicates.std()), float(low), float(high), count, int(sizes.sum()), excluded, replicates)


def better(one: Fooled, other: Fooled) -> float:
    """How probably the first fools more often, ties counting half."""
    return float((one.replicates > other.replicates).mean() + 0.5 * (one.replicates == other.replicates).mean())


def write_csv(answers: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Finished sessions as the published tool reads them: a line each; images as ROW/NAME, real ones as real/NAME. How many."""
    sessions: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        if answer["finished"]:
            sessions.setdefault(int(answer["session"]), []).append(answer)
    lines = []
    for one in sessions.values():
        line: dict[str, str] = {}
        for answer in one:
            n, real = answer["number"], answer["real_side"]
            other = {"left": "right", "right": "left"}[real]
            sides = {real: f"real/{answer['real']}", other: f"{answer['row']}/{answer['fake']}"}
            line |= {f"Input.gt_side{n}": real, f"Answer.selection{n}": answer["chosen"]}
            line |= {f"Input.images_{side}{n}": name for side, name in sides.items()}
        lines.append(line)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, sorted({name for line in lines for name in line}), restval="")
        writer.writeheader()
        writer.writerows(lines)
    return len(lines)


def read_csv(path: Path, practice: int) -> list[dict[str, Any]]:
    """Answers from such a file; the row is the folder of the images that are not real.  practice: trials at the beginning.

    The folder that occurs most is the real one, as the published tool takes it. UserError where columns are missing.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as CSV ({error})") from None
    names = set(lines[0]) if lines else set()
    count = 0
    wanted = ("Input.gt_side{}", "Input.images_left{}", "Input.images_right{}", "Answer.selection{}")
    while all(name.format(count) in names for name in wanted):
        count += 1
    if not count:
        raise UserError(f"{path}: expected columns {', '.join(name.format(0) for name in wanted)} and so on, got none of a trial")
    folders: dict[str, int] = {}
    for line in lines:
        for n in range(count):
            for side in ("left", "right"):
                folder = line[f"Input.images_{side}{n}"].rpartition("/")[0]
                folders[folder] = folders.get(folder, 0) + 1
    real = max(folders, key=lambda folder: folders[folder])
    found = []
    for session, line in enumerate(lines):
        for n in range(count):
            side, chosen = line[f"Input.gt_side{n}"], line[f"Answer.selection{n}"]
            if side not in ("left", "right") or chosen not in ("left", "right"):
                raise UserError(f"{path}: line {session + 2}, trial {n}: expected left or right, got {side!r} and {chosen!r}")
            images = {of: line[f"Input.images_{of}{n}"] for of in ("left", "right")}
            fake = images["right" if side == "left" else "left"]
            found.append({
                "session": session, "row": fake.rpartition("/")[0], "finished": 1, "colour_vision": None, "number": n,
                "practice": int(n < practice), "real": images[side].removeprefix(f"{real}/"), "fake": fake.rpartition("/")[2],
                "real_side": side, "chosen": chosen, "shown_left": None, "shown_right": None, "took": None,
            })  # fmt: skip
    return found
