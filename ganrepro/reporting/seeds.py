"""How many trainings of each row a claim needs, from the spread that the kept ones have: docs/seeds.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import nct
from scipy.stats import t as student

from ganrepro.evaluation.intervals import LEVEL
from ganrepro.evaluation.measures import SCORES
from ganrepro.reporting.claims import LEAST, SETTLED
from ganrepro.reporting.gallery import fact
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.results import kept_table
from ganrepro.store.files import replacing

PAGE = Path("docs/seeds.md")
POWER, ENOUGH, MOST = 0.8, 10, 100
# of a claim that no number of trainings gets judged: what its `reason` has, and why in short
NEVER = {"has not learned": "a row has not learned", "test images": "too few test images", "no room": "no room between the rows"}
HEAD = f"""# How many seeds each claim needs

From the spread of the kept trainings: how many trainings of either row would show the paper's difference, and half of it, in
{POWER:.0%} of all studies, where it is really there. Two-sided Welch test at the
level that Holm's correction begins with, 0.05 over the claims of the study; where the paper prints no difference, {2 * LEAST}
stands for it. Spreads of three trainings are themselves uncertain by a factor of two, and what test images add is left out,
so these are the least numbers to plan with. Distances have no scale of the paper's and are not here. Made from `reports/` by
`make pages`; how often verdicts err: [verdicts](verdicts.md).
"""
COSTS = f"""## What {ENOUGH} trainings of each row cost, and what they show

Studies get more seeds in this order: the fewest hours of a core for each claim that {ENOUGH} trainings of a row would show comes
first; of claims that have a verdict nothing more is asked, and more trainings of a row that has not learned say nothing. It stops
at {ENOUGH}: what is undecided then stays so, and the tables below say how many it would take. Fewer than that may settle a claim,
where rows differ by more than in the paper.
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


class Claim(NamedTuple):
    """words: text, spreads, difference, as the page prints them.  counts: trainings for the paper's difference, and for half of
    it.  told: the same in words.  settled: whether it has a verdict already.
    """

    settled: bool
    words: list[str]
    counts: tuple[int | None, int | None]
    told: list[str]


class Plan(NamedTuple):
    """One kept study.  minutes: of a core, for one training of each row."""

    name: str
    title: str
    seeds: int
    minutes: float
    claims: list[Claim]

    def shown(self, part: int) -> int:
        """How many claims without a verdict ENOUGH trainings of each row show.  part: 0 the paper's difference, 1 half of it."""
        counts = [claim.counts[part] for claim in self.claims if not claim.settled]
        return sum(count is not None and count <= ENOUGH for count in counts)

    @property
    def hours(self) -> float:
        """Of a core, for the trainings that are missing."""
        return max(0, ENOUGH - self.seeds) * self.minutes / 60


def page(studies: Mapping[str, Mapping[str, Any]], reports: Path) -> str:
    """The whole page.  studies: name -> content of its claims.json."""
    plans = [plan for name, study in studies.items() if (plan := _plan(name, study, reports)).claims]
    plans.sort(key=lambda plan: plan.hours / plan.shown(0) if plan.shown(0) else math.inf)
    lines = [
        [
            _link(plan, reports), str(plan.seeds), f"{plan.minutes:.0f} min", f"{plan.hours:.1f} h",
            f"{sum(claim.settled for claim in plan.claims)} of {len(plan.claims)}",
            *(f"{plan.shown(part)} more" for part in (0, 1)),
        ]
        for plan in plans
    ]  # fmt: skip
    heads = [
        "Study",
        "Seeds kept",
        "A seed of all rows",
        f"From there to {ENOUGH}",
        "Have a verdict now",
        "Then",
        "At half of it",
    ]
    parts = [HEAD, COSTS, markdown(heads, lines), ""]
    for plan in plans:
        heads = ["Claim", "Spread of both rows", "Difference", "Seeds for it", "Seeds for half of it"]
        table = markdown(heads, [[*claim.words, *claim.told] for claim in plan.claims])
        parts += [f"## {plain(plan.title)}\n", f"{_link(plan, reports)}, kept with {plan.seeds} seeds.\n", table, ""]
    return "\n".join(parts)


def write(studies: Mapping[str, Mapping[str, Any]], reports: Path) -> None:
    """Writes PAGE."""
    with replacing(PAGE) as temporary:
        temporary.write_text(page(studies, reports), encoding="utf-8")


def _plan(name: str, study: Mapping[str, Any], reports: Path) -> Plan:
    seeds, folder = int(study["claims"][0]["seeds"]), reports / name
    minutes = fact((folder / "README.md").read_text(encoding="utf-8"), "Training time").partition(" min")[0]
    each = float(minutes) / seeds if minutes else math.nan
    return Plan(name, study["study"], seeds, each, list(_claims(study, kept_table(folder / "scores.csv"))))


def _link(plan: Plan, reports: Path) -> str:
    return f"[{plan.name}](../{(reports / plan.name).as_posix()}/README.md)"


def _claims(study: Mapping[str, Any], scores: pd.DataFrame) -> Iterator[Claim]:
    for claim in study["claims"]:
        of = [
            scores[(scores.output == claim["output"]) & (scores.row == row)][claim["score"]].to_numpy(float)
            for row in (claim["better"], claim["than"])
        ]
        if SCORES[claim["score"]].high is None or min(map(len, of)) < 3 or claim.get("within"):
            continue
        spreads = (float(of[0].std(ddof=1)), float(of[1].std(ddof=1)))
        theirs = 2 * LEAST if claim["paper"] is None else abs(claim["paper"])
        never = next((why for sign, why in NEVER.items() if sign in claim["reason"]), "")
        whole, half = (None if never else needed(spreads, part, len(study["claims"])) for part in (theirs, theirs / 2))
        digits = max(3, SCORES[claim["score"]].digits)
        yield Claim(
            claim["verdict"] in SETTLED,
            [plain(claim["text"]), f"{spreads[0]:.{digits}f}, {spreads[1]:.{digits}f}", f"{theirs:.{digits}f}"],
            (whole, half),
            [f"–, {never}"] * 2 if never else [f"over {MOST}" if count is None else str(count) for count in (whole, half)],
        )
