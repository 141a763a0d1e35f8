"""Row + seed -> checkpoint, losses, spec, timing; or several of one study in one process, where a GPU has room for them.

    python -m pipeline.train --study streets-tiny --row cyclegan --seed 0 --out runs/streets-tiny/cyclegan-s0-KEY
    python -m pipeline.train --together runs/streets-tiny/cyclegan-s0-KEY runs/streets-tiny/cyclegan-s1-KEY

Trainings of one process take turns, a step each. On a GPU each step is a recorded graph on a stream of its own, so that
they overlap, and they share the images. Each has its own checkpoints and stops by itself; results are those of a training alone.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock

from ganrepro import settings
from ganrepro.plan import paths
from ganrepro.training.batches import Loaded
from ganrepro.training.loop import in_turn
from pipeline import stage
from pipeline.take_over import import_weights, take_over
from pipeline.training import training


def main() -> None:
    if "--together" in sys.argv:
        parser = stage.common(__doc__ or "")
        parser.add_argument(
            "--together", required=True, nargs="+", type=Path, help="folders to write; their names carry the keys"
        )
        args = parser.parse_args()
        params = stage.parameters(args)
        runs = [(_run_of(params, out), out) for out in args.together]
    else:
        args = stage.arguments(__doc__ or "", "study", "row", "seed")
        run = paths.find_run(stage.parameters(args), args.study, args.row, args.seed)
        if run.reference:
            raise settings.ConfigError(f"{args.study}/{args.row}: a reference row, which nothing is trained for")
        runs = [(run, args.out)]
        stage.expect(args.out, runs[0][0].folder)
    train(runs, args.threads)


def _run_of(params: settings.Params, out: Path) -> paths.Run:
    """The training that makes a folder. ConfigError where there is none."""
    for study in params.studies.values():
        for run in paths.trained(params, study) if study.name in out.parts else ():
            if out.parts[-len(run.folder.parts) :] == run.folder.parts:
                return run
    raise settings.ConfigError(f"{out}: no training of the current parameters and code; they changed, start again")


def train(runs: Sequence[tuple[paths.Run, Path]], threads: int) -> None:
    """Makes the results of some runs, each in its folder. What stops one of them is raised once the others are done."""
    waiting, loaded = [], Loaded()
    with ExitStack() as locks:
        for run, out in runs:
            run.work.mkdir(parents=True, exist_ok=True)
            locks.enter_context(FileLock(run.work / "lock"))  # a training that outlived a killed workflow finishes first
            if (out / "checkpoint.pt").exists():
                continue
            equal = run.equal_checkpoint()
            if equal:
                take_over(run, equal, out)
            elif not run.method.players():
                import_weights(run, out)
            else:
                waiting.append(training(run, out, threads, loaded, len(runs)))
        stopped = [error for error in in_turn(waiting) if error is not None]
    for run, out in runs:
        if (out / "checkpoint.pt").exists():
            shutil.rmtree(run.work, ignore_errors=True)
    if stopped:
        raise stopped[0]


if __name__ == "__main__":
    stage.run(main)
