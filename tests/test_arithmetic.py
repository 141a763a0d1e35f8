"""Portable arithmetic: set before libraries load, in every key, and the same bytes here as where the digests were kept."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import RAW, ROOT, parsed

from ganrepro import arithmetic, settings
from ganrepro.errors import UserError
from ganrepro.plan import code, datasets, paths
from pipeline import portable, tiny

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a CPU can do is read from Linux")

USUAL = parsed(RAW | {"arithmetic": "usual"})
PORTABLE = parsed(RAW | {"arithmetic": "portable"})
# a stage that says what it was started with
STAGE = """
import os, sys
from ganrepro import arithmetic
arithmetic.ensure("portable")
print(os.environ["MKL_CBWR"], os.environ["ATEN_CPU_CAPABILITY"], *sys.argv[1:])
"""


def test_only_what_is_computed_moves_with_the_arithmetic():
    """Prepared images stay, unless edges are detected by a network; trainings, readers and scores do not."""
    for name in ("streets", "camvid", "digits"):
        assert datasets.dataset_key(USUAL, name) == datasets.dataset_key(PORTABLE, name)
    assert datasets.dataset_key(USUAL, "facades-edges") != datasets.dataset_key(PORTABLE, "facades-edges")
    usual, other = (paths.find_run(params, "streets-tiny", "cyclegan", 0) for params in (USUAL, PORTABLE))
    for part in ("folder", "images", "scores"):
        assert getattr(usual, part) != getattr(other, part)
    study = "streets-tiny"
    assert paths.reader_dir(USUAL, USUAL.studies[study]) != paths.reader_dir(PORTABLE, PORTABLE.studies[study])
    real, other = (paths.find_run(params, study, "ground-truth", 0) for params in (USUAL, PORTABLE))
    assert real.images == other.images and real.scores != other.scores
    assert paths.features_dir(True) != paths.features_dir(False)


def test_portable_is_of_a_cpu():
    assert PORTABLE.device == "cpu" and parsed(RAW | {"arithmetic": "usual"}).device == "auto"
    with pytest.raises(settings.ConfigError, match="arithmetic: portable is of a CPU"):
        parsed(RAW | {"arithmetic": "portable", "device": "cuda"})


def test_a_stage_that_was_started_otherwise_starts_anew(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").touch()
    shutil.copy(ROOT / "pipeline/start.py", tmp_path / "pipeline")
    (tmp_path / "pipeline/generate.py").write_text(STAGE)
    without = {name: value for name, value in os.environ.items() if name not in arithmetic.PORTABLE}
    environment = without | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for words in (["pipeline.generate"], ["pipeline.start", "generate"]):
        command = [sys.executable, "-m", *words, "--out", "a folder"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.stdout == "COMPATIBLE avx2 --out a folder\n", done.stderr


def test_what_this_machine_has_not_is_refused_before_a_training(monkeypatch):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    with pytest.raises(UserError, match="set before Python starts; start it with: env ATEN_CPU_CAPABILITY='avx2'"):
        arithmetic.ensure("portable")
    monkeypatch.setattr(arithmetic, "instructions", lambda: frozenset({"avx", "sse4_2"}))
    with pytest.raises(UserError, match="needs Linux and a CPU with AVX2; this one has avx, sse4_2; say `arithmetic: usual`"):
        arithmetic.ensure("portable")
    with pytest.raises(UserError, match="bfloat16 needs a CPU with avx512_bf16 or amx_bf16, or a GPU"):
        arithmetic.check_precision("bfloat16", "cpu", "usual")
    monkeypatch.setattr(arithmetic, "instructions", lambda: frozenset({"avx2", "amx_bf16"}))
    with pytest.raises(UserError, match="bfloat16 is no portable arithmetic"):
        arithmetic.check_precision("bfloat16", "cpu", "portable")
    for words in (("bfloat16", "cpu", "usual"), ("bfloat16", "cuda", "usual"), ("float32", "cpu", "portable")):
        arithmetic.check_precision(*words)


def test_digests_are_kept_of_every_kind_of_job():
    kept = {*json.loads(portable.KEPT.read_text(encoding="utf-8"))["digests"]}
    without = {"reader-fcn8s", "measure-perceptual"} | {
        f"train-{name}" for name in tiny.WITHOUT_EXAMPLE
    }  # whose weights are published
    more = {f"{job.replace('/', '-')} {group}" for group, (jobs, _) in portable.MORE.items() for job in jobs}
    assert kept == {job.replace("/", "-") for job in code.jobs()} - without | more


def test_the_usual_arithmetic_is_not_computed_with_portables_kernels(monkeypatch):
    for name, value in arithmetic.PORTABLE.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="arithmetic: usual, and this process has portable's"):
        arithmetic.ensure("usual")


ROOTS = """
import numpy as np, torch
from ganrepro import process
process.configure(1)
x = torch.rand(100_003, generator=torch.Generator().manual_seed(0)).mul_(4).add_(1e-12).requires_grad_()
exact = torch.from_numpy(np.sqrt(x.detach().double().numpy())).float()  # of twice the digits and two more, so rounded right
root = x.sqrt()
(slope,) = torch.autograd.grad(root.sum(), x)
given = torch.empty(0)
torch.sqrt(x.detach(), out=given)
assert all(torch.equal(one, exact) for one in (root, x.detach().clone().sqrt_(), given, torch._foreach_sqrt([x])[0]))
assert torch.equal(slope, 1 / (2 * exact)) and torch.tensor(4).sqrt() == 2 and torch.tensor([-1.0]).sqrt().isnan()
assert torch.tensor([4.0]).bfloat16().sqrt().dtype == torch.bfloat16 and torch.tensor([-4 + 0j]).sqrt() == 2j
image = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
assert image.sqrt().is_contiguous(memory_format=torch.channels_last) and torch.tensor(9.0, dtype=torch.float64).sqrt().shape == ()
"""


def test_square_roots_are_rounded_right_where_arithmetic_is_portable():
    """MKL's, which torch takes, begin with the processor's estimate: a fifth of them end in another digit."""
    environment = os.environ | arithmetic.PORTABLE
    done = subprocess.run([sys.executable, "-c", ROOTS], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    others = re.compile(r"(?<!np)(?<!math)\.(a(cos|sin|tan)|arc(cos|sin|tan)|log10)\(|\.pow\(0?\.5")  # of which the same is true
    files = [file for folder in ("ganrepro", "pipeline") for file in (ROOT / folder).rglob("*.py")]
    assert not [file for file in files if others.search(file.read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_this_machine_gives_everybodys_bytes():
    """Fails on a CPU on which they held; on another it says that they do not, and which."""
    kept = json.loads(portable.KEPT.read_text(encoding="utf-8"))
    if kept["versions"] != portable.versions():
        pytest.skip(f"kept with {kept['versions']}, and here are {portable.versions()}")
    if "avx2" not in arithmetic.instructions():
        pytest.skip("no AVX2")
    done = subprocess.run([sys.executable, "-m", "pipeline.portable"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        assert done.stdout.count("holds") == len(kept["digests"])
    elif portable.cpu() in kept["cpus"]:
        pytest.fail(done.stdout + done.stderr)
    else:
        assert done.returncode == 1 and "differs " in done.stdout, done.stderr
        pytest.xfail(done.stderr.strip().splitlines()[-1])
