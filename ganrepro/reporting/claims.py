"""The papers' claims, which papers/ holds, and the one rule that says which of them a study reproduces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ganrepro.evaluation.intervals import FEWEST_IMAGES, LEVEL, Difference, corrected, difference, p_smaller, p_value, reach
from ganrepro.evaluation.measures import SCORES
from ganrepro.plan import paths
from ganrepro.reporting.markdown import markdown, plain
from ganrepro.reporting.results import Results, share_collapsed, title, trusted, unlearned
from ganrepro.reporting.templates import render
from ganrepro.settings import ClaimSettings, Study

NO_DIFFERENCE = "no such difference"
VERDICTS = {"reproduced": "✓", "contradicted": "✗", NO_DIFFERENCE: "≈", "undecided": "·", "not judged": "–"}
SETTLED = list(VERDICTS)[:3]
FEWEST_SEEDS = 3
LEAST = 0.02  # half of the difference that is looked for where the paper prints none, of scores between 0 and 1
SCHEMA = "claims/2"  # of claims.json
RULE = (
    "A claim says that one row scores higher than another (lower, for a distance), or that both score the same within so "
    "much. It is about the typical training: trainings that collapse are counted beside each row, and where rows differ in "
    "them the claim says so. It is **reproduced** where the difference lies above 0 (between the two bounds, where the same "
    "is claimed) and **contradicted** where it lies below (outside of them), in either case only if that could not be chance: "
    "trainings and test images are both taken as drawn at random (Student's t over the trainings, joined with a bootstrap "
    "over images that both rows share; of a Fréchet distance, a jackknife of each row; rows that use the same trainings are "
    "paired by them). Holm's "
    "correction keeps the share of studies with any wrong verdict below one in twenty, unless one row collapses now and then and "
    "there are so many trainings that its mean shows it (docs/verdicts.md). There is **no such difference** here "
    "where, by the same rule, it is smaller than half of the paper's "
    "(than 0.02 where the paper prints none); that is never said of distances, decibels and counts, which have no scale that the "
    "paper's share. Otherwise it is **undecided**. It is **not judged** "
    "with fewer than three trainings of each row, where a row has not learned (unless the paper reports it as a failure), "
    "where the network that reads the images failed its gate, where a class occurs in too few test images, or where both rows "
    "are without any fault, so that there is no room between them. The interval "
    "printed is of the one difference alone. How often the rule errs, and what it can see: docs/verdicts.md."
)


class Question(NamedTuple):
    """What is judged of a claim.

    difference: of the two rows, positive where it is as claimed.  within: so close to 0 it has to be, either way; None where
    it has to be above 0.  least: smaller than this it is no such difference; None where nothing says how large it should be.
    reason: why it is not judged, '' where it is.
    """

    difference: Difference
    within: float | None = None
    least: float | None = None
    reason: str = ""


class Verdict(NamedTuple):
    """What the rule says of one claim.  p: corrected for all claims of the study, NaN where it is not judged."""

    word: str
    p: float
    reason: str = ""


def judge(questions: Sequence[Question]) -> list[Verdict]:
    """The verdicts on all claims of a study: see `RULE`."""
    verdicts = [Verdict("not judged", float("nan"), question.reason) for question in questions]
    asked = [i for i, question in enumerate(questions) if not question.reason]
    sized = [i for i in asked if questions[i].least is not None]
    p = dict(zip(asked, _corrected([_p_of(questions[i]) for i in asked]), strict=True))
    small = dict(
        zip(sized, _corrected([p_smaller(questions[i].difference, questions[i].least or 0.0) for i in sized]), strict=True)
    )
    for i in asked:
        mean, within = questions[i].difference.mean, questions[i].within
        if p[i] < 1 - LEVEL:
            verdicts[i] = Verdict("reproduced" if (mean > 0 if within is None else abs(mean) < within) else "contradicted", p[i])
        elif small.get(i, 1.0) < 1 - LEVEL:
            verdicts[i] = Verdict(NO_DIFFERENCE, small[i])
        else:
            verdicts[i] = Verdict("undecided", p[i])
    return verdicts


def _p_of(question: Question) -> float:
    """Of the difference being 0, or, where the same is claimed, being just as large as is allowed."""
    measured, within = question.difference, question.within
    return p_value(measured) if within is None else p_value(measured._replace(mean=abs(measured.mean)), within)


def _corrected(values: list[float]) -> list[float]:
    return [float(value) for value in corrected(np.array(values))] if values else []


def judged(results: Results) -> list[dict[str, Any]]:
    """Every claim that a study has both rows of, with the paper's difference, ours and the verdict."""
    study, listed = results.study, [claim for claim in results.study.claims if _has(results, claim)]
    questions = [_question(results, claim) for claim in listed]
    return [
        claim.model_dump()
        | {
            "paper": published(study, claim),
            "difference": measured.mean,
            # of one training an interval would tell the test images alone, and look the surest of all
            "low": _known(measured.mean - reach(measured)) if len(study.seeds) > 1 else None,
            "high": _known(measured.mean + reach(measured)) if len(study.seeds) > 1 else None,
            "p": _known(verdict.p),
            "verdict": verdict.word,
            "reason": verdict.reason,
            "collapsed": _collapsed(results, claim),
            "seeds": len(study.seeds),
            "images": _images(results, claim),
        }
        for claim, (measured, *_), verdict in zip(listed, questions, judge(questions), strict=True)
    ]


def _question(results: Results, claim: ClaimSettings) -> Question:
    better, than = (results.estimates[claim.output, row][claim.score] for row in _higher_first(claim))
    measured = difference(better, than, results.same_trainings(claim.better, claim.than))
    paper, score = published(results.study, claim), SCORES[claim.score]
    # a distance has no scale that the paper's shares: its networks, images and sizes are others
    sized = claim.within is None and score.low is not None and score.high is not None
    least = None if not sized else LEAST if paper is None else abs(paper) / 2
    return Question(measured, claim.within, least, _reason(results, claim, measured))


def _collapsed(results: Results, claim: ClaimSettings) -> str:
    """How many trainings of both rows collapsed, where these differ in it; ''."""
    fell = {row: results.collapsed.get((claim.output, row), []) for row in (claim.better, claim.than)}
    shares = {sum(of) / len(of) for of in fell.values() if of}
    if len(shares) < 2:
        return ""
    return "; ".join(f"{plain(title(results, row))}: {share_collapsed(results, claim.output, row)}" for row in fell)


def _higher_first(claim: ClaimSettings) -> tuple[str, str]:
    """Both rows, that first which the claim says to score higher."""
    return (claim.than, claim.better) if SCORES[claim.score].better == "lower" else (claim.better, claim.than)


def _has(results: Results, claim: ClaimSettings) -> bool:
    return all(claim.score in results.estimates.get((claim.output, row), {}) for row in (claim.better, claim.than))


def _images(results: Results, claim: ClaimSettings) -> int:
    """How many test images the rows of a claim were scored on, or beside."""
    seen = results.by_image.get((claim.output, claim.better))
    return max(results.manifest["counts"]["test"].values()) if seen is None else len(seen)


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None


def _reason(results: Results, claim: ClaimSettings, measured: Difference) -> str:
    """Why a claim is not judged; '' where it is."""
    seeds = min(len(results.estimates[claim.output, row][claim.score].trainings) for row in (claim.better, claim.than))
    if seeds < FEWEST_SEEDS:
        return "one training" if seeds == 1 else f"{seeds} trainings"
    for row in (claim.better, claim.than):
        if unlearned(results, claim.output, row) and not (claim.fails and row == claim.than):
            return f"{title(results, row)} has not learned"
    measure = results.measure_of(claim.output, claim.score)
    needs = paths.needs_of(results.params, results.study)
    if measure is not None and measure.uses_reader(needs) and not trusted(results):
        return "gate failed"
    if measured.error == 0:  # all of both right, say: nothing varies, so that nothing says how far chance reaches
        return "no room: scores differ between neither trainings nor images"
    return "" if np.isfinite(measured.error) else f"fewer than {FEWEST_IMAGES} test images, or with some class"


def published(study: Study, claim: ClaimSettings) -> float | None:
    """The paper's difference, from the table that prints both rows (None where none does)."""
    for table in study.tables.values():
        if table.output == claim.output and claim.score in (table.scores or []):
            better, than = (table.rows.get(row) for row in _higher_first(claim))
            if better and than:
                at = (table.scores or []).index(claim.score)
                return round(better[at] - than[at], max(2, SCORES[claim.score].digits))
    return None


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: one line per claim."""
    rows = []
    for line in lines:
        within = f" (within {line['within']:.2f})" if line.get("within") else ""
        paper = "–" if line["paper"] is None else _short(line["paper"])
        words = f"{line['text']}{within}<br><sub>{line['source']}</sub>"
        interval = "–" if line["low"] is None else f"{line['low']:+.3f} to {line['high']:+.3f}"
        verdict = f"{VERDICTS[line['verdict']]} {line['verdict']}"
        seeds = f"{line['seeds']} seed{'s' if line['seeds'] > 1 else ''}"
        words += f"<br><sub>{line['collapsed']}</sub>" if line.get("collapsed") else ""
        of = " that it is half of the paper's or more" if line["verdict"] == NO_DIFFERENCE else ""
        judgement = (
            f"{line['reason']}: not judged" if line["reason"] else f"{verdict}<br><sub>{seeds}, p {_p(line['p'])}{of}</sub>"
        )
        rows.append([words, paper, f"**{line['difference']:+.3f}**", interval, judgement])
    return markdown(["Claim", "Paper", "Ours", "95 % interval", "Verdict"], rows)


def _short(difference: float) -> str:
    """With two digits after the point, or up to four where the paper prints so many."""
    text = f"{difference:+.4f}"
    return text[:-2] + text[-2:].rstrip("0")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def tally(lines: Sequence[Mapping[str, Any]]) -> str:
    """'5 reproduced, 2 contradicted, 1 undecided, 0 not judged'."""
    return ", ".join(f"{sum(line['verdict'] == name for line in lines)} {name}" for name in VERDICTS)


def overview(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: for each paper a matrix of its claims and studies.  studies: name -> content of its claims.json, and `paper`."""
    papers = dict.fromkeys(study["paper"] for study in studies.values())
    return "\n\n".join(
        f"**{plain(paper)}**\n\n{_matrix({k: v for k, v in studies.items() if v['paper'] == paper})}" for paper in papers
    )


def _matrix(studies: Mapping[str, Mapping[str, Any]]) -> str:
    heads = [f"{name}{' †' * older(study)}<br><sub>{seeds_of(study)}</sub>" for name, study in studies.items()]
    rows = []
    for text in dict.fromkeys(claim["text"] for study in studies.values() for claim in study["claims"]):
        rows.append([text])
        for study in studies.values():
            rows[-1].append(next((VERDICTS[claim["verdict"]] for claim in study["claims"] if claim["text"] == text), ""))
    return markdown(["Claim", *heads], rows)


def older(study: Mapping[str, Any]) -> bool:
    """Whether a kept claims.json was judged before rows that have not learned were left out.

    study: its content, and `floor`, whether networks before training were scored beside it.
    """
    return not study.get("floor", True) or any("collapsed" not in claim for claim in study["claims"])


def seeds_of(study: Mapping[str, Any]) -> str:
    """'3 seeds'."""
    seeds = study["claims"][0]["seeds"]
    return f"{seeds} seed{'s' if seeds > 1 else ''}"


def page(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole of reports/claims.md.  studies: name -> content of its claims.json, the `folder` of its figures, and `paper`."""
    parts = [
        {
            **study,
            "study": plain(study["study"]),
            "name": name,
            "seeds": seeds_of(study),
            "images": study["claims"][0]["images"],
            "tally": tally(study["claims"]),
            "older": older(study),
            "full": f"{name}/README.md" if study["folder"] == name else f"{study['folder']}.md",
            "table": table(study["claims"]),
        }
        for name, study in studies.items()
    ]
    return render("claims.md.j2", rule=RULE, overview=overview(studies), studies=parts)
