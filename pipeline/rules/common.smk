"""What the rules share: the parameters as they were read, and functions that find the files of a job."""

import functools
import os
import sys
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError

from ganrepro import settings
from ganrepro.arithmetic import PORTABLE
from ganrepro.plan import datasets, paths
from ganrepro.reporting import current
from pipeline import start

if config:
    raise WorkflowError(
        f"--config {' '.join(config)}: settings live in params.yaml, where DVC sees them too; "
        "edit it, or try a value with: dvc exp run -S 'studies.streets-tiny.seeds=[0, 1]'"
    )

try:
    PARAMS = settings.load("params.yaml")
except settings.ConfigError as error:
    raise WorkflowError(f"params.yaml: {error}") from None

for folder in (
    *("data", "downloads", "readers", "runs", "images", "scores"),
    *("reports", "logs", "work"),
):
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise WorkflowError(f"{folder}: expected a folder, found a file; move it away")

if workflow.resource_settings.cores == 0:  # would wait for ever
    raise WorkflowError("--cores 0: expected a number from 1, or all")

# stages run with the Python that runs Snakemake
PATH = os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()])
os.environ.update(PATH=PATH)

if PARAMS.arithmetic == "portable" and paths.gpu_slots("auto"):
    print(
        "note: this machine has a GPU, which `arithmetic: portable` leaves idle; `arithmetic: usual` in params.yaml uses it",
        file=sys.stderr,
    )

NOW = tempfile.NamedTemporaryFile(prefix="ganrepro-")
STUDIES = {study: PARAMS.studies[study] for study in PARAMS.reports.values()}
try:
    for run in paths.started_from(
        run for study in STUDIES.values() for run in paths.trained(PARAMS, study)
    ):
        STUDIES.setdefault(run.study.name, run.study)
except settings.ConfigError as error:
    raise WorkflowError(f"params.yaml: {error}") from None
GPU = paths.gpu_slots(PARAMS.device)
# Trainings of one process on a GPU; each result is that of a training alone, so it has the same place and key.
TOGETHER = paths.trained_together(PARAMS)
# the keys of trainings that are in such a group
GROUPED = "|".join(run.key for group in TOGETHER for run in group)
# of each reader the first study that has it
READERS = {}
for study in STUDIES.values():
    if paths.reader_kind(PARAMS, study) is not None:
        READERS.setdefault(str(paths.reader_dir(PARAMS, study)), study)


def is_made(folder, *files):
    """Whether a result is there whole, so that nothing of what it was made of is asked for: its key says that it is current.

    So results that DVC fetched without their data stay when the data are prepared for other ones.
    """
    asked = workflow.dag_settings  # not there yet when this file is read
    there = all(os.path.exists(f"{folder}/{file}") for file in files)
    return there and not (asked.forceall or asked.forcerun)


def run_of(wildcards):
    """The row and seed that wildcards name."""
    return one_run(wildcards.study, wildcards.row, int(wildcards.seed))


@functools.cache
def one_run(study, row, seed):
    """Kept, because its keys are."""
    return paths.Run(PARAMS, STUDIES[study], row, seed)


def source_of(wildcards):
    """What a dataset is prepared from: the downloaded source, and weights where edges are to be found."""
    if is_made(f"data/{wildcards.name}-{wildcards.key}", "manifest.json"):
        return []
    return [
        ancient(f"{datasets.download_dir(source)}/source.json")
        for source in datasets.downloads_of(PARAMS, wildcards.name)
    ]


def manifest_of(dataset):
    """What says that a dataset is prepared. Ancient: its key says whether it is current."""
    return ancient(f"{datasets.dataset_dir(PARAMS, dataset)}/manifest.json")


def read_by(wildcards):
    """What a network learns to read from, and the download that a published one comes from."""
    folder = f"readers/{wildcards.name}-{wildcards.key}"
    if is_made(folder, "reader.pt", "reader.json"):
        return []
    weights = getattr(PARAMS.readers[READERS[folder].reader], "weights", None)
    downloads = [datasets.download_dir(weights)] if weights else []
    return [
        manifest_of(wildcards.name),
        *(ancient(f"{place}/source.json") for place in downloads),
    ]


def files_of(run, trained=False):
    """What a training reads besides the images: downloads, the network that reads its study, weights to begin with.

    trained: what making images with it reads.
    """
    return [
        ancient(str(file) if file.suffix else f"{file}/source.json")
        for name, file in run.files.items()
        if not (trained and name == paths.START)
    ]


@functools.cache
def first_trainings():
    """Worked out where something is to be trained: it takes the keys of all reports' trainings."""
    return paths.first_trainings(PARAMS)


def equal_training(run):
    """The checkpoint of an equal training of another row or study, whose results this one takes over."""
    first = first_trainings().get(run.key, run)
    return (
        [] if first.folder == run.folder else [ancient(f"{first.folder}/checkpoint.pt")]
    )


def trained_on(run):
    """What a row is trained on: a dataset, what its networks read, an equal training whose results it takes over."""
    if is_made(run.folder, "checkpoint.pt", "history.csv", "timing.json"):
        return []
    return [manifest_of(run.study.dataset), *files_of(run), *equal_training(run)]


def all_trained_on(group):
    """A function that gives what some rows are trained on."""
    return lambda _wildcards: [file for run in group for file in trained_on(run)]


def made_with(wildcards):
    """What a row makes images with: a dataset, a checkpoint, what its networks read; reference rows need the dataset alone."""
    run = run_of(wildcards)
    if is_made(run.images, "done"):
        return []
    data = manifest_of(run.study.dataset)
    if run.reference:
        return data
    return [
        data,
        ancient(f"{run.folder}/checkpoint.pt"),
        *files_of(run, trained=True),
    ]


def measured_with(wildcards):
    """The images of a row, real ones, and the networks that measure them: one that reads images, and Inception."""
    run = run_of(wildcards)
    if is_made(run.scores, "metrics.json", "counts.npz"):
        return []
    needed = [f"{run.images}/done"]
    if run.read:
        needed.append(f"{paths.reader_dir(PARAMS, run.study)}/reader.pt")
    if run.featured:
        needed += [
            f"{datasets.download_dir(source)}/source.json"
            for source in paths.feature_sources(run.study.features)
        ]
    return [manifest_of(run.study.dataset), *map(ancient, needed)]


def made_of(name):
    """A function that gives what a report is made of, so that it is worked out for those alone that are asked for."""

    def files(_wildcards):
        study = STUDIES[PARAMS.reports[name]]
        runs = [one_run(study.name, r.row, r.seed) for r in paths.runs(PARAMS, study)]
        made = [
            *(f"{run.images}/done" for run in runs),
            *(
                f"{run.scores}/{file}"
                for run in runs
                for file in ("metrics.json", "counts.npz")
            ),
            *(
                f"{run.folder}/{file}"
                for run in runs
                if not run.reference
                for file in ("history.csv", "timing.json")
            ),
            *(
                [f"{paths.reader_dir(PARAMS, study)}/reader.json"]
                if paths.read(PARAMS, study)
                else []
            ),
        ]
        # ancient: the page says of which keys it was made, and when it was is of no matter
        return [*newer_if_stale(name), *map(ancient, made)]

    return files


def newer_if_stale(name):
    """A file that is newer than a report's page, where that is of another state of the parameters or the code.

    A page has one fixed name, which says nothing of its state; the key in its footer does. The file lies in the
    system's temporary folder and goes with this process: reading the workflow changes nothing here.
    """
    made = paths.report_page(name).is_file()
    return [NOW.name] if made and not current.report_is_current(PARAMS, name) else []
