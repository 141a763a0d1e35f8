"""The survey and the demo in a browser: opt-in, GANREPRO_BROWSER=/usr/bin/chromium and the extra `browser`."""

import contextlib
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest
from conftest import ROOT
from PIL import Image

from ganrepro.survey.store import Store

BROWSER = os.environ.get("GANREPRO_BROWSER")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="GANREPRO_BROWSER names no browser")]

SERVER = """
import sys; from pathlib import Path
from ganrepro.survey.design import Images; from ganrepro.survey.server import app, serve
from ganrepro.survey.store import Store; from ganrepro.settings import SurveySettings
place, port = Path(sys.argv[1]), int(sys.argv[2])
images = Images(place / "real", {"made": place / "made"}, sorted(p.name for p in (place / "real").iterdir()), "t")
serve(app(images, SurveySettings(), Store(place / "studies/x.sqlite"), "Take part?", False, "t"), "127.0.0.1", port)
"""
STATE = """() => ['failed', 'last', 'ready', 'trial'].find(id => !document.getElementById(id).hidden
  && (id !== 'trial' || !document.getElementById('chooseLeft').disabled))"""


@contextlib.contextmanager
def serving(words):
    """A server in a process of its own, once it answers; yields its port, the last of its words."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*words, str(port)], cwd=ROOT)
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("size", [(1280, 800), (390, 780)], ids=["desktop", "phone"])
def test_a_whole_session_is_shown_for_as_long_as_it_should_be(tmp_path, size):
    """50 trials, one reload, mouse and keys: every answer is in the database, 95 % of trials within 50 ms."""
    from playwright.sync_api import sync_playwright

    for folder, level in (("real", 60), ("made", 200)):
        (tmp_path / folder).mkdir()
        for i in range(60):
            Image.new("RGB", (64, 64), (level, 4 * i, 90)).save(tmp_path / folder / f"{i:02d}.png")
    with serving([sys.executable, "-c", SERVER, str(tmp_path)]) as port, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        # the page allows no evaluated script, which the driver needs
        view = browser.new_context(bypass_csp=True, viewport={"width": size[0], "height": size[1]}, has_touch=size[0] < 500)
        tab, problems = view.new_page(), []
        tab.on("pageerror", lambda error: problems.append(error))
        tab.goto(f"http://127.0.0.1:{port}/")
        tab.click("#agree")
        answered, reloaded = 0, False
        while (state := tab.wait_for_function(STATE, timeout=60_000).json_value()) != "last":
            assert state != "failed", tab.inner_text("#reason")
            if state == "ready":
                tab.click("#go")
            elif answered == 20 and not reloaded:
                reloaded = True
                tab.reload()
                continue
            else:
                if answered % 2:
                    tab.click("#chooseLeft")
                else:
                    tab.keyboard.press("ArrowRight")
                answered += 1
            tab.wait_for_function(f"() => !({STATE})() || ({STATE})() === 'last'", timeout=60_000)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.fill("#comments", "a <b> comment")
        tab.click("#send")
        tab.wait_for_selector("#end:not([hidden])")
        browser.close()
    store = Store(tmp_path / "studies" / "x.sqlite")
    kept = store.answers()
    store.close()
    assert answered == len(kept) == 50 and not problems and all(one["finished"] for one in kept)
    exact = [abs(one[side] - 1000) <= 50 for one in kept for side in ("shown_left", "shown_right")]
    assert sum(exact) >= 0.95 * len(exact)


def test_the_demo_follows_strokes_and_examples():
    """The first stroke, a second, an example, a stroke upon it: each changes the translation."""
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "ganrepro.use.cli", "demo", "zoo/streets-cyclegan", "--port"]
    with serving(words) as port, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.goto(f"http://127.0.0.1:{port}/")
        shown = "() => [...document.querySelectorAll('img')].map(i => i.src).find(src => src.endsWith('/image.png'))"
        tab.wait_for_function(shown, timeout=60_000)
        tab.wait_for_timeout(3000)  # the page lays the drawing out when the first translation is there
        box = tab.locator("canvas").first.bounding_box()

        def stroke(height):
            x, y = box["x"] + 0.35 * box["width"], box["y"] + height * box["height"]
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + 90, y, steps=15)
            tab.mouse.up()

        for act in (
            lambda: stroke(0.6),
            lambda: stroke(0.7),
            lambda: tab.locator(".gallery button, .gallery-item, table button").nth(1).click(),
            lambda: stroke(0.65),
        ):
            before = tab.evaluate(shown)
            act()
            tab.wait_for_function(f"before => ({shown})() !== before", arg=before, timeout=20_000)
            tab.wait_for_timeout(2000)
        browser.close()
