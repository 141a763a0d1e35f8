"""The whole workflow: `snakemake --cores 8 reports/cyclegan_ablation.md`.

Everything comes from params.yaml and papers/, through ganrepro.settings; every path carries the key of
what it depends on, so a file that exists is up to date. Reading this file changes no other.
"""

import sys

from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, workflow.basedir)


include: "pipeline/rules/common.smk"


wildcard_constraints:
    study=r"[a-z0-9._-]+",
    name=r"[a-z0-9._-]+",
    row=r"[a-z0-9._-]+",
    seed=r"\d+",
    key=r"[0-9a-f]+",


localrules:
    all,


rule all:
    input:
        [paths.report_page(name) for name in PARAMS.reports],


include: "pipeline/rules/data.smk"
include: "pipeline/rules/train.smk"
include: "pipeline/rules/evaluate.smk"
include: "pipeline/rules/report.smk"


onstart:
    start.begin(workflow.basedir, PORTABLE if PARAMS.arithmetic == "portable" else {})


onsuccess:
    # So that `dvc status` is clean afterwards; DVC records for itself when it is the caller.
    if "DVC_STAGE" not in os.environ:
        shell("python -m pipeline.dvc_commit")
