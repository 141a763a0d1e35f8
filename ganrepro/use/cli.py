"""The command `ganrepro`: what to do with trained models. The study itself is made by Snakemake."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro import __version__, settings
from ganrepro.artifacts import paths
from ganrepro.artifacts.files import read_json
from ganrepro.errors import UserError, in_one_line

if TYPE_CHECKING:
    import numpy as np

    from ganrepro.use.model import Model

MODEL = "a row (streets-tiny/cyclegan, streets-tiny/cyclegan/1:photo2labels), an exported folder, a .pth, models:/… or runs:/…"


def list_rows(args: argparse.Namespace) -> None:
    """Every row that is trained: scores, size, date, where it lies."""
    params, lines = settings.load(args.params), []
    for study in params.studies.values():
        for run in paths.trained(params, study):
            file = run.folder / "checkpoint.pt"
            if file.exists():
                measured = run.scores / "metrics.json"
                values = read_json(measured)["values"] if measured.exists() else {}
                told = [f"{found['class_iou']:.2f}" for found in values.values() if "class_iou" in found]
                when = datetime.fromtimestamp(file.stat().st_mtime).strftime("%Y-%m-%d")
                size = f"{file.stat().st_size / 1e6:.1f} MB"
                lines.append([f"{study.name}/{run.row}/{run.seed}", " ".join(told) or "not scored", size, when, str(run.folder)])
    if not lines:
        print("no row is trained yet; run: snakemake --cores all")
        return
    head = ["model", "class IoU", "size", "date", "where"]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def translate(args: argparse.Namespace) -> None:
    """Photos of any size through one model or several; a contact sheet beside the results."""
    from tqdm import tqdm

    from ganrepro.use import files, sheet, tiles

    if args.out.exists() and any(args.out.iterdir() if args.out.is_dir() else [args.out]):
        raise UserError(f"{args.out}: not empty; name another folder, or remove it first")
    if args.tile is not None and not 0 <= args.overlap < args.tile:
        raise UserError(f"--overlap: expected 0 to {args.tile - 1}, less than --tile, got {args.overlap}")
    models, photos = _models(args), list(files.find(args.photos))
    columns = [(f"{number}-{m.title}" if len(models) > 1 else "") for number, m in enumerate(models, 1)]
    lines = []
    with tqdm(total=len(photos) * len(models) * args.passes, unit="photo", disable=None) as bar:
        for photo, name in photos:
            levels, made = files.read(photo), []
            for model, column in zip(models, columns, strict=True):
                for number in range(1, args.passes + 1):
                    place = args.out / "".join(c if c.isalnum() or c in "-._" else "-" for c in column)
                    target = (place / str(number) if args.passes > 1 else place) / name
                    bar.set_postfix_str(photo.name)
                    files.write(target, tiles.translate(model, levels, args.tile, args.overlap, number - 1))
                    made.append(target)
                    bar.update()
            lines.append((str(name), [levels if levels.size < 4_000_000 else _smaller(levels), *made]))
    heads = ["Input", *(f"{m.title} {n}" if args.passes > 1 else m.title for m in models for n in range(1, args.passes + 1))]
    print(f"{len(photos)} photos translated; {sheet.write(args.out, heads, lines)}")


def _smaller(levels: np.ndarray) -> np.ndarray:
    """Of a large photo every so many pixels: enough for a thumbnail, without keeping it in memory."""
    step = max(1, max(levels.shape[:2]) // 512)
    return levels[::step, ::step].copy()


def export(args: argparse.Namespace) -> None:
    """A folder for others (safetensors, config.json, model card), ONNX or torch.export, compared with the original."""
    from ganrepro.use import export as exports

    (model,) = _models(args)
    suffix = {"folder": "", "onnx": ".onnx", "pt2": ".pt2"}[args.to]
    out = args.out or Path(f"{model.title.lower().replace(' ', '-').replace('/', '-')}{suffix}")
    if out.exists():
        raise UserError(f"{out}: is there already; name another place with --out")
    model = exports.without_dropout(model) if args.no_dropout else model
    check = exports.export(model, args.to, out, exports.real_images(model, args.photos))
    print(f"{out}: differs from the original by {check.difference:.2g} at most on {check.images} images (of values from -1 to 1)")


def imported(args: argparse.Namespace) -> None:
    """A published generator as a folder that every command takes."""
    args.models, args.to, args.no_dropout, args.photos = [str(args.file)], "folder", False, []
    export(args)


def score(args: argparse.Namespace) -> None:
    """The scores of a folder of images made for a study's test set."""
    from ganrepro.use import score as scores

    found = scores.score(args.folder, args.study, args.output, args.params)
    print(scores.table(found))
    if args.json:
        scores.write(found, args.json)


def demo(args: argparse.Namespace) -> None:
    """A page on this machine: upload or draw, and see the translation."""
    from ganrepro.use import demo as page
    from ganrepro.use.export import example_pictures

    page.check(args.host, args.port)
    models = _models(args)
    print(f"http://{args.host}:{args.port}  (stop with Ctrl-C)", flush=True)
    page.serve(models, example_pictures(models[0]), args.host, args.port)


def watch(args: argparse.Namespace) -> None:
    """The progress of every running job, and how long it will take still."""
    from ganrepro.use import watch as watching

    if not args.logs.is_dir():
        raise UserError(f"{args.logs}: no such folder; start snakemake first, and watch from the same place")
    watching.watch(args.logs, once=args.once)


def _models(args: argparse.Namespace) -> list[Model]:
    from ganrepro.use.model import load

    return [load(name, args.params) for name in args.models]


def _whole(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) < 10**6:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low}, got {text!r}")
        return int(text)

    return number


def parser() -> argparse.ArgumentParser:
    """All commands with their words."""
    main_ = argparse.ArgumentParser(prog="ganrepro", description=__doc__)
    main_.add_argument("--version", action="version", version=__version__)
    commands = main_.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        one.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
        one.set_defaults(run=run)
        return one

    command("list", list_rows)
    one = command("translate", translate)
    one.add_argument("models", metavar="MODEL", type=lambda text: text, nargs=1, help=MODEL)
    one.add_argument("photos", metavar="PHOTO", nargs="+", type=Path, help="files and folders")
    one.add_argument("--and", dest="others", metavar="MODEL", action="append", default=[], help="another model, one column more")
    one.add_argument("--out", type=Path, required=True, help="folder for the translations; new or empty")
    one.add_argument("--tile", type=_whole(16), help="translate in pieces of this size, for large photos")
    one.add_argument("--overlap", type=_whole(0), default=64, help="pixels that two pieces share (default: %(default)s)")
    one.add_argument("--passes", type=_whole(1), default=1, help="translations of each photo, where dropout makes them differ")
    one = command("export", export)
    one.add_argument("models", metavar="MODEL", nargs=1, help=MODEL)
    one.add_argument("--to", choices=["folder", "onnx", "pt2"], default="folder", help="(default: %(default)s)")
    one.add_argument("--out", type=Path, help="where to (default: named after the row)")
    one.add_argument("--photos", nargs="*", type=Path, default=[], help="images to compare on (default: ten test images)")
    one.add_argument("--no-dropout", action="store_true", help="export the weights with dropout off: another function, marked so")
    one = command("import", imported)
    one.add_argument("file", metavar="FILE.pth", type=Path)
    one.add_argument("--out", type=Path, help="folder to write (default: named after the file)")
    one = command("score", score)
    one.add_argument("folder", metavar="FOLDER", type=Path, help="images named like the study's test images")
    one.add_argument("--study", required=True)
    one.add_argument("--output", help="labels2photo, photo2labels (default: the study's first)")
    one.add_argument("--json", type=Path, help="write the scores there too")
    one = command("demo", demo)
    one.add_argument("models", metavar="MODEL", nargs="+", help=MODEL)
    one.add_argument("--host", default="127.0.0.1", help="address to serve on; another is open to the network")
    one.add_argument("--port", type=_whole(1), default=7860, help="(default: %(default)s)")
    one = command("watch", watch)
    one.add_argument("--logs", type=Path, default=Path("logs"), help="(default: %(default)s)")
    one.add_argument("--once", action="store_true", help="print once and stop")
    return main_


def main(words: list[str] | None = None) -> None:
    """Runs one command; an error the user can mend becomes one line and exit status 1."""
    args = parser().parse_args(words)
    args.models = [*getattr(args, "models", []), *getattr(args, "others", [])]
    in_one_line(lambda: args.run(args))


if __name__ == "__main__":
    main()
