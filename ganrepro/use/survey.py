"""ganrepro survey: shows a study to people, invites them, and exchanges answers with the published tool."""

from __future__ import annotations

import argparse
import re
import socket
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ganrepro import settings
from ganrepro.errors import UserError
from ganrepro.seeding import numpy_stream
from ganrepro.store.files import plain
from ganrepro.survey import answers, design
from ganrepro.survey.store import FOLDER, Store, file_of_answers, files
from ganrepro.use.words import LOOPBACK, expect_free, whole

CONSENT = Path(__file__).parent.parent / "survey" / "consent.txt"


def file_of(study: str, output: str, best: bool = False) -> Path:
    """Where the answers to one output of a study lie.  best: to 'Which is best?'."""
    return file_of_answers(f"{study}.{output}{'.best' if best else ''}")


def serve(args: argparse.Namespace) -> None:
    """Serves the study until it is stopped; answers survive."""
    if args.address is not None and not _is_address(args.address):
        raise UserError(f"--address {args.address}: expected http:// or https:// and the name of one host")
    params = settings.load(args.params)
    study, chosen = settings.find_study(params, args.study), params.survey
    if args.unpaired:
        chosen = chosen.model_copy(update={"paired": False})
    images = design.images_of(params, study, args.output, args.rows or (), args.best)
    file, open_to_others = file_of(study.name, images.output.name, args.best), args.host not in LOOPBACK
    asked = open_to_others or args.address is not None
    if asked and not args.participants and not _invited(file):
        remedy = "open to the network; say for how many, as in --participants 25: each gets a link of their own"
        raise UserError(f"{args.address or args.host}: {remedy}")
    if args.best:  # says now if there are too few
        design.draw_lineups(images.names, list(images.fakes), chosen, numpy_stream(0, "survey"))
    else:
        design.draw(images.names, chosen, numpy_stream(0, "survey"))
    try:
        consent = plain(args.consent).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--consent {args.consent}: not readable ({error})") from None
    expect_free(args.host, args.port, "survey")
    from ganrepro.survey import best, server

    store = Store(file)
    design_ = chosen.model_dump(exclude={"tolerance_ms"})
    way = f"{images.output.source}2{images.output.target}"
    shown = {
        "output": images.output.name,
        "way": way,
        "title": images.output.title,
        "rows": list(images.fakes),
        "settings": design_,
    } | ({"best": True} if args.best else {})
    store.expect(shown | {"images": [str(folder) for folder in images.fakes.values()]})
    here = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(args.host, args.host)
    address = args.address or f"http://{f'[{here}]' if ':' in here else here}:{args.port}/"
    tokens = bool(args.participants) or store.invited()
    for token in store.invite(args.participants):
        print(f"{address.rstrip('/')}/?token={token}")
    print(f"{study.name}: {images.output.title}, {len(images.fakes)} rows; answers in {store.path}; stop with Ctrl-C")
    if not tokens:
        print(address)
    hosts = [urlsplit(args.address).hostname or ""] if args.address else []
    asked_of_all = chosen, store, consent, bool(tokens), study.title, not open_to_others, hosts
    app = best.app(images, *asked_of_all) if args.best else server.app(images, *asked_of_all)
    server.serve(app, args.host, args.port)
    store.close()


def _is_address(text: str) -> bool:
    """http:// or https://, the name of one host, perhaps a port and a path."""
    found = re.fullmatch(r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:(\d{1,5}))?(/[A-Za-z0-9._~%/-]*)?", text)
    return found is not None and int(found[3] or 80) in range(1, 65536)


def _invited(file: Path) -> bool:
    """Whether links to a study were given out before."""
    if not file.exists():
        return False
    with closing(Store(file)) as store:
        return store.invited()


def export(args: argparse.Namespace) -> None:
    """Writes finished sessions as the CSV of phillipi/AMT_Real_vs_Fake."""
    with closing(Store(_existing(args.study, args.output, args.best))) as store:
        _shown(store, args.best)
        count = answers.write_choices(store.answers(), args.csv) if args.best else answers.write_csv(store.answers(), args.csv)
    print(f"{count} finished sessions in {args.csv}")


def show(args: argparse.Namespace) -> None:
    """Prints fool rates of a study, or of a CSV of the published tool."""
    chosen, best = settings.load(args.params).survey, bool(args.best and not args.csv)
    if args.csv:
        sessions, kept = answers.read_csv(args.csv, chosen.practice), chosen.model_dump()
    else:
        with closing(Store(_existing(args.study, args.output, args.best))) as store:
            sessions, kept = store.answers(), _shown(store, args.best)["settings"]
    rates = answers.chosen(sessions) if best else answers.fooled(sessions, kept["shown_ms"], chosen.tolerance_ms)
    if not rates:
        print("no answers yet")
    for row, rate in rates.items():
        text = f"{100 * rate.rate:5.1f} % ± {100 * rate.deviation:.1f}  ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
        print(f"{row:24} {text}  n {rate.participants}, {rate.trials} trials, {rate.excluded} left out")
    for a, b in ((a, b) for a in rates for b in rates if a != b):
        print(f"P({a} {'is chosen' if best else 'fools'} more often than {b}) = {answers.better(rates[a], rates[b]):.2f}")


def _shown(store: Store, best: bool) -> dict[str, Any]:
    """What a file's study shows. UserError where it says nothing, or is of the other question."""
    shown = store.shown()
    if not shown or bool(shown.get("best")) is not best:
        raise UserError(f"{store.path}: damaged (it does not say what the study shows); put a copy of it back")
    if wrong := next((answer for answer in store.answers() if (answer["real_side"] == "") is not best), None):
        raise UserError(
            f"{store.path}: damaged (session {wrong['session']}: an answer to the other question); put a copy of it back"
        )
    return shown


def _existing(study: str | None, output: str | None, best: bool) -> Path:
    if study and not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", f"{study}{output or ''}"):
        raise UserError(f"{study}: no name of a study; ganrepro survey serve STUDY takes answers")
    places = [p for p in files(f"{study}.{output or '*'}{'.best' if best else ''}") if study and p.stem.endswith(".best") is best]
    if len(places) != 1:
        remedy = "no answers; ganrepro survey serve STUDY takes them" if not places else "several; name one with --output"
        raise UserError(f"{FOLDER / f'{study}.{output or chr(42)}.sqlite'}: {remedy}")
    return places[0]


def add(commands: argparse.ArgumentParser) -> None:
    """The words of `ganrepro survey`."""
    parts = commands.add_subparsers(required=True, metavar="WHAT")
    words = parts.add_parser("serve", help=serve.__doc__, description=serve.__doc__)
    words.add_argument("study", metavar="STUDY", help="a scored study of params.yaml")
    words.add_argument("--output", help="labels2photo, photo2labels (default: the study's first)")
    words.add_argument("--rows", nargs="+", metavar="ROW", help="some rows (default: all that make it)")
    words.add_argument(
        "--participants", type=whole(0, 10_000), default=0, metavar="N", help="print N links, each for one session"
    )
    words.add_argument("--consent", type=Path, default=CONSENT, help="text of the first page")
    words.add_argument("--best", action="store_true", help="'Which is best?' in place of 'Real or fake?': all rows side by side")
    words.add_argument(
        "--unpaired", action="store_true", help="real and fake drawn each by itself, as the papers had it for maps"
    )
    words.add_argument("--address", metavar="URL", help="what links begin with, as behind a tunnel; needs --participants")
    words.add_argument("--host", default="127.0.0.1", help="address to serve on; any other needs --participants")
    words.add_argument("--port", type=whole(1, 65535), default=8000, help="(default: %(default)s)")
    words.set_defaults(run=serve)
    words = parts.add_parser("results", help=show.__doc__, description=show.__doc__)
    words.add_argument("study", metavar="STUDY", nargs="?")
    words.add_argument("--csv", type=Path, help="answers of the published tool, in place of a study's")
    words.set_defaults(run=show)
    words.add_argument("--output", help="labels2photo, photo2labels, where both were served")
    words = parts.add_parser("export", help=export.__doc__, description=export.__doc__)
    words.add_argument("study", metavar="STUDY")
    words.add_argument("--output", help="labels2photo, photo2labels, where both were served")
    words.add_argument("csv", metavar="FILE.csv", type=Path)
    words.set_defaults(run=export)
    for name in ("results", "export"):
        parts.choices[name].add_argument("--best", action="store_true", help="of answers to 'Which is best?'")
    for part in parts.choices.values():
        part.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
