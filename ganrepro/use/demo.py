"""A page on this machine: upload a photo or draw one, and see what models make of it; or see what they make of noise.

Needs the extra `demo` (Gradio).
"""

from __future__ import annotations

import html
import importlib.util
import os
import re
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ganrepro.data.images import nearest_colour, resize
from ganrepro.use.rows import ModelError
from ganrepro.use.samples import Sampler
from ganrepro.use.translator import Translator
from ganrepro.use.words import LOOPBACK, expect_free

SHOWN = 320  # pixels of a picture on the page
INK = "#000000"
ACROSS, DOWN = 8, 5  # images of a generator that starts from noise
IN_TURN = "each in turn"  # of the classes


def check(host: str, port: int) -> None:
    """UserError where Gradio is missing or the port is taken."""
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", host):
        raise ModelError(f"demo: --host {host!r}: no name or address of a machine; leave it out to serve on this one alone")
    if importlib.util.find_spec("gradio") is None:
        raise ModelError("demo: Gradio is not installed; pip install 'ganrepro[demo]'")
    expect_free(host, port, "demo")


def serve(make: Callable[[], Any], host: str = LOOPBACK[0], port: int = 7860) -> None:
    """Serves a page until it is stopped; what was uploaded is gone then.

    make: builds it (`build`, `build_samples`), when the folder is known that its pictures and uploads lie in.
    On loopback it answers this machine's own names alone: a page of another site that resolves to it is none of ours.
    """
    check(host, port)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    own = [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])] if host in LOOPBACK else []
    for ending in ("SIGTERM", "SIGHUP"):  # a closed terminal, say: uploads are removed as at Ctrl-C
        if hasattr(signal, ending):
            signal.signal(getattr(signal, ending), signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ganrepro-demo-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        make().launch(
            server_name=host, server_port=port, share=False, show_error=True, quiet=True, footer_links=[], theme=theme,
            app_kwargs={"middleware": own},
        )  # fmt: skip


def translation(model: Translator, picture: Image.Image, seed: int = 0) -> Image.Image:
    """What a model makes of a picture, at the size it was trained at, enlarged to be seen; in the picture's shape."""
    width, height = _scaled(picture.size, model.pixels / min(picture.size))
    image: Image.Image = model(resize(picture.convert("RGB"), (width, height)), seed)
    return shown(image, Image.Resampling.BICUBIC)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def shown(image: Image.Image, how: Image.Resampling = Image.Resampling.NEAREST) -> Image.Image:
    """An image as large as the page has room for, in its shape."""
    return image.resize(_scaled(image.size, SHOWN / max(image.size)), how)


def drawn(model: Translator, picture: Image.Image | np.ndarray) -> Image.Image:
    """A drawing as the model saw such pictures: colours that a brush's edges mix snap to those of the labels."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if model.colours:
        colours = np.array(list(model.colours.values()), np.uint8)
        small = image.resize(_scaled(image.size, 2 * model.pixels / min(image.size)), Image.Resampling.NEAREST)
        index, _ = nearest_colour(small, colours)
        return Image.fromarray(colours[index])
    return image


def blank(model: Translator) -> Image.Image:
    """What a drawing begins with: the lower half in one label colour, the upper in another; else white."""
    width, height = _scaled(model.shape, SHOWN / max(model.shape))
    page = np.full((height, width, 3), 255, np.uint8)
    if model.colours:
        colours = dict(model.colours)
        page[:] = colours.get("sky", next(iter(colours.values())))
        page[height // 2 :] = colours.get("road", list(colours.values())[-1])
    return Image.fromarray(page)


def build(
    models: Sequence[Translator], examples: Sequence[Image.Image], targets: Mapping[str, Sequence[Translator]] | None = None
) -> Any:
    """The page, not yet served.

    targets: of models that translate into several domains, those of each, in the order of the models.
    """
    import gradio as gr

    first = models[0]
    labels = bool(first.colours)
    names = list(first.colours) if labels else ["pen"]
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in first.colours.values()] if labels else [INK]
    start = shown((examples[0] if examples else blank(first)).convert("RGB"))
    with gr.Blocks(title="ganrepro", analytics_enabled=False) as page:
        gr.Markdown(
            f"# {first.title if len(models) == 1 else 'Models side by side'}\n"
            + ("Draw with the label colours, which the pen's palette holds" if labels else "Draw with the pen")
            + ", or upload a picture; the translation follows. What it paints is invented, not seen."
        )
        with gr.Row():
            with gr.Column(min_width=SHOWN // 2):
                ink = colours[names.index("car") if "car" in names else 0]
                brush = gr.Brush(16 if labels else 3, colors=[*colours], default_color=ink, color_mode="fixed")
                canvas = gr.ImageEditor(
                    value=start, type="pil", image_mode="RGBA", brush=brush, layers=False, sources=["upload"], height=SHOWN + 120,
                    canvas_size=start.size, label="Input", transforms=(),
                )  # fmt: skip
            columns = []
            for model in models:
                with gr.Column(min_width=SHOWN // 2):  # beside the drawing from the first moment, which measures its place then
                    columns.append(
                        gr.Image(
                            label=model.title, type="pil", format="png", height=SHOWN + 120, buttons=["download", "fullscreen"]
                        )
                    )
        if labels:
            swatches = " ".join(
                f'<span style="white-space:nowrap"><span style="display:inline-block;width:1em;height:1em;border:1px solid #8886;'
                f'vertical-align:-2px;background:{colour}"></span> {html.escape(name)}</span> &nbsp; '
                for name, colour in zip(names, colours, strict=True)
            )
            gr.HTML(f"<p>{swatches}</p>")
        with gr.Row():
            names_of_targets = list(targets or {})
            to = gr.Radio(names_of_targets, value=next(iter(names_of_targets), None), label="Translate to", visible=bool(targets))
            noise = gr.Slider(0, 9, 0, step=1, label="Noise (dropout)", visible=any(model.noisy for model in models))
            again = gr.Button("Translate", variant="primary")
        if len(examples) > 1:
            gr.Examples([[shown(example)] for example in examples], [canvas])

        def run(value: dict[str, Any] | None, seed: float, wanted: str | None) -> list[Image.Image | None] | Image.Image | None:
            picture = (value or {}).get("composite")  # None after the editor's Clear
            chosen = models if wanted is None else (targets or {}).get(wanted, models)
            images = [None if picture is None else translation(model, drawn(model, picture), int(seed)) for model in chosen]
            return images if len(images) > 1 else images[0]

        # Gradio's editor leaves out either event once: `change` at the first stroke, `input` after an example
        for event in (canvas.change, canvas.input, again.click, noise.change, to.change, page.load):
            event(run, [canvas, noise, to], columns, show_progress="hidden", trigger_mode="always_last")
    return page


def sheet_of(sampler: Sampler, seed: int, label: str) -> Image.Image:
    """ACROSS x DOWN images of a seed, enlarged by whole pixels. label: of those that have no such class each in turn is made."""
    side = sampler.pixels
    page = Image.new("RGB", (ACROSS * (side + 1) - 1, DOWN * (side + 1) - 1), "white")
    for place, image in enumerate(sampler(ACROSS * DOWN, seed, label if label in sampler.classes else None)):
        row, column = divmod(place, ACROSS)
        page.paste(image.convert("RGB"), (column * (side + 1), row * (side + 1)))
    enlarged = max(1, round(2 * SHOWN / page.width))
    return page.resize((page.width * enlarged, page.height * enlarged), Image.Resampling.NEAREST)


def build_samples(samplers: Sequence[Sampler]) -> Any:
    """The page of generators that start from noise, not yet served."""
    import gradio as gr

    classes = list(dict.fromkeys(name for sampler in samplers for name in sampler.classes))
    with gr.Blocks(title="ganrepro", analytics_enabled=False) as page:
        gr.Markdown(
            f"# {samplers[0].title if len(samplers) == 1 else 'Models side by side'}\n"
            "Every image is made of random numbers; the same seed makes the same images again."
            + (
                " A class can be asked of those that take one."
                if 0 < sum(s.takes_class for s in samplers) < len(samplers)
                else ""
            )
        )
        with gr.Row():
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31 - 1)
            asked = gr.Dropdown([IN_TURN, *classes], value=IN_TURN, label="Class", visible=bool(classes))
            again = gr.Button("New images", variant="primary")
        with gr.Row():
            shown = []
            for sampler in samplers:
                with gr.Column(min_width=SHOWN // 2):
                    gr.Markdown(f"**{sampler.title}**", visible=len(samplers) > 1)
                    shown.append(gr.Image(show_label=False, type="pil", format="png", buttons=["download"]))

        def run(number: float | None, label: str) -> list[Image.Image] | Image.Image:
            sheets = [sheet_of(sampler, max(0, int(number or 0)), label) for sampler in samplers]
            return sheets if len(sheets) > 1 else sheets[0]

        again.click(lambda number: int(number or 0) + 1, seed, seed)
        for event in (seed.change, asked.change, page.load):
            event(run, [seed, asked], shown, show_progress="hidden", trigger_mode="always_last")
    return page
