"""Images of one's own, of every kind, from raw files through Snakemake and DVC to a page."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
import tifffile
from conftest import ROOT
from PIL import Image
from ruamel.yaml import YAML
from test_pipeline import dvc_is_clean, planned, project, shell

pytestmark = pytest.mark.slow

COLOURS = {"sky": [0, 0, 255], "ground": [0, 200, 0]}
BLACK_AND_WHITE = {"background": [0, 0, 0], "cell": [255, 255, 255]}
SMALL = {
    "load_pixels": 18, "crop_pixels": 16, "epoch_images": 4, "epochs_constant": 1, "epochs_decay": 1, "generator_filters": 2,
    "discriminator_filters": 2, "discriminator_receptive_field": 16,
}  # fmt: skip
UNPAIRED = SMALL | {"method": "cyclegan", "generator_blocks": 1}
PAIRS = SMALL | {"method": "pix2pix", "terms": {"l1": 100}}
NOISE = {
    "method": "vae", "reader": "tiny", "epoch_images": 4, "batch_images": 2, "epochs_constant": 2, "epochs_decay": 0,
    "load_pixels": 16, "crop_pixels": 16,
}  # fmt: skip
SEVERAL = {name: SMALL[name] for name in SMALL if not name.endswith("field")} | {
    "method": "stargan", "reader": "tiny", "generator_blocks": 1, "discriminator_layers": 2, "source": "summer",
}  # fmt: skip
MASKS = {
    "method": "unet", "load_pixels": 16, "crop_pixels": 16, "poolings": 1, "tile_pixels": 24, "filters": 2, "epoch_images": 4,
    "epochs_constant": 2, "epochs_decay": 0,
}  # fmt: skip
# name -> what params.yaml says of the dataset, and of the study
KINDS = {
    "unpaired": ({}, UNPAIRED),
    "pairs": ({}, PAIRS),
    "edges": ({"edges": "canny"}, PAIRS),
    "labelled": ({"palette": COLOURS}, UNPAIRED | {"reader": "tiny"}),
    "grey": ({"channels": 1}, UNPAIRED),
    "bands": ({"folders": {"a": "own/bands/a", "b": "own/bands/b"}, "paired": True, "channels": {"a": 6, "b": 5}}, PAIRS),
    "classes": ({"layout": "classes"}, NOISE),
    "domains": ({"layout": "domains"}, UNPAIRED | {"domains": ["winter", "summer"]}),
    "several": ({"layout": "domains"}, SEVERAL),
    "masks": ({"palette": BLACK_AND_WHITE}, MASKS),
}  # fmt: skip


def photo(path, random, mode="RGB"):
    """Smooth, so that Canny's detector finds something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
    small.resize((24, 24), Image.Resampling.NEAREST).convert(mode).save(path)


def draw(place):
    """The files of every kind, six for training and two for testing."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        for i in range(count):
            for side in "AB":
                photo(place / f"unpaired/{split}{side}/{side}{i}.jpg", random)
                photo(place / f"grey/{split}{side}/{i}.png", random, "L")
            pair = np.tile(random.integers(0, 256, (24, 48, 1), np.uint8), (1, 1, 3))
            (place / "pairs" / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pair).save(place / f"pairs/{split}/{i}.png")
            photo(place / f"edges/{split}/{i}.png", random)
            photo(place / f"labelled/{split}B/{i}.png", random)
            labels = np.array(list(COLOURS.values()), np.uint8)[np.kron(random.integers(0, 2, (3, 3)), np.ones((8, 8), int))]
            (place / f"labelled/{split}A").mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels).save(place / f"labelled/{split}A/{i}.png")
            photo(place / f"masks/{split}B/{i}.png", random, "L")
            mask = np.kron(random.permutation([0, 255] * 8).reshape(4, 4), np.ones((6, 6))).astype(np.uint8)
            (place / f"masks/{split}A").mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(place / f"masks/{split}A/{i}.png")
            for name in ("autumn", "summer", "winter"):
                photo(place / f"domains/{split}/{name}/{name}{i}.jpg", random)
                photo(place / f"several/{split}/{name}/{name}{i}.jpg", random)
            for name in ("cat", "dog"):
                photo(place / f"classes/{split}/{name}/{i}.png", random)
            for side, channels in (("a", 6), ("b", 5)):
                (place / "bands" / side).mkdir(parents=True, exist_ok=True)
                levels = random.integers(0, 256, (24, 24, channels), np.uint8)
                tifffile.imwrite(place / f"bands/{side}/{split}{i}.tif", levels, photometric="minisblack", planarconfig="contig")
            (place / "unpaired/trainA/.DS_Store").write_text("of the system")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose reports are each of another kind of images, after one `snakemake`."""
    folder = tmp_path_factory.mktemp("own")
    project(folder)
    draw(folder / "own")
    with (folder / ".gitignore").open("a") as file:
        file.write("own\n")
    params = {
        "reports": {f"of_{name}": name for name in KINDS},
        "features": "reader",
        "arithmetic": "usual",
        "datasets": {
            n: {"source": "folder", "pixels": 16} | ({} if "folders" in told else {"path": f"own/{n}"}) | told
            for n, (told, _) in KINDS.items()
        },
        "readers": {"tiny": {"filters": 4, "epochs": 1, "batch_images": 2, "learning_rate": 0.01}},
        "experiments": {name: {"title": f"Own {name}", "rows": {"one": {"title": "One"}}} for name in KINDS},
        "studies": {n: {"title": n, "dataset": n, "experiment": n, "seeds": [0]} | told for n, (_, told) in KINDS.items()},
    }
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    shell(folder, "git", "add", "-A")
    (folder / "own/said").write_text(shell(folder, "snakemake", "--cores", "2", GANREPRO_MLFLOW="off"))
    return folder


def page_of(folder, name):
    page = (folder / f"reports/of_{name}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^):]+)\)", page):
        assert (folder / "reports" / link).stat().st_size > 300, link
    assert page.startswith(f"# Own {name}: {name}")
    return page


def bare(page):
    """A page without scores says nothing of scores."""
    told = ("Gate", "FCN-score", "unchanged scores", "label map")
    return not [word for word in told if word in page]


def test_unpaired_photos(made):
    page = page_of(made, "unpaired")
    assert "6 images of domain A and 6 images of domain B" in page and "Not measured: Fréchet distance" in page and bare(page)
    assert "| Ground truth (A → B) | **1.00** |" in page  # variety needs no network
    note = "left out of unpaired, being no .png, .jpg, .jpeg, .jfif, .bmp, .tif, .tiff, .webp: 1 × hidden file"
    assert note in page and f"unpaired: {note}" in (made / "own/said").read_text()  # on the terminal too, before any training
    assert "(of_unpaired/a2b.png)" in page and "(of_unpaired/b2a.png)" in page and "features: hed" in page
    assert "Licence of the data" not in page  # it is whoever's the pictures are


def test_pairs_without_label_maps(made):
    page = page_of(made, "pairs")
    assert "6 pairs of images of domain A and images of domain B" in page and bare(page)
    assert "| Row | PSNR, dB | SSIM | Mean error |" in page and re.search(r"\| Ground truth \| \*\*100\.0\*\* \| \*\*1\.00", page)


def test_photos_and_their_edges(made):
    page = page_of(made, "edges")
    assert "6 pairs of edges and photos" in page and "(of_edges/edges2photo.png)" in page and bare(page)


def test_label_maps_with_a_palette(made):
    page = page_of(made, "labelled")
    assert "label maps and 3 photos" in page and "FCN-score" in page and "Gate" in page and "Class IoU" in page


def test_images_of_one_channel(made):
    assert bare(page_of(made, "grey"))
    (image,) = list((made / "images/grey").glob("one-*/a2b/0.png"))
    with Image.open(image) as picture:
        assert picture.mode == "L"


def test_images_of_more_than_four_channels(made, tmp_path):
    page = page_of(made, "bands")
    assert "| Row | PSNR, dB | SSIM | Mean error |" in page and re.search(r"\| Ground truth \| \*\*100\.0\*\* \| \*\*1\.00", page)
    assert "| Identity" not in page  # six channels are no translation into five
    left_out = re.search(r"Not measured: (.*)", page)[1]
    assert "Perceptual distance: that needs images of at most four channels" in left_out and "Fréchet distance" in left_out
    with Image.open(next((made / "images/bands").glob("one-*/a2b/*.png"))) as stack:
        assert stack.size == (16, 5 * 16)
    shell(made, "ganrepro", "translate", "bands/one", "own/bands/a", "--out", str(tmp_path / "out"))
    assert tifffile.imread(next((tmp_path / "out").glob("*.tif"))).shape == (24, 24, 5)
    said = shell(made, "ganrepro", "translate", "bands/one", "own/bands/b", "--out", str(tmp_path / "x"), ok=False)
    assert "expected an image of 6 channels, got one of 5" in said and "Traceback" not in said


def test_images_with_classes(made):
    page = page_of(made, "classes")
    assert "12 images" in page and "Gate" in page and "Classes" in page and "FCN-score" not in page
    reader = next((made / "readers").glob("classes-*/reader.json")).read_text(encoding="utf-8")
    assert '"share of images read right"' in reader


def test_images_are_drawn_from_noise_by_their_seed(made):
    tidy = shell(made, sys.executable, "-c", "import ganrepro; print(ganrepro.results('classes').to_csv())")
    assert "classifier_frechet" in tidy and "bound" in tidy
    for out, seed in (("own/one", "5"), ("own/two", "5"), ("own/three", "6")):
        shell(made, "ganrepro", "sample", "classes/one", "--count", "3", "--seed", seed, "--out", out)
    one, two, three = ([p.read_bytes() for p in sorted((made / f"own/{n}").iterdir())] for n in ("one", "two", "three"))
    assert len(one) == 3 and one == two != three
    for words, told in (
        (["sample", "classes/one", "--label", "1", "--out", "x"], "takes no class; leave the label out"),
        (["sample", "classes/ground-truth", "--out", "x"], "a reference row, which nothing was trained for"),
        (
            ["translate", "classes/one", "own/one", "--out", "x"],
            "starts from noise, not from a photo; ganrepro sample classes/one",
        ),
    ):
        said = shell(made, "ganrepro", *words, ok=False)
        assert told in said and len(said.strip().splitlines()) == 1, said


def test_two_of_three_domains(made):
    page = page_of(made, "domains")
    assert "6 winter and 6 summer" in page or "6 summer and 6 winter" in page
    assert "(of_domains/winter2summer.png)" in page and bare(page)


def test_all_of_three_domains(made):
    page = page_of(made, "several")
    assert "6 autumn and 6 summer and 6 winter" in page and "a classifier of domains" in page
    assert "## All translations" in page and "Classifier error" in page and "(of_several/translations.png)" in page
    assert "| One (Summer → winter) |" in page and "| One (Summer → autumn) |" in page  # each by itself, too
    made_of = json.loads(next((made / "scores/several").glob("one-*/metrics.json")).read_text(encoding="utf-8"))["values"]
    errors = [of["domain_error"]["scores"]["domain_error"] for of in made_of.values()]
    line = next(
        line for line in (made / "reports/of_several/scores.csv").read_text().splitlines() if line.startswith("translations,one")
    )
    assert len(errors) == 2 and f"{sum(errors) / 2:.6f}" in line  # equally many images of each


def test_a_target_is_chosen_by_its_name(made, tmp_path):
    photo = str(made / "own/several/test/summer/summer0.jpg")
    outs = {to: str(tmp_path / to) for to in ("winter", "autumn")}
    for to, out in outs.items():
        shell(made, "ganrepro", "translate", "several/one", photo, "--to", to, "--out", out)
    pictures = [np.asarray(Image.open(f"{out}/summer0.png")) for out in outs.values()]
    assert pictures[0].shape == (24, 24, 3) and not np.array_equal(*pictures)
    said = shell(made, "ganrepro", "translate", "several/one", photo, "--out", str(tmp_path / "unsaid"))
    first = re.search(r"several/one: translates into \w+, \w+; this is into (\w+); `--to (\w+)`", said)
    assert first and {*first.groups()} == {*outs}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "unsaid/summer0.png")), pictures[[*outs].index(first[1])])
    said = shell(made, "ganrepro", "translate", "several/one", photo, "--to", "wintr", "--out", str(tmp_path / "x"), ok=False)
    assert "several/one: has no target 'wintr'; did you mean 'winter'? it translates into autumn, winter" in said
    said = shell(made, "ganrepro", "translate", "unpaired/one", photo, "--to", "c", "--out", str(tmp_path / "x"), ok=False)
    assert "has no target 'c'; it translates into a, b" in said and "Traceback" not in said
    shell(made, "ganrepro", "export", "several/one:summer2winter", "--out", str(tmp_path / "kept"))
    shell(made, "ganrepro", "translate", str(tmp_path / "kept"), photo, "--to", "winter", "--out", str(tmp_path / "again"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again/summer0.png")), pictures[0])
    said = shell(
        made, "ganrepro", "translate", str(tmp_path / "kept"), photo, "--to", "autumn", "--out", str(tmp_path / "y"), ok=False
    )
    assert "makes images of winter alone, not of autumn" in said


def test_nothing_is_left_to_do_and_reading_the_workflow_changes_no_file(made):
    assert planned(made) == {}

    def state():
        places = [p for p in made.rglob("*") if p.is_file() and not {".git", ".snakemake", "__pycache__"} & set(p.parts)]
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in places}

    before = state()
    shell(made, "snakemake", "-n", "--cores", "2")
    shell(made, "snakemake", "--list")
    assert state() == before


def test_what_is_no_image_moves_nothing_and_a_repainted_image_does(made):
    place = made / "own/unpaired/trainA"
    (place / "notes.txt").write_text("x")
    assert planned(made) == {}
    whole = (place / "A0.jpg").read_bytes()
    photo(place / "A0.jpg", np.random.default_rng(9))
    assert set(planned(made)) == {"prepare", "train", "generate", "evaluate", "report_of_unpaired", "all"}
    (place / "A0.jpg").write_bytes(whole)
    assert planned(made) == {}


def test_a_page_with_other_words_is_made_again_also_where_snakemake_has_no_records(made, tmp_path):
    text = (made / "params.yaml").read_text(encoding="utf-8")
    (made / "params.yaml").write_text(text.replace("title: Own grey", "title: Grey ones"), encoding="utf-8")
    assert planned(made) == {"report_of_grey": 1, "all": 1}
    (made / ".snakemake").rename(tmp_path / "records")
    assert planned(made) == {"report_of_grey": 1, "all": 1}
    (made / "params.yaml").write_text(text, encoding="utf-8")
    assert planned(made) == {}
    shutil.rmtree(made / ".snakemake")
    (tmp_path / "records").rename(made / ".snakemake")


def test_dvc_makes_one_report_from_nothing_without_the_others(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    for name in ("runs", "images", "scores", "readers", "data", "work", "reports"):
        shutil.rmtree(copy / name)
    (copy / "dvc.lock").unlink()
    shell(copy, "dvc", "repro", "report@of_pairs", GANREPRO_MLFLOW="off")
    assert (copy / "reports/of_pairs.md").exists() and [p.name for p in (copy / "reports").glob("*.md")] == ["of_pairs.md"]
    assert [p.name.split("-")[0] for p in (copy / "data").iterdir()] == ["pairs"] and list((copy / "runs").iterdir())


def test_dvc_recorded_all_of_it(made):
    assert dvc_is_clean(made)
    lock = (made / "dvc.lock").read_text(encoding="utf-8")
    assert all(f"report@of_{name}" in lock for name in KINDS) and ROOT.exists()


def test_images_and_their_masks(made):
    """Grey images and black-and-white masks, segmented by U-Net."""
    page = page_of(made, "masks")
    assert "Pixel error" in page and "Variation of inf." in page and "SEG" in page and "Class IoU" in page
    assert re.search(r"\| Ground truth \|.* \*\*0\.0000\*\* \|", page)
    assert "(of_masks/photo2labels.png)" in page
