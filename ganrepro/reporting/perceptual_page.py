"""The page of the perceptual study: how often each row fooled people, beside the papers' numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ganrepro.perceptual.answers import REPLICATES, Fooled, better, fooled, off
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.templates import render

# % of trials and the papers' ±, by output and row. CycleGAN Table 1 (maps, 256 × 256); pix2pix, arXiv Table 4 (maps).
PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {
    "labels2photo": {
        "cogan": (0.6, 0.5), "bigan": (2.1, 1.0), "simgan": (0.7, 0.5), "feature": (1.2, 0.6), "feature-segmenter": (1.2, 0.6),
        "cyclegan": (26.8, 2.8), "l1": (0.8, 0.3), "l1-cgan": (18.9, 2.5),
    },
    "photo2labels": {
        "cogan": (0.9, 0.5), "bigan": (1.9, 0.9), "labels-simgan": (2.6, 1.1), "labels-feature": (0.3, 0.2),
        "labels-feature-segmenter": (0.3, 0.2), "cyclegan": (23.2, 3.4), "labels-l1": (2.8, 1.0), "labels-l1-cgan": (6.1, 1.3),
    },
}  # fmt: skip


class Answered(NamedTuple):
    """A study and its answers.  shown: what the store kept of it.  titles: of its rows.  answers: one line each.
    tolerance_ms: of the time that images stood; None leaves no trial out."""

    name: str
    shown: Mapping[str, Any]
    titles: Mapping[str, str]
    answers: Sequence[Mapping[str, Any]]
    tolerance_ms: float | None = 50


def page(studies: Sequence[Answered]) -> str:
    """The whole Markdown page."""
    return render("perceptual.md.j2", studies=[_part(one) for one in studies], replicates=f"{REPLICATES:,}")


def _part(one: Answered) -> dict[str, Any]:
    settings = one.shown["settings"]
    timing = settings["shown_ms"], one.tolerance_ms
    main, practice = (fooled(one.answers, *timing, practice=which) for which in (False, True))
    published, rows = PUBLISHED.get(one.shown["output"], {}), [row for row in one.titles if row in main]
    names = {row: plain(one.titles[row]) for row in rows}
    lines = [[names[row], _paper(published.get(row)), *_cells(main[row]), _percent(practice.get(row))] for row in rows]
    heads = ["Row", "paper, % ± ", "**ours**, % ± SD", "95 % interval", "n", "trials", "left out", "in practice, %"]
    pairs = [[names[row], *("–" if other == row else f"{better(main[row], main[other]):.2f}" for other in rows)] for row in rows]
    sessions = {answer["session"]: answer for answer in one.answers}
    vision = sum(answer["colour_vision"] == "deficient" for answer in sessions.values())
    return {
        "name": plain(one.name),
        "title": plain(one.shown["title"]),
        "participants": len(sessions),
        "finished": sum(bool(answer["finished"]) for answer in sessions.values()),
        "vision": vision,
        "settings": settings,
        "tolerance_ms": one.tolerance_ms,
        "left_out": [
            f"participant {answer['session'] + 1}, trial {answer['number'] + 1}"
            for answer in one.answers
            if one.tolerance_ms is not None and not answer["practice"] and off(answer, settings["shown_ms"], one.tolerance_ms)
        ],
        "table": markdown(heads, lines) if lines else "",
        "pairs": markdown(["P(row fools more often than column)", *names.values()], pairs) if len(rows) > 1 else "",
    }


def _paper(known: tuple[float, float] | None) -> str:
    return f"{known[0]:.1f} ± {known[1]:.1f}" if known else "–"


def _cells(one: Fooled) -> list[str]:
    if not one.trials:
        return ["–", "–", "0", "0", str(one.excluded)]
    interval = f"{100 * one.low:.1f}–{100 * one.high:.1f}"
    counts = str(one.participants), str(one.trials), str(one.excluded)
    return [f"**{100 * one.rate:.1f}** ± {100 * one.deviation:.1f}", interval, *counts]


def _percent(one: Fooled | None) -> str:
    return f"{100 * one.rate:.1f}" if one and one.trials else "–"
