"""Checkpoints -> translated test images -> scores."""

SEGMENTERS = {
    str(artifacts.segmenter_dir(PARAMS, study)): study for study in STUDIES.values()
}


def segmenter_of(wildcards, output):
    """The words that name a segmentation network: its dataset, recipe and photo size, whatever study wants it."""
    study = SEGMENTERS[os.path.dirname(output[0])]
    return (
        f"--dataset {study.dataset} --scorer {study.scorer}"
        f" --pixels {artifacts.crop_pixels(study)}"
    )


def weights_of(folder):
    """The download that a published network comes from; one of our own needs none."""
    scorer = PARAMS.scorers[SEGMENTERS[folder].scorer]
    if not isinstance(scorer, settings.PublishedScorer):
        return []
    return ancient(f"{artifacts.download_dir(scorer.weights)}/source.json")


rule train_segmenter:
    input:
        lambda w: manifest_of(w.name),
        lambda w: weights_of(f"scores/segmenters/{w.name}-{w.key}"),
    output:
        "scores/segmenters/{name}-{key}/segmenter.pt",
    log:
        "logs/segmenter/{name}-{key}.log",
    benchmark:
        "logs/segmenter/{name}-{key}.tsv"
    priority: 9
    threads: 1
    resources:
        gpu=GPU,
    params:
        words=segmenter_of,
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.segmenter {params.words} --threads {threads} --out {params.out} 2> {log}"


def checkpoint_of(wildcards):
    """The checkpoint a row is translated by; reference rows need the dataset alone."""
    study = STUDIES[wildcards.study]
    if wildcards.row in settings.REFERENCE_ROWS:
        return manifest_of(study.dataset)
    folder = artifacts.run_dir(PARAMS, study, wildcards.row, int(wildcards.seed))
    return ancient(f"{folder}/checkpoint.pt")


rule translate:
    input:
        checkpoint_of,
    output:
        "scores/{study}/{row}-s{seed}-{key}/images/done",
    log:
        "logs/translate/{study}/{row}-s{seed}-{key}.log",
    benchmark:
        "logs/translate/{study}/{row}-s{seed}-{key}.tsv"
    threads: 1
    resources:
        gpu=GPU,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.translate --study {wildcards.study} --row {wildcards.row} --seed {wildcards.seed}"
        " --threads {threads} --out {params.out} 2> {log}"


def scorer_of(wildcards):
    """The segmentation network that scores a row, where the dataset has classes, and the network of FID."""
    study, needed = STUDIES[wildcards.study], []
    if artifacts.has_classes(PARAMS, study.dataset):
        needed.append(f"{artifacts.segmenter_dir(PARAMS, study)}/segmenter.pt")
    if PARAMS.distance != "segmenter":
        needed.append(f"{artifacts.download_dir(artifacts.INCEPTION)}/source.json")
    return [ancient(file) for file in needed]


rule evaluate:
    input:
        ancient("scores/{study}/{row}-s{seed}-{key}/images/done"),
        scorer_of,
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
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.evaluate --study {wildcards.study} --row {wildcards.row} --seed {wildcards.seed}"
        " --threads {threads} --out {params.out} 2> {log}"
