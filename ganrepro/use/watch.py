"""What the workflow is at: the progress bar of every running job, read from its log, with the time that is left."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

ALIVE_SECONDS = 120  # a job writes its bar every half minute
SILENT_SECONDS = 3600  # of a job that writes none
# of tqdm: '28%|██▊ | 336/1200 [01:00<02:29, 5.78it/s, adversarial_b=0.711]', the name of the job before it
BAR = re.compile(
    r"(?P<percent>\d+)%\|[^|]*\| (?P<done>\d+)/(?P<of>\d+) \[(?P<spent>[\d:]+)<(?P<left>[\d:?]+),\s*(?P<rest>[^\]]*)\]"
)


@dataclass(frozen=True)
class Job:
    """One log: which stage and row it is of, and how far it says it is."""

    stage: str
    name: str
    percent: int
    spent: str
    left: str
    rest: str
    error: str


def jobs(logs: Path, now: float) -> list[Job]:
    """Every job that is running or failed within the hour, those that wrote last at the end.  now: seconds since 1970.

    The last line of a job that is done says so (pipeline/start.py).
    """
    lines = []
    for path, written in sorted(
        ((path, _time(path)) for path in logs.rglob("*.log") if path.is_file()), key=lambda pair: pair[1]
    ):
        silent = now - written
        if silent > SILENT_SECONDS:
            continue
        text = path.read_bytes()[-4000:].decode("utf-8", "replace")
        if text.splitlines()[-1:] and text.splitlines()[-1].startswith("done in "):
            continue
        last = next(reversed(list(BAR.finditer(text))), None)
        text = "".join(c if c.isprintable() or c in "\n\r" else "?" for c in text)  # a log commands no terminal
        error = next((line for line in reversed(text.splitlines()) if line.startswith("error: ")), "")
        if not error and last and (silent > ALIVE_SECONDS or last["done"] == last["of"]):
            continue
        stage, *name = path.relative_to(logs).with_suffix("").parts
        progress = (int(last["percent"]), last["spent"], last["left"], last["rest"].strip()) if last else (0, "–", "–", "")
        lines.append(Job(stage, "/".join(name) or stage, *progress, error))
    return lines


def _time(path: Path) -> float:
    """When a file was written; 0 where there is none (any more)."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def watch(logs: Path, seconds: float = 2.0, once: bool = False) -> None:
    """Shows the jobs until it is stopped."""
    from rich.console import Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def picture() -> Group:
        table = Table("stage", "job", "", "%", "spent", "left", "losses", box=None, padding=(0, 1))
        running = jobs(logs, time.time())
        for job in running:
            if job.error:
                table.add_row(job.stage, job.name, "", "", "", "", Text(job.error), style="red")
            else:
                bar = ProgressBar(total=100, completed=job.percent, width=20)
                table.add_row(job.stage, job.name, bar, f"{job.percent}", job.spent, job.left, Text(job.rest))
        return Group(table if running else "nothing is running")

    with Live(picture(), refresh_per_second=4) as live:
        while not once:
            time.sleep(seconds)
            live.update(picture())
