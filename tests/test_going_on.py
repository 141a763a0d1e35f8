"""What a training begins with: weights of others, or a shorter training; running means; unfinished ones. Through the stages."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import published_generator
from PIL import Image
from ruamel.yaml import YAML

from ganrepro import settings
from ganrepro.errors import ConfigError, WeightsError
from ganrepro.plan import datasets, paths, superseded
from ganrepro.reporting import page
from ganrepro.store import checkpoints
from ganrepro.training.engine import Engine
from ganrepro.training.players import Players
from ganrepro.use import cli
from ganrepro.use.model import Caution, load
from pipeline import evaluate, generate, prepare, tiny, train, training

SMALL = {
    "load_pixels": 18, "crop_pixels": 16, "epoch_images": 4, "generator_filters": 4, "discriminator_filters": 4,
    "discriminator_receptive_field": 16,
}  # fmt: skip
UNPAIRED = SMALL | {
    "title": "t",
    "dataset": "streets",
    "method": "cyclegan",
    "seeds": [0],
    "generator_blocks": 1,
    "pool_images": 2,
}
PAIRS = SMALL | {"title": "t", "dataset": "streets", "experiment": "pairs", "method": "pix2pix", "epochs_constant": 1}
RAW = {
    "reports": {"page": "short"},
    "device": "cpu",
    "datasets": {"streets": {"source": "streets", "pixels": 32, "train_images": 6, "test_images": 3}},
    "experiments": {
        "one": {"rows": {"row": {"title": "Row"}, "mean": {"title": "Mean", "ema_decay": 0.5}}},
        "pairs": {
            "rows": {
                "l1": {"title": "L1", "terms": {"l1": 100}},
                "warm": {"title": "Warm", "start_from": "l1"},
                "other": {"title": "Other", "start_from": "short/row"},
            }
        },
    },
    "studies": {
        "short": UNPAIRED | {"experiment": "one", "epochs_constant": 2, "epochs_decay": 1},
        "flat": UNPAIRED | {"experiment": "one", "epochs_constant": 2, "epochs_decay": 0},
        "long": UNPAIRED | {"experiment": "one", "epochs_constant": 4, "epochs_decay": 2},
        "pairs": PAIRS | {"rows": ["l1", "warm"], "seeds": [0, 1]},
    },
}


def write(raw=RAW):
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(raw, file)
    return settings.load()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = write()
    tiny._stage(prepare.main, "--dataset", "streets", out=datasets.dataset_dir(params, "streets"))
    return params


def trained(params, study, row="row", seed=0):
    run = paths.find_run(params, study, row, seed)
    tiny._stage(train.main, "--study", study, "--row", row, "--seed", str(seed), out=run.folder)
    return run


def files(run):
    return {path.name: path.read_bytes() for path in run.folder.iterdir() if path.name != "timing.json"}


@pytest.mark.slow
@pytest.mark.parametrize("shorter", ["short", "flat"])
def test_a_longer_schedule_goes_on_from_a_shorter_one_and_ends_in_the_same_bytes(project, capsys, shorter):
    """Of all files: weights, moments, pools, losses, the generators looked back at, the strip."""
    whole = trained(project, "long")
    expected = files(whole)
    assert {"generators-1.pt", "generators-2.pt", "generators-4.pt", "strip.png"} < expected.keys()
    assert paths.constant(whole.course, 4) in expected
    shutil.rmtree("runs")
    trained(project, shorter)
    capsys.readouterr()
    again = trained(project, "long")
    assert "goes on from epoch 2 of runs" in capsys.readouterr().err
    assert files(again) == expected


@pytest.mark.slow
def test_only_equal_and_shorter_trainings_are_gone_on_from(project, capsys):
    """Not of another seed, of other settings, or one whose constant phase is longer."""
    long = trained(project, "long")
    other = RAW["studies"]["short"] | {"pool_images": 3}
    params = write(RAW | {"studies": RAW["studies"] | {"short": other}})
    capsys.readouterr()
    short = trained(params, "short")
    assert "goes on" not in capsys.readouterr().err
    assert short.course != long.course
    params = write(RAW | {"studies": RAW["studies"] | {"short": RAW["studies"]["short"] | {"seeds": [1]}}})
    trained(params, "short", seed=1)
    assert "goes on" not in capsys.readouterr().err
    assert (short.folder / "history.csv").read_text().count("\n") == 4


def test_a_training_begins_with_the_weights_of_another(project, capsys):
    """Its first loss is that of these weights; the key of one follows that of the other."""
    first, warm = trained(project, "pairs", "l1"), paths.find_run(project, "pairs", "warm", 0)
    assert warm.files[paths.START] == first.folder / "checkpoint.pt"
    assert warm.spec["files"] == {"start_from": first.key} and "start_from" not in warm.spec["settings"]
    assert paths.find_run(project, "pairs", "warm", 1).start.seed == 1
    fresh, begun = (Players(warm.method, 0, torch.device("cpu")) for _ in range(2))
    training.begin(warm, begun)
    state = checkpoints.load(first.folder / "checkpoint.pt")["players"]["networks"]["g_ab"]
    for name, value in begun.networks["g_ab"].state_dict().items():
        assert torch.equal(value, state[name]), name
    assert all(
        torch.equal(value, fresh.networks["d_b"].state_dict()[name]) for name, value in begun.networks["d_b"].state_dict().items()
    )
    x = torch.rand(1, 3, 16, 16)
    assert not torch.equal(fresh.networks["g_ab"](x), begun.networks["g_ab"](x))
    trained(project, "pairs", "warm")
    assert "begins with the weights of runs" in capsys.readouterr().err
    raw = RAW | {"studies": RAW["studies"] | {"pairs": RAW["studies"]["pairs"] | {"row_settings": {"l1": {"epoch_images": 6}}}}}
    assert paths.find_run(write(raw), "pairs", "warm", 0).key != warm.key
    assert first.folder not in superseded.superseded(project)


@pytest.mark.slow
def test_a_published_generator_and_an_exported_one_begin_a_training(project):
    """To the bit the weights of the file, in the first generator."""
    study = RAW["studies"]["short"] | {"generator_filters": 4, "network_flavour": "pytorch", "generator_blocks": 6}
    Path("downloads/archives").mkdir(parents=True)
    file = Path("downloads/archives/latest_net_G.pth")
    shutil.copy(published_generator(), file)
    params = write(RAW | {"studies": RAW["studies"] | {"short": study | {"start_from": file.name}}})
    run = trained(params, "short")
    players = Players(run.method, 0, torch.device("cpu"))
    training.begin(run, players)
    with pytest.warns(Caution, match="cannot tell how its blocks pad"):
        published = load(file).translates().network.state_dict()
    assert all(torch.equal(value, published[name]) for name, value in players.networks["g_ab"].state_dict().items())
    cli.main(["export", "short/row", "--out", "exported"])
    params = write(RAW | {"studies": RAW["studies"] | {"short": study | {"start_from": "exported"}}})
    begun = paths.find_run(params, "short", "row", 0)
    players = Players(begun.method, 0, torch.device("cpu"))
    training.begin(begun, players)
    wanted = checkpoints.load(run.folder / "checkpoint.pt")["players"]["networks"]["g_ab"]
    assert all(torch.equal(value, wanted[name]) for name, value in players.networks["g_ab"].state_dict().items())
    assert begun.key != run.key


def test_weights_that_do_not_fit_are_named_by_their_first_layer(project):
    trained(project, "short")
    method = RAW["studies"]["pairs"] | {"rows": ["other"], "generator": "resnet", "generator_blocks": 1, "generator_filters": 8}
    run = paths.find_run(write(RAW | {"studies": RAW["studies"] | {"pairs": method}}), "pairs", "other", 0)
    with pytest.raises(WeightsError, match=r"short/row/0: d_b, layer .*: expected \(4, 6, 4, 4\), got \(4, 3, 4, 4\); choose"):
        training.begin(run, Players(run.method, 0, torch.device("cpu")))
    with pytest.raises(WeightsError, match="short has a; none of d_b, g_ab"):
        Players(run.method, 0, torch.device("cpu")).begin_with({"a": {}}, "short")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("row", "leads back to itself: short/row → short/row"),
        ("rwo", r"start_from: no such name: 'rwo'|did you mean 'row'"),
        ("pairs/l2", "there is no 'l2'; there are: l1, warm"),
        ("../../x.pth", "give its name alone"),
        ("a\nb", "start_from"),
    ],
)
def test_what_start_from_cannot_name_is_refused_when_params_yaml_is_read(tmp_path, monkeypatch, value, told):
    monkeypatch.chdir(tmp_path)
    short = RAW["studies"]["short"] | {"rows": ["row"], "start_from": value}
    with pytest.raises(ConfigError, match=told):
        write(RAW | {"studies": RAW["studies"] | {"short": short}})


def test_a_file_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, what in (("x.pth", "put the file there"), ("some/folder", "ganrepro export")):
        params = write(RAW | {"studies": RAW["studies"] | {"short": RAW["studies"]["short"] | {"start_from": name}}})
        with pytest.raises(ConfigError, match=f"no such file; .*{what}"):
            paths.started_from(paths.trained(params, params.studies["short"]))


@pytest.mark.slow
def test_images_are_made_by_the_running_mean_of_the_weights(project):
    """Against its recursion, to 1e-6; and through the stages: the images are those of the means."""
    run = paths.find_run(project, "short", "mean", 0)
    players = Players(run.method, 0, torch.device("cpu"))
    weight, mean = (of["g_ab"] for of in (players._generating(), players.means))
    name = next(iter(weight))
    wanted = weight[name].clone()
    images = training.load_images(datasets.dataset_dir(project, "streets"), run.method, torch.device("cpu"))
    engine = Engine(players, images, 3)
    engine.begin(0, 1, 1.0, 0, torch.zeros(0, len(engine.losses)))
    for _ in range(3):
        engine.step()
        wanted = 0.5 * wanted + 0.5 * weight[name]
    assert torch.allclose(mean[name], wanted, atol=1e-6) and not torch.allclose(mean[name], weight[name], atol=1e-6)
    trained(project, "short", "mean")
    tiny._stage(generate.main, "--study", "short", "--row", "mean", "--seed", "0", out=run.images)
    state = checkpoints.load(run.folder / "checkpoint.pt")
    assert torch.equal(load("short/mean").translates().network.state_dict()[name], state["players"]["means"]["g_ab"][name])
    plain = state["players"]["networks"]
    generate.generate(
        run.method, plain, 0, datasets.dataset_dir(project, "streets") / "test",
        {d: sorted(p.name for p in (datasets.dataset_dir(project, "streets") / "test" / d).iterdir()) for d in "ab"},
        Path("plain"), torch.device("cpu"),
    )  # fmt: skip
    files_of = {p.name: p.read_bytes() for p in (run.images / "labels2photo").iterdir()}
    assert files_of and all(files_of[p.name] != p.read_bytes() for p in Path("plain/labels2photo").iterdir())


@pytest.mark.slow
def test_an_unfinished_training_translates_and_says_how_far_it_is(project, monkeypatch, capsys):
    """Killed in its second epoch: the picture is that of the saved weights."""
    run = paths.find_run(project, "long", "row", 0)
    words = ["--study", "long", "--row", "row", "--seed", "0", "--out", str(run.folder)]
    code = (
        "import os, pipeline.training as t; t.SAVE_EVERY_SECONDS = 0.0; steps = t.steps\n"
        "def few(*args):\n"
        "    for number, _ in enumerate(steps(*args)):\n"
        "        if number == 5: os._exit(9)\n"
        "        yield\n"
        f"t.steps = few\nimport sys; sys.argv = ['train', *{words!r}]\nfrom pipeline import train; train.main()"
    )
    assert subprocess.run([sys.executable, "-c", code], env=None, capture_output=True).returncode == 9
    assert not run.folder.exists() and (run.work / "strip.png").exists()
    Image.new("RGB", (16, 16), (90, 10, 200)).save("photo.png")
    cli.main(["translate", "long/row", "photo.png", "--out", "out"])
    assert "note: long/row/0: unfinished, in epoch 2 of 6" in capsys.readouterr().err
    saved = checkpoints.load(run.work / "checkpoint.pt")["players"]["networks"]["g_ab"]
    network = load("long/row").translates().network
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())


@pytest.mark.slow
def test_a_report_can_be_made_of_what_there_is_and_opens_in_a_browser(project, monkeypatch, capsys):
    """One of four trainings and the reference rows: a page that says so, whose table has this row alone."""
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    params = write(RAW | {"reports": {"page": "pairs"}})
    with pytest.raises(SystemExit, match=r"pairs: no row is scored yet; ganrepro watch"):
        cli.main(["report", "pairs", "--so-far"])
    with pytest.raises(SystemExit, match=r"reports/page.md: not made yet; snakemake --cores all reports/page.md"):
        cli.main(["report", "page"])
    with pytest.raises(SystemExit, match=r"short: no report is made of it; name it under `reports`"):
        cli.main(["report", "short"])
    trained(params, "pairs", "l1")
    study = params.studies["pairs"]
    for row in (*study.references, "l1"):
        run, words = paths.find_run(params, "pairs", row, 0), ("--study", "pairs", "--row", row, "--seed", "0")
        tiny._stage(generate.main, *words, out=run.images)
        tiny._stage(evaluate.main, *words, out=run.scores)
    cli.main(["report", "pairs", "--so-far"])
    page = Path("reports/page-so-far.md").read_text(encoding="utf-8")
    assert "1 of 4 trainings are scored" in page and "| L1 |" in page and "Warm" not in page
    html = Path("reports/page-so-far.html").read_text(encoding="utf-8")
    assert "<table>" in html and "page-so-far/" in html
    assert opened == [Path("reports/page-so-far.html").resolve().as_uri()]
    assert not Path("reports/page.md").exists()
    cli.main(["report", "pairs", "--so-far", "--no-browser"])
    assert len(opened) == 1 and "page-so-far.html" in capsys.readouterr().out


def test_the_page_says_which_rows_began_with_other_weights(project):
    rows = RAW["studies"]["pairs"] | {"row_settings": {"l1": {"ema_decay": 0.9}}}
    study = write(RAW | {"studies": RAW["studies"] | {"pairs": rows}}).studies["pairs"]
    assert page._begun(study) == (
        " Begun with other weights: Warm (`l1`). Images are made by a running mean of the generators' weights: L1."
    )
