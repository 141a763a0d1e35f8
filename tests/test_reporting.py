import copy
import functools
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import RAW, ROOT, method_of, parsed
from PIL import Image
from scipy.stats import t as student

from ganrepro.data.images import write_png
from ganrepro.errors import UserError
from ganrepro.evaluation.intervals import Difference, Estimate, difference, p_smaller
from ganrepro.evaluation.measures import MEASURES
from ganrepro.evaluation.measures.base import Limits
from ganrepro.evaluation.readers.base import Gate
from ganrepro.plan import paths
from ganrepro.reporting import claims, page, pictures, plots, tables, verdict_errors
from ganrepro.reporting import results as results_of
from ganrepro.reporting import seeds as needed_seeds
from ganrepro.reporting.current import deviations_of, figures
from ganrepro.reporting.deviations import deviations
from ganrepro.reporting.results import (
    HEAD,
    Results,
    collapsed_trainings,
    intervals,
    kept_unlearned,
    segmented,
    summary,
    unlearned,
    with_rules,
)
from ganrepro.reporting.sheet import sheet, worded
from ganrepro.schema.records import MakingTime, Manifest, Metrics, ReaderRecord, TrainingTime, read_record
from ganrepro.settings import REFERENCE_ROWS
from ganrepro.store.arrays import read_arrays
from ganrepro.store.files import replace_section
from ganrepro.tracking import client as tracking

PARAMS = parsed(RAW)
STUDY = PARAMS.studies["streets-tiny"]
MACHINE = {"device_name": "toy", "device": "cpu", "threads": 1, "cores": 2, "commit": "abc", "versions": {"torch": "2"}}


@pytest.fixture
def results(tmp_path):
    return made_up(STUDY, tmp_path)


MEASURED = {
    "labels2photo": ("fcn_score", "colour_histograms", "distance"), "photo2labels": ("label_colours",), "samples": ("novelty",),
}  # fmt: skip
DISTANCE = {"of": "reader", "made": 2, "real": 3, "features": 8, "infinite": 3.5}


def made_up(study, tmp_path, seeds=(0, 1, 2), floor=-0.1):
    """Some seeds of every row with known scores, test images of one colour per row.  floor: accuracy without training."""
    study = replace(study, seeds=list(seeds))
    scores, classes, losses, more, timing, images, estimates = [], [], [], {}, {}, {}, {}
    rows = [*study.rows, *REFERENCE_ROWS]
    for number, row in enumerate(rows):
        outputs = study.rows[row].method.outputs() if row in study.rows else study.outputs
        for seed in study.seeds if row in study.rows else (0,):
            folder = tmp_path / f"{row}-{seed}"
            for output in (output.name for output in outputs):
                (folder / output).mkdir(parents=True)
                for name in ("0.png", "1.png"):
                    Image.new("RGB", (8, 8), (30 * number % 256, 10, 10)).save(folder / output / name)
                value = 0.9 if row == "ground-truth" else 0.1 * number % 1 + 0.01 * seed
                value = floor if row in ("identity", "untrained") else value
                line = {"output": output, "row": row, "seed": seed}
                for measure in MEASURED.get(output, ()):
                    if measure == "distance" and row not in study.rows:
                        continue
                    more[output, row, measure] = DISTANCE if measure == "distance" else {}
                    known = dict.fromkeys(MEASURES[measure].scores, value)
                    known |= {"class_accuracy": value / 2, "class_iou": value / 4, "frechet": 4.0 + seed, "kernel": 0.0125}
                    known = {score: known[score] for score in MEASURES[measure].scores if score != "inception_score"}
                    scores += [line | {"score": score, "value": one} for score, one in known.items()]
                    if "class_iou" in known:
                        classes.append(line | {"class": "a", "value": value / 4})
            images[row, seed] = folder
            if row in study.rows:
                timing[row, seed] = {"seconds": 60.0 + 60 * seed, "resumed": 0} | MACHINE
                for e in (1, 2):
                    terms = {loss.name: 1 / e for loss in study.rows[row].method.losses()}
                    losses.append({"row": row, "seed": seed, "epoch": e, "learning_rate": 1.0} | terms)
    names = {split: {"a": ["0.png", "1.png"], "b": ["0.png", "1.png"]} for split in ("train", "test")}
    manifest = {
        "title": "toy", "names": names, "unpaired": {"a": ["0.png"], "b": ["1.png"]}, "source": "toy",
        "counts": {"train": {"a": 2, "b": 2}, "test": {"a": 2, "b": 2}}, "digest": "0" * 64,
    }  # fmt: skip
    table = pd.DataFrame(scores, columns=[*HEAD, "score", "value"])
    passes = pd.concat([table.assign(**{"pass": n}, value=table.value + 0.02 * n) for n in (0, 1)])
    # of each score the seeds as they are, and nothing of the images: intervals are Student's over three trainings
    for (output, row, score), of in table.groupby(["output", "row", "score"]):
        estimates.setdefault((output, row), {})[score] = Estimate(of.value.to_numpy(), np.full(2, of.value.mean()), 2000)
    curves = table[table.score.eq("class_iou") & table.row.isin(study.rows)]
    domains = {
        name: replace(domain, palette={"a": [1, 2, 3]}) if domain.palette else domain
        for name, domain in study.data.domains.items()
    }
    return Results(
        params=PARAMS,
        study=replace(study, data=replace(study.data, domains=domains)),
        scores=table,
        passes=passes,
        classes=pd.DataFrame(classes, columns=[*HEAD, "class", "value"]),
        curves=pd.concat([curves.assign(epoch=e) for e in (1, 2)]),
        more=more,
        estimates=estimates,
        by_image={at: np.array([0.25, 0.75]) for at in estimates},
        losses=pd.DataFrame(losses),
        timing=timing,
        first={row: row for row in study.rows},
        pace=dict.fromkeys(timing, 0.04),
        versions=dict.fromkeys(timing, MACHINE["versions"]),
        collapsed=collapsed_trainings(PARAMS, study, table),
        failed={},
        manifest=manifest,
        images=images,
        gate=Gate("per-pixel accuracy", 0.9, 0.8),
        reader="a segmentation network",
    )


@pytest.mark.slow
def test_a_page_of_pairs_has_every_table_with_its_own_rows(tmp_path):
    study = PARAMS.studies["streets-pairs"]
    results = made_up(study, tmp_path)
    text = page.page(PARAMS, "pix2pix_ablation", results)
    assert "trained on 2 pairs of label maps and photos" in text
    assert re.findall(r"## (pix2pix [^:]+):", text) == [
        f"pix2pix {n}" for n in ("Table 1", "Figure 7", "Table 2", "Table 3", "Table 6")
    ]
    assert re.findall(r"\((pix2pix_ablation/.*?)\)", text) == [
        f"pix2pix_ablation/{name}"
        for name in (
            *("objective.png", "architecture.png", "receptive-field.png", "labels.png"),
            *(
                "trainings.svg",
                "claims.svg",
                "classes.svg",
                "extremes.png",
                "moments.png",
                "curves.svg",
                "losses.svg",
                "nearest.png",
            ),
        )
    ]
    # the fifth row, 0.40 and 0.42, stands in two tables under two names, beside the paper's number of each
    row = "| 0.66 | **0.41** <sub>0.39–0.43</sub> | 0.23 | **0.2x** <sub>0.19–0.22</sub> | 0.17 | **0.10** <sub>0.10–0.11</sub> |"
    row = re.escape(row + " 3 | 2.0 min | 40 ms |").replace("0\\.2x", r"0\.2[01]").replace("0\\.22<", r"0\.2[23]<")
    assert re.search(re.escape("| L1 + cGAN ") + row, text) and re.search(re.escape("| 70 × 70 ") + row, text)
    assert "| L1 + GAN | – | **0.31** <sub>0.29–0.33</sub> | – |" in text  # colours, which the paper has not
    # sample deviation of two passes 0.02 apart: 0.0141
    assert "translated 3 times" in text and "differs by 0.0141 (mean standard deviation), 0.0141 at most" in text
    front = tables.of_front_page(intervals(results), study).splitlines()
    # seeds 4, 5 and 6: standard error 0.577, quantile of two degrees of freedom 4.303
    assert (
        "| L1 + GAN | **5.00** <sub>2.52–7.48</sub> | **0.0125** <sub>0.0125–0.0125</sub> | 3.50 | 2 and 3 |" in text
        and "**not FID**" in text
    )
    assert len(front) == 2 + 5 + 3 and "Photo → labels" not in front[0]
    canvas = np.asarray(pictures.grid(results, study.tables["receptive-field"]))
    assert canvas.shape[1] == 6 * 100 - 4


def test_the_rule_that_judges_claims():
    """p of four claims 0.004, 0.03, 0.02, 0.9 by their distance in standard errors; Holm's correction by hand."""
    far = [student.isf(p / 2, 4) for p in (0.004, 0.03, 0.02, 0.9)]

    def judge(signs, reasons=("", "", "", "")):
        found = [Difference(0.01 * sign * z, 0.01, 4) for sign, z in zip(signs, far, strict=True)]
        return claims.judge([claims.Question(one, reason=reason) for one, reason in zip(found, reasons, strict=True)])

    first = judge((1, 1, 1, 1))
    assert [v.word for v in first] == ["reproduced", "undecided", "undecided", "undecided"]
    assert [v.p for v in first] == pytest.approx([0.016, 0.06, 0.06, 0.9])
    assert judge((-1, 1, 1, 1))[0].word == "contradicted"
    # what is not judged asks for no correction: 0.03 x 2, 0.02 x 2
    rest = judge((1, -1, 1, 1), ("gate failed", "", "", "one training"))
    assert [v.word for v in rest] == ["not judged", "contradicted", "reproduced", "not judged"]
    assert [v.reason for v in rest] == ["gate failed", "", "", "one training"] and np.isnan(rest[0].p)
    assert claims.judge([]) == []


def test_a_difference_that_is_too_small_is_said_to_be_none():
    """0.001 with an error of 0.01 and 8 degrees of freedom, where 0.05 is looked for: t = -4.9, of both sides p = 0.0012."""
    p = 2 * student.sf(4.9, 8)
    assert p_smaller(Difference(0.001, 0.01, 8), 0.05) == pytest.approx(p) and 0.001 < p < 0.0013
    question = claims.Question(Difference(0.001, 0.01, 8), least=0.05)
    (verdict,) = claims.judge([question])
    assert verdict.word == "no such difference" and verdict.p == pytest.approx(p)
    # among 50 such claims it is undecided, and so it is where nothing says how large the difference should be
    assert {v.word for v in claims.judge([question] * 50)} == {"undecided"}
    assert claims.judge([question._replace(least=None)])[0].word == "undecided"
    # what differs surely keeps its word
    assert claims.judge([claims.Question(Difference(0.04, 0.001, 8), least=0.05)])[0].word == "reproduced"
    assert claims.judge([claims.Question(Difference(-0.04, 0.001, 8), least=0.05)])[0].word == "contradicted"


def test_a_claim_that_rows_score_the_same_needs_an_interval_within_its_bounds():
    """Two-sided as all verdicts are: reproduced where the 95 % interval, here the mean ± 2.306 x 0.01, lies within ± 0.05."""

    def word(mean, of=1):
        return {v.word for v in claims.judge([claims.Question(Difference(mean, 0.01, 8), within=0.05)] * of)}

    assert word(0.026) == word(-0.026) == {"reproduced"} and word(0.0275) == word(-0.0275) == {"undecided"}
    assert word(0.072) == word(-0.072) == {"undecided"} and word(0.0735) == word(-0.0735) == {"contradicted"}
    assert word(0.026, of=2) == {"undecided"}  # Holm's correction asks for more
    # rows that differ by just as much as is allowed, 4,000 times: one in twenty ends with a word, either way
    random = np.random.default_rng(0)
    one, two = (random.normal(mean, 0.08, (4000, 10)) for mean in (0.1, 0))
    made = [difference(Estimate(a, np.zeros(9), 60), Estimate(b, np.zeros(9), 60)) for a, b in zip(one, two, strict=True)]
    words = [claims.judge([claims.Question(found, within=0.1)])[0].word for found in made]
    assert 0.015 < words.count("reproduced") / 4000 < 0.035 and 0.015 < words.count("contradicted") / 4000 < 0.035


def test_a_page_says_within_what_rows_are_claimed_to_score_the_same(tmp_path):
    """Rows 0.1 and 0.3 apart, of three trainings 0.01 apart each: within 0.2 the first, not the second."""
    study = PARAMS.studies["streets-precision"]
    near, _, far = study.claims
    far = far.model_copy(update={"better": "pix2pix-short", "than": "cyclegan"})
    near, far = (claim.model_copy(update={"within": 0.2}) for claim in (near, far))
    results = made_up(replace(study, claims=[near, far]), tmp_path)
    first, second = claims.judged(results)
    assert (first["verdict"], second["verdict"]) == ("reproduced", "contradicted")
    assert abs(first["difference"]) == pytest.approx(0.1) and abs(second["difference"]) == pytest.approx(0.3)
    assert claims.table([first, second]).count("(within 0.20)") == 2
    plots.verdicts([first, second], tmp_path / "claims.svg")
    assert "bounds" in (tmp_path / "claims.svg").read_text(encoding="utf-8")


def test_a_row_that_has_not_learned_is_named_and_decides_nothing(tmp_path):
    """Networks before training score 0.2 (class IoU 0.05): rows at 0 to 0.28 are no more than 0.02 above, one lies across it."""
    study = PARAMS.studies["streets-pairs"]
    results = made_up(study, tmp_path, floor=0.2)
    table = study.tables["objective"]
    first, second, third, fourth = list(study.rows)[:4]
    assert [results.collapsed["labels2photo", row] for row in (first, second, third)] == [[True] * 3] * 3
    assert results.collapsed["labels2photo", fourth] == [False] * 3
    assert unlearned(results, "labels2photo", first) == "3 of 3 trainings collapsed" and not unlearned(
        results, "labels2photo", fourth
    )
    said = tables.unlearned_of(results, table)
    assert said.startswith("**Has not learned**, and decides no claim but one that says so: ") and "L1 (3 of 3 trainings" in said
    # three of three: the exact interval of Clopper and Pearson from 0.025 ** (1 / 3) on
    assert f"3<br><sub>3 of 3 collapsed, {100 * 0.025 ** (1 / 3):.0f} to 100 %</sub>" in tables.of_scores(results, table)
    found = {claim["text"]: claim for claim in claims.judged(results)}
    beaten = found["L1 + cGAN beats L1 on class IoU"]
    assert beaten["verdict"] == "not judged" and beaten["reason"] == "L1 has not learned"
    assert "L1 + cGAN: 0 of 3 collapsed, 0 to 71 %" in beaten["collapsed"] and "L1: 3 of 3 collapsed" in beaten["collapsed"]
    # the paper itself says that this one fails
    assert next(claim for claim in study.claims if claim.text == "Conditioning matters without L1").fails
    assert "not learned" not in found["L1 rescues the unconditional GAN"]["reason"]
    assert (
        replace(results, failed={fourth: "k never grew"})
        and unlearned(replace(results, failed={fourth: "k never grew"}), "labels2photo", fourth) == "k never grew"
    )


@pytest.mark.parametrize(
    ("measure", "scores", "fell"),
    [
        ("likeness", {"psnr": 11.4, "ssim": 0.31}, True),  # untrained networks have 11.3 dB and 0.30
        ("likeness", {"psnr": 11.4, "ssim": 0.35}, False),
        ("likeness", {"psnr": 7.4, "ssim": 0.21}, True),  # the untouched input 7.5 and 0.20
        ("likeness", {"psnr": 22.0, "ssim": 0.30}, False),
        ("distance", {"frechet": 26.6}, True),  # untrained networks lie at 26.5
        ("distance", {"frechet": 26.4}, False),
        ("own_reading", {"read_wrong": 0.89}, True),  # of ten classes chance reads nine in ten wrong
        ("own_reading", {"read_wrong": 0.87}, False),
    ],
)
def test_every_task_tells_a_training_that_learned_nothing(measure, scores, fell):
    floors = {
        "untrained": {"psnr": 11.3, "ssim": 0.30, "frechet": 26.5},
        "identity": {"psnr": 7.5, "ssim": 0.20, "frechet": 7.8},
    }
    data = PARAMS.studies["digits-losses"].data
    assert MEASURES[measure].collapsed(scores, floors, Limits(0.02, 0.5), data) is fell
    assert MEASURES[measure].fallen(Limits(0.02, 0.5))
    assert not MEASURES["distance"].collapsed({"frechet": 99.0}, {}, Limits(0.02, 0.5), data)


def test_a_training_near_the_top_has_learned_where_the_input_is_there_too():
    """Bright cells on black are nearly their own label maps; 0.02 above a class IoU of 0.99 lies beyond 1."""
    study = PARAMS.studies["cells-unet"]
    lines = [
        {"output": "photo2labels", "row": row, "seed": 0, "score": "class_iou", "value": value}
        for row, value in {"identity": 0.99, "untrained": 0.3, "unet": 0.985, "window": 0.965}.items()
    ]
    fell = collapsed_trainings(PARAMS, replace(study, seeds=[0]), pd.DataFrame(lines))
    assert fell == {("photo2labels", "unet"): [False], ("photo2labels", "window"): [True]}


def test_likeness_tells_collapsed_trainings_where_nothing_else_does():
    """Adversarial rows may be no more like the truth than grey images are, and have learned all the same."""
    study = PARAMS.studies["streets-pairs"]
    likeness, distance, cycle = MEASURES["likeness"], MEASURES["distance"], MEASURES["cycle"]
    assert with_rules([likeness, cycle], study) == [likeness] and with_rules([likeness, distance], study) == [distance]
    assert with_rules([cycle], study) == []


def test_pages_of_kept_tables_mark_rows_that_have_not_learned(tmp_path):
    """From scores.csv alone: three trainings at networks before training, of which one alone is above them."""
    study = PARAMS.studies["streets-pairs"]
    rows = [
        ("untrained", 0, 0.17),
        *(("l1", seed, 0.4) for seed in range(3)),
        ("gan", 0, 0.18),
        ("gan", 1, 0.17),
        ("gan", 2, 0.3),
    ]
    lines = [f"labels2photo,{row},{seed},0.5,0.4,{iou}" for row, seed, iou in rows]
    (tmp_path / "scores.csv").write_text("output,row,seed,pixel_accuracy,class_accuracy,class_iou\n" + "\n".join(lines))
    assert kept_unlearned(PARAMS, study, tmp_path) == {("labels2photo", "gan")}
    assert kept_unlearned(PARAMS, study, tmp_path / "none") == set()
    measured = pd.DataFrame(
        [
            ["labels2photo", row, score, 0.5, 0.4, 0.6, 3]
            for row in (*study.rows, *REFERENCE_ROWS)
            for score in ("pixel_accuracy", "class_iou")
        ],
        columns=["output", "row", "score", "mean", "low", "high", "seeds"],
    )
    front = tables.of_front_page(measured, study, {("labels2photo", "gan")})
    marked = [line for line in front.splitlines() if "‡" in line]
    assert marked[0].startswith("| GAN |") and marked[0].count("‡") == 2
    assert marked[1:] == ["<sub>‡ has not learned: most of its trainings collapsed.</sub>"]


def test_began_says_when_its_balance_never_grew():
    method = method_of("began")
    assert method.failed([{"k": 0.001}, {"k": 0.005}]) == "k never passed 0.005: D hardly looked at generated images"
    assert method.failed([{"k": 0.001}, {"k": 0.2}, {"k": 0.0}]) == ""


@pytest.mark.parametrize("seeds", [3, 5, 7, 10])
@pytest.mark.parametrize("model", verdict_errors.MODELS)
def test_few_studies_contain_a_wrong_verdict_on_typical_trainings(seeds, model):
    """No row's typical training differs from another's; 150 simulated studies of ten claims each, judged by the rule itself.

    At most one in twenty err; 14 of 150 or fewer do so in 99 % of such simulations.
    """
    assert verdict_errors.error(seeds, verdict_errors.MODELS[model], 150) <= 14 / 150


def test_means_over_rare_collapses_are_another_question():
    """In a third of the studies five trainings of a row hold no collapse: it is said to be better, which its mean is not."""
    assert verdict_errors.error_of_means(5, 150) > 0.1


def test_rows_without_any_fault_are_not_judged_and_one_training_has_no_interval(results):
    """0 of 60 wrong in both may well be chance where 1 in 50 is: nothing varies, so that a p-value would say that it is not."""
    claim = next(line for line in claims.judged(results) if line["verdict"] != "not judged")
    both = [(claim["output"], claim[row]) for row in ("better", "than")]
    perfect = {at: results.estimates[at] | {claim["score"]: Estimate(np.ones(3), np.ones(2), 2000)} for at in both}
    without = replace(results, estimates=results.estimates | perfect)
    (same,) = [line for line in claims.judged(without) if line["text"] == claim["text"]]
    assert same["verdict"] == "not judged" and same["reason"].startswith("no room") and same["p"] is None
    assert [sign for sign in needed_seeds.NEVER if sign in same["reason"]] == ["no room"]  # nor would more trainings help
    alone = replace(results, study=replace(results.study, seeds=[0]))
    assert claim["low"] is not None and all(line["low"] is line["high"] is None for line in claims.judged(alone))


def test_a_verdict_that_is_kept_from_look_to_look_errs_more_often():
    """Judged once it errs as a study of ten trainings does, by the same draws; at three looks at least as often."""
    once, thrice = (verdict_errors.error_of_looks(looks, 0.02, 150) for looks in ((10,), (3, 5, 10)))
    assert once <= 0.1 and thrice >= once + 0.01
    assert verdict_errors.error_of_looks((10,), verdict_errors.IMAGE_SPREAD, 60) == verdict_errors.error(
        10, verdict_errors.MODELS["normal"], 60
    )


def test_no_such_difference_is_said_where_there_is_none_and_hardly_where_there_is():
    wrong, _ = verdict_errors.says_none(10, 0.009, verdict_errors.LOOKED_FOR / 2, 100)
    _, right = verdict_errors.says_none(10, 0.009, 0.0, 60)
    assert wrong <= 0.09 and right > 0.4


def test_the_rule_sees_what_is_there():
    assert verdict_errors.power(3, 0.009, 0.2, 60) > 0.9
    assert verdict_errors.power(10, 0.037, 0.1, 60) > 0.8
    assert verdict_errors.power(3, 0.14, 0.05, 60) < 0.1  # and cannot see what is hidden in the spread


def test_fewer_than_three_trainings_are_not_judged(tmp_path):
    results = made_up(STUDY, tmp_path / "three")
    assert {one["verdict"] for one in claims.judged(results)} & {"reproduced", "contradicted"}
    for seeds, words in (([0], "one training: not judged"), ([0, 1], "2 trainings: not judged")):
        few = claims.judged(made_up(STUDY, tmp_path / str(len(seeds)), seeds))
        assert {one["verdict"] for one in few} == {"not judged"} and words in claims.table(few)


def test_claims_are_orders_that_the_papers_print():
    count = 0
    for name in ("cityscapes-128", "cityscapes-256"):
        study = PARAMS.studies[name]
        for claim in study.claims:
            for row in (claim.better, claim.than):
                assert claim.output in [output.name for output in study.rows[row].method.outputs()], claim
            # what is claimed is what the paper's own numbers say; it shows the collapse of labels in a figure
            if claim.score != "variety":
                assert claims.published(study, claim) > 0, claim
                count += 1
    assert count >= 24


def test_claims_are_judged_and_printed(tmp_path):
    study = PARAMS.studies["streets-pairs"]
    results = made_up(study, tmp_path)
    found = {one["text"]: one for one in claims.judged(results)}
    assert len(found) == len(study.claims)
    one = found["L1 + cGAN beats L1 on class IoU"]  # the fifth row's scores against the first's: 0.1025 - 0.0025
    assert one["paper"] == 0.06 and one["difference"] == pytest.approx(0.1) and one["verdict"] == "reproduced"
    # standard deviation 0.0025 over three trainings of either row: Student's with 4 degrees of freedom
    assert one["high"] - one["difference"] == pytest.approx(2.776 * 0.0025 * np.sqrt(2 / 3), abs=1e-5)
    assert found["With L1 a condition still helps"]["paper"] == 0.02
    failed = {one["text"]: one["verdict"] for one in claims.judged(replace(results, gate=Gate("per-pixel accuracy", 0.79, 0.8)))}
    assert failed["L1 + cGAN beats L1 on class IoU"] == "not judged"
    assert failed["L1 + cGAN has truer colours than L1 (a)"] == "reproduced"  # asks no network
    text = claims.table(list(found.values()))
    line = (
        "| L1 + cGAN beats L1 on class IoU<br><sub>pix2pix, section 4.2 and Table 1: L1 with a conditional GAN scores best</sub>"
    )
    assert f"{line} | +0.06 | **+0.100** | +0.094 to +0.106 | ✓ reproduced" in text
    assert tables.unlearned_of(results, results.study.tables["objective"]) == ""
    assert claims.tally([{"verdict": v} for v in ("reproduced", "undecided", "reproduced")]) == (
        "2 reproduced, 0 contradicted, 0 no such difference, 1 undecided, 0 not judged"
    )
    studies = {"a": {"claims": list(found.values())}, "b": {"claims": [one | {"verdict": "contradicted"}]}}
    for name, study in studies.items():
        study |= {"study": f"Study {name}", "folder": {"a": "a", "b": "b_report"}[name], "paper": "One paper"}
    whole = claims.page(studies)
    assert "## Study a" in whole and "(a/README.md)" in whole and "(b_report.md)" in whole and "(b_report/claims.svg)" in whole
    assert "`b`, 3 seeds, 2 test images: 0 reproduced, 1 contradicted, 0 no such difference, 0 undecided, 0 not judged." in whole
    assert "| L1 + cGAN beats L1 on class IoU | ✓ | ✗ |" in claims.overview(studies)
    apart = claims.overview({"a": studies["a"], "b": studies["b"] | {"paper": "Another"}})  # no empty columns of other papers
    assert "| L1 + cGAN beats L1 on class IoU | ✓ |\n" in apart and "**Another**" in apart


@pytest.mark.slow
def test_figures_are_the_same_bytes_twice(tmp_path):
    study = PARAMS.studies["streets-pairs"]
    results = made_up(study, tmp_path)
    lines = claims.judged(results)
    for name in ("a", "b"):
        plots.classes(results, tmp_path / f"{name}1.svg")
        plots.curves(results, tmp_path / f"{name}2.svg")
        plots.verdicts(lines, tmp_path / f"{name}3.svg")
        plots.trainings(results, tmp_path / f"{name}4.svg")
    for n in (1, 2, 3, 4):
        assert (tmp_path / f"a{n}.svg").read_bytes() == (tmp_path / f"b{n}.svg").read_bytes()
    assert "training steps" in (tmp_path / "a2.svg").read_text() and "reproduced" in (tmp_path / "a3.svg").read_text()


def test_a_row_has_one_colour_and_a_panel_shows_all_of_its_curves():
    for study in PARAMS.studies.values():
        by_title = {settings.title: plots.colour_of(study, row) for row, settings in study.rows.items()}
        assert len({*by_title.values()}) == len(by_title)
        assert all(by_title[settings.title] == plots.colour_of(study, row) for row, settings in study.rows.items())
    nan = float("nan")  # of a training that diverged
    cases = [((1, 1, 2), "linear"), ((1, 0.5, 100), "symlog"), ((1, 100), "symlog"), ((1, nan, 100), "symlog"), ((), "linear")]
    for reaches, scale in cases:
        figure, axis = plots.plt.subplots()
        for reach in reaches:
            axis.plot([0, reach])
        axis.plot([], [])  # a row without such a loss
        plots._scaled(axis, "Discriminator, loss on real images", 28)
        assert axis.get_yscale() == scale and max(map(len, axis.get_title().splitlines())) <= 28
        plots.plt.close(figure)


def test_extremes_are_the_best_and_the_worst_image(results):
    """Two test images, 0.25 and 0.75 right: best and worst; the lines are input, output and truth of the best row."""
    assert pictures.extreme_row(results, "labels2photo") == "cyclegan"  # fifth, with the highest scores
    order = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "sheet", lambda titles, lines, side: order.append((titles, lines)))
        pictures.extremes(results)
    titles, lines = order[0]
    assert titles == ["Best 0.75", "Median 0.25", "Worst 0.25"] * 2
    assert [path.name for path in lines[1]] == ["1.png", "0.png", "0.png"] * 2
    assert [line[0].parts[-3] for line in lines] == ["identity-0", "cyclegan-0", "ground-truth-0"]


def test_table_puts_the_papers_number_beside_ours(results):
    lines = tables.of_scores(results, STUDY.tables["labels2photo"]).splitlines()
    assert len(lines) == 2 + 5 + 3
    assert len({line.count("|") for line in lines}) == 1
    row = next(line for line in lines if line.startswith("| GAN alone |"))
    # second variant: 0.10 and 0.12; paper Table 4, second row
    assert row.startswith(
        "| GAN alone | 0.51 | **0.11** <sub>0.09–0.13</sub> | 0.11 | **0.06** <sub>0.04–0.07</sub> | 0.08 | **0.03** "
    )
    assert "| Ground truth | 0.80 | **0.90** <sub>" in "\n".join(lines)
    assert "| Identity (input unchanged) | – |" in "\n".join(lines)


def test_paper_values_are_those_of_the_protocol():
    # CycleGAN Tables 4 and 5, transcribed a second time
    assert STUDY.tables["labels2photo"].rows["gan-forward"] == [0.55, 0.18, 0.12]
    assert STUDY.tables["labels2photo"].rows["cyclegan"] == [0.52, 0.17, 0.11]
    assert STUDY.tables["photo2labels"].rows["gan-backward"] == [0.01, 0.06, 0.01]
    assert STUDY.tables["photo2labels"].rows["cyclegan"] == [0.58, 0.22, 0.16]
    assert STUDY.tables["photo2labels"].rows["cycle-alone"] == [0.10, 0.05, 0.02]


@pytest.mark.slow
def test_titles_of_any_kind_break_neither_page_nor_figure(results, tmp_path, monkeypatch):
    """A dollar is no mathematics, a bar no column, a tag no tag."""
    odd = r"L_1 $\frac{a|b} <script>alert(1)</script> 5 $ & more"
    rows = {name: replace(row, title=odd) for name, row in results.study.rows.items()}
    odd_tables = {name: table.model_copy(update={"title": odd}) for name, table in results.study.tables.items()}
    results = replace(results, study=replace(results.study, rows=rows, tables=odd_tables, title=odd))
    text = page.page(PARAMS, "cyclegan_ablation", results)
    assert "<script" not in text and "&lt;script&gt;" in text
    table = tables.of_scores(results, results.study.tables["labels2photo"]).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    monkeypatch.setattr(
        pictures, "nearest", lambda results: Image.new("RGB", (1, 1))
    )  # of training images, of which there are none
    page.write_figures_and_tables(PARAMS, results, tmp_path)
    assert "$" in (tmp_path / "losses.svg").read_text()


def test_the_gate_speaks_up_when_real_photos_cannot_be_read(results):
    text = page.page(PARAMS, "cyclegan_ablation", results)
    assert "**Gate passed**: a segmentation network reads real test images with a per-pixel accuracy of 0.90" in text
    failed = replace(results, gate=Gate("per-pixel accuracy", 0.79, 0.8))
    assert "**Gate failed: do not trust what it reads.** A segmentation network" in page.page(PARAMS, "cyclegan_ablation", failed)
    assert all(one["verdict"] == "not judged" for one in claims.judged(failed) if one["output"] == "labels2photo")
    assert any(one["verdict"] != "not judged" for one in claims.judged(failed) if one["output"] == "photo2labels")
    # nothing that a network reads: no gate
    assert "Gate" not in str(page._gate(PARAMS, replace(results, gate=None)))


def test_a_page_without_a_reader_says_what_is_not_measured(raw, tmp_path):
    raw["studies"]["edges"] = {"base": "streets-tiny", "dataset": "facades-edges", "reader": None}
    params = parsed(raw)
    bare = replace(made_up(params.studies["edges"], tmp_path), params=params, gate=None, reader="")
    text = page.page(params, "cyclegan_ablation", bare)
    assert (
        "1 edges and 1 photos" in text
        and "Not measured: Perceptual distance" in text
        and "; Fréchet distance" in text
        and "edges2photo.png" in text
    )
    assert not [word for word in ("FCN-score", "Gate", "unchanged scores", "How to read", "claims hold") if word in text], text
    assert segmented(bare) == []


def test_rows_of_other_versions_are_named(results):
    assert "Rows differ" not in page.page(PARAMS, "cyclegan_ablation", results)
    first = next(iter(results.versions))
    other = replace(results, versions=results.versions | {first: {"torch": "3"}})
    assert "**Rows differ in torch**" in page.page(PARAMS, "cyclegan_ablation", other)


def test_scores_over_the_training_are_drawn_where_a_table_shows_their_output():
    drawn = {
        name: "curves.svg" in figures(PARAMS, PARAMS.studies[name]) for name in ("few-labels", "few-labels-codes", "isbi-unet")
    }
    # codes are read once, at the end; their samples are scored over the training, and no table shows them
    assert drawn == {"few-labels": True, "few-labels-codes": False, "isbi-unet": True}


def test_moments_are_those_that_were_looked_back_at_from_left_to_right(results):
    """Three moments and the end: a colour for each, beside the input; a line for each row and way."""
    for row in STUDY.rows:
        folder = results.images[row, 0]
        for number, epoch in enumerate((1, 2, 10)):  # numbers, not words: 10 comes last
            for way in ("labels2photo", "photo2labels"):
                (folder / f"epoch-{epoch}" / way).mkdir(parents=True)
                Image.new("RGB", (8, 8), (0, 60 * (number + 1), 0)).save(folder / f"epoch-{epoch}" / way / "0.png")
    canvas = np.asarray(pictures.moments_of(results).convert("RGBA"))
    assert canvas.shape[1] == 5 * 100 - 4 and canvas.shape[0] == 22 + 10 * 100 - 4
    line = [int(canvas[22 + 48, x * 100 + 48][1]) for x in range(5)]
    assert [round(level / 60) for level in line[1:4]] == [1, 2, 3] and line[4] < 40
    text = page.page(PARAMS, "cyclegan_ablation", results)
    assert "(cyclegan_ablation/moments.png)" in text and "CycleGAN, Labels → photo and Photo → labels" in text


def test_grid_shows_input_rows_and_truth_in_order(results):
    canvas = np.asarray(pictures.grid(results, STUDY.tables["labels2photo"]).convert("RGBA"))
    assert canvas.shape[1] == 7 * 100 - 4
    order = ["identity", *STUDY.rows, "ground-truth"]
    rows = [*STUDY.rows, *REFERENCE_ROWS]
    for x, row in enumerate(order):
        shown = canvas[22 + 48, x * 100 + 48]
        assert abs(int(shown[0]) - 30 * rows.index(row)) <= 4, row  # 255 colours


@pytest.mark.parametrize("colours", [256, None])
def test_a_grid_lies_on_white_and_on_dark_pages(colours, tmp_path):
    """Paper is transparent, words are ink all over and images are solid, their colours kept; written and read again."""
    red, label_map = Image.new("RGB", (40, 20), (200, 0, 0)), Image.new("RGB", (32, 32), (0, 120, 60))
    write_png(tmp_path / "grid.png", sheet(["Wide", "Square"], [[red, label_map], [worded("Words", 32), red]], 32, colours))
    with Image.open(tmp_path / "grid.png") as image:
        canvas = np.asarray(image.convert("RGBA"))
    assert canvas.shape == (22 + 36 + 32, 36 + 32, 4)
    assert tuple(canvas[22 + 16, 16]) == (200, 0, 0, 255) and tuple(canvas[22 + 16, 36 + 16]) == (0, 120, 60, 255)
    paper = [canvas[22:, 32:36], canvas[54:58], canvas[22:28, :32]]  # gaps, and above a wide image in its square
    assert not any(part[..., 3].any() for part in paper)
    for part in (canvas[:22], canvas[58:, :32]):  # titles, and words in a square
        assert part[..., 3].max() == 255 and (part[..., 3] == 0).mean() > 0.3
        assert (part[..., :3] == (0x7D, 0x85, 0x90)).all()


def test_what_is_known_of_all_translations_together_needs_no_counts(results):
    """Their distances are means of several: no number of images, no extrapolation, and the rest of the section as it was."""
    section = MEASURES["distance"].section
    more = {(output, row, measure): {} for output, row, measure in results.more if measure == "distance" and row == "cyclegan"}
    assert more
    text, notes = tables.of_section(replace(results, more=more | results.more), section)
    lacking, same_notes = tables.of_section(replace(results, more=results.more | more), section)
    lines = [line for line in lacking.splitlines() if "CycleGAN" in line]
    assert text and notes == same_notes and lines and all(line.count(" – |") == 2 for line in lines)


def test_a_small_sun_keeps_its_colour_in_a_grid_of_many_photos():
    """Of 48 photos of as many greys and greens as there are, one has a sun of 36 pixels: within 24 levels of the truth."""
    random = np.random.default_rng(0)
    photos = [random.integers(0, 160, (64, 64, 3), np.uint8) // (1, 1, 2) for _ in range(48)]
    photos[20][10:16, 10:16] = (250, 220, 60)
    images = [Image.fromarray(photo.astype(np.uint8)) for photo in photos]
    canvas = np.asarray(sheet([*"abcdefgh"], [images[at : at + 8] for at in range(0, 48, 8)], 64).convert("RGBA"))[
        ..., :3
    ].astype(int)
    top, left = 22 + 2 * 68, 4 * 68
    assert np.abs(canvas[top + 11 : top + 15, left + 11 : left + 15] - (250, 220, 60)).max() <= 24


@pytest.mark.slow
def test_losses_figure_is_the_same_bytes_twice(results, tmp_path):
    for name in ("a.svg", "b.svg"):
        plots.losses(results, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "Cycle loss" in (tmp_path / "a.svg").read_text()


def test_every_tagged_deviation_is_listed():
    listed = "\n".join(deviations())
    tags = {"joint-generator-step", "rgb", "own-segmenter", "discriminator-first", "hed-border", "hed-scale"}
    tags |= {"bicubic-resize", "rounding", "frozen-biases"}
    assert all(f"**{tag}**" in listed for tag in tags)
    # as many as a plain search of the sources finds, each with a reason
    texts = [path.read_text("utf-8") for path in (ROOT / "ganrepro").rglob("*.py")]
    found = {tag for text in texts for tag in re.findall(r"DEVIATION\(([a-z0-9-]+)\): \S", text)}
    assert set(re.findall(r"^\*\*([a-z0-9-]+)\*\*", listed, re.M)) == found
    own = "\n".join(deviations_of(PARAMS, PARAMS.studies["streets-pairs"]))
    assert "discriminator-first" in own and "**rgb**" not in own and "hed-border" not in own
    assert "hed-border" in "\n".join(deviations_of(PARAMS, PARAMS.studies["facades-edges"]))


def test_summary_is_the_mean_over_seeds(results):
    table = json.loads(json.dumps(summary(results)))
    found = table["photo2labels"]["gan-forward"]
    assert found == {"pixel_accuracy": 0.21, "class_accuracy": 0.105, "class_iou": 0.0525}


# --- MLflow -------------------------------------------------------------------------------------


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
    monkeypatch.delenv("GANREPRO_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    from mlflow.tracking import MlflowClient

    def client():
        return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")

    return client


def rows(count):
    return [{"epoch": e, "cycle_forward": 1.0 / e} for e in range(1, count + 1)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own dependencies
def test_a_resumed_run_is_continued_and_no_epoch_logged_twice(mlflow, tmp_path):
    def log(count):
        parent = tracking.start("exp", "cyclegan", "parent-key", {"a": 1}, {"level": "variant"})
        run = tracking.start("exp", "cyclegan seed 0", "key", {"a": 1}, {"seed": "0"}, parent)
        for row in rows(count):
            run.epoch(row)
        run.scores({"labels2photo.class_iou": 0.25})
        file = tmp_path / "grid.png"
        Image.new("RGB", (2, 2)).save(file)
        run.artifact(file)
        run.close()
        return parent.run_id, run.run_id

    first, second = log(2), log(5)
    assert first == second
    client = mlflow()
    found = client.search_runs([client.get_experiment_by_name("exp").experiment_id])
    assert len(found) == 2
    child = client.get_run(first[1])
    assert child.data.tags["mlflow.parentRunId"] == first[0]
    assert child.info.status == "FINISHED" and child.data.params == {"a": "1"}
    assert [m.step for m in client.get_metric_history(first[1], "cycle_forward")] == [1, 2, 3, 4, 5]
    assert len(client.get_metric_history(first[1], "labels2photo.class_iou")) == 1
    assert [f.path for f in client.list_artifacts(first[1])] == ["grid.png"]


EIGHT = """
import os, sys; sys.path.insert(0, {root!r})
import mlflow.store.tracking.sqlalchemy_store, mlflow.tracking  # loaded once, which takes each of eight seconds
from ganrepro.tracking import client as tracking
jobs = []
for i in range(8):
    jobs.append(os.fork())
    if not jobs[-1]:
        parent = tracking.start("exp", "v", "parent", {{}}, {{}})
        run = tracking.start("exp", f"seed {{i}}", f"key-{{i}}", {{}}, {{}}, parent)
        for epoch in range(1, 21): run.epoch({{"epoch": epoch, "loss": 1.0}})
        run.close()
        sys.exit()
sys.exit(any([os.waitpid(job, 0)[1] for job in jobs]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_eight_parallel_jobs_share_one_new_database(mlflow):
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", EIGHT.format(root=str(ROOT))], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "MLflow is away" not in done.stderr, done.stderr
    client = mlflow()
    found = client.search_runs([client.get_experiment_by_name("exp").experiment_id])
    assert len(found) == 9  # one parent, eight children
    for run in found:
        if run.data.tags["ganrepro.key"] != "parent":
            assert len(client.get_metric_history(run.info.run_id, "loss")) == 20


def _track_to(monkeypatch, address):
    """Runs are logged to this address, tried once, and nothing was said of it yet."""
    monkeypatch.delenv("GANREPRO_MLFLOW", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(tracking, "_away", False)


@pytest.mark.filterwarnings("ignore")
def test_an_absent_server_is_said_once_and_stops_nothing(monkeypatch, capsys):
    _track_to(monkeypatch, "http://127.0.0.1:9")
    run = tracking.start("exp", "x", "key", {}, {})
    tracking.start("exp", "y", "key2", {}, {}).close()  # neither waits nor says it again
    run.epoch({"epoch": 1, "loss": 1.0})
    run.scores({"a": 1.0})
    run.close()
    said = capsys.readouterr().err
    assert said.count("MLflow is away") == 1 and said.count("\n") == 1


@pytest.mark.filterwarnings("ignore")
def test_a_password_in_the_address_is_not_printed(monkeypatch, capsys):
    _track_to(monkeypatch, "http://me:secret@127.0.0.1:9")
    tracking.start("exp", "x", "key", {}, {})
    tracking._say(ConnectionError("cannot reach postgresql://me:secret@host/db or http://u:secret@h/x?api_key=secret"))
    said = capsys.readouterr().err
    assert "MLflow is away" in said and "secret" not in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_relative_database_address_works(monkeypatch, tmp_path):
    monkeypatch.delenv("GANREPRO_MLFLOW", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own.db")
    assert tracking.start("exp", "x", "key", {}, {}).run_id is not None


def test_switched_off_means_no_import(monkeypatch):
    monkeypatch.setenv("GANREPRO_MLFLOW", "off")
    run = tracking.start("exp", "x", "key", {}, {})
    run.epoch({"epoch": 1})
    run.close()
    assert run.run_id is None


def test_the_database_is_the_main_checkouts_even_in_a_dvc_experiment(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    inner = tmp_path / ".dvc" / "tmp" / "exps" / "tmp123"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert tracking.tracking_uri() == f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_a_section_of_a_page_is_replaced_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- results: x -->\nold\n<!-- /results -->\nbelow\n")
    assert not replace_section(page, "results: y", "new") and "old" in page.read_text()
    assert replace_section(page, "results: x", "new\nlines")
    assert page.read_text() == "above\n<!-- results: x -->\nnew\nlines\n<!-- /results -->\nbelow\n"
    assert not replace_section(tmp_path / "none.md", "results: x", "new")


GOOD = {
    Metrics: {
        "study": "s", "row": "r", "seed": 0,
        "values": {"a2b": {"psnr": {"scores": {"psnr": 20}, "more": {}, "errors": {"psnr": None}}}},
    },
    TrainingTime: {
        "seconds": 1.5, "resumed": 0, "commit": "x", "device": "cpu", "device_name": "x", "cores": 2, "threads": 1, "versions": {}
    },
    MakingTime: {"seconds": 1, "images": 3},
    ReaderRecord: {"gate": {"what": "w", "value": 0.9, "required": 0.8}},
    Manifest: {
        "source": "s", "title": "t", "data": {}, "pixels": 8, "unpaired": {"a": ["x.png"]}, "classes": {}, "files": {},
        "digest": "0",
        "names": {"train": {"a": ["x.png"]}, "test": {"a": ["y.png"]}}, "counts": {"train": {"a": 1}, "test": {"a": 1}},
    },
}  # fmt: skip


def places_of(value, at=()):
    """Every place inside a value."""
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places_of(inside, (*at, key))


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_every_file_of_a_stage_is_checked_in_one_line(tmp_path, kind):
    """Each place of a right file gone, or of another type: valid JSON with wrong content, which never ends in a traceback."""
    file = tmp_path / "x.json"
    file.write_text(json.dumps(GOOD[kind]))
    assert read_record(file, kind) == GOOD[kind]
    tried = 0
    for place in places_of(GOOD[kind]):
        for damage in ("gone", None, [], {}, "text", -1, True, 1e400):
            broken = copy.deepcopy(GOOD[kind])
            holder = functools.reduce(lambda inside, key: inside[key], place[:-1], broken)
            if damage == "gone":
                del holder[place[-1]]
            else:
                holder[place[-1]] = damage
            file.write_text(json.dumps(broken))
            try:
                read_record(file, kind)  # some are no damage: a free text, say
            except UserError as error:
                tried += 1
                assert (
                    str(error).startswith(f"{file}: damaged (") and "\n" not in str(error) and "run snakemake again" in str(error)
                )
    assert tried > 4 * len(list(places_of(GOOD[kind])))
    for text in ("[]", "3", "null", '"x"', "{", ""):
        file.write_text(text)
        with pytest.raises(UserError, match="run snakemake again"):
            read_record(file, kind)


def test_counts_of_another_shape_are_no_counts(tmp_path):
    run = paths.find_run(PARAMS, "streets-tiny", "cyclegan", 1)
    manifest = {"names": {"test": {"a": ["0.png", "1.png"], "b": ["0.png", "1.png"]}}}
    good = np.ones((2, 3, 3), np.int64)
    results_of._expect_shape(run, "labels2photo", "fcn_score", good, [good], manifest)
    for output, measure, array, why in (
        ("labels2photo", "fcn_score", np.ones((2, 4, 4)), "of another seed"),
        ("labels2photo", "fcn_score", np.ones((3, 3, 3)), "of another seed"),
        ("labels2photo", "no_measure", good, "no output and measure"), ("x", "fcn_score", good, "no output and measure"),
        ("labels2photo", "fcn_score", good * np.nan, "no counts"),
        ("labels2photo", "fcn_score", np.ones(3), "no counts"), ("labels2photo", "fcn_score", good.astype("U3"), "no counts"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=rf"counts\.npz: damaged \({output}\.{measure}: .*{why}.*run snakemake again"):
            results_of._expect_shape(run, output, measure, array, [good], manifest)
    with pytest.raises(UserError, match="of 2 images, and there are 3"):
        results_of._expect_shape(run, "labels2photo", "fcn_score", good, [], {"names": {"test": {"a": ["x"] * 3}}})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_with_any_bit_wrong_are_read_or_told(tmp_path, save):
    """Headers and the list at the end, and some bits between; of an array that is read in parts, so that its sum comes last."""
    file, told = tmp_path / "counts.npz", 0
    save(file, **{"photo.segmentation": np.random.default_rng(0).integers(0, 99, (9, 10, 10))})
    whole = file.read_bytes()
    for place in (*range(300), *range(300, len(whole) - 200, 97), *range(len(whole) - 200, len(whole))):
        for bit in range(8):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            try:
                read_arrays(file)  # of some bits nothing depends on
            except UserError as error:
                told += f"{file}: damaged or cut short (" in str(error)
    assert told > 2000
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")
