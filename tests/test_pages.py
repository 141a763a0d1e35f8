"""Pages of the studies that start from noise, from drawn images to the page, with few images and one epoch of each row.

Their stages run in this process, one after another; what Snakemake and DVC make of them: test_pipeline and test_own_images.
"""

import copy
import re
import shutil
import sys

import pytest
from conftest import RAW, ROOT, parsed
from ruamel.yaml import YAML

from ganrepro import settings
from ganrepro.methods.noise import NoiseSettings
from ganrepro.plan import datasets, paths
from ganrepro.reporting.markdown import plain
from pipeline import evaluate, generate, prepare, reader, report, train

pytestmark = pytest.mark.slow

FEW = {"train_images": 200, "test_images": 40}
SMALL = {"epoch_images": 64, "batch_images": 32, "epochs_constant": 1, "epochs_decay": 0, "seeds": [0]}
LABELLED = ["alone-50", "sgan-50", "fm-50", "alone-100", "catgan-100", "minibatch-100"]
# report -> its dataset, what is small of its study, and what its page has to show
PAGES = {
    "mode_collapse": ("ring", {}, ["Places hit", "modes.png"]),
    "code_arithmetic": ("digits-frame", {"filters": 4, "rows": ["three", "single"]}, ["Read as asked", "three-sums-picture.png"]),
    "semi_supervised": (
        "digits",
        {"width": 24, "generator_width": 24, "rows": LABELLED, "dataset": "digits"},
        ["| CatGAN", "labels-50.png"],
    ),
    "gan_losses": (
        "digits",
        {"filters": 4, "rows": ["ns", "vae", "first-ns"]},
        ["Licence of the data | MIT, as this project; the fonts"],
    ),
    "gan_conditions": (
        "digits",
        {"filters": 4, "generator_width": 24, "discriminator_width": 24},
        ["infogan-sweep.png", "vae-plane.png", "bigan-reconstructions.png"],
    ),
    "gan_remedies": ("digits", {"filters": 4, "rows": ["three", "none"]}, ["remedies.png"]),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the project's parameters, made small."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "papers", folder / "papers")
    raw = copy.deepcopy(RAW)
    raw["arithmetic"] = "usual"
    raw["readers"]["classes"] |= {"epochs": 1}
    raw["reports"] = {name: raw["reports"][name] for name in PAGES}
    raw["studies"] = {name: raw["studies"][name] for name in [*raw["reports"].values(), "mnist-losses"]}  # a base of one
    for name, (dataset, small, _) in PAGES.items():
        raw["datasets"][dataset] |= FEW
        study = raw["studies"][raw["reports"][name]]
        study.pop("row_settings", None)
        study |= SMALL | small
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(raw, file)
    return folder


def test_they_are_all_reports_that_start_from_noise():
    params = parsed(RAW)
    studies = {name: params.studies[study] for name, study in params.reports.items()}
    noise = {name for name, study in studies.items() if all(isinstance(r.settings, NoiseSettings) for r in study.rows.values())}
    assert noise == {*PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_made_from_nothing(place, monkeypatch, name):
    monkeypatch.chdir(place)
    params = settings.load()
    study = params.studies[params.reports[name]]

    def stage(module, *words, out):
        monkeypatch.setattr(sys, "argv", ["stage", *words, "--out", str(out)])
        if not out.exists():
            module.main()

    stage(prepare, "--dataset", study.dataset, out=datasets.dataset_dir(params, study.dataset))
    if paths.reader_kind(params, study):
        stage(reader, "--study", study.name, out=paths.reader_dir(params, study))
    for run in paths.runs(params, study):
        words = ("--study", study.name, "--row", run.row, "--seed", str(run.seed))
        if not run.reference:
            stage(train, *words, out=run.folder)
        stage(generate, *words, out=run.images)
        stage(evaluate, *words, out=run.scores)
    stage(report, "--report", name, out=paths.report_folder(name))
    page = paths.report_page(name).read_text(encoding="utf-8")
    shown = re.findall(r"\]\(([^):]+)\)", page)
    assert all((place / "reports" / link).stat().st_size > 500 for link in shown)
    assert [row.title for row in study.rows.values() if f"| {plain(row.title)}" not in page] == []
    assert [word for word in PAGES[name][2] if word not in page] == [] and "Identity" not in page
