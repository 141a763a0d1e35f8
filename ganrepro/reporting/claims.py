"""The papers' claims, and the one rule that says which of them a study reproduces."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from ganrepro.evaluation.bootstrap import interval
from ganrepro.evaluation.scores import evaluators_of
from ganrepro.reporting.results import Results, trusted
from ganrepro.reporting.tables import markdown
from ganrepro.reporting.templates import render
from ganrepro.settings import Study

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
    output: str
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


def judged(results: Results) -> list[dict[str, Any]]:
    """Every claim that a study has both rows of, with the paper's difference, ours and the verdict."""
    study, passed, found = results.study, trusted(results), []
    for claim in claims(study.variants):
        rows = [(claim.output, claim.better), (claim.output, claim.than)]
        if not all(row in results.replicates for row in rows):
            continue
        certain = passed or not any(
            "reader" in e.reads for e in evaluators_of(study.output(claim.output), True) if claim.score in e.scores
        )
        better, than = (results.replicates[row][claim.score] for row in rows)
        low, high, verdict = judge(better, than, claim.margin, certain)
        scores = results.scores.query("output == @claim.output").groupby("row")[claim.score].mean()
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
        if table.output == claim.output and claim.score in table.scores:
            better, than = (table.rows.get(row) for row in (claim.better, claim.than))
            if better and than:
                at = table.scores.index(claim.score)
                return round(better[at] - than[at], 2)
    return None


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: one line per claim."""
    rows = []
    for one in lines:
        margin = f" (margin {one['margin']:.2f})" if one["margin"] else ""
        paper = "–" if one["paper"] is None else f"{one['paper']:+.2f}"
        words = f"{one['text']}{margin}<br><sub>{one['source']}</sub>"
        verdict = f"{VERDICTS[one['verdict']]} {one['verdict']}"
        rows.append([words, paper, f"**{one['difference']:+.3f}**", f"{one['low']:+.3f} to {one['high']:+.3f}", verdict])
    return markdown(["Claim", "Paper", "Ours", "95 % interval", "Verdict"], rows)


def tally(lines: Sequence[Mapping[str, Any]]) -> str:
    """'5 reproduced, 2 contradicted, 1 undecided'."""
    return ", ".join(f"{sum(one['verdict'] == name for one in lines)} {name}" for name in VERDICTS)


def overview(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown matrix of all claims and studies.  studies: name -> content of its claims.json."""
    heads = [f"{name}<br><sub>{seeds_of(study)}</sub>" for name, study in studies.items()]
    texts = dict.fromkeys(one["text"] for study in studies.values() for one in study["claims"])
    rows = []
    for text in texts:
        rows.append([text])
        for study in studies.values():
            rows[-1].append(next((VERDICTS[one["verdict"]] for one in study["claims"] if one["text"] == text), ""))
    return markdown(["Claim", *heads], rows)


def seeds_of(study: Mapping[str, Any]) -> str:
    """'3 seeds'."""
    seeds = study["claims"][0]["seeds"]
    return f"{seeds} seed{'s' if seeds > 1 else ''}"


def page(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole of reports/claims.md.  studies: name -> content of its claims.json, and the `folder` of its figures."""
    parts = [
        {
            **study,
            "name": name,
            "seeds": seeds_of(study),
            "images": study["claims"][0]["images"],
            "tally": tally(study["claims"]),
            "full": f"{name}/README.md" if study["folder"] == name else f"{study['folder']}.md",
            "table": table(study["claims"]),
        }
        for name, study in studies.items()
    ]
    return render("claims.md.j2", rule=RULE, overview=overview(studies), studies=parts)
