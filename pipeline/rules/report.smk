"""All scores -> tables, figures, one Markdown report."""

# A report has one fixed name, so it carries its key in its footer. One that is not of the current
# parameters is given an old date: every existing input is then newer, and it is made again.
if artifacts.REPORT.exists() and not artifacts.report_is_current(PARAMS, STUDY):
    os.utime(artifacts.REPORT, (1, 1))

SCORED = [artifacts.score_dir(PARAMS, STUDY, *row) for row in artifacts.rows(STUDY)]
TRAINED = [artifacts.run_dir(PARAMS, STUDY, *run) for run in artifacts.trained(STUDY)]


rule report:
    input:
        "params.yaml",
        [f"{folder}/metrics.json" for folder in SCORED],
        [
            f"{folder}/{name}"
            for folder in TRAINED
            for name in ("history.csv", "timing.json")
        ],
    output:
        report(artifacts.REPORT, caption="../captions/report.rst", category="Tables"),
        report(
            f"{artifacts.REPORT_FOLDER}/labels2photo.png",
            caption="../captions/labels2photo.rst",
            category="Images",
        ),
        report(
            f"{artifacts.REPORT_FOLDER}/photo2labels.png",
            caption="../captions/photo2labels.rst",
            category="Images",
        ),
        report(
            f"{artifacts.REPORT_FOLDER}/losses.svg",
            caption="../captions/losses.rst",
            category="Training",
        ),
        report(
            f"{artifacts.REPORT_FOLDER}/scores.csv",
            caption="../captions/scores.rst",
            category="Tables",
        ),
        f"{artifacts.REPORT_FOLDER}/losses.csv",
        f"{artifacts.REPORT_FOLDER}/means.csv",
        f"{artifacts.REPORT_FOLDER}/metrics.json",
    log:
        f"logs/report/{STUDY.name}.log",
    benchmark:
        f"logs/report/{STUDY.name}.tsv"
    params:
        out=artifacts.REPORT_FOLDER,
        study=STUDY.name,
        # where Snakemake has a record, equal inputs are not enough to be current: the key must be equal too
        key=artifacts.report_key(PARAMS, STUDY),
    shell:
        "{PYTHON:q} -m pipeline.report --study {params.study} --out {params.out} 2> {log}"
