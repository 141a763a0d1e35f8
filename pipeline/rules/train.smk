"""Prepared dataset -> checkpoint and losses, one job per row and seed."""


def equal_training(run):
    """The checkpoint of an equal training of another row or study, whose results this one takes over."""
    first = FIRST[run.key]
    return (
        [] if first.folder == run.folder else ancient(f"{first.folder}/checkpoint.pt")
    )


rule train:
    input:
        lambda w: manifest_of(STUDIES[w.study].dataset),
        lambda w: files_of(run_of(w)),
        lambda w: equal_training(run_of(w)),
    output:
        checkpoint="runs/{study}/{row}-s{seed}-{key}/checkpoint.pt",
        history="runs/{study}/{row}-s{seed}-{key}/history.csv",
        timing="runs/{study}/{row}-s{seed}-{key}/timing.json",
    log:
        "logs/train/{study}/{row}-s{seed}-{key}.log",
    benchmark:
        "logs/train/{study}/{row}-s{seed}-{key}.tsv"
    # the costliest rows first, those of the most losses, so that the last one to finish is a cheap one
    priority: lambda w: 10 + len(run_of(w).method.losses())
    threads: 1
    resources:
        gpu=GPU,
    params:
        out=lambda w, output: os.path.dirname(output.checkpoint),
    shell:
        "{PYTHON:q} -m pipeline.train --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"
