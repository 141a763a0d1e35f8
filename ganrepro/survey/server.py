"""The study as a page: FastAPI, one static file, images under addresses that say nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Request
from fastapi import Path as Number
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ganrepro.data.images import read_rgb
from ganrepro.errors import UserError
from ganrepro.seeding import numpy_stream
from ganrepro.settings import SurveySettings
from ganrepro.survey.design import Images, StudyError, draw
from ganrepro.survey.store import NotSaved, Session, Store

LOOPBACK = "127.0.0.1"
MOST_BYTES = 16_000  # of a request: an answer has some hundred, comments have 2,000 characters
Width = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, le=86_400_000, allow_inf_nan=False)]


class Begin(BaseModel):
    """token: of the link, where each participant has one."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, Field(max_length=64)] | None = None


class Answer(BaseModel):
    """chosen: the side that was taken for fake.  shown_left, shown_right: milliseconds that the images stood, as measured.

    shown_pixels: their width on the page, in CSS pixels; a narrow screen shows them smaller than they are sent.
    """

    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=0, lt=10_000)]
    chosen: Literal["left", "right"]
    shown_left: Milliseconds
    shown_right: Milliseconds
    shown_pixels: Width | None = None
    took: Milliseconds


class Finish(BaseModel):
    """The last page."""

    model_config = ConfigDict(extra="forbid")
    colour_vision: Literal["normal", "deficient", "unknown"]
    comments: Annotated[str, Field(max_length=2000)] = ""


def application(store: Store, page: str, loopback: bool = True, hosts: Sequence[str] = ()) -> FastAPI:
    """A page with one script, and what every survey answers alike: its headers, its refusals, resuming, the end of a session.

    hosts: names besides this machine's own that requests may be for, where it serves on loopback (a tunnel's).
    """
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    if loopback:  # a page of another site that resolves to this machine is none of ours
        api.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", "[::1]", *hosts])
    script = page.split("<script>")[1].split("</script>")[0]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sources = ("img-src 'self' data:", "connect-src 'self'", "style-src 'unsafe-inline'", f"script-src 'sha256-{allowed}'")
    policy = "; ".join(("default-src 'none'", *sources, "base-uri 'none'", "frame-ancestors 'none'"))
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

    @api.middleware("http")
    async def small(request: Request, call: Any) -> Response:
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES or "transfer-encoding" in request.headers:
            return JSONResponse({"error": f"too long: at most {MOST_BYTES} bytes; shorten the comments"}, 413)
        answered: Response = await call(request)
        answered.headers.update(headers | {"X-Content-Type-Options": "nosniff"})
        return answered

    @api.exception_handler(UserError)
    async def refuse(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 507 if isinstance(error, NotSaved) else 409)

    @api.exception_handler(sqlite3.Error)
    async def unreadable(_: Request, error: sqlite3.Error) -> JSONResponse:
        return JSONResponse({"error": f"the answers cannot be read now ({error}); try again in a moment"}, 503)

    @api.exception_handler(RequestValidationError)
    async def unusable(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc'][1:])) or 'request'}: {first['msg']}"}, 422)

    @api.get("/")
    def first_page() -> HTMLResponse:
        return HTMLResponse(page)

    @api.post("/sessions/{name}/finish")
    def finish(name: str, what: Finish) -> dict[str, Any]:
        return {"right": store.finish(name, what.colour_vision, what.comments)}

    return api


def filled(name: str, **words: str) -> str:
    """A page of this folder with its words, and with the script that all pages have."""
    page, common = (Path(__file__).with_name(file).read_text(encoding="utf-8") for file in (name, "common.js"))
    page = page.replace("/* {{ common }} */", common)
    for key, text in words.items():
        page = page.replace(f"{{{{ {key} }}}}", html.escape(text))
    return page


def expect_token(tokens: bool, what: Begin) -> str | None:
    """The token of a session that begins, where each needs one. StudyError where it lacks."""
    if tokens and what.token is None:
        raise StudyError("this study is open by invitation; use the link that was sent to you")
    return what.token if tokens else None


def app(
    images: Images, settings: SurveySettings, store: Store, consent: str, tokens: bool, title: str,
    loopback: bool = True, hosts: Sequence[str] = (),
) -> FastAPI:  # fmt: skip
    """'Real or fake?'.

    consent: text of the first page.  tokens: whether a session needs the token of a link.
    """
    secret = store.secret()
    api = application(store, filled("page.html", title=title, consent=consent), loopback, hosts)

    def length(session: Session) -> dict[str, Any]:
        return session._asdict() | {"row": None, "settings": settings.model_dump()}

    @api.post("/sessions")
    def begin(what: Begin) -> dict[str, Any]:
        token = expect_token(tokens, what)

        def trials(number: int) -> list[Any]:
            return draw(images.names, settings, numpy_stream(0, f"survey/{secret}/{number}"))

        return length(store.begin(list(images.fakes), trials, settings.practice, token))

    @api.get("/sessions/{name}")
    def resume(name: str) -> dict[str, Any]:
        return length(store.session(name))

    @api.get("/sessions/{name}/{number}/{side}")
    def image(name: str, number: Annotated[int, Number(ge=0, le=10_000)], side: Literal["left", "right"]) -> Response:
        session, trial = store.session(name), store.trial(name, number)
        file = images.real / trial.real if side == trial.real_side else images.fakes[session.row] / trial.fake
        return picture(file, settings.pixels)

    @api.post("/sessions/{name}/answers")
    def answer(name: str, what: Answer) -> dict[str, Any]:
        practice = what.number < store.session(name).practice
        shown = (what.shown_left, what.shown_right, what.shown_pixels)
        right = store.answer(name, what.number, what.chosen, shown, what.took)
        return {"right": right} if practice else {}  # no feedback in the main part

    return api


def serve(application: FastAPI, host: str, port: int) -> None:
    """Until it is stopped."""
    uvicorn.run(application, host=host, port=port, log_level="warning", access_log=False)


def picture(file: Path, pixels: int) -> Response:
    """An image as an answer. StudyError that does not name it, where it cannot be read."""
    try:
        return Response(_png(file, pixels), media_type="image/png")
    except UserError as error:  # its words name the file, and so what the image is
        print(f"error: {error}", file=sys.stderr)
        raise StudyError("this image cannot be read; please tell whoever sent you here") from None


def _png(file: Path, pixels: int) -> bytes:
    """The image at the size it is shown at. Written anew and without compression: neither its name, nor how it was saved, nor
    how many bytes it takes tells what it is."""
    picture = read_rgb(file)
    longest = max(picture.size)
    width, height = (max(1, round(pixels * length / longest)) for length in picture.size)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    written = io.BytesIO()
    picture.save(written, "PNG", compress_level=0)
    return written.getvalue()
