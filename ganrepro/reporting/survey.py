"""The page of the survey: how often each row fooled people, beside the papers' numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.templates import render
from ganrepro.survey.answers import REPLICATES, Fooled, better, chosen, fooled, off

FEW = 5  # people: of fewer a bootstrap draws the same ones again and again, and its intervals are too narrow


class Answered(NamedTuple):
    """A study and its answers.  shown: what the store kept of it.  titles: of its rows.  answers: one line each.
    fooled: the papers' numbers, by way and row.  tolerance_ms: of the time that images stood; None leaves no trial out.
    preferred: the papers' shares of 'Which is best?', by what was asked for and row."""

    name: str
    shown: Mapping[str, Any]
    titles: Mapping[str, str]
    answers: Sequence[Mapping[str, Any]]
    fooled: Mapping[str, Mapping[str, Sequence[float]]]
    tolerance_ms: float | None = 50
    preferred: Mapping[str, Mapping[str, float]] = {}


def page(studies: Sequence[Answered]) -> str:
    """The whole Markdown page."""
    return render("survey.md.j2", studies=[_part(study) for study in studies], replicates=f"{REPLICATES:,}", few=FEW)


def _best(study: Answered) -> dict[str, Any]:
    """Of 'Which is best?': how often each row was chosen."""
    rates = chosen(study.answers)
    rows = [row for row in study.titles if row in rates]
    names = {row: plain(study.titles[row]) for row in rows}
    published = {table: of for table, of in study.preferred.items() if {*of} & {*rows}}
    heads = ["Row", *(f"paper, %<br>{plain(table)}" for table in published), "**ours**, % ± SD", "95 % interval", "n", "trials"]
    lines = []
    for row in rows:
        theirs = [f"{of[row]:.1f}" if row in of else "–" for of in published.values()]
        lines.append([names[row], *theirs, *_cells(rates[row])[:4]])
    pairs = [
        [names[row], *("–" if other == row else f"{better(rates[row], rates[other]):.2f}" for other in rows)] for row in rows
    ]
    sessions = {answer["session"]: answer for answer in study.answers}
    return {
        "name": plain(study.name),
        "title": plain(study.shown["title"]),
        "best": True,
        "participants": len(sessions),
        "finished": sum(bool(answer["finished"]) for answer in sessions.values()),
        "vision": sum(answer["colour_vision"] == "deficient" for answer in sessions.values()),
        "settings": study.shown["settings"],
        "few": _few(rates),
        "chance": f"{100 / len(rows):.0f}" if rows else "",
        "table": markdown(heads, lines) if lines else "",
        "pairs": markdown(["P(row is chosen more often than column)", *names.values()], pairs) if len(rows) > 1 else "",
    }


def _part(study: Answered) -> dict[str, Any]:
    if study.shown.get("best"):
        return _best(study)
    settings = study.shown["settings"]
    timing = settings["shown_ms"], study.tolerance_ms
    main, practice = (fooled(study.answers, *timing, practice=which) for which in (False, True))
    published, rows = study.fooled.get(way_of(study.shown), {}), [row for row in study.titles if row in main]
    names = {row: plain(study.titles[row]) for row in rows}
    lines = [[names[row], _paper(published.get(row)), *_cells(main[row]), _percent(practice.get(row))] for row in rows]
    heads = ["Row", "paper, % ± ", "**ours**, % ± SD", "95 % interval", "n", "trials", "left out", "in practice, %"]
    pairs = [[names[row], *("–" if other == row else f"{better(main[row], main[other]):.2f}" for other in rows)] for row in rows]
    sessions = {answer["session"]: answer for answer in study.answers}
    vision = sum(answer["colour_vision"] == "deficient" for answer in sessions.values())
    return {
        "name": plain(study.name),
        "title": plain(study.shown["title"]),
        "best": False,
        "participants": len(sessions),
        "finished": sum(bool(answer["finished"]) for answer in sessions.values()),
        "vision": vision,
        "settings": settings,
        "sizes": _sizes(study.answers),
        "few": _few(main),
        "tolerance_ms": study.tolerance_ms,
        "left_out": [
            f"participant {answer['session'] + 1}, trial {answer['number'] + 1}"
            for answer in study.answers
            if study.tolerance_ms is not None and not answer["practice"] and off(answer, settings["shown_ms"], study.tolerance_ms)
        ],
        "table": markdown(heads, lines) if lines else "",
        "pairs": markdown(["P(row fools more often than column)", *names.values()], pairs) if len(rows) > 1 else "",
    }


def _sizes(answers: Sequence[Mapping[str, Any]]) -> str:
    """As '171 to 256 CSS pixels wide, in the middle 256': on the pages of the main part; '' where it was not measured."""
    widths = sorted(round(one["shown_pixels"]) for one in answers if one.get("shown_pixels") and not one["practice"])
    if not widths:
        return ""
    middle = f" to {widths[-1]} CSS pixels wide, in the middle {widths[len(widths) // 2]}"
    return f"{widths[0]}{middle if widths[0] < widths[-1] else ' CSS pixels wide'}"


def _few(rates: Mapping[str, Fooled]) -> bool:
    """Whether there is a row that fewer people judged than an interval can be drawn from."""
    return any(0 < rate.participants < FEW for rate in rates.values())


def way_of(shown: Mapping[str, Any]) -> str:
    """Between which domains the images were translated, as papers/ name it; older answers have the output's name alone."""
    return str(shown.get("way") or {"labels2photo": "a2b", "photo2labels": "b2a"}.get(shown["output"], shown["output"]))


def _paper(known: Sequence[float] | None) -> str:
    return f"{known[0]:.1f} ± {known[1]:.1f}" if known else "–"


def _cells(rate: Fooled) -> list[str]:
    if not rate.trials:
        return ["–", "–", "0", "0", str(rate.excluded)]
    interval = f"{100 * rate.low:.1f}–{100 * rate.high:.1f}"
    counts = str(rate.participants), str(rate.trials), str(rate.excluded)
    return [f"**{100 * rate.rate:.1f}** ± {100 * rate.deviation:.1f}", interval, *counts]


def _percent(rate: Fooled | None) -> str:
    return f"{100 * rate.rate:.1f}" if rate and rate.trials else "–"
