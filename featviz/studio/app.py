"""The application of the drawing page: its routes, its errors and its live connections."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from featviz.base.errors import FeatvizError, one_line
from featviz.studio import messages
from featviz.studio.context import Studio
from featviz.studio.engine import Engine, Start
from featviz.studio.guard import Guard, refuse
from featviz.studio.live import LiveServer
from featviz.studio.pages import page_routes
from featviz.studio.probe import Prober
from featviz.studio.problems import StudioError
from featviz.studio.routes import drawings, sessions, sketches, starting

_log = logging.getLogger("featviz.studio")


def create_app(studio: Studio, hosts: frozenset[str]) -> ASGIApp:
    """The whole application; hosts: see `allowed_hosts`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        live = LiveServer(
            Engine(studio.networks, studio.rasters),
            Prober(studio.networks, studio.starts),
            partial(_start_of, studio),
        )
        app.state.live = live
        yield
        live.close()
        studio.store.database.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.studio = studio
    for kind in (FeatvizError, RequestValidationError, HTTPException, OSError):
        app.exception_handler(kind)(_failed)
    for part in (sessions, starting, drawings, sketches):
        app.include_router(part.routes)
    app.include_router(page_routes())
    app.websocket("/api/live")(_serve_live)
    return Guard(app, hosts)


async def _serve_live(socket: WebSocket) -> None:
    try:
        author = await asyncio.to_thread(socket.app.state.studio.author, socket)
    except StudioError as error:
        await refuse(socket.scope, socket._send, error)
        return
    await socket.app.state.live.serve(socket, author.id)


def _start_of(
    studio: Studio, reference: messages.StartReference | messages.SketchReference
) -> Start:
    if isinstance(reference, messages.StartReference):
        strokes = studio.starts.start(reference.start).strokes
        return Start(f"start:{reference.start}", strokes)
    sketch = studio.store.sketch(reference.sketch)
    if sketch.strokes is None:
        raise StudioError("bad-request", f"sketch {sketch.label} is made of pixels")
    return Start(
        f"sketch:{sketch.id}", tuple((s["part"], tuple(s["points"])) for s in sketch.strokes)
    )


async def _failed(request: Request, error: Exception) -> Response:
    problem = _as_problem(error)
    if problem.status >= 500:
        _log.warning("%s", one_line(f"{request.method} {request.url.path}: {problem}", 2000))
    return JSONResponse({"error": problem.document()}, problem.status)


def _as_problem(error: Exception) -> StudioError:
    if isinstance(error, StudioError):
        return error
    if isinstance(error, RequestValidationError):
        return messages.malformed(error.errors())
    if isinstance(error, HTTPException):
        codes = {404: "not-found", 405: "method", 408: "slow", 413: "too-large"}
        code = codes.get(error.status_code, "bad-request")
        return StudioError(code, " ".join(str(error.detail).split())[:200])
    if isinstance(error, FeatvizError):
        return StudioError("bad-request", str(error))
    # A full disk or a missing file; its path is not for the page.
    _log.error("%s", one_line(error, 2000))
    return StudioError("internal", "the server cannot read or write a file")
