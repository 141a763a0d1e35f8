"""ganrepro study: shows a study to people, invites them, and exchanges answers with the published tool."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from ganrepro import settings
from ganrepro.errors import UserError
from ganrepro.perceptual import answers, design
from ganrepro.perceptual.store import Store
from ganrepro.seeding import numpy_stream

FOLDER = Path("studies")
CONSENT = Path(__file__).parent.parent / "perceptual" / "consent.txt"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def file_of(study: str) -> Path:
    """Where the answers to a study lie."""
    return FOLDER / f"{study}.sqlite"


def serve(args: argparse.Namespace) -> None:
    """Serves the study until it is stopped; answers survive."""
    params = settings.load(args.params)
    study, chosen = settings.find_study(params, args.study), params.perceptual
    open_to_others = args.host not in LOOPBACK
    if open_to_others and not args.participants:
        told = "open to the network; say for how many, as in --participants 25: each gets a link of their own"
        raise UserError(f"--host {args.host}: {told}")
    images = design.images_of(params, study, args.output, args.rows or ())
    design.draw(images.names, chosen, numpy_stream(0, "perceptual"))  # says now if there are too few
    try:
        consent = args.consent.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--consent {args.consent}: not readable ({error})") from None
    with socket.socket(socket.AF_INET6 if ":" in args.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((args.host, args.port))
        except OSError as error:
            where = f"{args.host}:{args.port}"
            raise UserError(f"study: {where} cannot be served on ({error.strerror}); choose another --port") from None
    from ganrepro.perceptual.server import app
    from ganrepro.perceptual.server import serve as run

    store = Store(file_of(study.name))
    output = next(one for one in study.outputs if one.title == images.title).name
    shown = {"output": output, "title": images.title, "rows": list(images.fakes), "settings": chosen.model_dump()}
    store.expect(shown | {"images": [str(folder) for folder in images.fakes.values()]})
    address = f"http://{f'[{args.host}]' if ':' in args.host else args.host}:{args.port}/"
    tokens = bool(args.participants) or store.invited()
    for token in store.invite(args.participants):
        print(f"{address}?token={token}")
    print(f"{study.name}: {images.title}, {len(images.fakes)} rows; answers in {store.path}; stop with Ctrl-C")
    if not tokens:
        print(address)
    run(app(images, chosen, store, consent, tokens, study.title, not open_to_others), args.host, args.port)
    store.close()


def export(args: argparse.Namespace) -> None:
    """Writes finished sessions as the CSV of phillipi/AMT_Real_vs_Fake."""
    file = _existing(args.study)
    store = Store(file)
    count = answers.write_csv(store.answers(), args.csv)
    store.close()
    print(f"{count} finished sessions in {args.csv}")


def show(args: argparse.Namespace) -> None:
    """Prints fool rates of a study, or of a CSV of the published tool."""
    chosen = settings.load(args.params).perceptual
    if args.csv:
        found, kept = answers.read_csv(args.csv, chosen.practice), chosen.model_dump()
    else:
        store = Store(_existing(args.study))
        found, kept = store.answers(), store.shown()["settings"]
        store.close()
    rates = answers.fooled(found, kept["shown_ms"], kept["tolerance_ms"])
    if not rates:
        print("no answers yet")
    for row, one in rates.items():
        told = f"{100 * one.rate:5.1f} % ± {100 * one.deviation:.1f}  ({100 * one.low:.1f} to {100 * one.high:.1f})"
        print(f"{row:24} {told}  n {one.participants}, {one.trials} trials, {one.excluded} left out")


def _existing(study: str | None) -> Path:
    if not study or not file_of(study).exists():
        raise UserError(f"{file_of(study or 'STUDY')}: no answers; ganrepro study serve STUDY takes them")
    return file_of(study)


def add(commands: argparse.ArgumentParser) -> None:
    """The words of `ganrepro study`."""
    parts = commands.add_subparsers(required=True, metavar="WHAT")
    one = parts.add_parser("serve", help=serve.__doc__, description=serve.__doc__)
    one.add_argument("study", metavar="STUDY", help="a scored study of params.yaml")
    one.add_argument("--output", help="labels2photo, photo2labels (default: the study's first)")
    one.add_argument("--rows", nargs="+", metavar="ROW", help="some rows (default: all that make it)")
    one.add_argument("--participants", type=int, default=0, metavar="N", help="print N links, each for one session")
    one.add_argument("--consent", type=Path, default=CONSENT, help="text of the first page")
    one.add_argument("--host", default="127.0.0.1", help="address to serve on; any other needs --participants")
    one.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
    one.set_defaults(run=serve)
    one = parts.add_parser("results", help=show.__doc__, description=show.__doc__)
    one.add_argument("study", metavar="STUDY", nargs="?")
    one.add_argument("--csv", type=Path, help="answers of the published tool, in place of a study's")
    one.set_defaults(run=show)
    one = parts.add_parser("export", help=export.__doc__, description=export.__doc__)
    one.add_argument("study", metavar="STUDY")
    one.add_argument("csv", metavar="FILE.csv", type=Path)
    one.set_defaults(run=export)
    for part in parts.choices.values():
        part.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
