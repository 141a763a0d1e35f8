"""All scores of a study -> tables, figures, one Markdown report; one rule for each report of params.yaml."""

for NAME, STUDY in ((name, STUDIES[study]) for name, study in PARAMS.reports.items()):
    PAGE, FOLDER = paths.report_page(NAME), paths.report_folder(NAME)

    if PAGE.is_dir():
        raise WorkflowError(f"{PAGE}: expected a page, found a folder; move it away")

    rule:
        name:
            settings.rule_name(NAME)
        input:
            made_of(NAME),
        # `update`: Snakemake removes outputs before a job; so marked, a report that fails leaves the old one
        output:
            update(
                [
                    report(PAGE, caption="../captions/report.rst", category="Tables"),
                    *report(
                        [f"{FOLDER}/{table}.png" for table in current.grids(STUDY)],
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
                            for figure in current.figures(PARAMS, STUDY)
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
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            name=NAME,
            out=FOLDER,
        shell:
            "python -m pipeline.start report --report {params.name:q} --out {params.out:q} 2> {log:q}"


rule claims:
    input:
        [paths.report_page(name) for name in PARAMS.reports],
    output:
        "reports/claims.md",
    log:
        "logs/claims.log",
    shell:
        "python -m pipeline.start claims 2> {log:q}"


rule survey:
    input:
        # answers lie in a second file until the database takes them over; either one changes with each
        sorted(map(str, Path("surveys").glob("*.sqlite*"))),
    output:
        "reports/survey.md",
    log:
        "logs/survey.log",
    shell:
        "python -m pipeline.start survey 2> {log:q}"
