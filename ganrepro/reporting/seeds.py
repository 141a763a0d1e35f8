"""How many trainings of each row a claim needs, from the spread that the kept ones have: docs/seeds.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import nct
from scipy.stats import t as student

from ganrepro.evaluation.intervals import LEVEL
from ganrepro.evaluation.measures import SCORES
from ganrepro.reporting.claims import LEAST, seeds_of
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.store.files import replacing

PAGE = Path("docs/seeds.md")
POWER, MOST = 0.8, 100
HEAD = f"""# How many seeds each claim needs

From the spread of the kept trainings: how many trainings of either row would show the paper's difference, and half of it, in
{POWER:.0%} of all studies, where it is really there; of a claim with a margin, what lies above it. Two-sided Welch test at the
level that Holm's correction begins with, 0.05 over the claims of the study; where the paper prints no difference, {2 * LEAST}
stands for it. Spreads of three trainings are themselves uncertain by a factor of two, and what test images add is left out,
so these are the least numbers to plan with. Distances have no scale of the paper's and are not here. Made from `reports/` by
`make pages`; how often verdicts err: [verdicts](verdicts.md).
"""


def needed(spreads: tuple[float, float], difference: float, claims: int) -> int | None:
    """The fewest trainings of each row with which a difference is shown with POWER; None beyond MOST.

    spreads: standard deviations of the trainings of both rows.  claims: of the study, which are judged together.
    """
    if difference <= 0:
        return None
    for count in range(3, MOST + 1):
        parts = np.square(spreads) / count
        error = np.sqrt(parts.sum())
        if error == 0:
            return count
        freedom = parts.sum() ** 2 / (np.square(parts) / (count - 1)).sum()
        critical = student.ppf(1 - (1 - LEVEL) / claims / 2, freedom)
        if nct.sf(critical, freedom, difference / error) >= POWER:
            return count
    return None


def page(studies: Mapping[str, Mapping[str, Any]], reports: Path) -> str:
    """The whole page.  studies: name -> content of its claims.json."""
    parts = [HEAD]
    for name, study in studies.items():
        if lines := list(_lines(study, pd.read_csv(reports / name / "scores.csv"))):
            heads = ["Claim", "Spread of both rows", "Difference", "Seeds for it", "Seeds for half of it"]
            place = f"[{name}](../{(reports / name).as_posix()}/README.md)"
            parts += [f"## {plain(study['study'])}\n\n{place}, kept with {seeds_of(study)}.\n", markdown(heads, lines), ""]
    return "\n".join(parts)


def write(studies: Mapping[str, Mapping[str, Any]], reports: Path) -> None:
    """Writes PAGE."""
    with replacing(PAGE) as temporary:
        temporary.write_text(page(studies, reports), encoding="utf-8")


def _lines(study: Mapping[str, Any], scores: pd.DataFrame) -> Iterator[list[str]]:
    scores = scores.rename(columns={"direction": "output"})  # as older reports call it
    for claim in study["claims"]:
        of = [
            scores[(scores.output == claim["output"]) & (scores.row == row)][claim["score"]].to_numpy(float)
            for row in (claim["better"], claim["than"])
        ]
        if SCORES[claim["score"]].high is None or min(map(len, of)) < 3:
            continue
        spreads = (float(of[0].std(ddof=1)), float(of[1].std(ddof=1)))
        theirs = 2 * LEAST if claim["paper"] is None else abs(claim["paper"])
        counts = [_count(spreads, part - claim["margin"], len(study["claims"])) for part in (theirs, theirs / 2)]
        digits = max(3, SCORES[claim["score"]].digits)
        yield [
            plain(claim["text"]),
            f"{spreads[0]:.{digits}f}, {spreads[1]:.{digits}f}",
            f"{theirs:.{digits}f}",
            *counts,
        ]


def _count(spreads: tuple[float, float], above: float, claims: int) -> str:
    if above <= 0:
        return "none: within the margin"
    count = needed(spreads, above, claims)
    return f"over {MOST}" if count is None else str(count)
