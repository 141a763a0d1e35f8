"""All scores of a study -> tables, figures, one Markdown report; one rule for each report of params.yaml."""

for NAME, STUDY in ((name, STUDIES[study]) for name, study in PARAMS.reports.items()):
    PAGE, FOLDER = paths.report_page(NAME), paths.report_folder(NAME)

    if PAGE.is_dir():
        raise WorkflowError(f"{PAGE}: expected a page, found a folder; move it away")

    # A report has one fixed name, so it carries its key in its footer. One that is not of the current
    # parameters is given an old date: every existing input is then newer, and it is made again.
    if PAGE.exists() and not plan.report_is_current(PARAMS, NAME):
        os.utime(PAGE, (1, 1))

    rule:
        name:
            settings.rule_name(NAME)
        input:
            "params.yaml",
            [
                f"{run.scores}/{file}"
                for run in paths.runs(PARAMS, STUDY)
                for file in ("metrics.json", "counts.npz")
            ],
            [
                f"{run.folder}/{file}"
                for run in paths.trained(PARAMS, STUDY)
                for file in ("history.csv", "timing.json")
            ],
        # `update`: Snakemake removes outputs before a job; so marked, a report that fails leaves the old one
        output:
            update(
                [
                    report(PAGE, caption="../captions/report.rst", category="Tables"),
                    *report(
                        [f"{FOLDER}/{table}.png" for table in plan.grids(STUDY)],
                        caption="../captions/grid.rst",
                        category="Images",
                    ),
                    report(
                        f"{FOLDER}/losses.svg",
                        caption="../captions/losses.rst",
                        category="Training",
                    ),
                    report(
                        f"{FOLDER}/scores.csv",
                        caption="../captions/scores.rst",
                        category="Tables",
                    ),
                    *report(
                        [
                            f"{FOLDER}/{figure}"
                            for figure in plan.closer_looks(PARAMS, STUDY)
                        ],
                        caption="../captions/closer.rst",
                        category="Images",
                    ),
                    *(
                        f"{FOLDER}/{file}"
                        for file in (
                            "intervals.csv",
                            "losses.csv",
                            "means.csv",
                            "metrics.json",
                        )
                    ),
                ]
            ),
        log:
            f"logs/report/{NAME}.log",
        benchmark:
            f"logs/report/{NAME}.tsv"
        params:
            name=NAME,
            out=FOLDER,
            # where Snakemake has a record, equal inputs are not enough to be current: the key must be equal too
            key=plan.report_key(PARAMS, STUDY),
        shell:
            "{PYTHON:q} -m pipeline.report --report {params.name:q} --out {params.out:q} 2> {log:q}"


rule claims:
    input:
        [paths.report_page(name) for name in PARAMS.reports],
    output:
        "reports/claims.md",
    log:
        "logs/claims.log",
    shell:
        "{PYTHON:q} -m pipeline.claims 2> {log:q}"


rule perceptual_study:
    output:
        "reports/perceptual_study.md",
    log:
        "logs/perceptual_study.log",
    params:
        # answers lie in a second file until the database takes them over; either one changes with each
        answers=[
            (file.name, file.stat().st_mtime_ns, file.stat().st_size)
            for file in sorted(Path("studies").glob("*.sqlite*"))
        ],
    shell:
        "{PYTHON:q} -m pipeline.perceptual 2> {log:q}"
