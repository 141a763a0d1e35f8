"""Prepared dataset -> checkpoint and losses, one job per row and seed."""

for NUMBER, GROUP in enumerate(TOGETHER):

    rule:
        name:
            f"train_together_{NUMBER}"
        input:
            all_trained_on(GROUP),
        # `update`: those that are made already stay while others are
        output:
            update(
                [
                    f"{run.folder}/{file}"
                    for run in GROUP
                    for file in ("checkpoint.pt", "history.csv", "timing.json")
                ]
            ),
        log:
            f"logs/train/together-{NUMBER}.log",
        priority: 10 + max(len(run.method.losses()) for run in GROUP)
        threads: 1
        resources:
            gpu=GPU,
            mem_mb=8000,
            runtime=1440,
        params:
            out=[str(run.folder) for run in GROUP],
        shell:
            "python -m pipeline.start train --together {params.out:q} --threads {threads} 2> {log:q}"


rule train:
    input:
        lambda w: trained_on(run_of(w)),
    output:
        checkpoint="runs/{study}/{row}-s{seed}-{key}/checkpoint.pt",
        history="runs/{study}/{row}-s{seed}-{key}/history.csv",
        timing="runs/{study}/{row}-s{seed}-{key}/timing.json",
    log:
        "logs/train/{study}/{row}-s{seed}-{key}.log",
    wildcard_constraints:
        key=f"(?!(?:{GROUPED})/)[0-9a-f]+" if GROUPED else "[0-9a-f]+",
    # the costliest rows first, those of the most losses, so that the last one to finish is a cheap one
    priority: lambda w: 10 + len(run_of(w).method.losses())
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=1440,
    params:
        out=lambda w, output: os.path.dirname(output.checkpoint),
    shell:
        "python -m pipeline.start train --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"
