"""Archives -> verified files -> prepared dataset."""

SOURCE = PARAMS.datasets[STUDY.dataset].source


rule download:
    output:
        f"{artifacts.download_dir(SOURCE)}/source.json",
    log:
        f"logs/download/{SOURCE}.log",
    benchmark:
        f"logs/download/{SOURCE}.tsv"
    params:
        out=lambda w, output: os.path.dirname(output[0]),
    shell:
        "{PYTHON:q} -m pipeline.download --study {STUDY.name} --out {params.out} 2> {log}"


rule prepare:
    input:
        []
        if SOURCE in artifacts.NOT_DOWNLOADED
        else ancient(f"{artifacts.download_dir(SOURCE)}/source.json"),
    output:
        f"{DATA}/manifest.json",
    log:
        f"logs/prepare/{DATA.name}.log",
    benchmark:
        f"logs/prepare/{DATA.name}.tsv"
    threads: 4
    params:
        out=DATA,
    shell:
        "{PYTHON:q} -m pipeline.prepare --study {STUDY.name} --threads {threads} --out {params.out} 2> {log}"
