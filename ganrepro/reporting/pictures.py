"""Images side by side: what rows make of test images, of noise, and over their training. All of a row's first seed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganrepro.data.images import read_rgb, resize
from ganrepro.data.spec import Size
from ganrepro.methods.outputs import Output
from ganrepro.plan import datasets
from ganrepro.reporting.current import copied, moments, points, renderings, sampled, shown
from ganrepro.reporting.results import Results, headline, segmented, title
from ganrepro.reporting.sheet import INK, paper, sheet, square, worded
from ganrepro.settings import ALL, REFERENCE_ROWS, TableSettings

SIDE = 44  # pixels of a small image in a picture
ACROSS, LABEL = 10, 150  # small images in a line; pixels for its name
CLOUD = 400  # points of a picture that shows many


def grid(results: Results, table: TableSettings) -> Image.Image:
    """What every row of a table makes: of a few test images, a column for each row; or of noise, a line for each row."""
    if table.output == ALL:
        return _every_target(results, table)
    if results.study.output(table.output).source is None:
        return _lines_of_samples(results, table)
    return _columns_of_translations(results, table)


def _columns_of_translations(results: Results, table: TableSettings) -> Image.Image:
    """Input, every row of a table (first seed) and truth, side by side; one line per test image."""
    study, output = results.study, results.study.output(table.output)
    columns = [("Input", results.images[study.untouched, 0])]  # the input as it is; of reconstructions also the truth
    trained = [row for row in table.rows if row not in REFERENCE_ROWS]
    columns += [(title(results, row, table), results.images[row, study.seeds[0]]) for row in trained]
    if study.data.paired:
        real = "Real photo" if study.data.domains[output.target].kind == "photos" else "Truth"
        columns.append((real, results.images["ground-truth", 0]))
    titles = [words.replace(" cycle", "").replace("Encoder-decoder", "Enc-dec").replace("×", "x") for words, _ in columns]
    chosen = shown(results.manifest["names"]["test"][str(output.source)])
    return sheet(titles, [[folder / output.name / name for _, folder in columns] for name in chosen], 96)


def _every_target(results: Results, table: TableSettings) -> Image.Image:
    """What every row of a table makes of a few test images: a line for each row, of each image the input and all targets."""
    study = results.study
    source = study.pooled[0].source
    outputs = [output for output in study.pooled if output.source == source]
    trained = [row for row in table.rows if row not in REFERENCE_ROWS]
    lines = {title(results, row, table): results.images[row, study.seeds[0]] for row in trained}
    lines |= {"Truth": results.images["ground-truth", 0]} if study.data.paired else {}
    few = shown(results.manifest["names"]["test"][str(source)], max(1, ACROSS // (1 + len(outputs))))
    given, blank = results.images[study.untouched, 0] / outputs[0].name, paper(96, 96)
    pictures: list[list[Path | Image.Image]] = []
    for number, (words, folder) in enumerate(lines.items()):
        pictures.append([worded(words, 96)])
        for name in few:
            pictures[-1] += [blank if number else given / name, *(folder / output.name / name for output in outputs)]
    names = ["Input", *(output.title.split(" → ")[-1].capitalize() for output in outputs)]
    return sheet(["", *(names * len(few))], pictures, 96)


def _lines_of_samples(results: Results, table: TableSettings) -> Image.Image:
    """Samples of every row of a table, and real test images, a line each."""
    rows = [row for row in table.rows if row not in REFERENCE_ROWS]
    lines = {title(results, row, table): _files(_folder(results, row) / table.output) for row in rows}
    return _strips(lines | {"Real": _files(results.images["ground-truth", 0] / table.output)})


def picture(results: Results, row: str, output: Output) -> Image.Image:
    """An output of one row as a square of images; of reconstructions, each test image above what was made of it."""
    folder = _folder(results, row) / output.name
    files = sorted(folder.glob("*.png"))[: ACROSS**2]
    if output.renders_input:
        real = results.images["ground-truth", 0] / output.name
        files = files[: ACROSS**2 // 2]
        lines = [files[i : i + ACROSS] for i in range(0, len(files), ACROSS)]
        return _mosaic([part for line in lines for part in ([real / file.name for file in line], line)])
    return _mosaic([files[i : i + ACROSS] for i in range(0, len(files), ACROSS)])


def over_training(results: Results) -> Image.Image:
    """The same four samples of every row after epochs 1, 2, 4, 8 and so on, and at the end, from left to right.

    Where samples show a point each, all of them on one picture.
    """
    lines: dict[str, list[Path]] = {}
    (output,) = sampled(results.study)
    if points(results.study):
        return _clouds(results, output)
    for row in _apart(results, output):
        lines[title(results, row)] = [file for place in _moments(results, row) for file in _files(place / output.name, 4)]
    return _strips(lines)


def _clouds(results: Results, output: Output) -> Image.Image:
    """Many points of every row in one picture for each moment of its training, beside real ones: where all are in one place."""

    def cloud(folder: Path) -> Image.Image:
        return Image.fromarray(np.max([np.asarray(read_rgb(file)) for file in _files(folder / output.name, CLOUD)], 0))

    rows = _apart(results, output)
    places, real = {row: _moments(results, row) for row in rows}, cloud(results.images["ground-truth", 0])
    lines = [[worded(title(results, row), 96), *map(cloud, places[row]), real] for row in rows]
    return sheet(["", *_named(max(places.values(), key=len)), "Real"], lines, 96)


def moments_of(results: Results) -> Image.Image:
    """Test images as each row translates them over its training: a line for each row and output; first seed."""
    study, rows = results.study, moments(results.params, results.study)
    lines, longest = [], max((_moments(results, row) for row in rows), key=len)
    for row, outputs in rows.items():
        places = _moments(results, row)
        places += [places[-1]] * (len(longest) - len(places))  # of a shorter training, which ended before
        for output in outputs:
            for name in shown(results.manifest["names"]["test"][str(output.source)], max(1, 4 // len(rows))):
                source = results.images[study.untouched, 0] / output.name / name
                lines.append([source, *(place / output.name / name for place in places)])
    return sheet(["Input", *_named(longest)], lines, 96)


def _moments(results: Results, row: str) -> list[Path]:
    """Where the images of a row lie that were made over its training, the last ones at the end."""
    folder = _folder(results, row)
    return [*sorted(folder.glob("epoch-*"), key=lambda place: int(place.name.removeprefix("epoch-"))), folder]


def _named(places: Sequence[Path]) -> list[str]:
    """Titles of such moments."""
    return [*(f"Epoch {place.name.removeprefix('epoch-')}" for place in places[:-1]), "End"]


def nearest(results: Results) -> Image.Image:
    """Translations of each row beside the training image that is nearest to each (Euclidean, over pixels); first seed."""
    lines, rows, data = [], copied(results.study), datasets.dataset_dir(results.params, results.study.dataset) / "train"
    for output in {output.name: output for of in rows.values() for output in of}.values():
        files = [data / output.target / name for name in results.manifest["names"]["train"][output.target]]
        mode, size = _mode(results, output), results.study.size
        known = np.stack([_levels(file, mode, size) for file in files])
        squares = np.square(known).sum(1)
        for row in (row for row, of in rows.items() if output in of):
            names = shown(results.manifest["names"]["test"][str(output.source)], max(1, 4 // len(rows)))
            for name in names:
                made = _folder(results, row) / output.name / name
                found = files[int((squares - 2 * known @ _levels(made, mode, size)).argmin())]
                lines.append([results.images[results.study.untouched, 0] / output.name / name, made, found])
    return sheet(["Input", "Translation", "Nearest in training"], lines, 112)


def neighbours(results: Results) -> Image.Image:
    """Of every row ten samples, each above the training image nearest to it (Euclidean, over pixels)."""
    (output,) = sampled(results.study)
    data = datasets.dataset_dir(results.params, results.study.dataset) / "train" / output.target
    files, mode = [data / name for name in results.manifest["names"]["train"][output.target]], _mode(results, output)
    side = results.study.size
    known = np.stack([_levels(file, mode, side) for file in files])
    squares, lines = np.square(known).sum(1), dict[str, list[Path]]()
    for row in _apart(results, output):
        generated = _files(_folder(results, row) / output.name)
        lines[title(results, row)] = generated
        nearest = [files[int((squares - 2 * known @ _levels(file, mode, side)).argmin())] for file in generated]
        lines[f"nearest to {title(results, row)}"] = nearest
    return _strips(lines)


def renderings_of(results: Results) -> Image.Image:
    """What rows that translate by rendering their input make of it: input, rendering, translation. First seed."""
    study, titles, columns = results.study, [], []
    for output in renderings(study):
        onward = next(o for o in study.outputs if o.source == output.source and o.translates)
        names = shown(results.manifest["names"]["test"][output.source])
        for row in (r for r, variant in study.rows.items() if output in variant.method.outputs()):
            titles += ["Input", "Rendered", onward.title.split(" → ")[-1].capitalize()]
            folder = results.images[row, study.seeds[0]]
            columns += [[results.images["identity", 0] / output.name / name for name in names]]
            columns += [[folder / of.name / name for name in names] for of in (output, onward)]
    return sheet(titles, [list(line) for line in zip(*columns, strict=True)], 112)


def extremes(results: Results) -> Image.Image:
    """Best, median and worst test image of the best row of each output, by the score that ranks images: input, output, truth."""
    titles, columns = [], []
    for output in [output.name for output in segmented(results)]:
        row = extreme_row(results, output)
        accuracy = results.by_image[output, row]
        order, names = (
            np.argsort(-accuracy, kind="stable"),
            results.manifest["names"]["test"][str(results.study.output(output).source)],
        )
        folders = [results.images[at] for at in (("identity", 0), (row, results.study.seeds[0]), ("ground-truth", 0))]
        for word, index in (("Best", order[0]), ("Median", order[len(order) // 2]), ("Worst", order[-1])):
            titles.append(f"{word} {accuracy[index]:.2f}")
            columns.append([folder / output / names[index] for folder in folders])
    return sheet(titles, [list(line) for line in zip(*columns, strict=True)], 112)


def extreme_row(results: Results, output: str) -> str:
    """The row of the highest mean headline of an output."""
    score = headline(results, output)
    of = results.scores
    scores = of[of.row.isin(results.study.rows) & (of.output == output) & (of.score == score)]
    means = scores.groupby("row", sort=False).value.mean()
    return str(means.idxmax())


def samples(results: Results, row: str, seed: int, images: int = 6) -> Image.Image:
    """All outputs of one run: input above output, a few test images."""
    lines = []
    for output in results.study.rows[row].method.outputs():
        folder = results.images[row, seed]
        if output.source is None:
            lines.append(_files(folder / output.name, images))
            continue
        names = results.manifest["names"]["test"][output.source][:images]
        above = [results.images[results.study.untouched, 0]]
        lines += [[place / output.name / name for name in names] for place in (*above, folder)]
    side = 96
    canvas = paper(side * max(map(len, lines)), side * len(lines))
    for y, line in enumerate(lines):
        for x, path in enumerate(line):
            canvas.paste(square(path, side), (x * side, y * side))
    return canvas


def _apart(results: Results, output: Output) -> list[str]:
    """Rows that make an output, each training once."""
    rows = results.study.rows.items()
    return [row for row, settings in rows if output in settings.method.outputs() and results.first[row] == row]


def _folder(results: Results, row: str) -> Path:
    """The images of a row's first seed."""
    return next(folder for (of, _), folder in results.images.items() if of == row)


def _files(folder: Path, count: int = ACROSS) -> list[Path]:
    return sorted(folder.glob("*.png"))[:count]


def _mode(results: Results, output: Output) -> str:
    return "L" if results.study.data.channels(output.target) == 1 else "RGB"


def _levels(file: Path, mode: str, side: Size) -> np.ndarray:
    """An image as a line of numbers from 0 to 1."""
    image = read_rgb(file).convert(mode)
    image = resize(image, side)
    return np.asarray(image, np.float32).ravel() / 255


def _mosaic(lines: Sequence[Sequence[Path]]) -> Image.Image:
    canvas = paper(max(map(len, lines)) * SIDE, len(lines) * SIDE)
    for y, line in enumerate(lines):
        for x, file in enumerate(line):
            canvas.paste(square(file, SIDE), (x * SIDE, y * SIDE))
    return canvas


def _strips(lines: Mapping[str, Sequence[Path]]) -> Image.Image:
    """Lines of small images behind their names."""
    images, font = _mosaic(list(lines.values())), ImageFont.load_default(12)
    canvas = paper(images.width + LABEL, images.height)
    canvas.paste(images, (LABEL, 0))
    for y, name in enumerate(lines):
        text = "\n".join(textwrap.wrap(name, 22))
        ImageDraw.Draw(canvas).multiline_text((LABEL - 8, (y + 0.5) * SIDE), text, INK, font, "rm", 2, "right")
    return canvas
