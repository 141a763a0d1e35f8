"""The command `ganrepro`: what to do with trained models. The study itself is made by Snakemake."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ganrepro import settings
from ganrepro.errors import UserError, in_one_line, one_line, plain_output
from ganrepro.evaluation.measures import MEASURES
from ganrepro.plan import paths
from ganrepro.schema.records import Metrics, read_record
from ganrepro.use import survey
from ganrepro.use.words import whole
from ganrepro.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ganrepro.use.export import Kind
    from ganrepro.use.model import Model
    from ganrepro.use.samples import Sampler
    from ganrepro.use.translator import Translator

LARGE, LARGE_TILE = 2_000_000, 1024  # pixels of a photo beyond which it is translated in pieces, and the side of these
MODEL = "a row (streets-tiny/cyclegan, streets-tiny/cyclegan/1:photo2labels), an exported folder, a .pth, models:/… or runs:/…"

FAR = (
    "{photo}: its shorter side is {side} pixels, and {model} was trained at {pixels}: what it has learned looks otherwise there. "
    "Without --native photos are brought to that size"
)


def begin(args: argparse.Namespace) -> None:
    """Your own pictures: looks at folders, writes a dataset, a study and a report into params.yaml, and trains."""
    from ganrepro.use import new

    report = new.new(args)
    if args.train:
        new.train(report, Path(args.params).parent)


def doctor(args: argparse.Namespace) -> None:
    """What this machine and this project are: to be pasted into a report of a fault."""
    from ganrepro.use.doctor import lines

    found = lines(Path(args.params))
    width = max(len(name) for name, _ in found)
    for name, said in found:
        print(f"{name.ljust(width)}  {said}")


def list_rows(args: argparse.Namespace) -> None:
    """Every row that is trained: scores, size, date, where it lies; a table for each study."""
    params, tables = settings.load(args.params), []
    for study in params.studies.values():
        made = [run for run in paths.trained(params, study) if (run.folder / "checkpoint.pt").exists()]
        scores = [_headlines(run) for run in made]
        columns = list(dict.fromkeys(name for of in scores for name in of))
        lines = [["model", *columns, "size", "date", "where"]]
        for run, of in zip(made, scores, strict=True):
            about = (run.folder / "checkpoint.pt").stat()
            numbers = [of.get(name, "–") for name in columns] if of or not columns else ["not scored", *[""] * (len(columns) - 1)]
            when = datetime.fromtimestamp(about.st_mtime).strftime("%Y-%m-%d")
            name = f"{study.name}/{run.row}/{run.seed}"
            lines.append([name, *numbers, f"{about.st_size / 1e6:.1f} MB", when, str(run.folder)])
        tables += [lines] if made else []
    if not tables:
        print("no row is trained yet. Exported models to begin with: zoo/. To train the first study: make reproduce")
    for lines in tables:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _headlines(run: paths.Run) -> dict[str, str]:
    """The score that stands for each output of a row, by its heading, as in 'photo2labels: Class IoU'."""
    file = run.scores / "metrics.json"
    measured = read_record(file, Metrics)["values"] if file.exists() else {}
    found = {}
    for output, by_measure in measured.items():
        for name, result in by_measure.items():
            about = MEASURES.get(name)
            if about is not None and about.headline in result["scores"]:
                score = about.scores[about.headline]
                found[f"{output}: {score.heading}"] = f"{result['scores'][about.headline]:.{score.digits}f}"
                break
    return found


def translate(args: argparse.Namespace) -> None:
    """Photos of any size through one model or several; a contact sheet beside the results."""
    from tqdm import tqdm

    from ganrepro.data.images import ImageError
    from ganrepro.use import files, sheet
    from ganrepro.use.rows import ModelError
    from ganrepro.use.translator import NATIVE

    _expect_empty(args.out)
    if args.native and args.pixels is not None:
        raise UserError("--native: leaves photos in their size, --pixels gives them another; leave one of them out")
    if args.tile is not None and not 0 <= args.overlap < args.tile:
        raise UserError(f"--overlap: expected 0 to {args.tile - 1}, less than --tile, got {args.overlap}")
    models, photos = [model.translates() for model in _models(args)], list(files.find(args.photos))
    if args.values is not None:
        low, high = args.values
        if not low < high:  # one that is no number is not either
            raise UserError(f"--values: expected the lower number first, got {low:g} {high:g}")
        models = [replace(model, given_values=(low, high)) for model in models]
    columns = []
    for place, model in enumerate(models, 1):
        folder = args.out / _slug(f"{place}-{model.title}") if len(models) > 1 else args.out
        columns += [(model, n, folder / str(n) if args.passes > 1 else folder) for n in range(1, args.passes + 1)]
    page = sheet.Sheet(args.out, ["Input", *(f"{m.title} {n}" if args.passes > 1 else m.title for m, n, _ in columns)])
    failed, warned, others, notes = list[str](), set[str](), set[str](), list[str]()
    with tqdm(total=len(photos) * len(columns), unit="photo", disable=None) as bar:
        for photo, name in photos:
            bar.set_postfix_str(photo.name)
            made: list[np.ndarray] = []
            try:
                levels = files.read(photo, any(model.opacity for model in models))
                for model, number, _ in columns:
                    in_pieces = partial(_in_pieces, model, args.tile, args.overlap, number - 1)
                    made.append(model.at_scale(levels, NATIVE if args.native else args.pixels, in_pieces))
                    bar.update()
            except (ImageError, ModelError) as error:  # the others are translated first
                failed.append(_of(photo, error))
                continue
            for model in models:
                if args.native and min(levels.shape[:2]) > 2 * model.pixels and model.name not in warned:
                    warned.add(model.name)
                    bar.write(FAR.format(photo=photo, model=model.name, side=min(levels.shape[:2]), pixels=model.pixels))
                if model.name not in others and (caution := model.caution_on(levels, photo.name)):
                    others.add(model.name)
                    notes.append(caution)
            placed = [files.write(folder / name, levels) for (_, _, folder), levels in zip(columns, made, strict=True)]
            page.add(str(name), [(levels, None), *zip(made, placed, strict=True)])
    if page.rows:
        channels = max(model.architecture.inputs for model in models)
        ranged = all(model.given_values or model.values for model in models)
        notes += files.notes(args.photos, [photo for photo, _ in photos], channels, ranged)
        for note in [*notes, *failed]:
            print(f"note: {one_line(note)}", file=sys.stderr)
        print(f"{len(page.rows)} photo{'s' * (len(page.rows) != 1)} translated; {page.close([*notes, *failed])}")
    if failed:
        raise UserError(f"{len(failed)} of {len(photos)} photos were left out; the first: {failed[0]}")


def _of(photo: Path, error: UserError) -> str:
    """What is wrong, with the file that it is wrong with."""
    said = str(error).removeprefix("the image: ")
    return said if said.startswith(str(photo)) else f"{photo}: {said}"


def _in_pieces(model: Translator, tile: int | None, overlap: int, seed: int, levels: np.ndarray) -> np.ndarray:
    """A large photo goes in pieces unasked: whole it could take more memory than there is."""
    from ganrepro.use import tiles

    large = LARGE_TILE if levels.shape[0] * levels.shape[1] > LARGE else None
    return tiles.translate(model, levels, tile or large, overlap, seed)


def _expect_empty(out: Path) -> None:
    """UserError where results would lie among other files, or where no folder can take their place at once."""
    if out.is_symlink() or out.resolve() == Path.cwd():
        raise UserError(f"{out}: {'a link' if out.is_symlink() else 'the folder you are in'}; name another folder")
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise UserError(f"{out}: not empty; name another folder, or remove it first")


def _slug(text: str) -> str:
    """A title as a folder."""
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in text)


def export(args: argparse.Namespace) -> None:
    """A folder for others (safetensors, config.json, model card), ONNX or torch.export, compared with the original."""
    from ganrepro.use import export as exports

    (loaded,) = _models(args)
    if loaded.translator is None:
        _export_sampler(args, loaded.samples())
        return
    model = loaded.translates()
    suffix = {"folder": "", "onnx": ".onnx", "pt2": ".pt2"}[args.to]
    named = Path(model.name).name if Path(model.name).exists() else model.name
    out = args.out or Path(f"{_slug(named.removesuffix('.pth'))}{suffix}")
    out = out if out.suffix == suffix or not suffix else out.with_name(out.name + suffix)
    model = exports.without_dropout(model) if args.no_dropout else model
    _write_export(model, args.to, out, exports.real_images(model, args.photos), args.examples)


def _write_export(model: Translator, kind: Kind, out: Path, images: Sequence[Tensor], examples: Sequence[Path]) -> None:
    from ganrepro.use import export as exports

    if out.exists():
        raise UserError(f"{out}: is there already; name another place with --out")
    check = exports.export(model, kind, out, images, examples)
    print(f"{out}: differs from the original by {check.difference:.2g} at most on {check.images} images (of values from -1 to 1)")


def _export_sampler(args: argparse.Namespace, sampler: Sampler) -> None:
    """`export` of a model that starts from noise."""
    from ganrepro.use import samples

    (name,) = args.models
    if args.to != "folder" or args.no_dropout or args.photos or args.examples:
        raise UserError(f"{name}: starts from noise, and can only be exported as a folder: ganrepro export {name} --out FOLDER")
    out = args.out or Path(_slug(Path(name).name if Path(name).exists() else name))
    if out.exists():
        raise UserError(f"{out}: is there already; name another place with --out")
    difference = samples.to_folder(sampler, out)
    print(f"{out}: differs from the original by {difference} on {samples.KEPT} images (of levels from 0 to 255)")


def imported(args: argparse.Namespace) -> None:
    """A published generator as a folder that every command takes."""
    from ganrepro.use import export as exports
    from ganrepro.use.translator import of_published

    if args.file.suffix != ".pth":
        raise UserError(f"{args.file}: expected a published generator, FILE.pth; an exported folder needs no import")
    model = of_published(args.file, None, not args.no_dropout, args.padding == "replicate")
    for caution in model.cautions:
        print(one_line(caution), file=sys.stderr)
    _write_export(model, "folder", args.out or Path(_slug(args.file.stem)), exports.real_images(model, []), [])


def sample(args: argparse.Namespace) -> None:
    """New images from a model that starts from noise (digits-conditions/cgan, zoo/digits-conditions)."""
    from ganrepro.store.files import filling
    from ganrepro.use.model import load

    _expect_empty(args.out)
    images = load(args.model, args.params).sample(args.count, args.seed, args.label)
    with filling(args.out) as folder:
        for number, image in enumerate(images):
            image.save(folder / f"{number:05d}.png")
    print(f"{args.count} images in {args.out}")


def score(args: argparse.Namespace) -> None:
    """The scores of a folder of images made for a study's test set."""
    from ganrepro.store.files import expect_new
    from ganrepro.use import score as scores

    if args.json:
        expect_new(args.json)
    result = scores.score(args.folder, args.study, args.output, args.params)
    print(scores.table(result))
    if args.json:
        scores.write(result, args.json)


def demo(args: argparse.Namespace) -> None:
    """A page on this machine: upload or draw, and see the translation; or images made of noise."""
    from ganrepro.use import demo as pages
    from ganrepro.use.export import example_pictures
    from ganrepro.use.model import every_target

    pages.check(args.host, args.port)
    loaded = _models(args)
    models = [model.translator for model in loaded if model.translator is not None]
    noise = [model.samples() for model in loaded if model.translator is None]
    if noise and models:
        raise UserError("demo: models that start from noise have a page of their own; show them by themselves")
    if many := next((model for model in models if not model.pictured), None):
        raise UserError(f"{many.name}: takes or makes images of more than four channels, which no page shows; use translate")
    every = [every_target(name, args.params) for name in args.models]
    targets = {to: [of[to] for of in every] for to in every[0] if all(to in of for of in every)}

    def make() -> object:
        return pages.build_samples(noise) if noise else pages.build(models, example_pictures(models[0]), targets)

    print(f"http://{args.host}:{args.port}  (stop with Ctrl-C)", flush=True)
    pages.serve(make, args.host, args.port)


def report(args: argparse.Namespace) -> None:
    """A report in the browser; of a study that is still in the making, what there is so far."""
    import webbrowser

    from ganrepro.plan import paths
    from ganrepro.reporting.current import report_is_current
    from ganrepro.use import pages

    params = settings.load(args.params)
    name = pages.report_of(params, args.name)
    page = pages.so_far(params, name) if args.so_far else paths.report_page(name)
    file = pages.as_html(page)
    if not args.so_far and not report_is_current(params, name):
        print(f"note: {page} was made with other settings or code; snakemake --cores all {page} makes it anew", file=sys.stderr)
    print(file)
    if not args.no_browser:
        webbrowser.open(file.resolve().as_uri())


def watch(args: argparse.Namespace) -> None:
    """The progress of every running job, and how long it will take still."""
    from ganrepro.use import watch as watching

    if not args.logs.is_dir():
        raise UserError(f"{args.logs}: no such folder; start snakemake first, and watch from the same place")
    watching.watch(args.logs, once=args.once)


def _renamed(args: argparse.Namespace) -> None:
    raise UserError(f"study: the command is called survey now: ganrepro survey {' '.join(args.words)}".rstrip())


def _models(args: argparse.Namespace) -> list[Model]:
    from ganrepro.use.model import Caution, Choice, load

    with warnings.catch_warnings(record=True, action="always", category=Caution) as cautions:
        models = [load(name, args.params, args.to if args.run is translate else None) for name in args.models]
    for caution in cautions:
        if args.run is not demo or caution.category is not Choice:  # whose page has a choice
            print(one_line(str(caution.message)), file=sys.stderr)
    return models


def parser() -> argparse.ArgumentParser:
    """All commands with their words."""
    main_ = argparse.ArgumentParser(prog="ganrepro", description=__doc__)
    main_.add_argument("--version", action="version", version=__version__)
    commands = main_.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        command_parser = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command_parser.add_argument(
            "--params", default="params.yaml", help="parameter file, papers/ beside it (default: %(default)s)"
        )
        command_parser.set_defaults(run=run)
        return command_parser

    words = command("new", begin)
    words.add_argument("name", metavar="NAME", help="of the dataset and the study: a-z, 0-9, '-', '_' and '.'")
    words.add_argument("--a", type=Path, metavar="FOLDER", help="pictures of one kind")
    words.add_argument("--b", type=Path, metavar="FOLDER", help="pictures of the other kind")
    words.add_argument("--pairs", action="store_true", help="pictures of equal names in --a and --b belong together")
    words.add_argument("--side-by-side", type=Path, metavar="FOLDER", help="pictures whose left and right half belong together")
    words.add_argument("--edges", type=Path, metavar="FOLDER", help="photos, to be made from their edges")
    words.add_argument("--grey", type=Path, metavar="FOLDER", help="photos, to be coloured")
    words.add_argument("--holes", type=Path, metavar="FOLDER", help="photos, in which holes are to be filled")
    words.add_argument("--shrink", type=Path, metavar="FOLDER", help="photos, to be made sharp from a quarter of their size")
    words.add_argument("--classes", type=Path, metavar="FOLDER", help="a folder inside for each class: new pictures from noise")
    words.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to be segmented, with --masks")
    words.add_argument("--masks", type=Path, metavar="FOLDER", help="their label maps, of equal names, in a few colours, as PNG")
    words.add_argument("--domains", type=Path, nargs="+", metavar="FOLDER", help="two kinds (CycleGAN), or more (StarGAN)")
    words.add_argument("--size", choices=["small", "medium", "paper"], help="(default: what trains here in 20 minutes)")
    held_out = "pictures held out for testing, of each kind, or of all classes (default: a tenth)"
    words.add_argument("--test", type=whole(2, 100_000), help=held_out)
    words.add_argument("--train", action="store_true", help="train and make the report at once")
    command("list", list_rows)
    words = command("translate", translate)
    words.add_argument("models", metavar="MODEL", nargs=1, help=MODEL)
    words.add_argument("photos", metavar="PHOTO", nargs="+", type=Path, help="files and folders")
    words.add_argument(
        "--and", dest="others", metavar="MODEL", action="append", default=[], help="another model, one column more"
    )
    words.add_argument("--out", type=Path, required=True, help="folder for the translations; new or empty")
    words.add_argument(
        "--pixels", type=whole(16, 8192),
        help="bring the shorter side to this, enlarge the translation plainly (default: what the model was trained at)",
    )  # fmt: skip
    words.add_argument(
        "--values", type=float, nargs=2, metavar=("LOW", "HIGH"),
        help="numbers of the photos that are black and white (default: those of 8 or 16 bits, or of the training images)",
    )  # fmt: skip
    words.add_argument("--to", metavar="DOMAIN", help="what the photos become, of a model of several domains, as in night")
    words.add_argument("--native", action="store_true", help="translate photos in their own size")
    words.add_argument("--tile", type=whole(16), help="translate in pieces of this size (large photos are unasked, of 1024)")
    words.add_argument("--overlap", type=whole(0), default=64, help="pixels that two pieces share (default: %(default)s)")
    words.add_argument("--passes", type=whole(1), default=1, help="translations of each photo, where dropout makes them differ")
    words = command("export", export)
    words.add_argument("models", metavar="MODEL", nargs=1, help=MODEL)
    words.add_argument("--to", choices=["folder", "onnx", "pt2"], default="folder", help="(default: %(default)s)")
    words.add_argument("--out", type=Path, help="where to (default: named after the row)")
    words.add_argument("--photos", nargs="*", type=Path, default=[], help="images to compare on (default: test images)")
    words.add_argument(
        "--examples", nargs="*", type=Path, default=[],
        help="pictures for the folder, which you may pass on (default: test images of the embedded dataset, none of others)",
    )  # fmt: skip
    words.add_argument(
        "--no-dropout", action="store_true", help="export the weights with dropout off: another function, marked so"
    )
    words = command("import", imported)
    words.add_argument("file", metavar="FILE.pth", type=Path)
    words.add_argument("--out", type=Path, help="folder to write (default: named after the file)")
    words.add_argument("--no-dropout", action="store_true", help="it was trained without dropout, which weights cannot tell")
    words.add_argument(
        "--padding", choices=["reflect", "replicate"], default="reflect",
        help="of ResNet blocks, which weights cannot tell (default: %(default)s, as the published code has it)",
    )  # fmt: skip
    words = command("sample", sample)
    words.add_argument("model", metavar="MODEL", help="STUDY/ROW, STUDY/ROW/SEED, or an exported folder")
    words.add_argument("--out", type=Path, required=True, help="folder for the images; new or empty")
    words.add_argument("--count", type=whole(1, 100_000), default=100, help="(default: %(default)s)")
    words.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, help="of the noise (default: %(default)s)")
    words.add_argument("--label", metavar="CLASS", help="the class to ask for, by its name, where the method takes one")
    words = command("score", score)
    words.add_argument("folder", metavar="FOLDER", type=Path, help="images named like the study's test images")
    words.add_argument("--study", required=True, help="a name under studies in params.yaml")
    words.add_argument("--output", help="as in labels2photo (default: the study's first)")
    words.add_argument("--json", type=Path, help="write the scores into that new file too")
    words = command("demo", demo)
    words.add_argument("models", metavar="MODEL", nargs="+", help=MODEL)
    words.add_argument("--host", default="127.0.0.1", help="address to serve on; another is open to the network")
    words.add_argument("--port", type=whole(1, 65535), default=7860, help="(default: %(default)s)")
    survey.add(commands.add_parser("survey", help="'Real or fake?', asked of people: serve a study, see and export answers."))
    renamed = commands.add_parser("study", add_help=False)
    renamed.add_argument("words", nargs=argparse.REMAINDER)
    renamed.set_defaults(run=_renamed, params="params.yaml")
    words = command("report", report)
    words.add_argument("name", metavar="NAME", help="a report, or the study that it is made of")
    words.add_argument("--so-far", action="store_true", help="of what is scored until now")
    words.add_argument("--no-browser", action="store_true", help="say where the page lies, and open nothing")
    command("doctor", doctor)
    words = command("watch", watch)
    words.add_argument("--logs", type=Path, default=Path("logs"), help="(default: %(default)s)")
    words.add_argument("--once", action="store_true", help="print once and stop")
    return main_


def main(words: list[str] | None = None) -> None:
    """Runs one command; an error the user can mend becomes one line and exit status 1."""
    commands = parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks for words
        import argcomplete

        argcomplete.autocomplete(commands)
    with plain_output():
        args = commands.parse_args(words)
        for word in sys.argv[1:] if words is None else words:
            try:
                word.encode()
            except UnicodeEncodeError:
                sys.exit(f"error: {one_line(word)!r}: not UTF-8; rename it, or name another")
    args.models = [*getattr(args, "models", []), *getattr(args, "others", [])]
    in_one_line(lambda: args.run(args))


if __name__ == "__main__":
    main()
