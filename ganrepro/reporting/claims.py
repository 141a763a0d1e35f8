"""The papers' claims, and the one rule that says which of them a study reproduces."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from ganrepro.config import SCORES, Study
from ganrepro.evaluation.bootstrap import interval
from ganrepro.reporting.results import Results, trusted

VERDICTS = {"reproduced": "✓", "contradicted": "✗", "undecided": "·"}
RULE = (
    "A claim says that one row scores higher than another, in some cases by at least a margin. It is **reproduced** where the "
    "whole 95 % interval of the difference lies above the margin (0 where none is named), **contradicted** where all of it lies "
    "below, **undecided** otherwise, and wherever it rests on a segmentation network that failed the gate. Intervals are of a "
    "bootstrap over test images and seeds, both rows drawn alike. With one seed they know nothing of how much another training "
    "would differ; with three they reach about from the worst to the best, which holds the truth three times in four."
)


@dataclass(frozen=True)
class Claim:
    """`better` scores more than `than`, by more than `margin`."""

    text: str
    direction: str
    score: str
    better: str
    than: str
    source: str
    margin: float = 0.0


@functools.cache
def claims(ablation: str) -> tuple[Claim, ...]:
    """The claims about one set of variants, in the order of the papers."""
    path = Path(__file__).with_name("claims.yaml")
    listed = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return tuple(Claim(**entry) for entry in listed.get(ablation, []))


def judge(better: np.ndarray, than: np.ndarray, margin: float = 0.0, certain: bool = True) -> tuple[float, float, str]:
    """95 % interval of the difference, and the verdict: see `RULE`.  better, than: paired replicates."""
    low, high = interval(better - than)
    if not certain:
        return low, high, "undecided"
    return low, high, "reproduced" if low > margin else "contradicted" if high < margin else "undecided"


def judged(results: Results, study: Study) -> list[dict[str, Any]]:
    """Every claim that a study has both rows of, with the paper's difference, ours and the verdict."""
    found, passed = [], trusted(results)
    for claim in claims(study.ablation):
        rows = [(claim.direction, claim.better), (claim.direction, claim.than)]
        if not all(row in results.replicates for row in rows):
            continue
        certain = passed or claim.direction == "photo2labels" or claim.score not in SCORES["segmentation"]
        better, than = (results.replicates[row][claim.score] for row in rows)
        low, high, verdict = judge(better, than, claim.margin, certain)
        scores = results.scores.query("direction == @claim.direction").groupby("row")[claim.score].mean()
        found.append(
            asdict(claim)
            | {
                "paper": published(study, claim),
                "difference": float(scores[claim.better] - scores[claim.than]),
                "low": low,
                "high": high,
                "verdict": verdict,
                "seeds": len(study.seeds),
                "images": len(results.by_image[rows[0]]),
            }
        )
    return found


def published(study: Study, claim: Claim) -> float | None:
    """The paper's difference, from the table that prints both rows (None where none does)."""
    for table in study.tables.values():
        names = list(SCORES[table.scores])
        if table.direction == claim.direction and claim.score in names:
            better, than = (table.rows.get(row) for row in (claim.better, claim.than))
            if better and than:
                return round(better[names.index(claim.score)] - than[names.index(claim.score)], 2)
    return None


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: one line per claim."""
    rows = ["| Claim | Paper | Ours | 95 % interval | Verdict |", "| :-- | :-: | :-: | :-: | :-- |"]
    for one in lines:
        margin = f" (margin {one['margin']:.2f})" if one["margin"] else ""
        paper = "–" if one["paper"] is None else f"{one['paper']:+.2f}"
        verdict = f"{VERDICTS[one['verdict']]} {one['verdict']}"
        rows.append(
            f"| {one['text']}{margin}<br><sub>{one['source']}</sub> | {paper} | **{one['difference']:+.3f}** | "
            f"{one['low']:+.3f} to {one['high']:+.3f} | {verdict} |"
        )
    return "\n".join(rows)


def tally(lines: Sequence[Mapping[str, Any]]) -> str:
    """'5 reproduced, 2 contradicted, 1 undecided'."""
    return ", ".join(f"{sum(one['verdict'] == name for one in lines)} {name}" for name in VERDICTS)


def overview(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown matrix of all claims and studies.  studies: name -> content of its claims.json."""
    heads = [f"{name}<br><sub>{_seeds(study)}</sub>" for name, study in studies.items()]
    rows = ["| Claim | " + " | ".join(heads) + " |", "| :-- |" + " :-: |" * len(heads)]
    texts = dict.fromkeys(one["text"] for study in studies.values() for one in study["claims"])
    for text in texts:
        marks = [
            next((VERDICTS[one["verdict"]] for one in study["claims"] if one["text"] == text), "") for study in studies.values()
        ]
        rows.append(f"| {text} | " + " | ".join(marks) + " |")
    return "\n".join(rows)


def _seeds(study: Mapping[str, Any]) -> str:
    seeds = study["claims"][0]["seeds"]
    return f"{seeds} seed{'s' if seeds > 1 else ''}"


def page(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole of reports/claims.md.  studies: name -> content of its claims.json, and the `folder` of its figures."""
    parts = [
        "# Which of the papers' claims hold",
        RULE,
        "✓ reproduced, ✗ contradicted, · undecided; empty: the study does not have the rows. Studies differ in data, size and "
        "length of training from the papers', so a claim that fails here may hold at the papers' scale.",
    ]
    parts.append(overview(studies))
    for name, study in studies.items():
        full = f"{name}/README.md" if study["folder"] == name else f"{study['folder']}.md"
        parts += [
            f"## {study['study']}",
            f"`{name}`, {_seeds(study)}, {study['claims'][0]['images']} test images: {tally(study['claims'])}. "
            f"[Full report]({full})",
            f"![Difference and 95 % interval of every claim]({study['folder']}/claims.svg)",
            table(study["claims"]),
        ]
    return "\n\n".join(parts) + "\n"
