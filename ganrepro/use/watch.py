"""What the workflow is at: the progress bar of every running job, read from its log, with the time that is left."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganrepro.errors import one_line

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
    written: float  # when its log was, in seconds since 1970


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
        text = "".join(c if c.isprintable() or c in "\n\r" else "?" for c in text)  # a log commands no terminal
        last = next(reversed(list(BAR.finditer(text))), None)
        error = _error_in(text)
        if not error and last and (silent > ALIVE_SECONDS or last["done"] == last["of"]):
            continue
        stage, *name = map(one_line, path.relative_to(logs).with_suffix("").parts)
        progress = (int(last["percent"]), last["spent"], last["left"], last["rest"].strip()) if last else (0, "–", "–", "")
        lines.append(Job(stage, "/".join(name) or stage, *progress, error, written))
    return lines


def _error_in(text: str) -> str:
    """The line that says why a job failed: of ours, or of Python's traceback; ''."""
    if own := next((line for line in reversed(text.splitlines()) if line.startswith("error: ")), ""):
        return own
    _, raised, after = f"\n{text}".rpartition("\nTraceback (most recent call last)")
    last = next((line for line in after.splitlines()[1:] if line and not line.startswith((" ", "\t"))), "") if raised else ""
    return f"error: {last}" if last else ""


def _time(path: Path) -> float:
    """When a file was written; 0 where there is none (any more)."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


PLANNED = re.compile(r"^Job stats:\n.*\n[- ]+\n((?:\w+ +\d+\n)+)", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$", re.MULTILINE)
BRIEF = 0.06  # of a training: what any other job takes, about
ENOUGH = 0.1  # of all the work: before, nothing is said of the time
KEY = re.compile(r"-[0-9a-f]{12}$")  # of a result, behind its name


def workflow(folder: Path, now: float, running: Sequence[Job] = ()) -> str:
    """How far the workflow that began last is: 'job 13 of 54, about 12 min left'; '' where there is none.

    folder: of Snakemake's own logs.  running: jobs whose progress counts, too.  Trainings (that of the reader, too) count whole,
    other jobs as BRIEF.
    """
    log = max((file for file in folder.glob("*.snakemake.log") if file.is_file()), key=_time, default=None)
    text = log.read_text("utf-8", "replace") if log else ""
    planned = PLANNED.search(text)
    if log is None or planned is None or now - _time(log) > SILENT_SECONDS:
        return ""
    rules = {rule: int(count) for rule, count in (line.split() for line in planned[1].splitlines())}
    whole, finished = rules.pop("total", 0), FINISHED.findall(text)
    if len(finished) >= whole:
        return ""
    so_far = f"job {len(finished)} of {whole} done"
    try:
        began = time.mktime(time.strptime(log.name[:17], "%Y-%m-%dT%H%M%S"))
    except ValueError:
        return so_far
    done = sum(map(_weight, finished)) + sum(job.percent / 100 * _weight(job.stage) for job in running if not job.error)
    work = sum(_weight(rule) * count for rule, count in rules.items())
    if done < ENOUGH * work:
        return so_far
    left = (now - began) / done * max(0.0, work - done) / 60
    return f"{so_far}, about {max(1, left):.0f} min left"


def _weight(rule: str) -> float:
    return 1.0 if rule.startswith("train") else BRIEF


def newest_strip(work: Path) -> Path | None:
    """The pictures of the training that made some last (`pipeline.strip`), of one under way before those that are done."""
    under_way = [*work.glob("*/strip.png")]
    return max(under_way or work.parent.glob("runs/*/*/strip.png"), key=_time, default=None)


def watch(logs: Path, seconds: float = 2.0, once: bool = False) -> None:
    """Shows the jobs until it is stopped: two lines each, which fit into 80 columns."""
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def picture() -> Group:
        lines: list[RenderableType] = []
        running, now = jobs(logs, time.time()), time.time()
        if whole := workflow(Path(".snakemake/log"), now, running):
            lines.append(Text(whole, style="bold"))
        for job in running:
            line = Table.grid(padding=(0, 1))
            for width in (42, 16, 4, 14):
                line.add_column(width=width, no_wrap=True, overflow="ellipsis")
            name = f"{job.stage} {KEY.sub('', job.name)}"
            if job.error:
                lines.append(Text(f"{name}: {job.error}", style="red"))
                continue
            bar = ProgressBar(total=100, completed=job.percent, width=16)
            known = job.left not in ("–", "?")
            line.add_row(Text(name), bar, f"{job.percent}%", f"{job.left} left" if known else "")
            told = job.rest and not job.rest.startswith("?")
            lines += [line, *([Text(f"  {job.rest}", "dim", no_wrap=True, overflow="ellipsis")] if told else [])]
        if running and (strip := newest_strip(logs.parent / "work")) is not None:
            lines.append(Text(one_line(f"pictures so far: {strip}")))
        return Group(*lines) if running else Group("nothing is running")

    console = Console(file=getattr(sys.stdout, "stream", sys.stdout))  # the picture moves the cursor itself
    with Live(picture(), console=console, refresh_per_second=4) as live:
        while not once:
            time.sleep(seconds)
            live.update(picture())
