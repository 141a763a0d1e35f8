"""From answers to the papers' tables: fool rates, their two-level bootstrap, and the columns of the published tool.

A fake fools where it is taken for real. Source: phillipi/AMT_Real_vs_Fake at 4f5f25c, process_csv.py: participants are drawn with
replacement, and in each drawn participant trials with replacement; printed are mean and standard deviation of the replicates.
"""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganrepro.errors import UserError
from ganrepro.store.files import expect_new, plain, replacing
from ganrepro.survey.design import SEPARATOR

REPLICATES = 10_000
LEVEL = 0.95
NAN = float("nan")


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
    people: dict[int, list[tuple[str, float]]] = {}
    left_out: dict[str, int] = {}
    for answer in answers:
        if bool(answer["practice"]) is practice:
            row = str(answer["row"])
            out = tolerance_ms is not None and off(answer, shown_ms, tolerance_ms)
            left_out[row] = left_out.get(row, 0) + out
            trials = people.setdefault(int(answer["session"]), [])
            trials += [] if out else [(row, float(answer["chosen"] == answer["real_side"]))]
    return bootstrap([trials for trials in people.values() if trials], left_out)


def chosen(answers: Iterable[Mapping[str, Any]]) -> dict[str, Fooled]:
    """How often each row was chosen as the best, of all questions.

    In each replicate participants are drawn with replacement, and in each drawn participant questions with what was chosen, so
    that the shares of all rows add up to 1.
    """
    people: dict[int, dict[str, int]] = {}
    rows: dict[str, None] = {}
    for answer in answers:
        rows |= dict.fromkeys(str(answer["fake"]).split(SEPARATOR))
        own = people.setdefault(int(answer["session"]), {})
        own[str(answer["chosen"])] = own.get(str(answer["chosen"]), 0) + 1
    if not people:
        return {}
    names = sorted(rows)
    counts = np.array([[of.get(row, 0) for row in names] for of in people.values()], np.int64)
    random, questions = np.random.default_rng(0), counts.sum(1)
    taken, seen = np.zeros((REPLICATES, len(names))), np.zeros(REPLICATES)
    often = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), REPLICATES)
    for person, of in enumerate(counts):
        drawn = random.multinomial(often[:, person] * questions[person], of / questions[person])
        taken += drawn
        seen += drawn.sum(1)
    shares = taken / np.maximum(seen, 1)[:, None]
    found = {}
    for i, row in enumerate(names):
        low, high = np.quantile(shares[:, i], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rate, total = counts[:, i].sum() / questions.sum(), int(questions.sum())
        found[row] = Fooled(float(rate), float(shares[:, i].std()), float(low), float(high), len(counts), total, 0, shares[:, i])
    return found


def bootstrap(people: Sequence[Sequence[tuple[str, float]]], excluded: Mapping[str, int]) -> dict[str, Fooled]:
    """people: of each participant the row of every trial, and 1 if it fooled, else 0.  excluded: by row; names all rows.

    Participants are drawn together, whatever their rows, as the published tool does.
    """
    random, rows, count = np.random.default_rng(0), sorted(excluded), len(people)
    fooling, seen = np.zeros((REPLICATES, len(rows))), np.zeros((REPLICATES, len(rows)))
    often = random.multinomial(count, np.full(count, 1 / count), REPLICATES) if count else np.zeros((REPLICATES, 0), int)
    for person, trials in enumerate(people):
        kinds = np.zeros((len(rows), 2))  # of this participant's trials: by row, those that fooled not and did
        for row, hit in trials:
            kinds[rows.index(row), int(hit)] += 1
        drawn = random.multinomial(often[:, person] * len(trials), kinds.ravel() / len(trials)).reshape(REPLICATES, -1, 2)
        fooling += drawn[:, :, 1]
        seen += drawn.sum(2)
    rates = {}
    for i, row in enumerate(rows):
        own = [[hit for of, hit in trials if of == row] for trials in people]
        own = [hits for hits in own if hits]
        total = sum(map(len, own))
        with np.errstate(invalid="ignore"):
            replicates = fooling[:, i] / seen[:, i]  # NaN where nobody of the row was drawn
        if not total:
            rates[row] = Fooled(NAN, NAN, NAN, NAN, 0, 0, excluded[row], replicates)
            continue
        low, high = np.nanquantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rate = sum(map(sum, own)) / total
        spread = float(np.nanstd(replicates))
        rates[row] = Fooled(rate, spread, float(low), float(high), len(own), total, excluded[row], replicates)
    return rates


def better(rate: Fooled, other: Fooled) -> float:
    """How probably the first fools more often, ties counting half."""
    both = np.isfinite(rate.replicates) & np.isfinite(other.replicates)
    a, b = rate.replicates[both], other.replicates[both]
    return float((a > b).mean() + 0.5 * (a == b).mean()) if len(a) else float("nan")


def write_csv(answers: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Finished sessions as the published tool reads them: a line each; images as ROW/NAME, real ones as real/NAME. How many.

    Two columns more, which it leaves alone: what a participant said of their colour vision, and their comments.
    """
    sessions: dict[int, list[Mapping[str, Any]]] = {}
    for answer in answers:
        if answer["finished"]:
            sessions.setdefault(int(answer["session"]), []).append(answer)
    lines = []
    for session in sessions.values():
        line = {f"Answer.{name}": _harmless(session[0].get(name) or "") for name in ("colour_vision", "comments")}
        for answer in session:
            n, real = answer["number"], answer["real_side"]
            other = {"left": "right", "right": "left"}[real]
            sides = {real: f"real/{answer['real']}", other: f"{answer['row']}/{answer['fake']}"}
            line |= {f"Input.gt_side{n}": real, f"Answer.selection{n}": answer["chosen"]}
            line |= {f"Input.images_{side}{n}": name for side, name in sides.items()}
        lines.append(line)
    expect_new(path)
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8", opener=_for_its_owner) as file:
        writer = csv.DictWriter(file, sorted({name for line in lines for name in line}), restval="")
        writer.writeheader()
        writer.writerows(lines)
    return len(lines)


def write_choices(answers: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Finished sessions of 'Which is best?': a line for each choice. How many sessions."""
    expect_new(path)
    lines = [answer for answer in answers if answer["finished"]]
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8", opener=_for_its_owner) as file:
        writer = csv.writer(file)
        writer.writerow(["session", "number", "given", "shown", "chosen", "took", "colour_vision", "comments"])
        for of in lines:
            said = [_harmless(of.get(name) or "") for name in ("colour_vision", "comments")]
            names = [_harmless(of[name]) for name in ("real", "fake", "chosen")]
            writer.writerow([of["session"], of["number"], *names, of["took"], *said])
    return len({of["session"] for of in lines})


def _harmless(text: str) -> str:
    """Somebody's words as a cell that no spreadsheet takes for a formula, in whatever width its sign is written."""
    first = unicodedata.normalize("NFKC", text.lstrip())[:1]
    return f"'{text}" if first in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r", "\n"} else text


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_csv(path: Path, practice: int) -> list[dict[str, Any]]:
    """Answers from such a file; the row is the folder of the images that are not real.  practice: trials at the beginning.

    The folder that occurs most is the real one, as the published tool takes it. UserError where columns are missing.
    """
    try:
        with plain(path).open(newline="", encoding="utf-8-sig") as file:
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
    if count <= practice:
        raise UserError(f"{path}: {count} trials, of which {practice} are practice (`survey` in params.yaml); none is left")
    folders: dict[str, int] = {}
    for number, line in enumerate(lines, 2):
        if None in line or None in line.values():
            raise UserError(f"{path}: line {number} has more or fewer fields than the first")
        for n in range(count):
            for side in ("left", "right"):
                folder = line[f"Input.images_{side}{n}"].rpartition("/")[0]
                folders[folder] = folders.get(folder, 0) + 1
    real = max(folders, key=lambda folder: folders[folder])
    sessions = []
    for session, line in enumerate(lines):
        for n in range(count):
            side, chosen = line[f"Input.gt_side{n}"], line[f"Answer.selection{n}"]
            if side not in ("left", "right") or chosen not in ("left", "right"):
                raise UserError(f"{path}: line {session + 2}, trial {n}: expected left or right, got {side!r} and {chosen!r}")
            images = {of: line[f"Input.images_{of}{n}"] for of in ("left", "right")}
            fake = images["right" if side == "left" else "left"]
            sessions.append({
                "session": session, "row": fake.rpartition("/")[0], "finished": 1, "colour_vision": None, "number": n,
                "practice": int(n < practice), "real": images[side].removeprefix(f"{real}/"), "fake": fake.rpartition("/")[2],
                "real_side": side, "chosen": chosen, "shown_left": None, "shown_right": None, "took": None,
            })  # fmt: skip
    return sessions
