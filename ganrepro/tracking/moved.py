"""MLflow's database keeps absolute places of files. After a checkout was moved or copied they are corrected, in place."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote

# Columns of MLflow's SQLite store that hold places (3.17); of an older or newer one, those that it has.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def folder_of(database: Path) -> Path:
    """Where the files of runs lie: `mlruns` beside the database."""
    return database.resolve().with_name("mlruns")


def correct(database: Path) -> None:
    """Makes places of another folder those of this one, of every experiment whose files lie here, or no longer there.

    Without a database it does nothing.  sqlite3.Error where it cannot be read or written.
    """
    if not database.is_file():
        return
    here = folder_of(database)
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as opened, opened:
        query = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE '%/mlruns/%'"
        for place in [place for (place,) in opened.execute(query)]:
            root, _, name = place.rpartition("/mlruns/")
            there, is_uri = Path(unquote(place.removeprefix("file://"))), place.startswith("file://")
            if root in (str(here.parent), here.parent.as_uri()) or ("://" in place and not is_uri):
                continue
            if not (here / unquote(name)).exists() and there.exists():
                continue  # of another project, which shares this database
            now = f"{here.parent.as_uri() if is_uri else here.parent}/mlruns/{name}"
            for table, column in PLACES:
                if column in {name for _, name, *_ in opened.execute(f"PRAGMA table_info({table})")}:
                    inside = f"{column} = ? OR substr({column}, 1, ?) = ?"
                    values = (now, len(place) + 1, place, len(place) + 1, f"{place}/")
                    opened.execute(f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {inside}", values)
