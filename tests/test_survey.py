"""The survey: its design, its answers on disk, its server, and the published tool's arithmetic."""

import base64
import csv
import hashlib
import io
import itertools
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import numpy as np
import pytest
from conftest import FORWARD, PAPERS, RAW, ROOT, parsed
from fastapi.testclient import TestClient
from PIL import Image
from ruamel.yaml import YAML

from ganrepro.errors import UserError
from ganrepro.reporting.survey import Answered, page
from ganrepro.seeding import numpy_stream
from ganrepro.settings import SurveySettings
from ganrepro.survey import answers, best, design
from ganrepro.survey.design import Images, StudyError, Trial
from ganrepro.survey.server import app
from ganrepro.survey.store import SCHEMA, Store
from ganrepro.use import cli

ROWS = ["cogan", "cyclegan", "simgan"]
FOOLED = parsed(RAW).studies["survey-streets"].fooled
CHOSEN = SurveySettings(practice=2, trials=4, pixels=16)


@pytest.fixture
def images(tmp_path):
    """Eight real images of one grey, and fakes of another for each row."""
    names = [f"{i}.png" for i in range(8)]
    for folder, level in zip(["real", *ROWS], (10, 60, 120, 240), strict=True):
        (tmp_path / folder).mkdir()
        for i, name in enumerate(names):
            Image.new("RGB", (16, 16), (level, level, i)).save(tmp_path / folder / name)
    return Images(tmp_path / "real", {row: tmp_path / row for row in ROWS}, names, FORWARD)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "surveys" / "x.sqlite")
    yield made
    made.close()


@pytest.fixture
def client(images, store):
    with TestClient(app(images, CHOSEN, store, "First.\n\nSecond <b>.", False, "A study", hosts=["testserver"])) as made:
        yield made


def answer(number, chosen="left", shown=1000.0):
    return {"number": number, "chosen": chosen, "shown_left": shown, "shown_right": shown, "took": 500.0}


def level(client, session, number, side):
    found = client.get(f"/sessions/{session}/{number}/{side}")
    assert found.status_code == 200 and found.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(found.content)) as image:
        return image.getpixel((0, 0))[0]


# --- design --------------------------------------------------------------------------------------


def test_no_image_comes_twice_and_sides_are_even():
    chosen = SurveySettings(practice=10, trials=40)
    names = [f"{i}.png" for i in range(60)]
    drawn = [design.draw(names, chosen, np.random.default_rng(seed)) for seed in range(100)]
    for one in drawn:
        assert len(one) == 50 and len({trial.real for trial in one}) == 50 and all(trial.real == trial.fake for trial in one)
    lefts = sum(trial.real_side == "left" for one in drawn for trial in one)
    assert abs(lefts - 2500) < 3 * 35.4  # three standard deviations of 5000 coins
    apart = design.draw(names, SurveySettings(paired=False), np.random.default_rng(0))
    assert len({trial.fake for trial in apart}) == 50 and any(trial.real != trial.fake for trial in apart)
    with pytest.raises(StudyError, match="50 trials, and only 49 test images; lower practice or trials"):
        design.draw(names[:49], chosen, np.random.default_rng(0))


def test_folders_of_unequal_numbers_or_sizes_are_named(images):
    design._expect_equal(images.real, images.fakes, images.names)
    (images.fakes["cogan"] / "0.png").unlink()
    with pytest.raises(StudyError, match=r"cogan: 7 images, 8 in .*real; expected the same names in both"):
        design._expect_equal(images.real, images.fakes, images.names)
    Image.new("RGB", (8, 8)).save(images.fakes["cogan"] / "0.png")
    with pytest.raises(StudyError, match=r"cogan/0.png: \(8, 8\); expected \(16, 16\)"):
        design._expect_equal(images.real, images.fakes, images.names)


def test_rows_and_outputs_that_are_none_are_named():
    params = parsed(RAW)
    study = params.studies["survey-streets"]
    for changes, told in (
        ({"output": "labels"}, "makes labels2photo, photo2labels, not labels"),
        ({"rows": ["none"]}, "no row 'none' makes labels2photo"),
        ({}, "no images of survey-streets/ground-truth yet"),
    ):
        with pytest.raises(StudyError, match=told):
            design.images_of(params, study, changes.get("output"), changes.get("rows", ()))
    with pytest.raises(StudyError, match="digits-losses: translates nothing"):
        design.images_of(params, params.studies["digits-losses"], None)


# --- the server ----------------------------------------------------------------------------------


def test_a_session_from_consent_to_thanks(client, store, tmp_path):
    page_ = client.get("/")
    assert "Second &lt;b&gt;." in page_.text
    session = client.post("/sessions", json={}).json()
    assert session["row"] is None and (session["trials"], session["practice"]) == (6, 2)  # the page is not told which row
    (row,) = store.counts()
    of_row = {"cogan": 60, "cyclegan": 120, "simgan": 240}[row]
    for number in range(6):
        sides = {side: level(client, session["id"], number, side) for side in ("left", "right")}
        assert sorted(sides.values()) == sorted([10, of_row])
        fake = next(side for side, value in sides.items() if value == of_row)
        right = number != 4
        chosen = fake if right else {"left": "right", "right": "left"}[fake]
        told = client.post(
            f"/sessions/{session['id']}/answers", json=answer(number, chosen) | ({"shown_pixels": 171.5} if number else {})
        )
        assert told.json() == ({"right": right} if number < 2 else {})  # feedback in practice alone
    done = client.post(f"/sessions/{session['id']}/finish", json={"colour_vision": "normal", "comments": "fine"})
    assert done.json() == {"right": 0.75}
    kept = store.answers()
    assert len(kept) == 6 and all(one["finished"] for one in kept)
    assert [one["chosen"] == one["real_side"] for one in kept] == [False] * 4 + [True, False]
    assert [one["shown_pixels"] for one in kept] == [None] + [171.5] * 5
    answers.write_csv(kept, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["Answer.comments"] == "fine" and line["Answer.colour_vision"] == "normal"


def test_answers_of_before_the_width_was_measured_are_kept_and_more_are_taken(tmp_path):
    """A file as earlier versions made it."""
    file = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(SCHEMA.replace("answered TEXT NOT NULL, shown_pixels REAL,", "answered TEXT NOT NULL,"))
        db.execute("INSERT INTO sessions (id, number, row, began) VALUES ('a', 0, 'row', 'then')")
        db.executemany("INSERT INTO trials VALUES ('a', ?, 0, '0.png', '0.png', 'left')", [(0,), (1,)])
        db.execute("INSERT INTO answers VALUES ('a', 0, 'right', 1000, 1000, 5, 'then')")
    with closing(Store(file)) as store:
        store.answer("a", 1, "left", (1000, 1000, 256.0), 5.0)
        assert [(one["chosen"], one["shown_pixels"]) for one in store.answers()] == [("right", None), ("left", 256.0)]
    with closing(Store(file)) as again:
        assert len(again.answers()) == 2


def test_a_browser_may_run_the_pages_one_script_and_nothing_else(client):
    """As a browser decides: the digest of the script as it arrives; no attribute or address brings another."""
    page_ = client.get("/")
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page_.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in page_.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == f"'sha256-{digest}'" and policy["default-src"] == "'none'"
    assert not re.search(r"<[^>]*\son\w+\s*=|<script[^>]*\ssrc|javascript:", page_.text)


def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_lost(client, store):
    session = client.post("/sessions", json={}).json()["id"]
    other = client.post("/sessions", json={}).json()["id"]

    def refused(status, told, path, **body):
        found = client.post(path, json=body) if body else client.get(path)
        assert found.status_code == status and told in found.json()["error"], found.text

    assert client.post(f"/sessions/{session}/answers", json=answer(0)).status_code == 200
    refused(409, "trial 1 has its answer", f"/sessions/{session}/answers", **answer(0))
    refused(409, "trial 2 comes first", f"/sessions/{session}/answers", **answer(3))
    refused(409, "there is no such session", "/sessions/forged/answers", **answer(0))
    refused(409, "there is no such session", "/sessions/forged")
    refused(409, "no such trial", f"/sessions/{session}/6/left")
    refused(409, "trial 2 has no answer yet", f"/sessions/{session}/finish", colour_vision="normal")
    refused(422, "chosen: ", f"/sessions/{other}/answers", **answer(0, "middle"))
    refused(422, "shown_left: ", f"/sessions/{other}/answers", **answer(0, shown=-1.0))
    refused(422, "comments: ", f"/sessions/{session}/finish", colour_vision="normal", comments="x" * 2001)
    refused(413, "too long: at most", f"/sessions/{session}/finish", colour_vision="normal", comments="x" * 20_000)
    for path in (
        "/docs",
        "/openapi.json",
        "/page.html",
        "/../params.yaml",
        "/sessions/../../params.yaml",
        f"/sessions/{session}/0/real",
    ):
        assert client.get(path).status_code in (404, 405, 409, 422), path
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert [one["number"] for one in store.answers()] == [0]


def test_a_token_is_good_for_one_session_which_goes_on(images, store):
    (token,) = store.invite(1)
    with TestClient(app(images, CHOSEN, store, "", True, "A study", loopback=False)) as client:
        assert "open by invitation" in client.post("/sessions", json={}).json()["error"]
        assert "not valid" in client.post("/sessions", json={"token": "forged"}).json()["error"]
        first = client.post("/sessions", json={"token": token}).json()
        client.post(f"/sessions/{first['id']}/answers", json=answer(0))
        again = client.post("/sessions", json={"token": token}).json()
        assert (again["id"], again["answered"]) == (first["id"], 1) and sum(store.counts().values()) == 1
    assert token not in store.path.read_bytes().decode("latin1")


def test_a_full_disk_is_told_and_what_was_saved_stays(images, store):
    session = store.begin(ROWS, lambda n: design.draw(images.names, CHOSEN, np.random.default_rng(n)), 2, None)
    store.answer(session.id, 0, "left", (1000, 1000, 256), 1.0)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")  # as a disk without room
    with pytest.raises(StudyError, match=r"not saved .*full.* nothing that was saved is lost"):
        for n in range(200):
            store.begin(ROWS, lambda n: design.draw(images.names, CHOSEN, np.random.default_rng(n)), 2, None)
    store._db.execute("PRAGMA max_page_count = 1000000")
    store.answer(session.id, 1, "left", (1000, 1000, None), 1.0)
    assert [one["number"] for one in store.answers()] == [0, 1]


def test_answers_to_another_study_are_not_mixed(store):
    store.expect({"output": "labels2photo", "rows": ROWS})
    store.expect({"output": "labels2photo", "rows": ROWS})
    with pytest.raises(StudyError, match=r"holds answers to another study \(rows differ\); move the file away first"):
        store.expect({"output": "labels2photo", "rows": ["cogan"]})


SERVER = """
import sys; from pathlib import Path
from ganrepro.survey.design import Images; from ganrepro.survey.server import app, serve
from ganrepro.survey.store import Store; from ganrepro.settings import SurveySettings
from ganrepro.use import cli
place, port = Path(sys.argv[1]), int(sys.argv[2])
rows = {row: place / row for row in ("cogan", "cyclegan", "simgan")}
images = Images(place / "real", rows, sorted(p.name for p in (place / "real").iterdir()), "t")
chosen = SurveySettings(practice=2, trials=4, pixels=16)
serve(app(images, chosen, Store(place / "surveys/x.sqlite"), "", False, "t"), "127.0.0.1", port)
"""


@contextmanager
def serving(place, port):
    """A server of its own process on loopback, at work on `place`/surveys/x.sqlite."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(place), str(port)], cwd=ROOT)
    try:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise AssertionError("no server")
        yield server
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_two_hundred_sessions_at_once_lose_and_double_nothing(images, store, tmp_path, port):
    """Simulated, each over a connection of its own; rows differ by one session at most at every moment that is looked at."""
    seen, all_here = [], threading.Barrier(200)

    def take_part(person):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            all_here.wait()
            name = client.post("/sessions", json={}).json()["id"]
            counts = store.counts()
            seen.append(max(counts.values()) - min(counts.get(row, 0) for row in ROWS))
            for number in range(6):
                for _ in range(1 + (person + number) % 2):  # some send twice
                    client.post(f"/sessions/{name}/answers", json=answer(number, ("left", "right")[(person + number) % 2]))
            return client.post(f"/sessions/{name}/finish", json={"colour_vision": "unknown"}).status_code

    with serving(tmp_path, port), ThreadPoolExecutor(200) as pool:
        assert list(pool.map(take_part, range(200))) == [200] * 200
    kept = store.answers()
    assert len(kept) == 1200 and len({(one["session"], one["number"]) for one in kept}) == 1200
    assert len({one["session"] for one in kept}) == 200 and len(seen) == 200 and max(seen) <= 1
    assert sorted(store.counts().values()) == [66, 67, 67]


@pytest.mark.slow
def test_a_killed_server_loses_no_acknowledged_answer(images, tmp_path, port):
    """kill -9 amid 20 sessions, then the same file again: they go on where they were."""
    acknowledged, lock = [], threading.Lock()

    def take_part(person):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            try:
                name = client.post("/sessions", json={}).json()["id"]
                for number in range(6):
                    if client.post(f"/sessions/{name}/answers", json=answer(number)).status_code == 200:
                        with lock:
                            acknowledged.append((name, number))
                    time.sleep(0.02)
            except httpx.TransportError:
                pass

    with serving(tmp_path, port) as server, ThreadPoolExecutor(20) as pool:
        people = [pool.submit(take_part, person) for person in range(20)]
        while len(acknowledged) < 40:
            time.sleep(0.005)
        os.kill(server.pid, signal.SIGKILL)
        for one in people:
            one.result()
    assert 40 <= len(acknowledged) < 120
    with serving(tmp_path, port):
        for name, mine in itertools.groupby(sorted(acknowledged), key=lambda pair: pair[0]):
            found = httpx.get(f"http://127.0.0.1:{port}/sessions/{name}").json()
            assert found["answered"] >= len(list(mine))
            if found["answered"] < 6:
                told = httpx.post(f"http://127.0.0.1:{port}/sessions/{name}/answers", json=answer(found["answered"]))
                assert told.status_code == 200


# --- the papers' tables --------------------------------------------------------------------------


def simulated(people, seed=0):
    """people: row -> probabilities of being fooled, one for each participant; 2 practice trials, 12 more. Of tests alone."""
    random, found, session = np.random.default_rng(seed), [], 0
    for row, chances in people.items():
        for chance in chances:
            for number in range(14):
                side = ("left", "right")[random.integers(2)]
                is_fooled = random.random() < chance
                chosen = side if is_fooled else {"left": "right", "right": "left"}[side]
                trial = Trial(f"{number}.png", f"{number}.png", side)
                found.append({"session": session, "row": row, "finished": 1, "colour_vision": "normal", "number": number,
                              "practice": int(number < 2), **trial._asdict(), "chosen": chosen, "shown_left": 1000.0,
                              "shown_right": 1010.0, "took": 1.0})  # fmt: skip
            session += 1
    return found


def published_bootstrap(path, practice, count, replicates, seed):
    """What process_csv.py of the published tool computes, written anew from its description: lists, drawn by hand."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    people = []
    for line in lines:
        trials = []
        for n in range(practice, count):
            gt, chosen = line[f"Input.gt_side{n}"], line[f"Answer.selection{n}"]
            fake = line[f"Input.images_{'right' if gt == 'left' else 'left'}{n}"]
            trials.append((fake.rsplit("/", 1)[0], float(chosen == gt)))
        people.append(trials)
    random, rates = np.random.default_rng(seed), {}
    for _ in range(replicates):
        drawn = [people[i] for i in random.integers(len(people), size=len(people))]
        chosen = [one[i] for one in drawn for i in random.integers(len(one), size=len(one))]
        for row in {row for row, _ in chosen}:
            rates.setdefault(row, []).append(np.mean([hit for of, hit in chosen if of == row]))
    return {row: (float(np.mean(values)), float(np.std(values))) for row, values in rates.items()}


def test_the_rate_of_one_small_case_by_hand():
    """Two participants of two trials, 3 of 4 fooled: 0.75. Replicates: the first is fooled always, the second by half."""
    people = [[("row", 1.0), ("row", 1.0)], [("row", 1.0), ("row", 0.0)]]
    one = answers.bootstrap(people, {"row": 1, "other": 2})["row"]
    assert one.rate == 0.75 and (one.participants, one.trials, one.excluded) == (2, 4, 1)
    # each drawn participant adds 2 (first) or Binomial(2, 1/2), mean 1: variance of a half-sum over two draws, by hand
    variance = ((0.5 * 4 + 0.5 * (1 + 0.5)) - 1.5**2) * 2 / 16
    assert one.replicates.mean() == pytest.approx(0.75, abs=0.01) and one.deviation == pytest.approx(variance**0.5, rel=0.03)
    none = answers.bootstrap(people, {"row": 1, "other": 2})["other"]
    assert (none.participants, none.trials, none.excluded) == (0, 0, 2) and np.isnan(none.rate)


@pytest.mark.slow
def test_rates_are_the_published_tools_on_the_same_file(tmp_path):
    """Mean and deviation of the replicates, within Monte Carlo error (3,000 and 10,000 replicates): 0.004."""
    random = np.random.default_rng(3)
    found = simulated({"cyclegan": random.beta(2, 5, 25).tolist(), "cogan": [0.1] * 12})
    assert answers.write_csv(found, tmp_path / "a.csv") == 37
    theirs = published_bootstrap(tmp_path / "a.csv", 2, 14, 3000, 1)
    again = answers.fooled(answers.read_csv(tmp_path / "a.csv", 2), 1000, 50)
    for row, ours in answers.fooled(found, 1000, 50).items():
        mean, deviation = theirs[row]
        assert np.nanmean(ours.replicates) == pytest.approx(mean, abs=0.004) and ours.deviation == pytest.approx(
            deviation, abs=0.004
        )
        assert again[row].rate == ours.rate and again[row].trials == ours.trials


def test_trials_that_stood_too_long_are_counted_and_left_out():
    found = simulated({"cyclegan": [0.5] * 4})
    for one in found[:5]:
        one["shown_left"] = 1051.0
    rates = answers.fooled(found, 1000, 50)["cyclegan"]
    assert (rates.excluded, rates.trials) == (3, 45)  # of five, two are practice
    assert answers.fooled(found, 1000, None)["cyclegan"].trials == 48
    assert answers.fooled(found, 1000, 50, practice=True)["cyclegan"].excluded == 2


def test_a_row_that_fools_more_is_better_with_probability_near_one():
    rates = answers.fooled(simulated({"a": [0.6] * 20, "b": [0.1] * 20, "c": [0.1] * 20}), 1000, 50)
    assert answers.better(rates["a"], rates["b"]) > 0.99
    assert answers.better(rates["b"], rates["c"]) + answers.better(rates["c"], rates["b"]) == pytest.approx(1)


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(UserError, match=r"a.csv: expected columns Input.gt_side0, Input.images_left0"):
        answers.read_csv(tmp_path / "a.csv", 2)
    head = "Input.gt_side0,Input.images_left0,Input.images_right0,Answer.selection0"
    (tmp_path / "c.csv").write_text(f"{head}\nleft,real/0.png\n")
    with pytest.raises(UserError, match=r"c.csv: line 2 has more or fewer fields than the first"):
        answers.read_csv(tmp_path / "c.csv", 0)
    with pytest.raises(UserError, match=r"c.csv: 1 trials, of which 10 are practice"):
        answers.read_csv(tmp_path / "c.csv", 10)
    (tmp_path / "b.csv").write_text(f"{head}\nleft,real/0.png,x/0.png,up\n")
    with pytest.raises(UserError, match=r"b.csv: line 2, trial 0: expected left or right, got 'left' and 'up'"):
        answers.read_csv(tmp_path / "b.csv", 0)


def test_the_page_prints_numbers_of_people_and_never_invents_any():
    assert "**No answers yet.**" in page([])
    shown = {"output": "labels2photo", "title": "Labels → photo", "rows": ROWS, "settings": SurveySettings().model_dump()}
    titles = {"cogan": "CoGAN", "cyclegan": "CycleGAN", "simgan": "SimGAN"}
    assert page([Answered("x", shown, titles, [], FOOLED)]).count("No answers yet") == 1
    found = simulated({"cogan": [0.02] * 12, "cyclegan": [0.4] * 13})
    text = page([Answered("x", shown, titles, found, FOOLED)])
    assert "25 participants, 25 of them to the end" in text and "26.8 ± 2.8" in text and "SimGAN" not in text
    rate = answers.fooled(found, 1000, 50)["cyclegan"]
    assert f"**{100 * rate.rate:.1f}** ± {100 * rate.deviation:.1f}" in text and "| 13 | 156 | 0 |" in text
    assert "Fewer than 5 people" not in text and "CSS pixels" not in text
    measured = [one | {"shown_pixels": 171.4 if one["session"] == 3 else 256.0} for one in found if one["session"] < 16]
    text = page([Answered("x", shown, titles, measured, FOOLED)])  # 12 of one row, 4 of the other
    assert "Fewer than 5 people judged some of these rows" in text
    assert "sent at 256 pixels and on the pages 171 to 256 CSS pixels wide, in the middle 256." in text


def test_the_papers_numbers_are_of_rows_that_there_are():
    experiments = {**PAPERS["cyclegan"][0]["experiments"], **PAPERS["pix2pix"][0]["experiments"]}
    rows = {**experiments["cyclegan-comparison"]["rows"], **experiments["pix2pix-ablation"]["rows"]}
    assert FOOLED["a2b"]["cyclegan"] == [26.8, 2.8]  # CycleGAN, Table 1
    assert {row for of in FOOLED.values() for row in of} <= set(rows)
    for study in ("survey-streets", "maps-256"):
        assert {"cogan", "bigan", "simgan", "cyclegan"} <= set(parsed(RAW).studies[study].rows)


@pytest.mark.slow
def test_serving_to_others_needs_links(monkeypatch, tmp_path, images, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(design, "images_of", lambda *what: images)
    shutil.copytree(ROOT / "papers", tmp_path / "papers")
    shown = []
    monkeypatch.setattr("ganrepro.survey.server.serve", lambda application, host, port: shown.append((host, port)))

    def run(*words):
        params = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["survey"] = {"practice": 2, "trials": 4, "pixels": 16}
        with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(params, file)
        cli.main(["survey", *words, "--params", "params.yaml"])
        return capsys.readouterr().out

    with pytest.raises(SystemExit, match="open to the network; say for how many"):
        run("serve", "survey-streets", "--host", "0.0.0.0")
    assert not shown
    text = run("serve", "survey-streets", "--participants", "3", "--address", "https://study.example/x", "--port", "8123")
    links = [line for line in text.splitlines() if line.startswith("https://study.example/x/?token=")]
    assert len(set(links)) == 3 and shown == [("127.0.0.1", 8123)]
    assert "?token=" not in run("serve", "survey-streets", "--address", "https://study.example/x", "--port", "8123")
    assert "no answers yet" in run("results", "survey-streets")
    assert "0 finished sessions" in run("export", "survey-streets", "a.csv")
    with pytest.raises(SystemExit, match="no answers; ganrepro survey serve STUDY takes them"):
        run("results", "streets-tiny")


# --- what must not tell, and what must not be lost -----------------------------------------------


def test_nothing_tells_real_from_fake_but_the_image(images, tmp_path):
    """Bytes of one size, sides that no public code gives, errors that name no file; noise is a fake that compresses badly."""
    for i, name in enumerate(images.names):
        noise = np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(noise).save(images.fakes["cogan"] / name)
    drawn = []
    for n in range(2):
        store = Store(tmp_path / f"s{n}" / "x.sqlite")
        with TestClient(app(images, CHOSEN, store, "", False, "One title", hosts=["testserver"])) as client:
            sessions = [client.post("/sessions", json={}).json()["id"] for _ in range(6)]
            sizes = {
                len(client.get(f"/sessions/{s}/{t}/{side}").content)
                for s in sessions
                for t in range(6)
                for side in ("left", "right")
            }
            drawn.append([store.trial(s, t) for s in sessions for t in range(6)])
        assert len(sizes) == 1
        known = [design.draw(images.names, CHOSEN, numpy_stream(0, f"survey/One title/{number}")) for number in range(6)]
        guessed = [trial for session in known for trial in session]
        right = sum(a.real_side == b.real_side for a, b in zip(drawn[-1], guessed, strict=True))
        assert 6 <= right <= 30  # of 36: chance, not all of them; beyond that by chance once in 40,000
        store.close()
    assert drawn[0] != drawn[1]


def test_an_unreadable_image_does_not_say_which_it_is(client, images, store, capsys):
    session = client.post("/sessions", json={}).json()["id"]
    trial, row = store.trial(session, 0), store.session(session).row
    for place in (images.real / trial.real, images.fakes[row] / trial.fake):
        place.write_bytes(b"no image")
    for side in ("left", "right"):
        told = client.get(f"/sessions/{session}/0/{side}")
        assert told.status_code == 409 and told.json() == {
            "error": "this image cannot be read; please tell whoever sent you here"
        }
    assert str(images.real / trial.real) in capsys.readouterr().err
    for number in ("9223372036854775808", "-1", "1e3"):
        assert client.get(f"/sessions/{session}/{number}/left").status_code == 422


def test_answers_are_their_owners_and_no_formula_and_overwrite_nothing(client, store, tmp_path):
    session = client.post("/sessions", json={}).json()["id"]
    for number in range(6):
        assert client.post(f"/sessions/{session}/answers", json=answer(number)).status_code == 200
    words = '=HYPERLINK("http://x","y")'
    client.post(f"/sessions/{session}/finish", json={"colour_vision": "normal", "comments": words})
    assert {file.name: file.stat().st_mode & 0o077 for file in store.path.parent.iterdir()} == dict.fromkeys(
        (file.name for file in store.path.parent.iterdir()), 0
    )
    out = tmp_path / "answers.csv"
    assert answers.write_csv(store.answers(), out) == 1 and out.stat().st_mode & 0o077 == 0
    (line,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert line["Answer.comments"] == f"'{words}"
    before = out.read_bytes()
    with pytest.raises(UserError, match="is there already; name another file"):
        answers.write_csv(store.answers(), out)
    assert out.read_bytes() == before and [p.name for p in tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE answers SET chosen = 'middle'",
        "UPDATE answers SET shown_left = 'long'",
        "UPDATE trials SET real_side = ''",
        "UPDATE sessions SET row = x'00ff'",
        "ALTER TABLE answers RENAME COLUMN took TO takes",
        "DROP TABLE trials",
        None,
    ],
)
def test_damaged_answers_are_said_in_one_line(client, store, damage):
    session = client.post("/sessions", json={}).json()["id"]
    assert client.post(f"/sessions/{session}/answers", json=answer(0)).status_code == 200
    path = store.path
    store.close()
    if damage is None:
        path.write_bytes(path.read_bytes()[:3000] + b"\xff" * 9000)
        for more in path.parent.glob("*-wal"):
            more.unlink()
    else:
        with sqlite3.connect(path) as db:
            db.execute(damage)
        db.close()
    with pytest.raises(StudyError, match=f"{path}: (damaged|no database of answers)") as told:
        broken = Store(path)
        try:
            broken.answers()
        finally:
            broken.close()
    assert "\n" not in str(told.value)


# --- which is best? ------------------------------------------------------------------------------


def test_every_row_stands_in_every_place_equally_often():
    """10,000 line-ups of three rows: each of the six orders a sixth of the time, within four standard deviations."""
    names, chosen = [f"{i}.png" for i in range(100)], SurveySettings(practice=0, trials=100)
    drawn = [one for seed in range(100) for one in design.draw_lineups(names, ROWS, chosen, np.random.default_rng(seed))]
    counts = [sum(one.order == order for one in drawn) for order in itertools.permutations(ROWS)]
    assert sum(counts) == 10_000 and all(abs(count - 10_000 / 6) < 4 * (10_000 * 5 / 36) ** 0.5 for count in counts)
    assert len({one.given for one in drawn[:100]}) == 100
    with pytest.raises(StudyError, match="100 trials, and only 3 test images"):
        design.draw_lineups(names[:3], ROWS, chosen, np.random.default_rng(0))
    with pytest.raises(StudyError, match="between two rows or more; got cogan"):
        design.draw_lineups(names, ["cogan"], chosen, np.random.default_rng(0))


@pytest.mark.slow
def test_people_choose_the_best_of_all_rows(images, store, tmp_path):
    """Simulated people alone: thirty who see CycleGAN's as the best in three of four questions; the page has their shares."""
    with TestClient(best.app(images, CHOSEN, store, "Words.", False, "A study", hosts=["testserver"])) as client:
        assert "<b>Labels → photo</b>" in client.get("/").text
        for person in range(30):
            session = client.post("/sessions", json={}).json()
            assert (session["trials"], session["outputs"], session["practice"]) == (4, 3, 0)
            for number in range(4):
                assert level(client, session["id"], number, "given") == 10
                shown = [level(client, session["id"], number, place) for place in range(3)]
                assert sorted(shown) == [60, 120, 240]  # every row once
                place = shown.index(60 if number == person % 4 else 120)
                told = client.post(f"/sessions/{session['id']}/answers", json={"number": number, "place": place, "took": 900.0})
                assert told.json() == {}
            refused = client.post(f"/sessions/{session['id']}/answers", json={"number": 3, "place": 7, "took": 1.0})
            assert refused.status_code == 409 and "there are 3 images, and none at place 7" in refused.json()["error"]
            client.post(f"/sessions/{session['id']}/finish", json={"colour_vision": "normal"})
    kept = store.answers()
    assert len(kept) == 120 and {one["real_side"] for one in kept} == {""}
    rates = answers.chosen(kept)
    assert [rates[row].rate for row in ROWS] == [0.25, 0.75, 0.0]  # counted by hand
    assert rates["cyclegan"].low > 0.6 and rates["cyclegan"].participants == 30
    assert answers.better(rates["cyclegan"], rates["cogan"]) > 0.999
    assert np.allclose(sum(rate.replicates for rate in rates.values()), 1)  # questions are drawn, and each has one answer
    shown_ = {"output": "labels2photo", "title": "Labels → photo", "rows": ROWS, "settings": CHOSEN.model_dump(), "best": True}
    text = page([Answered("a", shown_, {row: row for row in ROWS}, kept, {}, 50, {"Hair": {"cyclegan": 20.0}})])
    assert "| cyclegan | 20.0 | **75.0** ±" in text and "by chance 33 %" in text and "30 participants" in text
    assert "No answers yet" in page([Answered("a", shown_, {row: row for row in ROWS}, [], {})])
    assert answers.write_choices(kept, tmp_path / "a.csv") == 30
    with (tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 120 and sum(line["chosen"] == "cyclegan" for line in lines) == 90


def test_the_papers_preferences_are_of_rows_that_there_are():
    params = parsed(RAW)
    rows = {row for paper in params.papers.values() for experiment in paper.experiments.values() for row in experiment.rows}
    shares = [of for paper in params.papers.values() for of in paper.preferred.values()]
    assert shares and all({*of} <= rows and abs(sum(of.values()) - 100) < 0.2 for of in shares)
