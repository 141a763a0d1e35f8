"""What all kept studies say of the papers, on one page for who cites it: reports/README.md with reports/effects.svg.

Claims by paper, on drawn data and on real pictures, and why those that do not hold may not: such reasons are written by hand, in
reports/reasons.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganrepro.evaluation.measures import SCORES
from ganrepro.reporting import plots
from ganrepro.reporting.claims import VERDICTS, older, tally
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.templates import render
from ganrepro.schema.registry import registry
from ganrepro.settings import Params
from ganrepro.store.files import replacing

NAME, FIGURE = "README.md", "effects.svg"
OLDER = "†"


class Judgement(NamedTuple):
    """One claim in one study, as in its claims.json.  drawn: whether the pipeline drew its data.  older: see `claims.older`."""

    study: str
    drawn: bool
    claim: Mapping[str, Any]
    older: bool


class Reason(NamedTuple):
    """Why some claims may not hold here.  claims: by their texts."""

    claims: Sequence[str]
    why: str


def judgements(params: Params, studies: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Judgement]]:
    """By title of the paper.  studies: name -> content of its claims.json, and the title of its `paper`."""
    by_paper: dict[str, list[Judgement]] = {}
    for name, study in studies.items():
        drawn = "drawn" in registry()[params.datasets[params.studies[name].dataset].source]
        by_paper.setdefault(study["paper"], []).extend(Judgement(name, drawn, claim, older(study)) for claim in study["claims"])
    return by_paper


def page(by_paper: Mapping[str, Sequence[Judgement]], reasons: Sequence[Reason]) -> str:
    """The whole page, in Markdown."""
    everything = [one for of in by_paper.values() for one in of]
    kinds = {"drawn data": True, "real pictures": False}
    counts = {kind: [one.claim for one in everything if one.drawn is drawn] for kind, drawn in kinds.items()}
    lines = [[kind, *(str(sum(claim["verdict"] == name for claim in of)) for name in VERDICTS)] for kind, of in counts.items()]
    return render(
        "learned.md.j2",
        counts=markdown(["Judged on", *(f"{sign} {name}" for name, sign in VERDICTS.items())], lines),
        figure=FIGURE if any(map(_share, everything)) else "",
        older=OLDER if any(one.older for one in everything) else "",
        papers=[{"title": plain(title), "tally": tally([one.claim for one in of]), "table": _table(of),
                 "reasons": list(_reasons(of, reasons))} for title, of in by_paper.items()],
    )  # fmt: skip


def write(params: Params, studies: Mapping[str, Mapping[str, Any]], reports: Path) -> None:
    """Writes page and figure, where there is a kept claim."""
    by_paper = judgements(params, studies)
    if not by_paper:
        return
    if any(_share(one) for of in by_paper.values() for one in of):
        effects(by_paper, reports / FIGURE)
    with replacing(reports / NAME) as temporary:
        temporary.write_text(page(by_paper, read_reasons(reports)), encoding="utf-8")


def read_reasons(reports: Path) -> list[Reason]:
    """Of reports/reasons.yaml, where there is one: a list of {claims: [text, …], why: sentence}."""
    from ganrepro.schema.yaml import parsed

    file = reports / "reasons.yaml"
    entries = parsed(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Reason(entry["claims"], entry["why"]) for entry in entries]


def effects(by_paper: Mapping[str, Sequence[Judgement]], path: Path) -> None:
    """Forest plot of all claims on scores between 0 and 1, a panel for each paper. SVG."""
    panels = {title: [(one.study, one.claim) for one in of if _share(one)] for title, of in by_paper.items()}
    plots.forest({title: of for title, of in panels.items() if of}, path)


def _share(one: Judgement) -> bool:
    return SCORES[one.claim["score"]].high is not None


def _table(of: Sequence[Judgement]) -> str:
    texts = {one.claim["text"]: one.claim for one in of}
    rows = []
    for text, claim in texts.items():
        cells = [
            "<br>".join(_said(one) for one in of if one.drawn is drawn and one.claim["text"] == text) for drawn in (True, False)
        ]
        rows.append([f"{plain(text)}<br><sub>{plain(claim['source'])}</sub>", *(cell or "–" for cell in cells)])
    return markdown(["Claim", "on drawn data", "on real pictures"], rows)


def _said(one: Judgement) -> str:
    """As '✓† +0.21 [streets-tiny](streets-tiny/README.md)'."""
    difference = f"{one.claim['difference']:+.{SCORES[one.claim['score']].digits}f}"
    mark = OLDER if one.older else ""
    return f"{VERDICTS[one.claim['verdict']]}{mark} {difference} [{one.study}]({one.study}/README.md)"


def _reasons(of: Sequence[Judgement], reasons: Sequence[Reason]) -> Iterator[dict[str, str]]:
    """Those of claims that do not hold in some study."""
    unheld = {one.claim["text"] for one in of if one.claim["verdict"] != "reproduced"}
    for reason in reasons:
        if concerned := [text for text in reason.claims if text in unheld]:
            yield {"claims": "; ".join(f"*{plain(text)}*" for text in concerned), "why": reason.why}
