"""The book of docs/: pages that are made from the code are current, and nothing that is not there is promised."""

import json
import re

from conftest import ROOT

from ganrepro import settings
from ganrepro.reporting import gallery
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
