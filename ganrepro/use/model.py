"""MODEL, the one kind of name that every command takes, and what stands behind it.

A name is a row (`streets-tiny/cyclegan`, with a seed `streets-tiny/cyclegan/1`), a folder that `export` made, a published
`.pth` of pytorch-CycleGAN-and-pix2pix, or an MLflow address (`models:/NAME/1`, `runs:/ID/generator`). Where a row makes several
outputs, `:OUTPUT` behind it chooses one (`streets-tiny/cyclegan:photo2labels`).
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganrepro import settings
from ganrepro.methods.outputs import Output
from ganrepro.methods.stargan import WRONG_MASK
from ganrepro.plan import paths
from ganrepro.use import samples, translator
from ganrepro.use.exported import CONFIG, makes_samples
from ganrepro.use.rows import ModelError, run_of, split_output
from ganrepro.use.samples import Sampler
from ganrepro.use.translator import Translator

if TYPE_CHECKING:
    from PIL import Image


class Caution(UserWarning):
    """What one should know of a model that is loaded, and what to do where it is otherwise."""


class Choice(Caution):
    """That a model translates into several domains, of which none was named."""


@dataclass(frozen=True)
class Model:
    """A trained model: it translates images, makes new ones from noise, or both.

    name: as it was asked for.   translator: from image to image; None where it does not translate.   sampler: from noise; None
    where it does not start from noise.
    """

    name: str
    translator: Translator | None = None
    sampler: Sampler | None = None

    @property
    def title(self) -> str:
        """Of its row."""
        part = self.translator or self.sampler
        assert part is not None
        return part.title

    @property
    def about(self) -> dict[str, Any]:
        """What is known of its making: study, seed, scores, data, licence, provenance; plain values."""
        part = self.translator or self.sampler
        assert part is not None
        return part.about

    def __call__(self, image: Any, seed: int = 0, pixels: int | None = None) -> Any:
        """The translation of a PIL image, of a picture by its path, or of a tensor; see `Translator`.

        ModelError where the model starts from noise.
        """
        return self.translates()(image, seed, pixels)

    def sample(self, count: int, seed: int = 0, label: str | int | None = None) -> Iterator[Image.Image]:
        """New images from noise; see `Sampler`. ModelError where the model makes images of images."""
        return self.samples()(count, seed, label)

    def translates(self) -> Translator:
        """The part that translates. ModelError where there is none."""
        if self.translator is None:
            raise ModelError(f"{self.name}: starts from noise, not from a photo; ganrepro sample {self.name} makes images")
        return self.translator

    def samples(self) -> Sampler:
        """The part that starts from noise. ModelError where there is none."""
        if self.sampler is None:
            raise ModelError(f"{self.name}: makes images of images; ganrepro translate is for such models")
        return self.sampler

    def __repr__(self) -> str:
        return f"Model({self.name!r}: {self.translator or self.sampler!r})"


def load(name: str | Path, params: str | Path = "params.yaml", to: str | None = None) -> Model:
    """The model of that name: STUDY/ROW, STUDY/ROW/SEED, an exported folder, a published .pth, models:/… or runs:/…

    :OUTPUT behind it chooses a direction; so does `to`, the domain that is wanted.  ModelError where there is none, with what is
    like it or the command that makes it.
    """
    text, output = split_output(str(name))
    if to is not None and output is not None:
        raise ModelError(f"{name}: {output} says already what is wanted; leave `:{output}` or the target out")
    path = Path(text)
    if text.startswith(("models:/", "runs:/")) or (path / CONFIG).exists():
        folder = translator.folder_of_mlflow(text) if text.startswith(("models:/", "runs:/")) else path
        if makes_samples(folder):
            return Model(str(name), sampler=samples.read_folder(folder))
        model = translator.read_folder(folder)
        if output not in (None, model.output):
            raise ModelError(f"{text}: makes {model.output}, not {output}")
        if to not in (None, model.target):
            raise ModelError(f"{text}: makes images of {model.target} alone, not of {to}")
        return Model(str(name), replace(model, name=str(name)))
    if path.suffix == ".pth":
        if to is not None:
            raise ModelError(f"{text}: a published file does not say what it makes; leave the target {to} out")
        published = translator.of_published(path, output)
        for caution in published.cautions:
            warnings.warn(caution, Caution, stacklevel=2)
        return Model(str(name), published)
    if path.exists():
        raise ModelError(f"{text}: no exported model: it has no {CONFIG}; of exports the folder is read, not .onnx or .pt2")
    if not Path(params).exists():
        raise ModelError(f"{text}: no such file or folder; nor is there a {params} here, one of whose rows it could be")
    run = run_of(text, settings.load(params))
    if run.reference:
        raise ModelError(f"{text}: a reference row, which nothing was trained for")
    if to is None and output is None and len(others := _alike(run)) > 1:
        first, *more = others
        named = f"`--to {more[0].target}` of the command, or `{name}:{more[0].name}`, says otherwise"
        targets = ", ".join(o.target for o in others)
        warnings.warn(f"{name}: translates into {targets}; this is into {first.target}; {named}", Choice, stacklevel=2)
    return of_row(run, str(name), output if to is None else _output_to(run, str(name), to))


def _output_to(run: paths.Run, name: str, to: str) -> str:
    """The first output of a row that makes images of a domain. ModelError where none does, with what is like it."""
    targets = {o.target: o.name for o in reversed(run.outputs) if o.translates}
    if to not in targets:
        like = difflib.get_close_matches(to, targets, n=1)
        near = f"did you mean '{like[0]}'? " if like else ""
        raise ModelError(f"{name}: has no target '{to}'; {near}it translates into {', '.join(sorted(targets)) or 'none'}")
    return targets[to]


def every_target(name: str | Path, params: str | Path = "params.yaml") -> dict[str, Translator]:
    """Of a row that translates one domain into several, its translators by their targets; {} of every other model."""
    text, output = split_output(str(name))
    if output is not None or Path(text).exists() or text.startswith(("models:/", "runs:/")):
        return {}
    run = run_of(text, settings.load(params))
    outputs = _alike(run)
    return {o.target: translator.of_row(run, o) for o in outputs} if len(outputs) > 1 else {}


def _alike(run: paths.Run) -> list[Output]:
    """A row's first translation, and those of the same images into other domains."""
    outputs = [o for o in run.outputs if o.translates and not o.name.endswith(WRONG_MASK)]
    return [o for o in outputs if o.source == outputs[0].source]


def of_row(run: paths.Run, name: str, output: str | None = None) -> Model:
    """The model of a trained row.  output: which of its translations; None: the first."""
    outputs: dict[str, Output] = {o.name: o for o in run.outputs if not o.renders_input and not o.picture}
    if output is not None and output not in outputs:
        raise ModelError(f"{name}: makes {', '.join(outputs)}, not {output}")
    chosen = outputs[output] if output else next(iter(outputs.values()))
    if chosen.translates:
        return Model(name, translator.of_row(run, chosen))
    return Model(name, sampler=samples.of_row(run, name))
