"""Sessions and answers in one SQLite file. Every answer is on disk before it is acknowledged, and none is taken twice."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ganrepro.store.files import plain
from ganrepro.survey.design import SEPARATOR, StudyError, Trial

SCHEMA = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (digest TEXT PRIMARY KEY, session TEXT);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, number INTEGER UNIQUE NOT NULL, row TEXT NOT NULL, began TEXT NOT NULL, finished TEXT,
    colour_vision TEXT, comments TEXT);
CREATE TABLE IF NOT EXISTS trials (
    session TEXT NOT NULL, number INTEGER NOT NULL, practice INTEGER NOT NULL, real TEXT NOT NULL, fake TEXT NOT NULL,
    real_side TEXT NOT NULL, PRIMARY KEY (session, number));
CREATE TABLE IF NOT EXISTS answers (
    session TEXT NOT NULL, number INTEGER NOT NULL, chosen TEXT NOT NULL, shown_left REAL, shown_right REAL, took REAL,
    answered TEXT NOT NULL, shown_pixels REAL, PRIMARY KEY (session, number));
"""


FOLDER, BEFORE = Path("surveys"), Path("studies")  # of the answers, and what it was called before


class Design(BaseModel):
    """Of the settings that a study is shown with, what reading its answers needs."""

    model_config = ConfigDict(strict=True, extra="allow")

    practice: Annotated[int, Field(ge=0)]
    shown_ms: Annotated[int, Field(gt=0)]


class Shown(BaseModel):
    """What a study shows, as `Store.expect` keeps it."""

    model_config = ConfigDict(strict=True, extra="allow")

    output: str
    title: str
    rows: Annotated[list[str], Field(min_length=1)]
    settings: Design
    best: bool = False


class NotSaved(StudyError):
    """The file cannot be written to."""


class Session(NamedTuple):
    """A participant's.  answered: how many trials have an answer, from the first on."""

    id: str
    row: str
    trials: int
    practice: int
    answered: int
    finished: bool


def files(name: str = "*") -> list[Path]:
    """Every file of answers, STUDY.OUTPUT.sqlite; of one name, that one."""
    return sorted(file for folder in (FOLDER, BEFORE) for file in folder.glob(f"{name}.sqlite"))


def file_of_answers(name: str) -> Path:
    """Where the answers of that name lie, or will."""
    return next(iter(files(name)), FOLDER / f"{name}.sqlite")


class Store:
    """The file of one study. Safe to use from several threads.

    StudyError for whatever does not fit: an unknown session, an answer out of turn, a token that is forged or used, a full disk.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path, self._lock = path, threading.Lock()
        for own in ("", "-journal", "-wal", "-shm"):
            plain(path.with_name(f"{path.name}{own}"))  # SQLite would wait for a pipe
        try:
            path.touch(0o600)  # what people answered is for its owner alone; SQLite's other files take the mode over
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            # an acknowledged answer survives a killed server and a cut power line
            for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
                self._db.execute(line)
            self._db.executescript(SCHEMA)
            self._db.execute("BEGIN IMMEDIATE")  # of two that open an older file one adds to it
            if "shown_pixels" not in [column[1] for column in self._db.execute("PRAGMA table_info(answers)")]:
                self._db.execute("ALTER TABLE answers ADD COLUMN shown_pixels REAL")
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise StudyError(f"{path}: no database of answers ({error}); move it away, or name another study") from None

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                remedy = "try again, and look whether the disk has room; nothing that was saved is lost"
                raise NotSaved(f"not saved ({error}); {remedy}") from None
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _look(self) -> Iterator[sqlite3.Connection]:
        """The file, to be read. StudyError where it is damaged."""
        try:
            with self._lock:
                yield self._db
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            if "locked" in str(error):  # for a moment
                raise
            raise StudyError(f"{self.path}: damaged ({error}); put a copy of it back") from None

    def secret(self) -> str:
        """What the trials of this file are drawn from: made once, at random, so that nobody can compute which image is real."""
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO study VALUES ('secret', ?)", (secrets.token_hex(16),))
            return str(db.execute("SELECT value FROM study WHERE key = 'secret'").fetchone()[0])

    def expect(self, what: dict[str, Any]) -> None:
        """Keeps what the study shows, or StudyError if the file's answers are of something else."""
        text = json.dumps(what, sort_keys=True)
        with self._change() as db:
            kept = db.execute("SELECT value FROM study WHERE key = 'shown'").fetchone()
            if kept is None:
                db.execute("INSERT INTO study VALUES ('shown', ?)", (text,))
            elif kept[0] != text:
                old = json.loads(kept[0])
                changed = sorted(key for key in {*old, *what} if old.get(key) != what.get(key))
                reason = f"holds answers to another study ({', '.join(changed)} differ)"
                raise StudyError(f"{self.path}: {reason}; move the file away first")

    def shown(self) -> dict[str, Any]:
        """What `expect` kept."""
        with self._look() as db:
            kept = db.execute("SELECT value FROM study WHERE key = 'shown'").fetchone()
            try:
                return Shown.model_validate_json(kept[0]).model_dump(exclude_unset=True) if kept else {}
            except (ValueError, RecursionError):
                raise ValueError("it does not say what the study shows") from None

    def invite(self, count: int) -> list[str]:
        """So many new tokens, each good for one session. Only their digests are kept."""
        tokens = [secrets.token_urlsafe(16) for _ in range(count)]
        with self._change() as db:
            db.executemany("INSERT INTO tokens VALUES (?, NULL)", [(_digest(token),) for token in tokens])
        return tokens

    def invited(self) -> bool:
        """Whether there are tokens: then no session begins without."""
        with self._look() as db:
            return db.execute("SELECT 1 FROM tokens LIMIT 1").fetchone() is not None

    def begin(self, rows: Sequence[str], trials: Callable[[int], list[Trial]], practice: int, token: str | None) -> Session:
        """A new session, of the row that has fewest (at random among several); the one that a token has begun already.

        trials: number of the session -> its trials.
        """
        with self._change() as db:
            if token is not None:
                known = db.execute("SELECT session FROM tokens WHERE digest = ?", (_digest(token),)).fetchone()
                if known is None:
                    raise StudyError("this link is not valid; ask for another one")
                if known[0] is not None:
                    return self._session(db, known[0])
            taken = dict(db.execute("SELECT row, COUNT(*) FROM sessions GROUP BY row").fetchall())
            fewest = min(taken.get(row, 0) for row in rows)
            row = secrets.choice([row for row in rows if taken.get(row, 0) == fewest])
            (number,) = db.execute("SELECT COUNT(*) FROM sessions").fetchone()
            name = secrets.token_urlsafe(16)
            db.execute("INSERT INTO sessions (id, number, row, began) VALUES (?, ?, ?, ?)", (name, number, row, _now()))
            lines = [(name, n, int(n < practice), *trial) for n, trial in enumerate(trials(number))]
            db.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)", lines)
            if token is not None:
                db.execute("UPDATE tokens SET session = ? WHERE digest = ?", (name, _digest(token)))
            return self._session(db, name)

    def session(self, name: str) -> Session:
        """One that was begun."""
        with self._look() as db:
            return self._session(db, name)

    def _session(self, db: sqlite3.Connection, name: str) -> Session:
        line = db.execute("SELECT row, finished FROM sessions WHERE id = ?", (name,)).fetchone()
        if line is None:
            raise StudyError("there is no such session; open the study's first page again")
        count, practice = db.execute("SELECT COUNT(*), SUM(practice) FROM trials WHERE session = ?", (name,)).fetchone()
        (answered,) = db.execute("SELECT COUNT(*) FROM answers WHERE session = ?", (name,)).fetchone()
        return Session(name, line[0], count, practice or 0, answered, line[1] is not None)

    def trial(self, name: str, number: int) -> Trial:
        """One trial of a session."""
        with self._look() as db:
            line = db.execute(
                "SELECT real, fake, real_side FROM trials WHERE session = ? AND number = ?", (name, number)
            ).fetchone()
        if line is None:
            raise StudyError("there is no such trial in this session")
        return Trial(*line)

    def answer(self, name: str, number: int, chosen: str, shown: tuple[float, float, float | None], took: float) -> bool:
        """Takes the answer to the next trial, `chosen` being the side taken for fake; whether it was right.

        shown: milliseconds that the left and the right image stood, and their width; took: milliseconds from the buttons on.
        """
        with self._change() as db:
            session = self._session(db, name)
            if number != session.answered:
                again = number < session.answered
                reason = f"trial {number + 1} has its answer" if again else f"trial {session.answered + 1} comes first"
                raise StudyError(f"{reason}; load the page again")
            line = db.execute("SELECT real_side FROM trials WHERE session = ? AND number = ?", (name, number)).fetchone()
            if line is None:
                raise StudyError("this session has no trial left")
            db.execute(
                "INSERT INTO answers (session, number, chosen, shown_left, shown_right, shown_pixels, took, answered) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (name, number, chosen, *shown, took, _now()),
            )  # fmt: skip
        return bool(chosen != line[0])

    def finish(self, name: str, colour_vision: str, comments: str) -> float:
        """Ends a session whose trials all have answers; the share of right answers in the main part."""
        with self._change() as db:
            session = self._session(db, name)
            if session.answered < session.trials:
                raise StudyError(f"trial {session.answered + 1} has no answer yet")
            if not session.finished:
                db.execute(
                    "UPDATE sessions SET finished = ?, colour_vision = ?, comments = ? WHERE id = ?",
                    (_now(), colour_vision, comments, name),
                )
            (right,) = db.execute(
                "SELECT AVG(a.chosen != t.real_side) FROM answers a JOIN trials t USING (session, number) "
                "WHERE session = ? AND NOT practice", (name,),
            ).fetchone()  # fmt: skip
        return float(right or 0.0)

    def answers(self) -> list[dict[str, Any]]:
        """Every answer with its trial and its session, in order."""
        with self._look() as db:
            lines = db.execute(
                "SELECT s.number AS session, s.row, s.finished IS NOT NULL AS finished, s.colour_vision, s.comments, "
                "t.number, t.practice, t.real, t.fake, t.real_side, a.chosen, a.shown_left, a.shown_right, a.took, "
                "a.shown_pixels "
                "FROM answers a JOIN trials t USING (session, number) JOIN sessions s ON s.id = a.session "
                "ORDER BY s.number, t.number"
            )
            names = [column[0] for column in lines.description]
            answers = [dict(zip(names, line, strict=True)) for line in lines.fetchall()]
            if len(answers) != db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]:
                raise ValueError("there are answers to trials that are not there")
            if odd := next((answer for answer in answers if not _is_answer(answer)), None):
                raise ValueError(f"session {odd['session']}, trial {odd['number']}: no answer as the page gives them")
            return answers

    def counts(self) -> dict[str, int]:
        """Sessions begun, by row."""
        with self._look() as db:
            return dict(db.execute("SELECT row, COUNT(*) FROM sessions GROUP BY row").fetchall())


LONGEST = 1e9  # milliseconds, or pixels, that a page can have told
MEASURED = ("shown_left", "shown_right", "took", "shown_pixels")


def _is_answer(answer: dict[str, Any]) -> bool:
    texts = all(isinstance(answer[name], str) for name in ("row", "real", "fake"))
    if answer["real_side"] == "":  # one of several rows was chosen
        sides = answer["chosen"] in str(answer["fake"]).split(SEPARATOR)
    else:
        sides = all(answer[name] in ("left", "right") for name in ("real_side", "chosen"))
    times = all(answer[name] is None or _is_time(answer[name]) for name in MEASURED)
    return texts and sides and times and all(isinstance(answer[name], int) for name in ("session", "number", "practice"))


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < LONGEST


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
