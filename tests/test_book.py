"""The book of docs/: pages that are made from the code are current, and nothing that is not there is promised."""

import json
import re

import pandas as pd
from conftest import ROOT

from ganrepro import settings
from ganrepro.reporting import gallery, published
from ganrepro.use import reference


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
    text = published.published(settings.load().studies, gallery.Path("reports"))
    assert text == published.PAGE.read_text(encoding="utf-8"), "run: make pages"
    kept = pd.read_csv("reports/streets-tiny/intervals.csv").set_index(["output", "row", "score"])
    table = text[text.index("### CycleGAN Table 4") :]
    head, line = (
        next(of.split(" | ") for of in table.splitlines() if of.startswith(f"| {name} |")) for name in ("Row", "CycleGAN")
    )
    place = next(i for i, name in enumerate(head) if "streets-tiny" in name)
    mean = kept.loc[("labels2photo", "cyclegan", "pixel_accuracy"), "mean"]
    assert line[1] == "0.52" and line[place].startswith(f"**{mean:.2f}**")


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
