"""The page of the survey: how often each row fooled people, beside the papers' numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.templates import render
from ganrepro.survey.answers import REPLICATES, Fooled, better, fooled, off


class Answered(NamedTuple):
    """A study and its answers.  shown: what the store kept of it.  titles: of its rows.  answers: one line each.
    fooled: the papers' numbers, by way and row.  tolerance_ms: of the time that images stood; None leaves no trial out."""

    name: str
    shown: Mapping[str, Any]
    titles: Mapping[str, str]
    answers: Sequence[Mapping[str, Any]]
    fooled: Mapping[str, Mapping[str, Sequence[float]]]
    tolerance_ms: float | None = 50


def page(studies: Sequence[Answered]) -> str:
    """The whole Markdown page."""
    return render("survey.md.j2", studies=[_part(one) for one in studies], replicates=f"{REPLICATES:,}")


def _part(one: Answered) -> dict[str, Any]:
    settings = one.shown["settings"]
    timing = settings["shown_ms"], one.tolerance_ms
    main, practice = (fooled(one.answers, *timing, practice=which) for which in (False, True))
    published, rows = one.fooled.get(way_of(one.shown), {}), [row for row in one.titles if row in main]
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


def way_of(shown: Mapping[str, Any]) -> str:
    """Between which domains the images were translated, as papers/ name it; older answers have the output's name alone."""
    return str(shown.get("way") or {"labels2photo": "a2b", "photo2labels": "b2a"}.get(shown["output"], shown["output"]))


def _paper(known: Sequence[float] | None) -> str:
    return f"{known[0]:.1f} ± {known[1]:.1f}" if known else "–"


def _cells(one: Fooled) -> list[str]:
    if not one.trials:
        return ["–", "–", "0", "0", str(one.excluded)]
    interval = f"{100 * one.low:.1f}–{100 * one.high:.1f}"
    counts = str(one.participants), str(one.trials), str(one.excluded)
    return [f"**{100 * one.rate:.1f}** ± {100 * one.deviation:.1f}", interval, *counts]


def _percent(one: Fooled | None) -> str:
    return f"{100 * one.rate:.1f}" if one and one.trials else "–"
