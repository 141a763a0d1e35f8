"""Checkpoints -> images -> scores, and the networks that read images."""


rule train_reader:
    input:
        read_by,
    output:
        "readers/{name}-{key}/reader.pt",
        "readers/{name}-{key}/reader.json",
    log:
        "logs/reader/{name}-{key}.log",
    priority: 1000  # first of all: every row waits for it
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=240,
    params:
        study=lambda w, output: READERS[os.path.dirname(output[0])].name,
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "python -m pipeline.start reader --study {params.study:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"


rule generate:
    input:
        made_with,
    output:
        "images/{study}/{row}-s{seed}-{key}/done",
    log:
        "logs/generate/{study}/{row}-s{seed}-{key}.log",
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
        "python -m pipeline.start generate --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"


rule evaluate:
    input:
        measured_with,
    output:
        "scores/{study}/{row}-s{seed}-{key}/metrics.json",
        "scores/{study}/{row}-s{seed}-{key}/counts.npz",
    log:
        "logs/evaluate/{study}/{row}-s{seed}-{key}.log",
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "python -m pipeline.start evaluate --study {wildcards.study:q} --row {wildcards.row:q} --seed {wildcards.seed:q}"
        " --threads {threads} --out {params.out:q} 2> {log:q}"
