"""The book of docs/: pages that are made from the code are current, and nothing that is not there is promised."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import stats

from ganrepro import settings
from ganrepro.evaluation.measures import SCORES
from ganrepro.reporting import gallery, learned, published, seeds
from ganrepro.use import cli, reference
from pipeline import claims


def test_the_page_of_commands_is_current():
    text = reference.reference()
    assert text == (ROOT / reference.PAGE).read_text(encoding="utf-8"), "run: make pages"
    assert {"## new", "## translate", "## survey serve"} <= {*text.splitlines()}


def test_the_gallery_is_current(monkeypatch):
    monkeypatch.chdir(ROOT)
    made_by = {study: name for name, study in settings.load().reports.items()}
    text = gallery.gallery(gallery.Path("reports"), made_by)
    assert text == gallery.PAGE.read_text(encoding="utf-8"), "run: make pages"
    for picture in re.findall(r"!\[[^\]]*\]\(\.\./([^)]+)\)", text):
        assert (ROOT / picture).stat().st_size > 500, picture


def test_the_published_tables_are_current(monkeypatch):
    """And their numbers those of the kept files: CycleGAN's accuracy on the embedded streets, as in its intervals.csv."""
    monkeypatch.chdir(ROOT)
    text = published.published(settings.load(), gallery.Path("reports"))
    assert text == published.PAGE.read_text(encoding="utf-8"), "run: make pages"
    kept = pd.read_csv("reports/streets-tiny/intervals.csv").set_index(["output", "row", "score"])
    table = text[text.index("### CycleGAN Table 4") :]
    head, line = (
        next(of.split(" | ") for of in table.splitlines() if of.startswith(f"| {name} |")) for name in ("Row", "CycleGAN")
    )
    place = next(i for i, name in enumerate(head) if "streets-tiny" in name)
    mean = kept.loc[("labels2photo", "cyclegan", "pixel_accuracy"), "mean"]
    assert line[1] == "0.52" and line[place].startswith(f"**{mean:.2f}**")


def test_what_we_learned_is_current_and_gives_reasons_for_what_does_not_hold(monkeypatch):
    """Its counts are those of the kept files, and each claim that does not hold somewhere has one reason."""
    monkeypatch.chdir(ROOT)
    params = settings.load()
    studies = claims.kept(params)
    by_paper, reasons = learned.judgements(params, studies), learned.read_reasons(gallery.Path("reports"))
    text = learned.page(by_paper, reasons)
    assert text == gallery.Path("reports/README.md").read_text(encoding="utf-8"), "run: make pages"
    # of every kept study of a paper; pages that were just made lie beside them
    names = [
        name for name, study in params.studies.items() if any(study.experiment in of.experiments for of in params.papers.values())
    ]
    files = [file for name in names if (file := gallery.Path("reports") / name / "claims.json").exists()]
    kept = [json.loads(file.read_text())["claims"] for file in files]
    verdicts = [claim["verdict"] for of in kept for claim in of]
    counted = [re.findall(r"\d+", line) for line in text.splitlines() if line.startswith(("| drawn data", "| real pictures"))]
    assert next(sum(map(int, pair)) for pair in zip(*counted, strict=True)) == verdicts.count("reproduced")
    assert sum(int(number) for line in counted for number in line) == len(verdicts)
    unheld = {claim["text"] for of in kept for claim in of if claim["verdict"] != "reproduced"}
    explained = [text for reason in reasons for text in reason.claims]
    assert len(explained) == len(set(explained)) and set(explained) == unheld, set(explained) ^ unheld
    figure = gallery.Path("reports/effects.svg").read_text(encoding="utf-8")
    shares = {one.study for of in by_paper.values() for one in of if SCORES[one.claim["score"]].high == 1}
    assert shares and all(f">{name}<" in figure for name in shares)


def test_what_we_learned_without_kept_claims_or_of_distances_alone(tmp_path):
    """No page; and a page without a figure and without reasons."""
    params = settings.load(ROOT / "params.yaml")
    learned.write(params, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    claim = {"text": "NS beats MM", "score": "classifier_frechet", "verdict": "undecided", "difference": 3.0, "source": "a table"}
    learned.write(params, {"digits-losses": {"paper": "A paper", "claims": [claim]}}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| NS beats MM<br><sub>a table</sub> | ·† +3.00 [digits-losses]" in text and "![" not in text


def test_the_seeds_that_claims_need_are_current_and_show_what_they_promise(monkeypatch):
    """Against 4,000 simulated studies of two rows: what is found is enough, and one training less is not (to 0.03)."""
    monkeypatch.chdir(ROOT)
    kept = claims.kept(settings.load())
    assert seeds.page(kept, gallery.Path("reports")) == seeds.PAGE.read_text(encoding="utf-8"), "run: make pages"
    lines = [line.split(" | ") for line in seeds.PAGE.read_text(encoding="utf-8").splitlines()]
    of = {line[0].strip("| ").split("]")[0][1:]: line for line in lines if line[0].startswith("| [")}
    assert of["camvid-64"][1:4] == ["3", "30 min", "3.5 h"]  # 90.5 minutes in all, so 7 / 3 of it for seven more
    assert of["streets-tiny"][1] == "10" and of["streets-tiny"][3] == "0.0 h"
    random = np.random.default_rng(0)

    def shown(count, spreads, difference, level):
        one, two = (random.normal(mean, spread, (4000, count)) for mean, spread in zip((difference, 0), spreads, strict=True))
        return (stats.ttest_ind(one, two, axis=1, equal_var=False).pvalue < level).mean()

    for spreads, difference, several in (((0.05, 0.05), 0.1, 10), ((0.02, 0.08), 0.1, 1), ((0.1, 0.1), 0.1, 5)):
        count = seeds.needed(spreads, difference, several)
        assert shown(count, spreads, difference, 0.05 / several) > 0.77
        assert count == 3 or shown(count - 1, spreads, difference, 0.05 / several) < 0.83
    assert seeds.needed((0.5, 0.5), 0.01, 10) is None and seeds.needed((0.0, 0.0), 0.01, 10) == 3
    assert seeds.needed((0.1, 0.1), 0.0, 1) is None  # what no number of trainings shows


def test_verdicts_of_experiments_of_ones_own_stay_on_their_page(monkeypatch):
    monkeypatch.chdir(ROOT)
    params = settings.load()
    own, papers = (dataclasses.replace(params.studies["streets-tiny"], experiment=name) for name in ("mine", "cyclegan-ablation"))
    for study, names in ((own, []), (papers, ["streets-tiny"])):
        assert list(claims.kept(dataclasses.replace(params, studies={"streets-tiny": study}))) == names


def test_a_gallery_counts_verdicts_and_says_how_to_make_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = gallery.Path("reports/kept")
    kept.mkdir(parents=True)
    page = "# A study\n\n![Photos](photos.png)\n\n| Trained on | a CPU |\n| Git commit | `abc` |\n"
    (kept / "README.md").write_text(page, encoding="utf-8")
    verdicts = ["undecided", "reproduced", "undecided"]
    (kept / "claims.json").write_text(json.dumps({"schema": "x", "claims": [{"verdict": v} for v in verdicts]}))
    text = gallery.gallery(gallery.Path("reports"), {"kept": "one", "other": "two"})
    assert "## A study\n\n![Photos](../reports/kept/photos.png)" in text
    assert "claims: 1 reproduced, 2 undecided; trained on a CPU; commits: `abc`; make it anew" in text
    assert "## Not kept yet\n\n- `other`: `snakemake --cores all reports/two.md`" in text


def test_every_page_of_docs_is_in_the_book():
    listed = {line.strip() for file in (ROOT / "docs").glob("*.md") for line in file.read_text(encoding="utf-8").splitlines()}
    pages = {file.stem for file in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= listed, pages - listed


COURSE = sorted((ROOT / "docs" / "course").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.stem)
def test_a_page_of_the_course_says_what_is_kept_in_it(page, monkeypatch):
    """All cells run and print the kept words and, to 5 %, the kept numbers; of a long training four steps are enough."""
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(page.parent)
    cells = [cell for cell in json.loads(page.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    said, space = io.StringIO(), {}
    with contextlib.redirect_stdout(said):
        for cell in cells:
            code = re.sub(r"2000, \(0, 1\)$", "4, (0, 1)", "".join(cell["source"]), flags=re.M)
            exec(compile(code, page.name, "exec"), space)
    kept = "".join("".join(out.get("text", "")) for cell in cells for out in cell["outputs"])
    number = r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?"
    words = [re.sub(number, "#", text) for text in (said.getvalue(), kept)]
    assert words[0] == words[1]
    if page.stem != "mode-collapse":
        now, then = (
            [float(n.replace(",", "").rstrip(".")) for n in re.findall(number, text)] for text in (said.getvalue(), kept)
        )
        assert now == pytest.approx(then, rel=0.05, abs=0.006)
    assert any("image/png" in out.get("data", {}) for cell in cells for out in cell["outputs"]) is (page.stem != "made-pictures")


def test_every_page_of_the_course_is_listed():
    listed = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    assert len(COURSE) == 7 and all(f"(course/{page.name})" in listed and f"\ncourse/{page.stem}\n" in listed for page in COURSE)


# --- commands that pages print ------------------------------------------------------------------------

PRINTED = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
# What is no command of this project, or begins with what another one left
OTHERS = {
    ". .venv/bin/activate", "mlflow ui", "pre-commit install", "python study.zip --jobs 4", "dvc push",
    "dvc remote add -d store /some/folder", "git add dvc.lock params.yaml .dvc/config", "git commit -m My first table",
}  # fmt: skip

# of lines that the page adds to params.yaml
EXAMPLES = {f"reports/{name}.md" for name in ("NAME", "sketches_report", "paired_lsgan", "mine_report")}


def printed():
    """Every line of a block of shell on a page, without its comment."""
    for page in PRINTED:
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield page, words


def test_every_command_on_a_page_is_one(capsys):
    """As it is printed: what the command line reads, a target of make, a module, a report that DVC makes."""
    makes = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    reports, parser = settings.load(ROOT / "params.yaml").reports, cli.parser()
    for page, (*words,) in printed():
        while "=" in words[0]:  # environment
            words.pop(0)
        program, *rest = words
        where = f"{page}: {shlex.join(words)}"
        if " ".join(words) in OTHERS or program == "snakemake":
            continue
        if program == "ganrepro":
            try:
                parser.parse_args(rest)
            except SystemExit:
                pytest.fail(f"{where}\n{capsys.readouterr().err}")
        elif program == "make":
            assert rest[0] in makes, where
        elif program == "dvc":
            assert rest[0] == "repro" and rest[1].removeprefix("report@") in reports, where
        else:
            assert (program, rest[0]) == ("python", "-m") and importlib.util.find_spec(rest[1]), where


@pytest.mark.slow
def test_what_pages_ask_snakemake_for_can_be_made():
    """All of it in one dry run, in sentences too."""
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PRINTED]
    targets = {target for text in texts for target in re.findall(r"snakemake [^`\n]*?(reports/[\w./-]+)", text)} - EXAMPLES
    assert {"reports/cyclegan_ablation.md", "reports/survey.md"} < targets
    command = ["snakemake", "-n", "--quiet", "all", "--", *sorted(targets)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_kept_pages_cite_code_and_studies_that_are_there():
    """Files in backticks, and links below the page's folder or to docs/."""
    params, gone = settings.load(ROOT / "params.yaml"), set()
    for page in sorted(ROOT.glob("reports/*/README.md")):
        text = page.read_text(encoding="utf-8")
        files = re.findall(r"`((?:ganrepro|pipeline|docs)/[\w/.-]+)`", text) + re.findall(r"(?<![\w(/])docs/\w+\.md", text)
        gone |= {page.parent.name for file in files if not (ROOT / file).exists()}
        for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
            assert (page.parent / link.split("#")[0]).exists(), (page, link)
        assert page.parent.name in params.studies or page.parent.name == "bsds500"
    assert not gone
