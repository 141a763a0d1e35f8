"""Checkpoints -> translated test images -> scores."""

SEGMENTER = artifacts.segmenter_dir(PARAMS, STUDY)


rule train_segmenter:
    input:
        ancient(f"{DATA}/manifest.json"),
    output:
        f"{SEGMENTER}/segmenter.pt",
    log:
        f"logs/segmenter/{SEGMENTER.name}.log",
    benchmark:
        f"logs/segmenter/{SEGMENTER.name}.tsv"
    priority: 9
    threads: 1
    resources:
        gpu=artifacts.gpu_slots(PARAMS.device),
    params:
        out=SEGMENTER,
    shell:
        "{PYTHON:q} -m pipeline.segmenter --study {STUDY.name} --threads {threads} --out {params.out} 2> {log}"


def checkpoint_of(wildcards):
    """The checkpoint a row is translated by; reference rows need the dataset alone."""
    if wildcards.row in settings.REFERENCE_ROWS:
        return ancient(f"{DATA}/manifest.json")
    folder = artifacts.run_dir(PARAMS, STUDY, wildcards.row, int(wildcards.seed))
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
        gpu=artifacts.gpu_slots(PARAMS.device),
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.translate --study {wildcards.study} --row {wildcards.row} --seed {wildcards.seed}"
        " --threads {threads} --out {params.out} 2> {log}"


rule evaluate:
    input:
        ancient("scores/{study}/{row}-s{seed}-{key}/images/done"),
        [ancient(f"{SEGMENTER}/segmenter.pt")] if LABELLED else [],
    output:
        "scores/{study}/{row}-s{seed}-{key}/metrics.json",
    log:
        "logs/evaluate/{study}/{row}-s{seed}-{key}.log",
    benchmark:
        "logs/evaluate/{study}/{row}-s{seed}-{key}.tsv"
    threads: 1
    resources:
        gpu=artifacts.gpu_slots(PARAMS.device),
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.evaluate --study {wildcards.study} --row {wildcards.row} --seed {wildcards.seed}"
        " --threads {threads} --out {params.out} 2> {log}"
