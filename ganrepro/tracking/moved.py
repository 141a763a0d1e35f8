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
    """Makes places that end in /mlruns/… of another folder those of this one; without a database it does nothing.

    Not where the files lie there still and not here. sqlite3.Error where the database cannot be read or written.
    """
    if not database.is_file():
        return
    here = folder_of(database)
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as opened, opened:
        query = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE '%/mlruns/%'"
        elsewhere = {place.rpartition("/mlruns/")[0] for (place,) in opened.execute(query)}
        for root in elsewhere - {str(here.parent), here.parent.as_uri()}:
            plain = unquote(root.removeprefix("file://")) if root.startswith("file://") else root
            if "://" in plain or (Path(plain, "mlruns").exists() and not here.exists()):
                continue
            now = here.parent.as_uri() if root.startswith("file://") else str(here.parent)
            for table, column in PLACES:
                if column in {name for _, name, *_ in opened.execute(f"PRAGMA table_info({table})")}:
                    opened.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (now, len(root) + 1, len(root) + 8, f"{root}/mlruns/"),
                    )
