"""What strangers write, what is damaged, and what a name may hold: one line, nothing lost, nothing passed on."""

import contextlib
import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
import warnings
import zipfile
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from conftest import ROOT, published_generator
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ganrepro import settings
from ganrepro.data.download import download
from ganrepro.errors import SourceError, UserError, WeightsError, harmless, plain_output, without_secrets
from ganrepro.evaluation.images import read_codes
from ganrepro.nets.architecture import Architecture
from ganrepro.nets.published import read_published
from ganrepro.reporting.markdown import quoted
from ganrepro.store.files import expect_new, sha256
from ganrepro.survey import answers
from ganrepro.survey.design import StudyError
from ganrepro.survey.store import Store
from ganrepro.use import cli, demo, export, score, watch
from ganrepro.use.model import load
from ganrepro.use.rows import ModelError
from ganrepro.use.translator import Translator
from pipeline import bundle

PARAMS = settings.load(ROOT / "params.yaml")
ESCAPE = "\x1b[31mred"


@pytest.mark.parametrize(
    "address",
    [
        "http://me:geheim@host/file.zip", "https://host/file.zip?api_key=geheim", "ftp://me:a@geheim@host/x", "http://me:a/geheim@h/x",
        "http://host/path;token=geheim", "http://host/#token=geheim", 'http://host/?k="geheim"', "http://host/?k=)(geheim",
        "sqlite://u:geheim@h/db",
    ],
)  # fmt: skip
def test_addresses_are_printed_without_what_is_secret_in_them(address):
    shown = without_secrets(f"cannot reach {address} now")
    assert "geheim" not in shown and shown.startswith("cannot reach ") and shown.endswith(" now")


def test_an_address_without_secrets_is_printed_whole():
    text = "see https://host:8080/a/b.zip, or sqlite:///mlflow.db"
    assert without_secrets(text) == text


def test_errors_of_mirrors_and_of_mlflow_keep_passwords(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/x\.zip: cannot be fetched") as told:
        download("http://me:geheim@127.0.0.1:9/x.zip", tmp_path / "x.zip")
    assert "geheim" not in str(told.value)

    def fails(artifact_uri):
        raise RuntimeError("API request to http://me:geheim@127.0.0.1:9/api?api_key=geheim failed\nmore")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", fails)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(ModelError, match=r"models:/x/1: not found in MLflow \(API request to http://127\.0\.0\.1:9") as told:
        load("models:/x/1")
    assert "geheim" not in str(told.value)


def test_nothing_that_is_there_is_overwritten(tmp_path):
    (tmp_path / "params.yaml").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("params.yaml", "pipe", "link", "."):
        with pytest.raises(UserError, match="is there already; name another file, or remove it"):
            expect_new(tmp_path / name)
        with pytest.raises(UserError, match="is there already"):
            bundle.make(PARAMS, PARAMS.studies["streets-tiny"], tmp_path / name)
        with pytest.raises(UserError, match="is there already"):
            score.write({}, tmp_path / name)
    assert (tmp_path / "params.yaml").read_text() == "mine"
    score.write({"a": 1}, tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text()) == {"a": 1}


def test_no_command_of_a_name_reaches_a_terminal(tmp_path, capsys, monkeypatch):
    logs = tmp_path / "logs" / "train" / f"toy{ESCAPE}"
    logs.mkdir(parents=True)
    (logs / "row-s0.log").write_text(f"cyclegan s0: 28%|██▊ | 336/1200 [01:00<02:29, 5.78it/s, adv={ESCAPE}\x9b\x00\u202e]")
    (job,) = watch.jobs(tmp_path / "logs", (logs / "row-s0.log").stat().st_mtime)
    assert job.percent == 28 and not any(c in f"{job.name}{job.rest}" for c in "\x1b\x9b\x00\u202e")
    (tmp_path / ".snakemake/log").mkdir(parents=True)
    os.mkfifo(tmp_path / ".snakemake/log/2099-01-01T000000.snakemake.log")
    monkeypatch.chdir(tmp_path)
    watch.watch(tmp_path / "logs", once=True)  # waits for no pipe
    assert "\x1b[31mred" not in capsys.readouterr().out
    with plain_output():
        print(f"{ESCAPE}\x9b\u202e\ud800\tä 👩\u200d🚀")
    assert capsys.readouterr().out == "\\x1b[31mred\\x9b\\u202e\\ud800\tä 👩\u200d🚀\n"
    assert quoted(f"a{ESCAPE}\u202e") == "a\\\\[31mred\\u202e".replace("\\\\[", "\\x1b\\[")


def test_params_hold_no_character_that_is_not_to_be_shown(tmp_path):
    for text in ('"\\ud800"', '"\\e[31m"', '"\\u202e"'):
        (tmp_path / "params.yaml").write_text(f"reports: {{a: {text}}}\n")
        with pytest.raises(settings.ConfigError, match=r"not to be shown; write it without|not readable"):
            settings.load(tmp_path / "params.yaml")


def test_help_and_results_are_printed_in_any_locale():
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "ganrepro.use.cli", "translate", "--help"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0 and b"usage: ganrepro translate" in done.stdout, done.stderr
    with pytest.raises(SystemExit, match=r"error: 'x/\\\\udcff': not UTF-8; rename it"):
        cli.main(["new", "toy", "--edges", "x/\udcff"])


@pytest.fixture
def folder(tmp_path):
    architecture = Architecture("resnet", 4, blocks=1)
    network = architecture.build().train().requires_grad_(False)
    model = Translator("toy", architecture, network, "a", "b", "labels2photo", "Toy", 32, {}, {"licence": "MIT"}, "a")
    export.to_folder(model, tmp_path / "toy")
    return tmp_path / "toy"


def test_a_strangers_folder_asks_for_no_memory_and_names_no_other_file(tmp_path, folder):
    words = json.loads((folder / "config.json").read_text())
    for change in ({"pixels": 8192}, {"pixels": 2048, "shape": [64, 1]}):
        (folder / "config.json").write_text(json.dumps(words | change))
        with pytest.raises(ModelError, match=r"damaged \((pixels|it): "):
            load(folder)
    (folder / "config.json").write_text(json.dumps(words))
    Image.new("RGB", (40, 40)).save(tmp_path / "mine.png")
    (folder / "examples").mkdir()
    (folder / "examples/0.png").symlink_to(tmp_path / "mine.png")
    assert export.example_pictures(load(folder).translates()) == []
    (folder / "examples/0.png").unlink()
    (folder / "examples").rmdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "mine.png").rename(tmp_path / "pictures/mine.png")
    (folder / "examples").symlink_to(tmp_path / "pictures")
    assert export.example_pictures(load(folder).translates()) == []


def test_weights_are_numbers_and_what_they_make_is_finite(tmp_path):
    """A model from noise whose weights are no numbers made black pictures, and passed."""
    import shutil

    shutil.copytree(ROOT / "zoo/digits-losses", tmp_path / "digits")
    weights = load_file(tmp_path / "digits/model.safetensors")
    words = json.loads((tmp_path / "digits/config.json").read_text())

    def write(changed):
        save_file(changed, tmp_path / "digits/model.safetensors")
        digest = sha256(tmp_path / "digits/model.safetensors")
        (tmp_path / "digits/config.json").write_text(json.dumps(words | {"weights": digest}))

    for factor in (float("nan"), float("inf"), 1e38):
        write({name: value * factor for name, value in weights.items()})
        with pytest.raises(ModelError, match="makes values that are not finite"):
            list(load(tmp_path / "digits").sample(2))
    write({name: value.bool() for name, value in weights.items()})
    with pytest.raises(ModelError, match=r"expected floating-point numbers, got torch\.bool"):
        load(tmp_path / "digits")


def test_a_full_disk_says_one_line(tmp_path, folder, monkeypatch):
    model = load(folder).translates()

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(ModelError, match=r"not written \(Error while serializing.*look whether the disk has room"):
        export.to_folder(model, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_a_graph_that_a_full_disk_does_not_take_ends_no_process(tmp_path, folder):
    """A limit on the size of files stands for the disk; torch's own writer would abort."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); from ganrepro.use import cli; "
        f"cli.main(['export', {str(folder)!r}, '--to', 'pt2', '--out', {str(tmp_path / 'x.pt2')!r}])"
    )
    # and Python would keep what it compiles cut short
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert not (tmp_path / "x.pt2").exists()


def test_a_published_file_is_whole_and_holds_plain_arrays(tmp_path):
    content, random = published_generator().read_bytes(), np.random.default_rng(0)
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        data = max(parts.infolist(), key=lambda part: part.file_size)
    for _ in range(4):
        flipped = bytearray(content)
        flipped[data.header_offset + 200 + int(random.integers(data.file_size - 200))] ^= 16
        (tmp_path / "x.pth").write_bytes(flipped)
        with pytest.raises(WeightsError, match=r"no plain weights \((damaged in|Bad|bad)"):
            read_published(tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", bytes(8 * 2**20))
    with pytest.raises(WeightsError, match="compressed, as no training saves weights"):
        read_published(tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match="an empty file"):
        read_published(tmp_path / "x.pth")
    for odd in (torch.eye(4).to_sparse(), torch.zeros(4, device="meta"), torch.zeros(4, dtype=torch.complex64)):
        torch.save({"model.1.weight": odd}, tmp_path / "x.pth")
        with warnings.catch_warnings(action="ignore"), pytest.raises(WeightsError, match="expected the weights of one generator"):
            read_published(tmp_path / "x.pth")


SHOWN = {"output": "labels2photo", "title": "x", "rows": ["a"], "settings": {"practice": 0, "shown_ms": 1000}}


@pytest.mark.parametrize(
    "shown",
    [
        None, {}, [], SHOWN | {"settings": None}, SHOWN | {"settings": []}, SHOWN | {"settings": {"practice": 0}},
        SHOWN | {"rows": [{}]}, SHOWN | {"settings": {"practice": 0, "shown_ms": "soon"}}, SHOWN | {"rows": None},
        SHOWN | {"rows": 3}, SHOWN | {"title": 3}, SHOWN | {"best": True}, "brackets",
    ],
)  # fmt: skip
def test_a_damaged_file_of_answers_says_one_line(tmp_path, monkeypatch, shown):
    monkeypatch.chdir(tmp_path)
    file = Path("surveys/toy.labels2photo.sqlite")
    with closing(Store(file)) as store, store._change() as db:
        if shown is not None:
            db.execute("INSERT INTO study VALUES ('shown', ?)", ("[" * 100_000 if shown == "brackets" else json.dumps(shown),))
        db.execute("INSERT INTO sessions (id, number, row, began, finished) VALUES ('s', 0, 'a', '', '')")
        db.execute("INSERT INTO trials VALUES ('s', 0, 0, 'r.png', 'f.png', 'left')")
        db.execute("INSERT INTO answers VALUES ('s', 0, 'right', 1000, 1000, 5, '', 256)")
    for words in (["results", "toy"], ["export", "toy", "x.csv"]):
        with pytest.raises(SystemExit, match=r"error: surveys/toy\.labels2photo\.sqlite: damaged \(.*put a copy of it back"):
            cli.main(["survey", *words, "--params", str(ROOT / "params.yaml")])
    assert not Path("x.csv").exists()


@pytest.mark.parametrize("time", [float("inf"), -1e308, 1e300])
def test_times_that_no_page_tells_are_damage(tmp_path, time):
    with closing(Store(tmp_path / "x.sqlite")) as store:
        with store._change() as db:
            db.execute("INSERT INTO sessions (id, number, row, began, finished) VALUES ('s', 0, 'a', '', '')")
            db.execute("INSERT INTO trials VALUES ('s', 0, 0, 'r.png', 'f.png', 'left')")
            db.execute("INSERT INTO answers VALUES ('s', 0, 'right', ?, 1000, 5, '', 256)", (time,))
        with pytest.raises(StudyError, match="no answer as the page gives them"):
            store.answers()


def test_names_of_studies_and_addresses_are_checked():
    for name in ("/", "*", "../x"):
        with pytest.raises(SystemExit, match="no name of a study"):
            cli.main(["survey", "results", name, "--params", str(ROOT / "params.yaml")])
    for address in ("http://h:99999/", "http://a..b/", "http://h/<b>", "http://h/\x1b[31m"):
        with pytest.raises(SystemExit, match="expected http:// or https:// and the name of one host"):
            cli.main(["survey", "serve", "toy", "--address", address])
    for host in ("", "\u202e", "a b"):
        with pytest.raises(UserError, match="no name or address of a machine"):
            demo.check(host, 7860)


def test_no_cell_of_exported_answers_is_a_formula(tmp_path):
    names = ["=cmd1.png", "+a.png", "@b", "\n=c", "＝d", " =e", "\td"]
    answer = {"session": 0, "finished": 1, "number": 0, "took": 5, "colour_vision": "normal", "comments": "-1"}
    listed = [answer | {"real": name, "fake": "plain", "chosen": "plain"} for name in names]
    answers.write_choices(listed, tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_text()
    assert all(f"'{name}" in text for name in names) and "'-1" in text and "'plain" not in text


def test_commands_without_words_say_what_they_do():
    for module in ("survey", "gallery", "gc", "claims"):
        with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
            sys.argv, kept = [module, "--help"], sys.argv
            try:
                __import__(f"pipeline.{module}", fromlist=["main"]).main()
            finally:
                sys.argv = kept
        assert ended.value.code == 0 and "usage:" in said.getvalue()
    assert harmless("a\n\tb") == "a\n\tb" and sqlite3.sqlite_version


def test_pipes_in_the_place_of_kept_files_make_nothing_wait(tmp_path):
    for name in ("x.sqlite", "y.sqlite-journal", "z.sqlite-wal"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="expected a file, found a pipe"):
            Store(tmp_path / f"{name[0]}.sqlite")


@pytest.mark.parametrize("held", [{"test.code": np.zeros(4)}, {"test.class": np.zeros((4, 2))}])
def test_classes_that_a_method_read_are_a_number_for_each_image(tmp_path, held):
    np.savez(tmp_path / "codes.npz", **held)
    with pytest.raises(UserError, match=r"codes\.npz: damaged \(test\.class: expected a number for each image\); remove"):
        read_codes(tmp_path / "codes.npz", {"test.class": 4}, "test.class")


def test_watch_draws_on_a_terminal_and_passes_no_command_of_a_log_on(tmp_path):
    (tmp_path / "logs/train").mkdir(parents=True)
    (tmp_path / "logs/train/row.log").write_text(f"row: 28%|██▊ | 3/12 [01:00<02:29, 5.7it/s, adv={ESCAPE}]")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ganrepro.use.cli", "watch", "--once"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    done = subprocess.run(command, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(theirs)
    drawn = os.read(ours, 100_000)
    os.close(ours)
    assert done.returncode == 0 and b"\x1b[?25h" in drawn and b"\\x1b" not in drawn and b"adv=?[31mred" in drawn, done.stderr
