"""What Snakemake, DVC and MLflow make, again and after a change, on a tiny configuration."""

import argparse
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tools
from conftest import ROOT
from filelock import FileLock

from benchmarks import gpu
from ganrepro import arithmetic, settings
from ganrepro.errors import UserError
from ganrepro.plan import paths
from ganrepro.reporting.results import collect
from pipeline import bundle_main, dvc_commit, evidence, start

pytestmark = pytest.mark.slow

ENVIRONMENT = {
    k: v for k, v in os.environ.items() if not k.startswith(("GANREPRO", "MLFLOW", "DVC", "GIT"))
} | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}  # fmt: skip


REPORT, REPORT_FOLDER = paths.report_page("cyclegan_ablation"), paths.report_folder("cyclegan_ablation")


def shell(folder, *command, ok=True, **environment):
    """What a command says. The workflows of all tests start their stages from one process."""
    start.begin(str(ROOT))
    path = os.pathsep.join([tools.programs(), ENVIRONMENT["PATH"]])
    environment = ENVIRONMENT | {start.ADDRESS: os.environ.get(start.ADDRESS, ""), "PATH": path} | environment
    result = tools.run(command, folder, environment)
    assert (result.returncode == 0) is ok, result.stdout[-6000:]
    return result.stdout


def edit(folder, old, new):
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    (folder / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")


def planned(folder):
    """{rule: jobs} of a dry run; empty when there is nothing to do."""
    output = shell(folder, "snakemake", "-n", "--cores", "2")
    if "Nothing to be done" in output:
        return {}
    table = re.search(r"Job stats:\n.*\n[- ]+\n((?:.+\n)+?)total", output)
    return {name: int(n) for name, n in (line.split() for line in table[1].strip().splitlines())}


def run_count(folder):
    """MLflow runs that are alive, by level."""
    code = (
        "from mlflow.tracking import MlflowClient; c = MlflowClient('sqlite:///mlflow.db')\n"
        "ids = [e.experiment_id for e in c.search_experiments()]\n"
        "runs = c.search_runs(ids, max_results=1000)\n"
        "tags = [r.data.tags for r in runs]\n"
        "print('RUNS', len(runs), len({t['ganrepro.key'] for t in tags}), sum('mlflow.parentRunId' in t for t in tags))"
    )
    return tuple(int(n) for n in shell(folder, sys.executable, "-c", code).split("RUNS")[1].split()[:3])


TINY = """
reports: {cyclegan_ablation: toy}
device: cpu
arithmetic: usual
datasets:
  streets: {source: streets, pixels: 32, train_images: 6, test_images: 2}
experiments:
  pair:
    rows:
      gan-forward: {title: GAN + forward, terms: {adversarial: 1, cycle_forward: 10}}
      cyclegan: {title: CycleGAN, terms: {adversarial: 1, cycle_forward: 11, cycle_backward: 12}}
readers:
  toy: {filters: 4, epochs: 2, batch_images: 3, learning_rate: 0.01}
features: reader
studies:
  toy:
    title: Toy
    dataset: streets
    experiment: pair
    method: cyclegan
    reader: toy
    seeds: [0]
    test_passes: 1
    generator_blocks: 1
    generator_filters: 2
    discriminator_receptive_field: 16
    discriminator_filters: 2
    load_pixels: 18
    crop_pixels: 16
    epoch_images: 4
    epochs_constant: 1
    epochs_decay: 1
    learning_rate: 0.001
    pool_images: 2
  other: {base: toy, title: Other, crop_pixels: 12}
"""


def project(folder):
    """A committed copy of this project with the tiny parameters."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "config.local")
    for name in ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for name in ("ganrepro", "papers", "pipeline", "profiles", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "params.yaml").write_text(TINY)
    for command in ("init -q -b main", "config user.name t", "config user.email t@example.org", "add -A", "commit -qm tiny"):
        shell(folder, "git", *command.split())


REPORTED = {"report_cyclegan_ablation": 1, "all": 1}
# all jobs of the tiny study once its dataset is prepared
AFTER_PREPARE = {
    "train": 2,
    "train_reader": 1,
    "generate": 5,
    "evaluate": 5,
    "report_cyclegan_ablation": 1,
    "all": 1,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny project after one `snakemake` from nothing."""
    folder = tmp_path_factory.mktemp("project")
    project(folder)
    # the first failing assertion below would otherwise be a puzzle: nothing exists, so all is planned
    assert planned(folder) == {"prepare": 1} | AFTER_PREPARE
    shell(folder, "snakemake", "--cores", "2", str(REPORT))
    return folder


PAIRS = """
experiments:
  pair:
    rows:
      l1: {title: L1, terms: {l1: 100}}
      cgan: {title: cGAN, batch_images: 2, generator: encoder-decoder, terms: {adversarial: 1}}
      labels-l1: {title: L1, domains: [b, a], terms: {l1: 100}}
"""


def test_a_study_of_pairs_goes_from_nothing_to_its_report_beside_an_unmade_one(tmp_path):
    """Both ways, two batch sizes, three passes of dropout."""
    project(tmp_path)
    text = TINY.replace("{cyclegan_ablation: toy}", "{cyclegan_ablation: other, pix2pix_ablation: toy}")
    text = text.replace(text[text.index("experiments:") : text.index("readers:")], PAIRS.lstrip())
    text = text.replace("method: cyclegan", "method: pix2pix").replace("    pool_images: 2\n", "")
    text = text.replace("test_passes: 1", "test_passes: 3").replace("crop_pixels: 12", "rows: [l1]")
    (tmp_path / "params.yaml").write_text(text)
    off = {"GANREPRO_MLFLOW": "off"}
    shell(tmp_path, "snakemake", "--cores", "2", "reports/pix2pix_ablation.md", **off)
    page = (tmp_path / "reports/pix2pix_ablation.md").read_text(encoding="utf-8")
    assert page.startswith("# pair: Toy") and page.count("| L1 |") == 3 and page.count("| cGAN |") == 2
    assert "translated 3 times" in page and not (tmp_path / "reports/cyclegan_ablation.md").exists()
    assert len(list((tmp_path / "runs/toy").iterdir())) == 3
    assert planned(tmp_path) == {"generate": 4, "evaluate": 4} | REPORTED  # other/l1 has the key of toy/l1


def test_a_partial_run_never_lets_dvc_note_down_what_was_not_made(tmp_path):
    project(tmp_path)
    for folder in ("data", "runs", "images", "scores", "reports/cyclegan_ablation"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "old").write_text("of other parameters")
    (tmp_path / REPORT).write_text("old")
    shell(tmp_path, sys.executable, "-m", "pipeline.dvc_commit")
    assert not (tmp_path / "dvc.lock").exists()
    assert not dvc_is_clean(tmp_path)


def test_another_study_of_the_same_data_prepares_nothing(made):
    (made / "params.yaml").write_text(TINY.replace("cyclegan_ablation: toy", "cyclegan_ablation: other"))
    try:
        assert planned(made) == AFTER_PREPARE
    finally:
        (made / "params.yaml").write_text(TINY)


def test_equal_trainings_of_two_studies_are_made_once(made, tmp_path):
    """A row of another study with the settings of one that is trained takes its results over, bytes and losses."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    text = TINY.replace("{cyclegan_ablation: toy}", "{cyclegan_ablation: toy, again: twin}")
    same = "{same: {title: Same, terms: {cycle_backward: 12, cycle_forward: 11, adversarial: 1}}}"
    text = text.replace("readers:", f"  twins: {{rows: {same}}}\nreaders:")
    text += "  twin: {base: toy, title: Twin, experiment: twins}\n"
    (copy / "params.yaml").write_text(text, encoding="utf-8")
    off = {"GANREPRO_MLFLOW": "off"}
    reports = {"report_again": 1, "all": 1}
    assert planned(copy) == {"train": 1, "generate": 4, "evaluate": 4} | reports
    shell(copy, "snakemake", "--cores", "2", **off)
    (first,), (other,) = (list((copy / "runs").glob(place)) for place in ("toy/cyclegan-*", "twin/*"))
    assert first.name.split("-")[-1] == other.name.split("-")[-1]
    for name in ("checkpoint.pt", "history.csv", "timing.json"):
        assert (first / name).read_bytes() == (other / name).read_bytes()
    assert json.loads((other / "run.json").read_text())["row"] == "same"
    assert json.loads((first / "run.json").read_text())["row"] == "cyclegan"
    (log,) = (copy / "logs/train/twin").glob("*.log")
    assert "taken over from there" in log.read_text() and "it/s" not in log.read_text()
    # from nothing too: the second waits for the first
    for folder in ("runs", "images", "scores", "reports"):
        shutil.rmtree(copy / folder)
    assert planned(copy)["train"] == 3
    shell(copy, "snakemake", "--cores", "2", "--omit-from", "generate", **off)  # as DVC's stage does
    assert (first / "checkpoint.pt").read_bytes() == (other / "checkpoint.pt").read_bytes()
    assert "taken over from there" in log.read_text()


def test_trainings_of_one_process_give_the_bytes_of_each_alone(made, tmp_path):
    """Through Snakemake, which is told that there is a GPU; torch finds none and takes the CPU. Half a group is filled up."""
    copy, off = tmp_path / "copy", {"GANREPRO_MLFLOW": "off", "PATH": f"{tmp_path}{os.pathsep}{ENVIRONMENT['PATH']}"}
    shutil.copytree(made, copy, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    (copy / "params.yaml").write_text(TINY.replace("device: cpu", "device: auto\ntogether: 4"), encoding="utf-8")
    folders = sorted((copy / "runs/toy").iterdir())
    alone = {folder.name: (folder / "checkpoint.pt").read_bytes() for folder in folders}
    assert len(alone) == 2
    (copy / REPORT).unlink()
    for folder in folders:
        shutil.rmtree(folder)
    output = shell(copy, "snakemake", "--cores", "2", "--omit-from", "generate", **off)
    assert "train_together_0" in output and "rule train:" not in output
    assert {folder.name: (folder / "checkpoint.pt").read_bytes() for folder in folders} == alone
    # of a group only what is missing is made
    kept = (folders[0] / "checkpoint.pt").stat().st_ino
    shutil.rmtree(folders[1])
    shell(copy, "snakemake", "--cores", "2", "--omit-from", "generate", **off)
    assert (folders[0] / "checkpoint.pt").stat().st_ino == kept
    assert (folders[1] / "checkpoint.pt").read_bytes() == alone[folders[1].name]
    told = shell(copy, sys.executable, "-m", "pipeline.train", "--together", "runs/toy/none-s0-123456789abc", ok=False)
    assert (
        told
        == "error: runs/toy/none-s0-123456789abc: no training of the current parameters and code; they changed, start again\n"
    )


def test_a_bundled_study_runs_without_the_workflow_tools_and_its_results_fit_in(made, tmp_path):
    """Killed once on the way; Snakemake, DVC, MLflow, pandas and h5py cannot be imported there."""
    shell(made, sys.executable, "-m", "pipeline.bundle", "make", str(tmp_path / "study.zip"))
    barred = tmp_path / "barred"
    barred.mkdir()
    for name in ("snakemake", "dvc", "mlflow", "pandas", "h5py"):
        (barred / f"{name}.py").write_text("raise ImportError('not on this machine')")
    command = [sys.executable, "study.zip", "--jobs", "2"]
    with tempfile.TemporaryDirectory() as place:  # of the process that stages are copied from; a socket's name must be short
        starts = Path(place)
        environment = ENVIRONMENT | {"PYTHONPATH": str(barred), "GANREPRO_SAVE_SECONDS": "0", "TMPDIR": place}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, start_new_session=True) as process:
            assert b"done" in process.stdout.readline()
            (killed,) = starts.glob("ganrepro-*/start")
            os.killpg(process.pid, signal.SIGKILL)
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        for _ in range(500):  # it ends after its caller
            if list(starts.glob("ganrepro-*/start")) == [killed]:
                break
            time.sleep(0.02)
        else:
            pytest.fail(f"left behind: {list(starts.iterdir())}")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    project(fresh)
    shutil.copytree(made / "data", fresh / "data")
    shell(fresh, sys.executable, "-m", "pipeline.bundle", "take", str(tmp_path / "study.results.zip"))
    assert planned(fresh) == REPORTED
    shell(fresh, "snakemake", "--cores", "2")
    for name in ("scores.csv", "losses.csv", "labels2photo.png", "photo2labels.png"):
        assert (fresh / REPORT_FOLDER / name).read_bytes() == (made / REPORT_FOLDER / name).read_bytes()


def test_what_the_gpu_benchmark_trains_is_scored_and_its_results_fit_in(made, tmp_path, monkeypatch):
    """Row after row as far as the time goes: the first call has none left for the second row, the next goes on with it."""
    there, fresh = tmp_path / "there", tmp_path / "fresh"
    for folder in (there, fresh):
        folder.mkdir()
        project(folder)
        shutil.copytree(made / "data", folder / "data")
    monkeypatch.chdir(there)
    monkeypatch.setattr(gpu, "ROOT", there)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    trained, said = [], []

    def a_training(words, **options):
        trained.append(words)
        if len(trained) == 2:
            raise subprocess.TimeoutExpired(words, 1)
        return subprocess.Popen(words, cwd=there).wait()

    monkeypatch.setattr(gpu.subprocess, "run", a_training)
    monkeypatch.setattr(gpu, "say", lambda **found: said.append(found))
    wanted = argparse.Namespace(study="toy", at_once=1, left=500, out=tmp_path)
    gpu.study(True, wanted)
    assert (len(said[0]["finished"]), said[0]["of"], [one["row"] for one in said[1:]]) == (1, 2, ["gan-forward"])
    said.clear()
    gpu.study(True, wanted)
    assert (len(said[0]["finished"]), len(trained), len(said)) == (2, 3, 3)
    monkeypatch.undo()
    metrics = paths.find_run(settings.load(made / "params.yaml"), "toy", "cyclegan", 0).scores / "metrics.json"
    values = json.loads((made / metrics).read_text())["values"]["labels2photo"]["fcn_score"]["scores"]
    assert {one["row"]: one for one in said[1:]}["cyclegan"]["scores"]["labels2photo/class_iou"] == values["class_iou"]
    shell(fresh, sys.executable, "-m", "pipeline.bundle", "take", str(tmp_path / "toy.results.zip"))
    assert planned(fresh) == REPORTED


def test_only_declared_results_are_taken_and_all_of_them_or_none(made, tmp_path):
    run = paths.find_run(settings.load(made / "params.yaml"), "toy", "cyclegan", 0)
    metrics = (made / run.scores / "metrics.json").read_bytes()
    extra = f"{run.images}/labels2photo/extra.png"

    def attempt(files, declared=None):
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} | (declared or {})
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            for name, data in (files | {"results.json": json.dumps(digests).encode()}).items():
                archive.writestr(name, data)
        return shell(made, sys.executable, "-m", "pipeline.bundle", "take", str(tmp_path / "bad.zip"), ok=False)

    def untouched(said, message):
        return message in said and "Traceback" not in said and not (made / extra).exists()

    good = {extra: b"x", f"{run.scores}/metrics.json": metrics}
    for name in ("runs/../../outside", "scores/pwn.sh", "runs/toy/cyclegan-s0-0123456789ab/history.csv", f"{run.folder}/x.sh"):
        assert untouched(attempt(good | {name: b"x"}), "is not a result of the current parameters; nothing was taken")
    assert not (made.parent / "outside").exists()
    assert untouched(attempt(good, {extra: "0" * 64}), "is not as it was declared; nothing was taken")
    assert untouched(attempt(good | {f"{run.scores}/metrics.json": b"{}"}), "is here already and differs")
    assert (made / run.scores / "metrics.json").read_bytes() == metrics
    assert untouched(attempt(good, {f"{run.scores}/counts.npz": "0" * 64}), "is declared and not there; nothing was taken")
    (made / run.images / "link").symlink_to(tmp_path)
    assert untouched(attempt(good | {f"{run.images}/link/a.png": b"x"}), "through a link that lies here")
    (made / run.images / "link").unlink()
    (tmp_path / "bad.zip").write_text("text")
    said = shell(made, sys.executable, "-m", "pipeline.bundle", "take", str(tmp_path / "bad.zip"), ok=False)
    assert "no results of a bundle, or damaged" in said and "Traceback" not in said


def other_counts(change):
    """Bytes of counts.npz -> bytes of others."""

    def changed(content):
        with np.load(io.BytesIO(content)) as file:
            counts = change(dict(file))
        buffer = io.BytesIO()
        np.savez(buffer, **counts)
        return buffer.getvalue()

    return changed


def other_values(change):
    """Bytes of JSON -> bytes of another."""

    def changed(content):
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return changed


def test_results_that_are_not_of_their_row_are_refused(made, tmp_path, monkeypatch):
    """Whole files of the right kind with something else in them: one line, which names the file."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".snakemake", ".dvc", "mlruns"))
    monkeypatch.chdir(copy)
    params = settings.load()
    run = paths.find_run(params, "toy", "cyclegan", 0)
    metrics, counts, history = run.scores / "metrics.json", run.scores / "counts.npz", run.folder / "history.csv"
    name = "photo2labels.label_colours"
    for file, change in (
        (metrics, other_values(lambda v: v.update(row="gan-forward"))),
        (metrics, other_values(lambda v: v.update(seed=5))),
        (metrics, other_values(lambda v: v.update(values={}))),
        (metrics, other_values(lambda v: v["values"].pop("photo2labels"))),
        (metrics, other_values(lambda v: v["values"]["photo2labels"].update(x=v["values"]["photo2labels"]["label_colours"]))),
        (metrics, other_values(lambda v: v["values"]["photo2labels"]["label_colours"]["scores"].update(class_iou=0.5))),
        (metrics, other_values(lambda v: v["values"]["photo2labels"]["label_colours"]["epochs"]["1"].pop("class_iou"))),
        (metrics, other_values(lambda v: v["values"]["photo2labels"]["variety"]["scores"].update(verity=0.5))),
        (metrics, other_values(lambda v: v["values"]["photo2labels"]["variety"]["scores"].clear())),
        (metrics, lambda content: b'{"values": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        (counts, other_counts(lambda c: {k: v for k, v in c.items() if k != name})),
        (counts, other_counts(lambda c: c | {name: c[name][..., :1]})),
        (counts, other_counts(lambda c: c | {name: c[name][..., None]})),
        (counts, other_counts(lambda c: c | {name: c[name] + 1})),
        (history, lambda content: content.replace(b"epoch", b"epoxh", 1)),
        (history, lambda content: content.replace(b"learning_rate", b"learning-rate", 1)),
        (history, lambda content: content.replace(b"cycle_forward", b"cycle_farward", 1)),
        (history, lambda content: b"".join(content.splitlines(True)[:-1])),
        (history, lambda content: content + content.splitlines(True)[-1]),
        (history, lambda content: b"".join(content.splitlines(True)[i] for i in (0, 2, 1))),
        (run.images / "timing.json", other_values(lambda v: v.update(images=10**29))),
        (paths.reader_dir(params, params.studies["toy"]) / "reader.json", other_values(lambda v: v["gate"].pop("what"))),
    ):
        whole = file.read_bytes()
        file.write_bytes(change(whole))
        with pytest.raises(UserError) as caught:
            collect(params, params.studies["toy"])
        said = str(caught.value)
        assert str(file.parent) in said and said.endswith("run snakemake again") and "\n" not in said, said
        file.write_bytes(whole)
    collect(params, params.studies["toy"])
    # what was made and is gone is missed, also where no measure would
    (run.images / "codes.npz").write_bytes(b"")
    made_files = (run.images / "done").read_text().splitlines()
    (run.images / "done").write_text("\n".join([*made_files, "codes.npz"]))
    (run.images / "codes.npz").unlink()
    shutil.rmtree(run.scores)
    words = ("--study", "toy", "--row", "cyclegan", "--seed", "0", "--out", str(run.scores))
    said = stage(copy, "evaluate", *words, GANREPRO_MLFLOW="off")
    assert f"{run.images / 'codes.npz'}: it was made and is gone" in said and said.count("\n") == 1, said


def test_damaged_results_are_named_with_what_makes_them_anew(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".snakemake", ".dvc", "mlruns"))
    run = paths.find_run(settings.load(copy / "params.yaml"), "toy", "cyclegan", 0)
    words = ("--report", "cyclegan_ablation", "--out", "reports/cyclegan_ablation")
    off = {"GANREPRO_MLFLOW": "off"}
    history = (copy / run.folder / "history.csv").read_bytes()
    impossible = json.loads((copy / run.scores / "metrics.json").read_bytes())
    impossible["values"]["labels2photo"]["fcn_score"]["by_class"][0] = 1e9
    for file, damage in (
        (run.scores / "metrics.json", b""),
        (run.scores / "metrics.json", b"[]"),
        (run.scores / "metrics.json", json.dumps(impossible).encode()),
        (run.folder / "history.csv", history[: history.rindex(b",")] + b",nan\n"),
        (run.scores / "counts.npz", None),
        (run.folder / "history.csv", b""),
        (run.folder / "history.csv", b"epoch,cycle_forward\n1,x\n"),
        (run.folder / "timing.json", b"{"),
    ):
        whole = (copy / file).read_bytes()
        (copy / file).write_bytes(whole[: len(whole) // 2] if damage is None else damage)
        said = stage(copy, "report", *words, **off)
        assert str(file) in said and "snakemake again" in said and said.count("\n") == 1, said
        (copy / file).write_bytes(whole)
    # under Snakemake too, and a report that fails leaves the old one whole
    report = [copy / "reports/cyclegan_ablation.md", *sorted((copy / "reports/cyclegan_ablation").iterdir())]
    before = [file.read_bytes() for file in report]
    history = copy / run.folder / "history.csv"
    whole = history.read_bytes()
    history.write_bytes(b"")
    shell(copy, "snakemake", "--cores", "2", "--forcerun", "report_cyclegan_ablation", "--", str(REPORT), ok=False, **off)
    assert [file.read_bytes() for file in report] == before
    history.write_bytes(whole)
    # a flipped bit of a checkpoint, in training and in generation
    checkpoint = copy / run.folder / "checkpoint.pt"
    whole = bytearray(checkpoint.read_bytes())
    with zipfile.ZipFile(checkpoint) as archive:  # in the middle of its largest array: between arrays lies padding
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    extra = int.from_bytes(whole[largest.header_offset + 28 : largest.header_offset + 30], "little")
    whole[largest.header_offset + 30 + len(largest.filename) + extra + largest.file_size // 2] ^= 1
    checkpoint.write_bytes(whole)
    out = run.images
    shutil.rmtree(copy / run.images)
    said = stage(copy, "generate", "--study", "toy", "--row", "cyclegan", "--seed", "0", "--out", str(out), **off)
    assert "checkpoint.pt: damaged" in said and said.count("\n") == 1 and not (copy / out).exists()


def dvc_is_clean(folder):
    return "Data and pipelines are up to date" in shell(folder, "dvc", "status")


def test_first_run_makes_the_report_and_everything_else_finds_nothing_to_do(made):
    page = (made / REPORT).read_text(encoding="utf-8")
    assert "| CycleGAN |" in page and "| Ground truth |" in page and "`streets`" not in page
    for link in re.findall(r"\]\((cyclegan_ablation/[^)]+)\)", page):
        assert (made / "reports" / link).stat().st_size > 500
    assert planned(made) == {}
    assert dvc_is_clean(made)
    assert "didn't change, skipping" in shell(made, "dvc", "repro")
    edit(made, "title: Toy", "title: Toys")
    assert planned(made) == REPORTED
    edit(made, "title: Toys", "title: Toy")
    assert planned(made) == {}
    assert run_count(made) == (4, 4, 2)


def test_evidence_is_kept_of_a_current_report_alone_and_replaces_as_a_whole(made):
    kept = made / "reports" / "toy"
    kept.mkdir()
    (kept / "old.svg").write_text("of an older state")
    (made / "README.md").write_text("<!-- results: toy -->\n<!-- /results -->\n")
    edit(made, "title: Toy", "title: Toys")
    assert "not made from the current parameters" in stage(made, "evidence")
    assert [file.name for file in kept.iterdir()] == ["old.svg"]
    edit(made, "title: Toys", "title: Toy")
    stage(made, "evidence", ok=True)
    names = {file.name for file in kept.iterdir()}
    assert "old.svg" not in names and {"README.md", "scores.csv", "claims.svg"} - names <= {"claims.svg"}
    assert "(labels2photo.png)" in (kept / "README.md").read_text(encoding="utf-8")
    assert "| CycleGAN | – / **0." in (made / "README.md").read_text(encoding="utf-8")
    assert planned(made) == {}
    for path in (kept, made / "README.md"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_workflow_that_outlives_the_making_of_evidence_holds_its_lock(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        evidence._run("sh", "-c", "sleep 60 & echo $! > pid", lock=lock.fileno(), folder=tmp_path)
    with (tmp_path / "lock").open("w") as again:
        with pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        fcntl.flock(again, fcntl.LOCK_EX)


def test_a_bundle_starts_its_stages_in_its_own_arithmetic(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(start, "begin", lambda *asked: begun.append(asked))
    for name in ("portable", "usual"):
        assert bundle_main.work(tmp_path, {"jobs": [], "arithmetic": name}, 1) == []
    assert begun == [(str(tmp_path), arithmetic.PORTABLE), (str(tmp_path), {})]


def test_evidence_of_more_seeds_is_made_in_a_tree_of_its_own_from_what_is_there(made):
    """Two seeds where one is trained: the other is trained, of the committed code, and nothing that was there is made anew."""
    before, code = {path.name for path in (made / "runs/toy").iterdir()}, made / "ganrepro/version.py"
    text = code.read_text(encoding="utf-8")
    assert "study: there is no 'tyo'" in stage(made, "evidence", "--study", "tyo")
    assert "--seeds 0: expected a number from 1" in stage(made, "evidence", "--study", "toy", "--seeds", "0")
    assert "--seeds, --arithmetic: of a study" in stage(made, "evidence", "--seeds", "2")
    edit(made, "title: Toy", "title: Toys")
    assert "edited since the last commit" in stage(made, "evidence", "--study", "toy")
    edit(made, "title: Toys", "title: Toy")
    with FileLock(made / "work/evidence-of-toy.lock"):
        assert "is being made by another process" in stage(made, "evidence", "--study", "toy")
    code.write_text(f"{text}# edited meanwhile\n", encoding="utf-8")
    stage(made, "evidence", "--study", "toy", "--seeds", "2", ok=True)
    code.write_text(text, encoding="utf-8")
    new = {path.name for path in (made / "runs/toy").iterdir()} - before
    assert sorted(name[:-13] for name in new) == ["cyclegan-s1", "gan-forward-s1"]
    kept, current = ((folder / "scores.csv").read_text().splitlines() for folder in (made / "reports/toy", made / REPORT_FOLDER))
    assert set(current) < set(kept) and {line.split(",")[2] for line in kept[1:]} == {"0", "1"}
    assert "-dirty" not in (made / "reports/toy/README.md").read_text(encoding="utf-8")
    tree = made / "work/evidence/toy"
    (tree / ".snakemake/locks").mkdir(exist_ok=True)
    for kind in ("input", "output"):  # what Snakemake leaves in a folder where a machine stopped
        (tree / f".snakemake/locks/0.{kind}.lock").write_text("reports/toy_evidence.md\n")
    (tree / "reports/toy_evidence.md").unlink()
    stage(made, "evidence", "--study", "toy", "--seeds", "2", ok=True)
    assert (tree / "reports/toy_evidence.md").exists()
    listed = [tools.run([sys.executable, "-m", "pipeline.gc"], made, ENVIRONMENT).stdout]  # nobody answers what it asks
    shutil.move(made / "work/evidence", made / "work/elsewhere")
    listed.append(tools.run([sys.executable, "-m", "pipeline.gc"], made, ENVIRONMENT).stdout)
    assert ["runs/toy/cyclegan-s1-" in said for said in listed] == [False, True], listed
    shutil.move(made / "work/elsewhere", made / "work/evidence")
    for folder in ("runs/toy", "images/toy", "scores/toy"):
        for path in (made / folder).glob("*-s1-*"):
            shutil.rmtree(path)
    for folder in (made / "reports/toy", made / "work/evidence"):
        shutil.rmtree(folder)
    assert planned(made) == {} and dvc_is_clean(made)


def test_one_weight_changed_trains_one_variant_under_either_tool_and_back_trains_none(made):
    names = {p.name for p in (made / "runs/toy").iterdir()}
    edit(made, "cycle_forward: 10}", "cycle_forward: 9}")
    # networks before training are those of the first row
    assert planned(made) == {"train": 1, "generate": 2, "evaluate": 2} | REPORTED
    assert not dvc_is_clean(made)
    shell(made, "snakemake", "--cores", "2")
    new = {p.name for p in (made / "runs/toy").iterdir()} - names
    assert len(new) == 1 and new.pop().startswith("gan-forward-s0-")
    assert dvc_is_clean(made) and planned(made) == {}

    names = {p.name for p in (made / "runs/toy").iterdir()}
    edit(made, "cycle_backward: 12}", "cycle_backward: 13}")
    shell(made, "dvc", "repro")
    new = {p.name for p in (made / "runs/toy").iterdir()} - names
    assert len(new) == 1 and new.pop().startswith("cyclegan-s0-")
    assert planned(made) == {} and dvc_is_clean(made)
    assert run_count(made) == (8, 8, 4)

    edit(made, "cycle_forward: 9}", "cycle_forward: 10}")
    edit(made, "cycle_backward: 13}", "cycle_backward: 12}")
    assert planned(made) == REPORTED
    shell(made, "snakemake", "--cores", "2")
    assert planned(made) == {} and dvc_is_clean(made)
    assert run_count(made) == (8, 8, 4)


def test_a_clone_pulls_everything_and_an_edit_there_is_seen_by_both_tools(made, tmp_path):
    shell(made, "dvc", "remote", "add", "-f", "-d", "local", str(tmp_path / "remote"))
    shell(made, "git", "add", "-A")
    shell(made, "git", "commit", "-qm", "results")
    shell(made, "dvc", "push")
    clone = tmp_path / "clone"
    shell(tmp_path, "git", "clone", "-q", str(made), str(clone))
    shell(clone, "dvc", "pull")
    assert not (clone / ".snakemake").exists()
    assert planned(clone) == {}  # whenever its files were written
    assert dvc_is_clean(clone)
    shutil.rmtree(clone / ".snakemake", ignore_errors=True)
    for folder in ("data", "readers"):  # as where these were not recorded: what is made stays, whatever else is to be made
        (clone / folder).rename(clone / f"no-{folder}")
    assert planned(clone) == {}
    edit(clone, "cycle_forward: 10}", "cycle_forward: 8}")
    assert planned(clone) == {"prepare": 1, "train_reader": 1, "train": 1, "generate": 2, "evaluate": 2} | REPORTED
    edit(clone, "cycle_forward: 8}", "cycle_forward: 10}")
    for folder in ("data", "readers"):
        (clone / f"no-{folder}").rename(clone / folder)
    edit(clone, "cycle_forward: 10}", "cycle_forward: 8}")
    assert planned(clone) == {"train": 1, "generate": 2, "evaluate": 2} | REPORTED
    assert not dvc_is_clean(clone)
    edit(clone, "cycle_forward: 8}", "cycle_forward: 10}")
    edit(clone, "epochs: 2", "epochs: 3")  # every score is stale, no old one of the new key exists
    assert planned(clone) == {"train_reader": 1, "evaluate": 5} | REPORTED


def test_dvc_compares_metrics_and_plots_between_states(made):
    shell(made, "git", "add", "-A")
    shell(made, "git", "commit", "-qm", "before", "--allow-empty")
    edit(made, "cycle_forward: 10}", "cycle_forward: 1}")
    shell(made, "snakemake", "--cores", "2")
    difference = shell(made, "dvc", "metrics", "diff")
    assert "labels2photo.gan-forward" in difference or "photo2labels.gan-forward" in difference
    assert ".cyclegan.pixel" not in difference
    shell(made, "dvc", "plots", "diff", "-o", "plots")
    assert "reports_cyclegan_ablation_means_csv" in (made / "plots/index.html").read_text()
    edit(made, "cycle_forward: 1}", "cycle_forward: 10}")


def test_a_workflow_killed_at_every_stage_continues_and_ends_with_its_report(tmp_path):
    """In training with all that it started, elsewhere alone, as a full memory kills; each epoch is logged once."""
    project(tmp_path)
    edit(tmp_path, "epoch_images: 4\n", "epoch_images: 60\n")
    start.begin(str(ROOT))
    signs = ("logs/prepare/*.log", "work/cyclegan-*/checkpoint.pt", "logs/generate/toy/cyclegan-*.log", "logs/evaluate/toy/*.log")
    for sign in signs:
        environment = ENVIRONMENT | {"GANREPRO_SAVE_SECONDS": "0.2"}
        if not sign.startswith("work"):  # the training has a process of its own that starts its stages
            environment[start.ADDRESS] = os.environ.get(start.ADDRESS, "")
        process = subprocess.Popen(
            ["snakemake", "--cores", "2"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        with process:
            while not list(tmp_path.glob(sign)):
                assert process.poll() is None, process.stderr.read().decode()[-3000:]
                time.sleep(0.02)
            if sign.startswith("work"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.stderr.close()
        assert not (tmp_path / REPORT).exists()
        shell(tmp_path, "snakemake", "--unlock")
    shell(tmp_path, "snakemake", "--cores", "2")
    assert (tmp_path / REPORT).exists() and planned(tmp_path) == {}
    timing = next(tmp_path.glob("runs/toy/cyclegan-*/timing.json")).read_text()
    assert '"resumed": 1' in timing
    assert not list(tmp_path.glob("work/*-*/*"))  # features of real photos stay
    assert run_count(tmp_path) == (4, 4, 2)
    code = (
        "from mlflow.tracking import MlflowClient; c = MlflowClient('sqlite:///mlflow.db')\n"
        "for e in c.search_experiments():\n"
        "  for r in c.search_runs([e.experiment_id]):\n"
        "    steps = [m.step for m in c.get_metric_history(r.info.run_id, 'epoch')]\n"
        "    if 'mlflow.parentRunId' in r.data.tags: print('STEPS', steps, r.info.status)"
    )
    assert shell(tmp_path, sys.executable, "-c", code).count("STEPS [1, 2] FINISHED") == 2


# --- bad input, as a user meets it ----------------------------------------------------------------


def stage(folder, module, *words, ok=False, **environment):
    return shell(folder, sys.executable, "-m", f"pipeline.{module}", *words, ok=ok, **environment)


def test_snakemakes_own_review_finds_one_thing_alone():
    """One environment serves all rules (CONTRIBUTING says why)."""
    findings = set(re.findall(r"^ +\* (.+):$", shell(ROOT, "snakemake", "--lint", ok=False), re.MULTILINE))
    assert findings == {"Specify a conda environment or container for each rule."}


def test_errors_are_one_line_and_exit_is_not_zero(tmp_path):
    project(tmp_path)
    shell(tmp_path, "snakemake", "--cores", "2", "--until", "prepare", ok=True)
    run = paths.find_run(settings.load(tmp_path / "params.yaml"), "toy", "cyclegan", 0)
    out = run.folder
    off = {"GANREPRO_MLFLOW": "off"}

    said = stage(tmp_path, "train", "--study", "toy", "--row", "cyclegan", "--seed", "0", "--out", "runs/toy/other", **off)
    assert said.startswith("error: ") and "they changed meanwhile" in said and said.count("\n") == 1
    work = tmp_path / run.work
    work.mkdir(parents=True)
    (work / "checkpoint.pt").write_bytes(b"PK damaged")
    said = stage(tmp_path, "train", "--study", "toy", "--row", "cyclegan", "--seed", "0", "--out", str(out), **off)
    assert "damaged, cut short or not a checkpoint" in said and said.count("\n") == 1
    assert not (tmp_path / out).exists()
    (work / "checkpoint.pt").unlink()

    said = stage(
        tmp_path,
        "train",
        "--study",
        "toy",
        "--row",
        "cyclegan",
        "--seed",
        "0",
        "--out",
        str(out),
        ok=True,
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
    )
    assert said.count("MLflow is away") == 1 and (tmp_path / out / "checkpoint.pt").exists()

    for words, message in (
        (("--row", "cyclegans", "--seed", "0"), "there is no 'cyclegans'; did you mean 'cyclegan'?"),
        (("--row", "ground-truth", "--seed", "0"), "toy/ground-truth: a reference row, which nothing is trained for"),
        (("--row", "cyclegan", "--seed", "99"), "row 'cyclegan' has no seed 99; there are: 0"),
        (("--row", "cyclegan", "--seed", "0", "--threads", "0"), "expected a number from 1 to 9999, got '0'"),
    ):
        said = stage(tmp_path, "train", "--study", "toy", *words, "--out", str(out), **off)
        assert message in said and "Traceback" not in said
    said = stage(tmp_path, "download", "--source", "streets", "--out", "downloads/x", **off)
    assert "Traceback" not in said and said.count("\n") == 1

    edit(tmp_path, "pool_images: 2", "pol_images: 2")
    said = shell(tmp_path, "snakemake", "-n", ok=False)
    assert "studies.toy.pol_images: unknown key; did you mean 'pool_images'?" in said and "Traceback" not in said
    edit(tmp_path, "pol_images: 2", "pool_images: 2")
    said = shell(tmp_path, "snakemake", "--cores", "0", ok=False)
    assert "--cores 0: expected a number from 1" in said
    (tmp_path / "scores").touch()
    assert "scores: expected a folder, found a file" in shell(tmp_path, "snakemake", "-n", ok=False)
    (tmp_path / "scores").unlink()
    (tmp_path / REPORT).mkdir(parents=True)
    assert f"{REPORT}: expected a page, found a folder" in shell(tmp_path, "snakemake", "-n", ok=False)
    (tmp_path / REPORT).rmdir()
    said = shell(tmp_path, "snakemake", "-n", "--config", "seed=1", ok=False)
    assert "settings live in params.yaml" in said and "Traceback" not in said


def test_one_is_told_what_dvc_is_waited_for_and_may_stop_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setattr(dvc_commit, "complete_stages", lambda: ["data"])
    told = threading.Event()
    monkeypatch.setattr(dvc_commit, "PATIENCE", 0.0)
    monkeypatch.setattr("builtins.print", lambda *words, **how: (sys.stderr.write(f"{words[0]}\n"), told.set()))

    def interrupted(stages):
        assert told.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(dvc_commit, "commit", interrupted)
    dvc_commit.main()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("All is made. DVC keeps copies") and "did not record this run (KeyboardInterrupt)" in said[1]
