"""The benchmark of a GPU runs from its first part to its last at toy size, also from its pack, and says what failed."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

from benchmarks import gpu

OFF = {"GANREPRO_MLFLOW": "off"}


def run(folder, *words, ok=True):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | OFF | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_every_section_runs_at_toy_size_from_a_pack(tmp_path):
    """What travels is enough, in an empty folder: two sections as the pack starts them, the others called in its folder.

    (A study's trainings: test_pipeline.)
    """
    run(ROOT, "-m", "benchmarks.gpu", "--pack", str(tmp_path / "gpu.zip"))
    out, alone = tmp_path / "out", ("smoke", "tests")
    said = run(tmp_path, "gpu.zip", *alone, "--toy", "--minutes", "30", "--out", str(out))
    found = {one["section"]: one for one in map(json.loads, (out / "gpu.jsonl").read_text().splitlines())}
    assert list(found) == [*alone]
    assert {name: gpu.failures(section) for name, section in found.items() if gpu.failures(section)} == {}
    assert found["tests"]["results"][0]["passed"] and "failed" not in said
    assert "## Smoke" in (out / "gpu.md").read_text()
    # the others in one process, since each that is started loads torch anew
    others = [name for name in gpu.USUAL if name not in alone]
    code = f"""
import argparse, sys
sys.path.append("site")  # after what this machine has
from benchmarks import gpu
for name in {others}:
    gpu.say(section=name)
    gpu.SECTIONS[name][0](True, argparse.Namespace(reference=None))
"""
    lines, results = run(tmp_path / "gpu", "-c", code).splitlines(), {}
    for one in (json.loads(line.removeprefix(gpu.FOUND)) for line in lines if line.startswith(gpu.FOUND)):
        if "section" in one:
            results[one["section"]] = section = []
        else:
            assert "failed" not in one, one["failed"]
            section.append(one)
    for name, count in (("headline", 5), ("together", 6), ("pads", 6)):
        assert len(results[name]) == count and all(one["steps_per_second"] > 0 for one in results[name])
    assert len({one["kind"].split()[0] for one in results["methods"]}) > 10
    assert all(one["finite"] and one["apart"] == 0 for one in results["methods"])  # on a CPU neither is recorded
    assert results["profile"][0]["kernels"] > 100 and list(results) == others
    sections = [{"section": name, "seconds": 1, "results": of} for name, of in results.items()]
    assert "| headline | cyclegan-128 | bfloat16 | 2 |" in gpu.page(sections)


def test_what_is_stopped_or_fails_is_written_with_its_whole_traceback(capsys):
    stopped = gpu.run("smoke", -4.5, ["--toy"])
    assert stopped["results"] == [] and "stopped after" in gpu.failures(stopped)[0]
    with gpu.told(label="x", k=1):
        raise SystemExit("no such kernel")
    one = json.loads(capsys.readouterr().out.removeprefix(gpu.FOUND))
    assert one["k"] == 1 and "Traceback" in one["failed"] and "no such kernel" in one["failed"]
    section = {"section": "pads", "seconds": 1, "results": [one]}
    assert gpu.failures(section) == [one["failed"]] and "no such kernel" in gpu.page([section])


def test_a_section_that_failed_stops_no_other_and_is_named_at_the_end(monkeypatch, tmp_path, capsys):
    def section(name, *_):
        return {"section": name, "seconds": 1, "results": [{"failed": "no such kernel"}] if name == "pads" else []}

    monkeypatch.setattr(gpu, "run", section)
    monkeypatch.setattr(sys, "argv", ["gpu", "pads", "together", "--toy", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 1 and capsys.readouterr().out.endswith("; failed: pads\n")
    assert [json.loads(line)["section"] for line in (tmp_path / "gpu.jsonl").read_text().splitlines()] == ["pads", "together"]


def test_a_section_that_there_is_not_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu", "nothing", "--toy", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="nothing: expected some of smoke reference"):
        gpu.main()
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_there_is_not_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu", "--toy", "--study", "streets-tinny", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="did you mean 'streets-tiny'"):
        gpu.main()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wheels", "{tmp}/none"], r"none: holds no \*\.whl"),
        (["--reference", "{tmp}"], r"holds no models/\*\.py"),
        (["--data", "{tmp}/x"], r"x: holds no manifest\.json"),
        (["--data", "{tmp}/data"], "expected a folder of this checkout"),
    ],
)
def test_a_pack_of_what_is_not_there_is_refused(monkeypatch, tmp_path, words, message):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").touch()
    monkeypatch.setattr(sys, "argv", ["gpu", "--pack", str(tmp_path / "p.zip"), *(word.format(tmp=tmp_path) for word in words)])
    with pytest.raises(SystemExit, match=message):
        gpu.main()
    assert not (tmp_path / "p.zip").exists()


def test_another_pack_of_the_same_name_takes_the_place_of_the_first(tmp_path):
    for told in ("first", "second"):
        with zipfile.ZipFile(tmp_path / "gpu.zip", "w") as made:
            made.write(ROOT / "benchmarks" / "gpu_main.py", "__main__.py")
            made.writestr("benchmarks/gpu.py", f"def main(): print('{told}')")
        assert run(tmp_path, "gpu.zip").strip() == told


def test_the_page_sets_ours_beside_the_reference():
    ours = {"label": "together", "precision": "tf32", "k": 4, "steps_per_second": 40.0, "held_bytes": 1e9}
    sections = [
        {"section": "smoke", "seconds": 1, "results": [{"device_name": "X"}]},
        {"section": "reference", "seconds": 1, "results": [{"name": "cyclegan-128", "steps_per_second": [4.0, 5.0, 4.5]}]},
        {"section": "together", "seconds": 1, "results": [ours | {"name": "cyclegan-128"}, ours | {"name": "pix2pix-256"}]},
    ]
    made = gpu.page(sections)
    assert "| together | cyclegan-128 | tf32 | 4 | 40.00 | 8.00× | 1.0 GB |" in made
    assert "| together | pix2pix-256 | tf32 | 4 | 40.00 | – | 1.0 GB |" in made and "# What a GPU shows: X" in made


def test_a_pack_holds_code_wheels_and_the_reference_with_its_commit(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w/a-1-py3-none-any.whl").write_bytes(b"x")
    (tmp_path / "r/models").mkdir(parents=True)
    (tmp_path / "r/models/m.py").write_text("x = 1\n")
    (tmp_path / "r/COMMIT").write_text("abc\n")
    gpu.pack(ROOT, tmp_path / "p.zip", tmp_path / "w", tmp_path / "r", [])
    with zipfile.ZipFile(tmp_path / "p.zip") as made:
        names = set(made.namelist())
        assert made.read("reference/COMMIT") == b"abc"
    assert {
        "__main__.py",
        "params.yaml",
        "ganrepro/methods/gan.py",
        "wheels/a-1-py3-none-any.whl",
        "reference/models/m.py",
    } <= names
    assert not any("__pycache__" in name for name in names)


FUSED = """
import copy, itertools, json
import torch
from torch import nn
from benchmarks import fused_norms
from ganrepro.nets.blocks import InstanceNorm, ReflectionPad

torch.manual_seed(0)
found = []
cases = [(1, True, 0.0, 3), (2, True, 0.2, 0), (1, False, 1.0, 1), (2, False, 0.0, 1)]
for last, (n, affine, slope, pad) in itertools.product((False, True), cases):
    norm = InstanceNorm(18, affine=affine, track_running_stats=False)
    if affine:
        nn.init.normal_(norm.weight, 1), nn.init.normal_(norm.bias)
    behind = [*([nn.LeakyReLU(slope)] if slope < 1 else []), *([ReflectionPad(pad)] if pad else [])]
    usual = nn.Sequential(copy.deepcopy(norm), *behind).double()
    ours = nn.Sequential(norm, *behind)
    joined = fused_norms.fuse(ours)
    x = torch.randn(n, 18, 20, 23) * 3 + 5
    x[:, 7] = 0  # a channel that died: an activation has no slope at 0
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    a, b = x.double().requires_grad_(), x.clone().requires_grad_()
    one, two = usual(a), ours(b)
    direction = torch.randn_like(one)
    one.backward(direction), two.backward(direction.float())
    pairs = [(one, two), (a.grad, b.grad), *zip((p.grad for p in usual.parameters()), (p.grad for p in ours.parameters()))]
    assert all(q.isfinite().all() for _, q in pairs)
    apart = max(float((p - q).abs().max() / p.abs().max()) for p, q in pairs)
    found.append([joined, apart, two.is_contiguous(memory_format=torch.channels_last) == last, len(pairs)])
print(json.dumps(found))
"""


def test_fused_norms_are_torchs():
    """Two images and one, in both layouts, 20 x 23 pixels (two blocks): outputs and all gradients to 1e-5 of the largest."""
    pytest.importorskip("triton")
    found = json.loads(run(ROOT, "-c", f"import os; os.environ['TRITON_INTERPRET'] = '1'\n{FUSED}").splitlines()[0])
    assert len(found) == 8 and all(joined == 1 and apart < 1e-5 and layout for joined, apart, layout, _ in found)
    assert {pairs for *_, pairs in found} == {2, 4}  # with and without weight and bias


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from benchmarks import fused_norms

TYPES = dict.fromkeys(("x", "y", "dy"), "*bf16") | dict.fromkeys(("parts", "weight", "bias", "dx", "sums", "totals"), "*fp32")
TYPES |= {"eps": "fp32", "slope": "fp32"}
known = {"channels": 256, "BC": fused_norms.CHANNELS, "BP": fused_norms.PIXELS, "ALL": 16, "AFFINE": True, "PAD": 1}
for kernel in ("_moments_kernel", "_forward_kernel", "_gathered_kernel", "_backward_kernel"):
    fn = getattr(fused_norms, kernel)
    constants = {name: value for name, value in known.items() if name in fn.arg_names}
    types = {name: "constexpr" if name in constants else TYPES.get(name, "i32") for name in fn.arg_names}
    made = triton.compile(ASTSource(fn=fn, signature=types, constexprs=constants), target=GPUTarget("cuda", 90, 32))
    assert ".entry" in made.asm["ptx"] and made.asm["cubin"][:4] == b"\\x7fELF"
"""


@pytest.mark.slow
def test_fused_norms_compile_for_an_h100(tmp_path, monkeypatch):
    """To machine code, by the assembler that Triton brings along: what its interpreter takes its compiler may not."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    run(ROOT, "-c", COMPILED)
