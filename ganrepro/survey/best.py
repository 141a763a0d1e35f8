"""'Which is best?': one input and what every row makes of it, shuffled; people choose one.

Source: StarGAN (arXiv:1711.09020), section 5.4 and Tables 1 and 2: the best by "perceptual realism, quality of transfer in
attribute(s), and preservation of a figure's original identity".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi import Path as Number
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ganrepro.seeding import numpy_stream
from ganrepro.settings import SurveySettings
from ganrepro.survey.design import SEPARATOR, Images, StudyError, draw_lineups
from ganrepro.survey.server import Begin, Milliseconds, application, expect_token, filled, picture
from ganrepro.survey.store import Session, Store


class Choice(BaseModel):
    """place: of the image that was chosen, from 0."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=0, lt=10_000)]
    place: Annotated[int, Field(ge=0, lt=64)]
    took: Milliseconds


def app(
    images: Images, settings: SurveySettings, store: Store, consent: str, tokens: bool, title: str,
    loopback: bool = True, hosts: Sequence[str] = (),
) -> FastAPI:  # fmt: skip
    """The application.  images: `real` holds the inputs.  The rest: as in `server.app`."""
    secret, rows = store.secret(), list(images.fakes)
    page = filled("best.html", title=title, consent=consent, wanted=images.output.title)
    api = application(store, page, loopback, hosts)

    def length(session: Session) -> dict[str, Any]:
        return session._asdict() | {"row": None, "outputs": len(rows), "settings": settings.model_dump()}

    @api.post("/sessions")
    def begin(what: Begin) -> dict[str, Any]:
        token = expect_token(tokens, what)

        def trials(number: int) -> list[Any]:
            random = numpy_stream(0, f"survey/best/{secret}/{number}")
            return [lineup.as_trial() for lineup in draw_lineups(images.names, rows, settings, random)]

        return length(store.begin([SEPARATOR.join(rows)], trials, 0, token))

    @api.get("/sessions/{name}")
    def resume(name: str) -> dict[str, Any]:
        return length(store.session(name))

    @api.get("/sessions/{name}/{number}/given")
    def input_of(name: str, number: Annotated[int, Number(ge=0, le=10_000)]) -> Response:
        return picture(images.real / store.trial(name, number).real, settings.pixels)

    @api.get("/sessions/{name}/{number}/{place}")
    def image(name: str, number: Annotated[int, Number(ge=0, le=10_000)], place: Annotated[int, Number(ge=0, lt=64)]) -> Response:
        trial = store.trial(name, number)
        return picture(images.fakes[_row(trial.fake, place)] / trial.real, settings.pixels)

    @api.post("/sessions/{name}/answers")
    def answer(name: str, what: Choice) -> dict[str, Any]:
        row = _row(store.trial(name, what.number).fake, what.place)
        store.answer(name, what.number, row, (0.0, 0.0, None), what.took)
        return {}

    return api


def _row(order: str, place: int) -> str:
    rows = order.split(SEPARATOR)
    if place >= len(rows):
        raise StudyError(f"there are {len(rows)} images, and none at place {place}")
    return rows[place]
