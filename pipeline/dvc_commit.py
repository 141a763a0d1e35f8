"""Tells DVC what a Snakemake run made, so that `dvc status` is clean: `dvc commit` of complete stages."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ganrepro import settings
from ganrepro.plan import datasets, paths
from ganrepro.reporting.current import report_is_current

PATIENCE = 5.0  # seconds, after which one is told what is waited for


def complete_stages() -> list[str]:
    """Stages whose outputs of the current parameters are all there; DVC must not note down any other."""
    params = settings.load()
    studies = {name: settings.find_study(params, study) for name, study in params.reports.items()}
    stages = {
        "data": all((datasets.dataset_dir(params, s.dataset) / "manifest.json").exists() for s in studies.values()),
        "readers": all((paths.reader_dir(params, s) / "reader.pt").exists() for s in studies.values() if paths.read(params, s)),
    }
    for name, study in studies.items():
        stages[f"train@{name}"] = all((run.folder / "checkpoint.pt").exists() for run in paths.trained(params, study))
        stages[f"images@{name}"] = all((run.images / "done").exists() for run in paths.runs(params, study))
        stages[f"evaluate@{name}"] = all((run.scores / "metrics.json").exists() for run in paths.runs(params, study))
        stages[f"report@{name}"] = report_is_current(params, name)
    return [stage for stage, complete in stages.items() if complete]


def commit(stages: Sequence[str]) -> None:
    """What `dvc commit --force --no-relink` does for each, with dvc.lock written once: DVC reads and writes it for each stage,
    which takes seconds where there are many."""
    from dvc.repo import Repo, lock_repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    with Repo() as repo, lock_repo(repo):
        chosen = [stage for stage in repo.index.stages if stage.addressing in stages]
        for stage in chosen:
            stage.save()
            stage.commit(relink=False)
        chosen[0].dvcfile.dump_stages(chosen, update_pipeline=False)


def main() -> None:
    if not Path(".dvc").is_dir() or not (stages := complete_stages()):
        return
    Path("readers").mkdir(exist_ok=True)  # where nothing reads: DVC wants an output that is declared
    said = "All is made. DVC keeps copies of what is new, which can take minutes; Ctrl-C, and `dvc commit -f` does it later"
    waiting = threading.Timer(PATIENCE, print, [said], {"file": sys.stderr, "flush": True})
    waiting.daemon = True
    waiting.start()
    try:
        commit(stages)
    except (Exception, KeyboardInterrupt) as error:  # whatever DVC meets, what Snakemake made is there
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"DVC did not record this run ({reason}); `dvc commit -f` does it later", file=sys.stderr)
    finally:
        waiting.cancel()


if __name__ == "__main__":
    main()
