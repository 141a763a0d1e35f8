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


STEPS = re.compile(r"^(\d+) of (\d+) steps", re.MULTILINE)
KEY = re.compile(r"-[0-9a-f]{12}$")  # of a result, behind its name


def workflow(folder: Path, now: float) -> str:
    """How far the workflow that began last is: 'job 13 of 54, about 12 min left'; '' where there is none.

    folder: of Snakemake's own logs.  The time is that of the steps so far, for each that is left.
    """
    log = max(folder.glob("*.snakemake.log"), key=_time, default=None)
    steps = next(reversed(STEPS.findall(log.read_text("utf-8", "replace"))), None) if log else None
    if log is None or steps is None or now - _time(log) > SILENT_SECONDS:
        return ""
    done, whole = map(int, steps)
    try:
        began = time.mktime(time.strptime(log.name[:17], "%Y-%m-%dT%H%M%S"))
    except ValueError:
        return f"job {done} of {whole} done"
    left = (_time(log) - began) / max(1, done) * (whole - done) / 60
    return f"job {done} of {whole} done, about {left:.0f} min left" if done < whole else ""


def newest_strip(work: Path) -> Path | None:
    """The pictures of the training that made some last (`pipeline.strip`), under way or done."""
    return max([*work.glob("*/strip.png"), *work.parent.glob("runs/*/*/strip.png")], key=_time, default=None)


def watch(logs: Path, seconds: float = 2.0, once: bool = False) -> None:
    """Shows the jobs until it is stopped: two lines each, which fit into 80 columns."""
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def picture() -> Group:
        lines: list[RenderableType] = []
        running, now = jobs(logs, time.time()), time.time()
        if whole := workflow(Path(".snakemake/log"), now):
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
            line.add_row(name, bar, f"{job.percent}%", f"{job.left} left" if known else "")
            told = job.rest and not job.rest.startswith("?")
            lines += [line, *([Text(f"  {job.rest}", "dim", no_wrap=True, overflow="ellipsis")] if told else [])]
        if running and (strip := newest_strip(logs.parent / "work")) is not None:
            lines.append(Text(f"pictures so far: {strip}"))
        return Group(*lines) if running else Group("nothing is running")

    with Live(picture(), refresh_per_second=4) as live:
        while not once:
            time.sleep(seconds)
            live.update(picture())
