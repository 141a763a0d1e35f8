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
        study=STUDY.name,
    shell:
        "{PYTHON:q} -m pipeline.download --study {params.study} --out {params.out} 2> {log}"


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
        study=STUDY.name,
    shell:
        "{PYTHON:q} -m pipeline.prepare --study {params.study} --threads {threads} --out {params.out} 2> {log}"
