"""params.yaml and papers/ -> checked, frozen settings. No torch.

Every key is checked for spelling (with a suggestion), type and range before any job starts. A study is its `base` plus its
differences; a row is its difference from its study, so the table can be read off the files.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml.error import YAMLError

from ganrepro import methods
from ganrepro.data.own import data_spec, entry_of
from ganrepro.data.spec import DataSpec
from ganrepro.errors import ConfigError, SourceError, UnfitData, commands
from ganrepro.evaluation.measures import SCORES, measures_of, printed
from ganrepro.evaluation.measures.base import Limits, Needs
from ganrepro.evaluation.readers import KINDS, kind_of
from ganrepro.methods.base import READER, Method
from ganrepro.methods.outputs import Output
from ganrepro.schema import yaml
from ganrepro.schema.fields import checked_name
from ganrepro.schema.readers import PublishedReaderSettings, ReaderSettings
from ganrepro.schema.registry import FOLDER, holds_images, registry
from ganrepro.settings import starts
from ganrepro.settings.errors import absent, build, hint, refused, unknown
from ganrepro.settings.models import (
    ALL,
    REFERENCE_ROWS,
    ExperimentSettings,
    PaperSettings,
    Params,
    ParamsSettings,
    Row,
    Study,
    StudySettings,
    TableSettings,
    one_line,
)
from ganrepro.store.files import plain

T = TypeVar("T")
PAPERS = "papers"  # folder beside params.yaml, one file for each paper
FIGURES = (
    "classes",
    "claims",
    "curves",
    "extremes",
    "losses",
    "moments",
    "nearest",
    "neighbours",
    "renderings",
    "training",
)  # beside one for each table
MOST_VALUES = 100_000  # of a file; the shipped params.yaml has about 600
OWN = tuple(StudySettings.model_fields)  # keys of a study that are no settings of its rows' methods


def load(path: str | Path = "params.yaml") -> Params:
    """Reads and checks a parameter file and the papers beside it. ConfigError with one line for anything unusable."""
    return parse(_read(Path(path)), papers_beside(Path(path)))


def papers_beside(path: Path) -> dict[str, tuple[object, str]]:
    """The files of papers/ beside a parameter file, as `parse` takes them."""
    files = sorted((path.parent / PAPERS).glob("*.yaml"))
    return {file.stem: (_read(file), f"{PAPERS}/{file.name}") for file in files}


def _read(path: Path) -> object:
    try:
        raw = yaml.parsed(plain(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from the project folder, or give --params (Python: params=)") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: lists or mappings nested too deeply; write it plainly") from None
    except (YAMLError, ValueError, KeyError, OSError) as error:
        raise ConfigError(f"{path}: not readable: {' '.join(str(error).split())[:300]}") from None
    if _values(raw, MOST_VALUES) > MOST_VALUES:
        raise ConfigError(f"{path}: more than {MOST_VALUES:,} values, aliases expanded, or one inside itself; write it plainly")
    if (odd := next(_commanding(raw), None)) is not None:
        raise ConfigError(f"{path}: the text {odd[:60]!r} holds a character that is not to be shown; write it without")
    return raw


def _commanding(value: object) -> Iterator[str]:
    """Texts inside that a terminal or a page would take for more than words."""
    if isinstance(value, str) and any(map(commands, value)):
        yield value
    for part in [*value.items()] if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _commanding(part)


def _values(value: object, most: int, depth: int = 0) -> int:
    """How many values there are inside, aliases expanded; stops counting beyond `most`."""
    count = 1
    inside: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inside:
        count += _values(part, most - count, depth + 1) if depth < 20 else most + 1
        if count > most:
            break
    return count


def parse(raw: object, papers: Mapping[str, tuple[object, str]] | None = None) -> Params:
    """Checks a parameter mapping and expands it. ConfigError names the first key that is wrong.

    papers: by name, the content of a file of papers/ and how messages call it.
    """
    top = _mapping(raw, "params.yaml")
    fields = (*ParamsSettings.model_fields, "studies")
    for key in top:
        if key not in fields:
            raise unknown(key, fields, "params.yaml")
    for key in (*(name for name, field in ParamsSettings.model_fields.items() if field.is_required()), "studies"):
        if key not in top:
            raise ConfigError(f"params.yaml.{key}: missing")
    for section in ("reports", "datasets", "experiments", "readers"):
        _mapping(top.get(section, {}), section)
    read = {name: build(PaperSettings, content, where) for name, (content, where) in (papers or {}).items()}
    readers = {name: _reader(entry, f"readers.{name}") for name, entry in top.get("readers", {}).items()}
    common = build(ParamsSettings, {key: value for key, value in top.items() if key != "studies"} | {"readers": readers}, "")
    for name, dataset in common.datasets.items():
        if dataset.source != FOLDER and dataset.source not in registry():
            raise absent(dataset.source, [*(n for n in registry() if holds_images(n)), FOLDER], f"datasets.{name}.source")
        if dataset.source != FOLDER and not holds_images(dataset.source):
            raise ConfigError(f"datasets.{name}.source: '{dataset.source}' is no dataset; it serves other stages")
    experiments: dict[str, tuple[ExperimentSettings, str]] = {}
    for place, listed in [*((f"{PAPERS}/{n}.yaml", p.experiments) for n, p in read.items()), ("params.yaml", common.experiments)]:
        for name, experiment in listed.items():
            where = f"{place}.experiments.{name}".removeprefix("params.yaml.")
            if name in experiments:
                raise ConfigError(
                    f"{where}: there is an experiment of that name in {experiments[name][1].split('.experiments')[0]} already"
                )
            _check_experiment(experiment, where)
            experiments[name] = experiment, where
    if common.arithmetic == "portable":
        common = common.model_copy(update={"device": "cpu"})
    params = Params(
        studies={}, papers=read,
        **{f.name: getattr(common, f.name) for f in dataclasses.fields(Params) if f.name not in ("studies", "papers")},
    )  # fmt: skip
    studies = {name: _study(name, top["studies"], params, experiments) for name in _mapping(top["studies"], "studies")}
    params = dataclasses.replace(params, studies=studies)
    for name, (experiment, where) in experiments.items():
        _check_outputs(experiment, where, [study for study in studies.values() if study.experiment == name])
    _check_reports(params)
    starts.check(params)
    return params


def find_study(params: Params, name: str | None = None) -> Study:
    """The study called `name` (None: that of the first report). ConfigError where there is none."""
    return known(params.studies, next(iter(params.reports.values())) if name is None else name, "study")


def known(table: Mapping[str, T], name: object, where: str) -> T:
    """The entry of that name. ConfigError where there is none."""
    if not isinstance(name, str) or name not in table:
        raise absent(name, table, where)
    return table[name]


def _check_reports(params: Params) -> None:
    rules: dict[str, str] = {}
    for name, study in params.reports.items():
        known(params.studies, study, f"reports.{name}")
        if name in params.studies:
            raise ConfigError(
                f"reports.{name}: is the name of a study, whose evidence is kept in reports/{name}/; use another, "
                f"as in '{name.replace('-', '_')}_report: {study}'"
            )
        if list(params.reports.values()).count(study) > 1:
            raise ConfigError(f"reports.{name}: study '{study}' has a report already; one is enough")
        if (other := rules.setdefault(rule_name(name), name)) != name:
            raise ConfigError(f"reports.{name}: differs from '{other}' in punctuation only; choose another name")


def rule_name(report: str) -> str:
    """Name of the rule that makes a report."""
    return f"report_{report}".replace("-", "_").replace(".", "_")


def _reader(entry: object, where: str) -> ReaderSettings | PublishedReaderSettings:
    published = "weights" in _mapping(entry, where)
    return build(PublishedReaderSettings, entry, where) if published else build(ReaderSettings, entry, where)


def _check_experiment(experiment: ExperimentSettings, where: str) -> None:
    """ConfigError for a table or a claim that names a row or a score that there is not."""
    for row in experiment.rows:
        if row in REFERENCE_ROWS:
            raise ConfigError(f"{where}.rows.{row}: '{row}' is the name of a reference row; choose another")
    for name, table in experiment.tables.items():
        place = f"{where}.tables.{name}"
        if name in FIGURES:
            raise ConfigError(f"{place}: a figure of every report has that name; choose another")
        for score in table.scores or []:
            known(SCORES, score, f"{place}.scores")
            if (table.scores or []).count(score) > 1:
                raise ConfigError(f"{place}.scores: names '{score}' twice")
        for row in (*table.titles, *([table.against] if table.against else [])):
            known(table.rows, row, f"{place}.{'titles' if row in table.titles else 'against'}")
        for row in table.rows:
            if row not in experiment.rows and row not in REFERENCE_ROWS:
                raise absent(row, experiment.rows, f"{place}.rows")
    for number, claim in enumerate(experiment.claims):
        place = f"{where}.claims[{number}]"
        known(SCORES, claim.score, f"{place}.score")
        for side in ("better", "than"):
            known(experiment.rows, getattr(claim, side), f"{place}.{side}")
        if claim.better == claim.than:
            raise ConfigError(f"{place}: better and than are one row, '{claim.than}'; name two")
        if claim.within is not None and claim.fails:
            raise ConfigError(f"{place}: `within` claims that both rows score the same, `fails` that one fails; say one of them")


def _check_outputs(experiment: ExperimentSettings, where: str, studies: Iterable[Study]) -> None:
    """ConfigError for an output that is spelt nearly like one that its studies make; others may be of other data."""
    outputs = {output.name for study in studies for output in study.outputs} | {ALL}
    named = {f"{where}.tables.{name}.output": table.output for name, table in experiment.tables.items()}
    named |= {f"{where}.claims[{number}].output": claim.output for number, claim in enumerate(experiment.claims)}
    for place, output in named.items():
        if output not in outputs and hint(output, outputs):
            raise absent(output, sorted(outputs), place)


def _expand(name: str, studies: Mapping[str, Any], seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A study's own keys over those of its base, and of the base's base; values replace, never merge."""
    own = _mapping(studies[name], f"studies.{name}")
    if own.get("base") is None:
        return dict(own)
    if own["base"] in (*seen, name):
        raise ConfigError(f"studies.{name}.base: '{own['base']}' leads back to itself")
    known(studies, own["base"], f"studies.{name}.base")
    return _expand(own["base"], studies, (*seen, name)) | own


def _study(
    name: str, studies: Mapping[str, Any], params: Params, experiments: Mapping[str, tuple[ExperimentSettings, str]]
) -> Study:
    where, own = f"studies.{name}", set(_mapping(studies[name], f"studies.{name}"))
    raw = _expand(name, studies)
    _check_name(name, where)
    settings = {key: value for key, value in raw.items() if key not in OWN}
    if not set(OWN) & set(raw) and settings:
        raise unknown(next(iter(settings)), OWN, where)
    study = build(StudySettings, {key: value for key, value in raw.items() if key in OWN}, where)
    data = data_spec(known(params.datasets, study.dataset, f"{where}.dataset"))
    reader = None if study.reader is None else known(params.readers, study.reader, f"{where}.reader")
    if isinstance(reader, PublishedReaderSettings):
        learnt = registry()[reader.weights].get("reads")
        if params.datasets[study.dataset].source != learnt:
            raise ConfigError(
                f"{where}.reader: '{study.reader}' reads {learnt} alone; choose another, or a dataset of that source"
            )
    elif reader is not None and kind_of(data, reader) in ("classifier", "domains"):
        for key in sorted({"network", "pixels"} & reader.model_fields_set):
            place = f"readers.{study.reader}.{key}"
            raise ConfigError(f"{place}: of networks that read label maps; leave it out for {study.dataset}")
    if study.experiment not in experiments and not params.papers:
        raise ConfigError(
            f"{where}.experiment: there is no '{study.experiment}', nor a folder {PAPERS}/ beside the file, which may have it"
        )
    experiment, place = known(experiments, study.experiment, f"{where}.experiment")
    for row in study.rows or []:
        known(experiment.rows, row, f"{where}.rows")
    chosen = {row: entry for row, entry in experiment.rows.items() if study.rows is None or row in study.rows}
    for row in study.row_settings:
        known(chosen, row, f"{where}.row_settings")
    rows = {row: _row(row, f"{place}.rows.{row}", entry, study, settings, where, data) for row, entry in chosen.items()}
    features = study.distance_features or params.features
    needs = Needs(data, None if reader is None else kind_of(data, reader), features)
    for row, made_row in rows.items():
        _check_fit(f"{place}.rows.{row}", made_row.method, needs, where, study.dataset, params)
        if READER in made_row.method.reads() and isinstance(reader, ReaderSettings) and reader.network != "fcn":
            raise ConfigError(
                f"readers.{study.reader}.network: row {row} of study '{name}' compares features of it and needs "
                f"`network: fcn`, got {reader.network}; choose another reader or other features"
            )
    _check_settings(where, {key: value for key, value in settings.items() if key in own}, rows)
    for key in own & {*settings}:
        if all(key in chosen[row] or key in study.row_settings.get(row, {}) for row in rows):
            raise ConfigError(
                f"{where}.{key}: every row has its own {key}, which goes before the study's; say it under "
                f"`row_settings: {{{next(iter(rows))}: {{{key}: …}}}}`"
            )
    outputs: dict[str, tuple[str, Output]] = {}
    for row, made_row in rows.items():
        for output in made_row.method.outputs():
            first, other = outputs.setdefault(output.name, (row, output))
            if other.target != output.target:
                raise ConfigError(
                    f"{place}: rows {first} and {row} both make {output.name!r}, of {other.target} and of {output.target}; "
                    "give each domain a study of its own"
                )
    sizes = {row.settings.crop_pixels: name for name, row in rows.items()}
    if len(sizes) > 1:
        sizes_of_rows = " and ".join(f"{size} ({row})" for size, row in sizes.items())
        raise ConfigError(
            f"{where}.crop_pixels: the rows of one table are scored at one size, got {sizes_of_rows}; set it for all of them"
        )
    fooled: dict[str, dict[str, list[float]]] = {}
    for paper in params.papers.values():
        for way, shares in paper.fooled.items():
            fooled[way] = fooled.get(way, {}) | shares
    checked = Study(
        name=name, data=data, features=features, rows=rows, heading=experiment.title or study.experiment,
        claims=tuple(experiment.claims), fooled=fooled, limits=Limits(study.collapsed_above, study.collapsed_classes),
        **{field: getattr(study, field) for field in ("title", "dataset", "experiment", "reader", "seeds", "test_passes")},
    )  # fmt: skip
    return dataclasses.replace(checked, tables=_tables(checked, experiment, needs))


def _row(
    row: str, place: str, entry: Mapping[str, Any], study: StudySettings, common: Mapping[str, Any], where: str, data: DataSpec
) -> Row:
    """A row: the settings of its study that its method has, its own over them, and over both those of it in this study."""
    own = dict(entry)
    title = own.pop("title", None)
    if not isinstance(title, str):
        raise ConfigError(f"{place}.title: {'missing' if title is None else f'expected text of one line, got {_brief(title)}'}")
    try:
        one_line(title)
    except ValueError as error:
        raise ConfigError(f"{place}.title: {error}") from None
    method = own.pop("method", study.method)
    if method not in methods.names():
        raise absent(method, methods.names(), f"{place}.method" if "method" in entry else f"{where}.method")
    model = methods.settings_of(method)
    here = study.row_settings.get(row, {})
    given = {key: value for key, value in common.items() if key in model.model_fields} | own | here
    origins = {key: where for key in common if key not in own} | dict.fromkeys(here, f"{where}.row_settings.{row}")
    settings = build(model, given, place, origins)
    return Row(title, methods.find(method)(settings, data))


def _check_fit(place: str, method: Method[Any], needs: Needs, where: str, dataset: str, params: Params) -> None:
    """ConfigError for a method on data that it cannot use: what is missing, and which datasets have it."""
    if not needs.data.known:  # its preparation says what is wrong with the folder
        try:
            method.outputs()
        except KeyError:  # but for domains that a method names, and nobody knows
            try:
                entry_of(params.datasets[dataset])
            except SourceError as error:
                raise ConfigError(f"datasets.{dataset}: {error}") from None
            raise
        return
    try:
        method.check()
    except UnfitData as error:
        fit = [name for name, other in params.datasets.items() if _fits(method, data_spec(other))]
        few = ", ".join(fit[:8]) + (", …" if len(fit) > 8 else "")
        remedy = f"datasets that would do: {few}" if fit else "none of params.yaml would do, so that a setting has to change"
        raise ConfigError(
            f"{where}.dataset: '{dataset}' does not suit {place} ({method.name}), which {error}; {remedy}"
        ) from None
    if READER in method.reads() and not (needs.reader and KINDS[needs.reader]):
        raise ConfigError(
            f"{place}: compares features of the network that its study trains as reader, and study '{where.split('.')[1]}' has "
            "none whose features can be compared; choose other features"
        )


def _fits(method: Method[Any], data: DataSpec) -> bool:
    try:
        type(method)(method.settings, data).check()
    except UnfitData:
        return False
    return data.known


def _check_settings(where: str, own: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
    """ConfigError for a setting of the study that no row's method has, or takes (a row may have put its own before it)."""
    models = {type(row.settings): row.method.name for row in rows.values()}
    fields = {field for model in models for field in model.model_fields}
    for key, value in own.items():
        if key not in fields:
            others = [name for name in methods.names() if key in methods.settings_of(name).model_fields]
            if others:
                used = ", ".join(sorted({row.method.name for row in rows.values()}))
                raise ConfigError(f"{where}.{key}: no row has it; it is a setting of {', '.join(others)}, the rows are of {used}")
            raise unknown(key, [*OWN, *sorted(fields)], where)
        having = [model for model in models if key in model.model_fields]
        taken = [getattr(row.settings, key) for row in rows.values() if type(row.settings) in having]
        if any(type(one) is type(value) and one == value for one in taken):  # a row has it: nothing to ask
            continue
        failed = [error for model in having if (error := refused(model, key, value, where))]
        if len(failed) == len(having):
            raise failed[0]


def _tables(study: Study, experiment: ExperimentSettings, needs: Needs) -> dict[str, TableSettings]:
    """The experiment's tables with the rows that this study has and the scores that its data allow; else one for each output.

    Every row whose outputs are scored is in one.
    """
    tables, outputs = {}, {output.name: output for output in study.outputs}
    pooled = {ALL: study.output(ALL)} if study.pooled else {}
    for name, table in experiment.tables.items():
        output = (outputs | pooled).get(table.output)
        if output is None:
            continue  # of other data: label maps, say
        making = {row for row, settings in study.rows.items() if table.output == ALL or output in settings.method.outputs()}
        kept = {row: scores for row, scores in table.rows.items() if row in making or row in REFERENCE_ROWS}
        measured = {score for measure in measures_of(output, needs) for score in measure.scores}
        wanted = table.scores or printed(output, needs)
        places = [i for i, score in enumerate(wanted) if score in measured]
        fewest = min(2, len(set(table.rows) - set(REFERENCE_ROWS)))  # of a table of several rows, one compares nothing
        if len(set(kept) & making) < fewest or (wanted and not places):
            continue
        update = {
            "rows": {row: [scores[i] for i in places] if scores else [] for row, scores in kept.items()},
            "scores": [wanted[i] for i in places],
            "against": table.against if table.against in kept else None,
        }
        tables[name] = table.model_copy(update=update)
    if not tables and len({output.source for output in study.pooled}) == 1:  # one picture shows all of them
        tables[ALL] = _table("All translations", ALL, study.rows, printed(study.pooled[0], needs))
    shown = {table.output for table in tables.values()}
    for output in study.outputs:
        if output.name in shown or ALL in shown or output.picture or output.renders_input or (tables and not output.translates):
            continue
        rows = [r for r, row in study.rows.items() if output in row.method.outputs()]
        tables[output.name] = _table(output.title, output.name, rows, printed(output, needs))
    compared = {row for table in tables.values() for row in table.rows}
    for output in study.outputs:  # of rows whose table compares them with rows that this study leaves out
        rows = [r for r, row in study.rows.items() if r not in compared and output in row.method.outputs()]
        if rows and not (output.picture or output.renders_input):
            tables[f"{output.name}-others"] = _table(f"{output.title}: other rows", output.name, rows, printed(output, needs))
    return tables


def _table(title: str, output: str, rows: Iterable[str], scores: Sequence[str]) -> TableSettings:
    """A table without numbers of a paper."""
    return TableSettings(title=title, output=output, rows={row: [] for row in rows}).model_copy(update={"scores": scores})


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected 'key: value' lines, got {_brief(value)}")
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{where}: expected text before the colon, got {key!r}; put it into quotes")
    return value


def _brief(value: object) -> str:
    return reprlib.repr(value)


def _check_name(name: str, where: str) -> None:
    try:
        checked_name(name)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
