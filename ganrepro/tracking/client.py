"""One MLflow run, or nothing at all where MLflow is off or away.

Runs are found by their key (a tag), so repeating or resuming continues a run instead of adding
one. A tracking failure is said once and never stops anything; the report stage back-fills what is
missing. Set GANREPRO_MLFLOW=off to do without; MLFLOW_TRACKING_URI chooses a server.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ganrepro.errors import without_secrets
from ganrepro.tracking import moved
from ganrepro.version import __version__

KEY, PARENT, MODEL = "ganrepro.key", "mlflow.parentRunId", "ganrepro.model"
NOTE = "mlflow.note.content"
COLOUR, PLACE = "mlflow.runColor", "ganrepro.place"  # of a run in charts (MLflow's own name for it), and in the table
OURS = "ganrepro.colour"  # the colour that a run was given last
VIEW = "mlflow.sharedViewState."  # a saved view of an experiment's table (MLflow's page keeps them so; tried with 3.17)
# that it is of trainings, not of language models; which view opens is up to the page's own switch (MLflow 3.17)
KIND = {"mlflow.experimentKind": "custom_model_development"}
FLUSH_SECONDS = 5.0
DIGEST = 36  # characters that MLflow keeps of a dataset's digest
_away = False  # once a call has failed, this process does not wait for another


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or an SQLite file in the project folder (the main one for `dvc exp run --temp`)."""
    root = str(Path.cwd()).split(f"{os.sep}.dvc{os.sep}tmp{os.sep}exps")[0]
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(root) / 'mlflow.db'}"


class DatasetName(NamedTuple):
    """What MLflow shows of a dataset. source: its folder."""

    name: str
    digest: str
    source: str


class Tracker:
    """One MLflow run, or nothing at all when tracking is off or away."""

    def __init__(
        self,
        client: Any = None,
        run_id: str | None = None,
        logged: Iterable[int] = (),
        finished: bool = False,
        parent: str | None = None,
    ):
        self._client, self._run, self._finished, self._parent = client, run_id, finished, parent
        self._logged = set(logged)
        self._rows: list[dict[str, float]] = []
        self._flushed = time.monotonic()

    @property
    def run_id(self) -> str | None:
        return self._run

    def epoch(self, row: Mapping[str, float]) -> None:
        """Losses of one epoch; those MLflow already has are skipped."""
        if int(row["epoch"]) not in self._logged:
            self._logged.add(int(row["epoch"]))
            self._rows.append(dict(row))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        from_rows, self._rows = self._rows, []
        self._flushed = time.monotonic()
        if self._client is None or not from_rows:
            return
        with self._surviving():
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            metrics = [Metric(k, float(v), now, int(row["epoch"])) for row in from_rows for k, v in row.items()]
            for start in range(0, len(metrics), 900):  # the server takes at most 1000 at once
                self._client.log_batch(self._run, metrics=metrics[start : start + 900])

    def scores(self, values: Mapping[str, float]) -> None:
        """Final scores; those whose latest value MLflow already has are skipped."""
        if self._client is None:
            return
        with self._surviving():
            from mlflow.entities import Metric

            known = self._client.get_run(self._run).data.metrics
            now = int(time.time() * 1000)
            new = [Metric(k, float(v), now, 0) for k, v in values.items() if known.get(k) != float(v)]
            if new:
                self._client.log_batch(self._run, metrics=new)

    def columns(self, names: Iterable[str]) -> None:
        """A saved view 'Scores' of the run's experiment, whose table has these scores as columns, linked from its description.

        One that somebody saved over in MLflow's page, which packs it, stays theirs.
        """
        if self._client is None:
            return
        with self._surviving():
            experiment = self._client.get_experiment(self._client.get_run(self._run).info.experiment_id)
            order = {"orderByKey": f"tags.`{PLACE}`", "orderByAsc": True}
            state = json.dumps({"selectedColumns": [f"metrics.`{name}`" for name in names], **order})
            kept = json.loads(experiment.tags.get(VIEW + "scores", '{"state": "{}"}'))["state"]
            if kept != state and kept.startswith("{"):
                now = int(time.time() * 1000)
                view = {"name": "Scores", "createdAt": now, "updatedAt": now, "state": state}
                self._client.set_experiment_tag(experiment.experiment_id, VIEW + "scores", json.dumps(view))
            link = f"#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=scores"
            note = experiment.tags.get(NOTE, "")
            if link not in note:
                self._client.set_experiment_tag(experiment.experiment_id, NOTE, f"{note} [Table of scores]({link})".strip())

    def looks(self, colour: str, place: str) -> None:
        """The run's colour in charts, and a word by which the saved view orders runs."""
        if self._client is None:
            return
        with self._surviving():
            known = self._client.get_run(self._run).data.tags
            wanted = {PLACE: place, OURS: colour}
            if known.get(COLOUR) == known.get(OURS):  # one that somebody chose in MLflow's page stays theirs
                wanted[COLOUR] = colour
            for tag, value in wanted.items():
                if known.get(tag) != value:
                    self._client.set_tag(self._run, tag, value)

    def artifact(self, path: Path) -> None:
        """A file, replaced where it exists."""
        if self._client is not None:
            with self._surviving():
                self._client.log_artifact(self._run, str(path))

    def image(self, name: str, epoch: int, image: Any) -> None:
        """A picture of a moment, among those of that name, which MLflow shows by epoch.  image: of PIL."""
        if self._client is not None:
            with self._surviving():
                self._client.log_image(self._run, image, key=name, step=epoch)

    def has_model(self, key: str) -> bool:
        """Whether MLflow has the model of that key already; also where it is off or away."""
        if self._client is None:
            return True
        with self._surviving():
            return bool(self._client.get_run(self._run).data.tags.get(MODEL) == key)
        return True

    def model(
        self, name: str, folder: Path, code: Path, example: Any, description: str, key: str, output: str, dataset: DatasetName
    ) -> None:
        """An exported generator as an MLflow model of this run's parent, where it has one, and an output of this run.

        name: as MLflow lists it.  code: file that defines the model; it finds the folder as artifact 'folder'.  example: two
        images, an array.  output, dataset: what it makes, and of which data; its page shows the scores of that.
        """
        if self._client is None:
            return
        with self._surviving():
            import mlflow
            from mlflow.entities import LoggedModelOutput
            from mlflow.models.signature import ModelSignature
            from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec

            owner = self._parent or self._run  # the table lists a model at one run: the parent, which is the row one sees
            before = self._client.get_run(owner)
            shape = (-1, example.shape[1], -1, -1)
            spec = Schema([TensorSpec(example.dtype, shape)])
            mlflow.set_tracking_uri(tracking_uri())
            with quiet(), mlflow.start_run(run_id=owner):
                logged = mlflow.pyfunc.log_model(
                    name=re.sub(r"[/:.%\"']", " ", name), python_model=str(code), artifacts={"folder": str(folder)},
                    input_example=example,
                    signature=ModelSignature(spec, spec, ParamSchema([ParamSpec("seed", "integer", 0)])),
                    pip_requirements=["torch", "safetensors", "pillow"], tags={KEY: key},
                    metadata={"description": description, "made_by": f"ganrepro {__version__}"},
                )  # fmt: skip
            for score, value in self._client.get_run(self._run).data.metrics.items():
                if score.endswith(f"/{output}"):
                    of = {"dataset_name": dataset.name, "dataset_digest": dataset.digest[:DIGEST], "model_id": logged.model_id}
                    self._client.log_metric(self._run, score, value, step=0, **of)
            if self._parent is not None:
                self._client.log_outputs(self._run, [LoggedModelOutput(logged.model_id, 0)])
            self._client.set_tag(self._run, MODEL, key)
            self._client.set_terminated(owner, "FINISHED", before.info.end_time)

    def close(self, status: str = "FINISHED") -> None:
        """Ends the run now, and its parent with it, so that a parent lasts from its first child's start to its last one's end."""
        self.flush()
        if self._client is not None and not self._finished:
            with self._surviving():
                for run in (self._run, self._parent):
                    if run is not None:
                        self._client.set_terminated(run, status)

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a server does, a training must not stop for it
            self._client = None
            _say(error)


@contextlib.contextmanager
def surviving() -> Iterator[None]:
    """Whatever fails while something is prepared for MLflow is said, and stops nothing."""
    try:
        yield
    except Exception as error:
        _say(error)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without MLflow's own advice and warnings."""
    with warnings.catch_warnings(action="ignore"):
        loggers = [logging.getLogger(name) for name in ("mlflow", "mlflow.models.model", "mlflow.pyfunc")]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _say(error: Exception) -> None:
    global _away
    _away = True
    reason = without_secrets((str(error).splitlines() or [type(error).__name__])[0])[:160]
    print(f"MLflow is away ({reason}): going on without; the report stage records what is missing", file=sys.stderr)


def start(
    experiment: str,
    name: str,
    key: str,
    params: Mapping[str, object],
    tags: Mapping[str, str],
    parent: Tracker | None = None,
    dataset: DatasetName | None = None,
    note: str = "",
) -> Tracker:
    """The run tagged `key` in `experiment`, made if there is none. A no-op tracker if MLflow is off or away.

    note: description of the experiment, in Markdown.
    """
    if _away or os.environ.get("GANREPRO_MLFLOW") == "off" or (parent is not None and parent.run_id is None):
        return Tracker()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        from filelock import FileLock
        from mlflow.entities import Dataset, DatasetInput, Param
        from mlflow.tracking import MlflowClient

        uri = tracking_uri()
        local = uri.startswith("sqlite:///")
        # creating the database, an experiment or a run races with parallel jobs
        database = Path(uri.removeprefix("sqlite:///"))
        with FileLock(f"{database}.lock" if local else "mlflow.db.lock"):
            if local:
                moved.correct(database)
            client = MlflowClient(uri)
            known = client.get_experiment_by_name(experiment)
            if known is None:
                place = moved.folder_of(database).as_uri() if local else None
                location = place and f"{place}/{experiment.replace('/', '-')}"
                experiment_id = client.create_experiment(experiment, location, {**KIND, NOTE: note})
            else:
                experiment_id = known.experiment_id
                if note and not known.tags.get(NOTE, "").startswith(note):
                    for tag, value in {**KIND, NOTE: note}.items():
                        client.set_experiment_tag(experiment_id, tag, value)
            runs = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
            if runs:
                run_id = runs[0].info.run_id
                finished = runs[0].info.status == "FINISHED"
                if not finished:  # a finished run keeps its end time, whatever is filled in later
                    client.update_run(run_id, status="RUNNING")
                logged = {m.step for m in client.get_metric_history(run_id, "epoch")}
            else:
                all_tags = {KEY: key, **tags} | ({PARENT: parent.run_id} if parent is not None and parent.run_id else {})
                run_id = client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id
                client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
                if dataset is not None:
                    data = Dataset(dataset.name, dataset.digest[:DIGEST], source_type="dvc", source=dataset.source)
                    client.log_inputs(run_id, [DatasetInput(data, tags=[])])
                logged, finished = set(), False
        return Tracker(client, run_id, logged, finished, parent.run_id if parent is not None else None)
    except Exception as error:  # as above
        _say(error)
        return Tracker()
