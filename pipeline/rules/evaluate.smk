"""Checkpoints -> images -> scores, and the networks that read images."""

# of each reader the first study that has it
READERS = {}
for study in STUDIES.values():
    if paths.reader_kind(PARAMS, study) is not None:
        READERS.setdefault(str(paths.reader_dir(PARAMS, study)), study)


def weights_of(folder):
    """The download that a published network comes from; one of our own needs none."""
    recipe = PARAMS.readers[READERS[folder].reader]
    weights = getattr(recipe, "weights", None)
    return ancient(f"{datasets.download_dir(weights)}/source.json") if weights else []


rule train_reader:
    input:
        lambda w: manifest_of(w.name),
        lambda w: weights_of(f"readers/{w.name}-{w.key}"),
    output:
        "readers/{name}-{key}/reader.pt",
        "readers/{name}-{key}/reader.json",
    log:
        "logs/reader/{name}-{key}.log",
    benchmark:
        "logs/reader/{name}-{key}.tsv"
    priority: 9
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=240,
    params:
        study=lambda w, output: READERS[os.path.dirname(output[0])].name,
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.reader --study {params.study:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"


def checkpoint_of(wildcards):
    """The checkpoint a row is made images with, and what its networks read; reference rows need the dataset alone."""
    run = run_of(wildcards)
    if run.reference:
        return manifest_of(run.study.dataset)
    return [ancient(f"{run.folder}/checkpoint.pt"), *files_of(run)]


rule generate:
    input:
        checkpoint_of,
    output:
        "images/{study}/{row}-s{seed}-{key}/done",
    log:
        "logs/generate/{study}/{row}-s{seed}-{key}.log",
    benchmark:
        "logs/generate/{study}/{row}-s{seed}-{key}.tsv"
    # rows that render their input search for it, which is slow: before other rows train
    priority: lambda w: 5 * len(run_of(w).outputs)
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=240,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.generate --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"


def measured_with(wildcards):
    """The images of a row, and the networks that measure them: one that reads images, and Inception."""
    run = run_of(wildcards)
    needed = [f"{run.images}/done"]
    if run.read:
        needed.append(f"{paths.reader_dir(PARAMS, run.study)}/reader.pt")
    if run.featured:
        needed.append(f"{datasets.download_dir(paths.INCEPTION)}/source.json")
    return [ancient(file) for file in needed]


rule evaluate:
    input:
        measured_with,
    output:
        "scores/{study}/{row}-s{seed}-{key}/metrics.json",
        "scores/{study}/{row}-s{seed}-{key}/counts.npz",
    log:
        "logs/evaluate/{study}/{row}-s{seed}-{key}.log",
    benchmark:
        "logs/evaluate/{study}/{row}-s{seed}-{key}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.evaluate --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"
