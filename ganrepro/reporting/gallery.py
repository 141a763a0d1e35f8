"""The kept reports on one page: picture, verdicts, where and by which commit each was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ganrepro.reporting.claims import VERDICTS
from ganrepro.store.files import read_json, replacing

PAGE = Path("docs/gallery.md")
HEAD = """# Gallery of kept studies

Every study whose report is committed, with the first picture of it. All numbers, figures and claims are on its page, and
everything on a page was made by the pipeline, at the commit that it names (`-dirty`: with edits beside it). Made from `reports/`
by `make pages`; a test keeps it current.
"""
FACTS = {"Trained on": "trained on {}", "Training time": "{}", "Git commit": "commits: {}"}  # of a report's provenance


def gallery(reports: Path, made_by: Mapping[str, str]) -> str:
    """The page, of all folders below `reports` that have one.  made_by: report of params.yaml that makes a study, by study."""
    pages = sorted(reports.glob("*/README.md"))
    missing = [f"- `{study}`: `snakemake --cores all reports/{name}.md`" for study, name in made_by.items()
               if not (reports / study / "README.md").exists()]  # fmt: skip
    unmade = ["## Not kept yet", "", *missing, ""] if missing else []
    return "\n".join([HEAD, *(_study(page, made_by) for page in pages), *unmade])


def write(reports: Path, made_by: Mapping[str, str]) -> None:
    """Writes PAGE."""
    with replacing(PAGE) as temporary:
        temporary.write_text(gallery(reports, made_by), encoding="utf-8")


def _study(page: Path, made_by: Mapping[str, str]) -> str:
    text, study, place = page.read_text(encoding="utf-8"), page.parent.name, f"../{page.parent.as_posix()}"
    title = text.splitlines()[0].removeprefix("# ")
    lines = [f"## {title}", ""]
    if picture := re.search(r"!\[([^\]]*)\]\(([^)]+)\)", text):
        lines += [f"![{picture[1]}]({place}/{picture[2]})", ""]
    said = [f"[Report]({place}/README.md)"]
    if counts := _counts(page.parent / "claims.json"):
        said.append(f"claims: {counts}")
    for name, words in FACTS.items():
        if of := fact(text, name):
            said.append(words.format(of))
    if study in made_by:
        said.append(f"make it anew: `snakemake --cores all reports/{made_by[study]}.md`")
    return "\n".join([*lines, "; ".join(said) + ".", ""])


def fact(page: str, name: str) -> str:
    """What a report's page says of where it comes from, as '17.0 min in all, 0 resumed' of 'Training time'; '' where nothing."""
    found = re.search(rf"^\| {name} \| (.+) \|$", page, re.MULTILINE)
    return found[1] if found else ""


def _counts(file: Path) -> str:
    """As '3 reproduced, 1 undecided'; '' where nothing was to be judged."""
    if not file.exists():
        return ""
    verdicts = [claim["verdict"] for claim in read_json(file).get("claims", [])]
    return ", ".join(f"{verdicts.count(name)} {name}" for name in VERDICTS if name in verdicts)
