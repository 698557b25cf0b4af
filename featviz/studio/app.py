"""The routes of the drawing page; `docs/drawing.md` tells what they are for."""

import asyncio
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from featviz import __version__
from featviz.drawing import CANVAS, STROKE_WIDTH
from featviz.errors import FeatvizError
from featviz.plots import group_styles
from featviz.points import PROBE_POINT
from featviz.sketches import read_sketch
from featviz.studio import documents, messages
from featviz.studio.engine import Engine, Start
from featviz.studio.exporting import export_sketches
from featviz.studio.gallery import (
    MOST_PER_PAGE,
    Order,
    SketchFilter,
    facets,
    list_drawings,
    list_sketches,
)
from featviz.studio.guard import Guard, RateLimit, refuse
from featviz.studio.live import LiveServer
from featviz.studio.networks import Networks
from featviz.studio.probe import Prober
from featviz.studio.problems import StudioError
from featviz.studio.rasters import Rasters, png
from featviz.studio.start_set import StartSet
from featviz.studio.start_sketch import StartSketch
from featviz.studio.steps import Contents
from featviz.studio.store import Store
from featviz.studio.tables import ID_PATTERN, Author, Sketch

log = logging.getLogger("featviz.studio")

PAGE_VERSION = "1"
PARTS = (
    "face-shape",
    "left-brow",
    "right-brow",
    "left-eye",
    "right-eye",
    "nose",
    "mouth",
    "hair",
    "left-ear",
    "right-ear",
    "beard",
    "wrinkles",
    "other",
)

STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_FOREVER = {"cache-control": "private, max-age=86400, immutable"}
_YEAR = 365 * 24 * 3600
_KNOWN_SECONDS = 30.0


@dataclass
class Studio:
    """Everything a running server has.

    token: what a new session needs; "" for none. cookie: the name of the session's cookie.
    """

    store: Store
    networks: Networks
    starts: StartSet
    selected: tuple[str, ...]
    token: str = ""
    cookie: str = "featviz"
    rasters: Rasters = field(default_factory=Rasters)

    def __post_init__(self) -> None:
        self.requests = RateLimit(rate=100, burst=400)
        self.new_sessions = RateLimit(rate=2, burst=120)
        self.exports = RateLimit(rate=0.2, burst=5)
        self._known: OrderedDict[str, tuple[float, Author]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def database_name(self) -> str:
        """For people."""
        return self.store.database.name

    def author(self, connection: HTTPConnection) -> Author:
        """Whose request it is; raises StudioError "session" if nobody's."""
        secret = connection.cookies.get(self.cookie, "")
        if not secret or len(secret) > 100:
            raise StudioError("session", "begin a session first")
        with self._lock:
            known = self._known.get(secret)
        # A look into the database for each request would be slow, and none for long would let
        # a session live on that another server has ended.
        if known is None or time.monotonic() - known[0] > _KNOWN_SECONDS:
            author = self.store.author_of(secret, self.token)
            if author is None:
                raise StudioError("session", "this session is not known here; begin another")
            known = (time.monotonic(), author)
            with self._lock:
                self._known[secret] = known
                while len(self._known) > 1000:
                    self._known.popitem(last=False)
        self.requests.take(known[1].id)
        return known[1]

    def forget(self, secret: str) -> None:
        """Look into the database at the next request."""
        with self._lock:
            self._known.pop(secret, None)


def create_app(studio: Studio, hosts: frozenset[str]) -> ASGIApp:
    """The whole application; hosts: see `allowed_hosts`."""
    # The server has one event loop, which does not run yet; live connections begin inside it.
    live: list[LiveServer] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine = Engine(studio.networks, studio.rasters)
        live.append(LiveServer(engine, Prober(studio.networks, studio.starts), start_of))
        yield
        live[0].close()
        studio.store.database.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False

    def current(request: Request) -> Author:
        return studio.author(request)

    Current = Annotated[Author, Depends(current)]  # noqa: N806
    Identifier = Annotated[str, Depends(_identifier)]  # noqa: N806

    def start_of(
        reference: messages.StartReference | messages.SketchReference,
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

    def summary(sketch: Sketch, author: Author) -> dict[str, Any]:
        base = studio.store.sketch(sketch.base_id) if sketch.base_id else None
        nickname = studio.store.nickname(sketch.author_id)
        return documents.sketch_summary(sketch, nickname, base, author.id, studio.starts)

    # Errors

    async def failed(request: Request, error: Exception) -> Response:
        problem = _as_problem(error)
        if problem.status >= 500:
            log.warning("%s %s: %s", request.method, request.url.path, problem)
        return JSONResponse({"error": problem.document()}, problem.status)

    for kind in (FeatvizError, RequestValidationError, HTTPException, OSError):
        app.exception_handler(kind)(failed)

    # Sessions

    @app.get("/api/session")
    def get_session(request: Request) -> dict[str, Any]:
        try:
            author = studio.author(request)
        except StudioError as error:
            if error.code != "session":
                raise
            author = None
        return documents.session_document(author, bool(studio.token))

    @app.post("/api/session")
    def begin_session(
        request: Request, response: Response, wanted: messages.SessionRequest
    ) -> dict[str, Any]:
        studio.new_sessions.take(request.client.host if request.client else "")
        secret = request.cookies.get(studio.cookie, "")
        try:
            author = studio.author(request)
        except StudioError as error:
            if error.code != "session":
                raise
            given = (wanted.token or "").encode("utf-8", "surrogatepass")
            if studio.token and not secrets.compare_digest(given, studio.token.encode()):
                raise StudioError("token", "the token is missing or wrong") from None
            author, secret = studio.store.begin_session(
                wanted.nickname or "anonymous", studio.token
            )
        else:
            if wanted.nickname is not None:
                author = studio.store.rename(author.id, wanted.nickname)
                studio.forget(secret)
        response.set_cookie(
            studio.cookie,
            secret,
            max_age=_YEAR,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return documents.session_document(author, bool(studio.token))

    @app.delete("/api/session")
    def end_session(request: Request, response: Response) -> dict[str, Any]:
        studio.forget(request.cookies.get(studio.cookie, ""))
        response.delete_cookie(studio.cookie, httponly=True, samesite="strict")
        return documents.session_document(None, bool(studio.token))

    # What there is

    @app.get("/api/config")
    def get_config(author: Current) -> dict[str, Any]:
        del author
        return _config(studio)

    @app.get("/api/mean-face.png")
    def get_mean_face(author: Current) -> Response:
        del author
        data = files("featviz.studio").joinpath("mean-face.png").read_bytes()
        return Response(data, media_type="image/png", headers=_FOREVER)

    @app.get("/api/start")
    def list_start_sketches(author: Current) -> dict[str, Any]:
        del author
        return {"sketches": [studio.starts.entry(number) for number in range(len(studio.starts))]}

    @app.get("/api/start/{number}")
    def get_start_sketch(author: Current, number: int) -> dict[str, Any]:
        del author
        entry = studio.starts.entry(number)
        strokes = studio.starts.strokes(number) or ()
        return {
            **entry,
            "strokes": [{"part": part, "points": points} for part, points in strokes],
        }

    @app.get("/api/start/{number}/picture.png")
    def get_start_picture(author: Current, number: int, size: _Size = 128) -> Response:
        del author
        image = studio.starts.image(number)
        return Response(png(image, size), media_type="image/png", headers=_FOREVER)

    # Drawings

    @app.put("/api/drawings/{identifier}")
    def create_drawing(
        author: Current, identifier: Identifier, response: Response, wanted: messages.DrawingRequest
    ) -> dict[str, Any]:
        base: StartSketch | str | None = None
        if isinstance(wanted.base, messages.StartReference):
            base = studio.starts.start(wanted.base.start)
        elif wanted.base is not None:
            base = wanted.base.sketch
        contents, new = studio.store.create_drawing(
            author.id, identifier, base, wanted.page_version
        )
        response.status_code = 201 if new else 200
        return documents.drawing_document(contents, studio.starts)

    @app.get("/api/drawings/{identifier}")
    def get_drawing(author: Current, identifier: Identifier) -> dict[str, Any]:
        contents = studio.store.drawing(author.id, identifier)
        return documents.drawing_document(contents, studio.starts)

    @app.post("/api/drawings/{identifier}/events")
    def append_events(
        author: Current, identifier: Identifier, wanted: messages.EventsRequest
    ) -> dict[str, Any]:
        state = studio.store.append_events(author.id, identifier, wanted.after, wanted.new_events())
        return {"revision": state.revision, "last": state.last, "stored": state.stored}

    @app.get("/api/drawings")
    def get_drawings(
        author: Current,
        state: Literal["open", "deleted"] = "open",
        limit: _Limit = 24,
        cursor: _Cursor = None,
    ) -> dict[str, Any]:
        page = list_drawings(studio.store.database, author.id, state == "deleted", limit, cursor)
        return documents.drawings_document(page, studio.starts)

    @app.get("/api/drawings/{identifier}/picture.png")
    def get_drawing_picture(
        author: Current,
        identifier: Identifier,
        size: _Size = 128,
        revision: Annotated[int | None, Query(ge=0)] = None,
    ) -> Response:
        contents = studio.store.drawing(author.id, identifier)
        return _picture(studio, _points_at(contents, revision), size, {"cache-control": "no-cache"})

    @app.delete("/api/drawings/{identifier}")
    def delete_drawing(author: Current, identifier: Identifier) -> dict[str, Any]:
        return put_aside(author, identifier, True)

    @app.post("/api/drawings/{identifier}/restore")
    def restore_drawing(author: Current, identifier: Identifier) -> dict[str, Any]:
        return put_aside(author, identifier, False)

    def put_aside(author: Author, identifier: str, deleted: bool) -> dict[str, Any]:
        studio.store.delete_drawing(author.id, identifier, deleted)
        contents = studio.store.drawing(author.id, identifier)
        saved = len(contents.saved)
        return {
            "drawing": documents.drawing_summary(
                contents.drawing, contents.base, saved, studio.starts
            )
        }

    # Sketches

    @app.put("/api/sketches/{identifier}")
    def save_sketch(
        author: Current, identifier: Identifier, response: Response, wanted: messages.SketchRequest
    ) -> dict[str, Any]:
        sketch, new = studio.store.save_sketch(
            author.id, identifier, wanted.drawing, wanted.revision, wanted.group, wanted.replaces
        )
        response.status_code = 201 if new else 200
        return {"sketch": summary(sketch, author)}

    @app.get("/api/sketches")
    def get_sketches(
        author: Current,
        group: _Text = None,
        author_id: Annotated[str | None, Query(alias="author", max_length=40)] = None,
        base: Annotated[str | None, Query(max_length=40)] = None,
        part: _Text = None,
        q: _Text = None,
        origin: Literal["drawn", "imported", "start"] | None = None,
        mine: bool = False,
        state: Literal["saved", "deleted"] = "saved",
        since: datetime | None = None,
        until: datetime | None = None,
        order: Order = "new",
        limit: _Limit = 24,
        cursor: _Cursor = None,
    ) -> dict[str, Any]:
        wanted = SketchFilter(
            group=_printable(group),
            author=_printable(author_id),
            base=_printable(base),
            part=_printable(part),
            text=_printable(q),
            origin=origin,
            since=_aware(since),
            until=_aware(until),
            mine=author.id if mine or state == "deleted" else None,
            deleted=state == "deleted",
        )
        database = studio.store.database
        page = list_sketches(database, wanted, order, limit, cursor)
        return documents.gallery_document(page, facets(database), author.id, studio.starts)

    @app.get("/api/sketches/{identifier}")
    def get_sketch(author: Current, identifier: Identifier) -> dict[str, Any]:
        sketch = studio.store.sketch(identifier)
        return {"sketch": summary(sketch, author), "strokes": sketch.strokes or []}

    @app.get("/api/sketches/{identifier}/picture.png")
    def get_sketch_picture(author: Current, identifier: Identifier, size: _Size = 128) -> Response:
        del author
        sketch = studio.store.sketch(identifier)
        if sketch.strokes is None:
            return Response(png(pixels_of(sketch), size), media_type="image/png", headers=_FOREVER)
        return _picture(studio, [tuple(s["points"]) for s in sketch.strokes], size, _FOREVER)

    @app.delete("/api/sketches/{identifier}")
    def delete_sketch(author: Current, identifier: Identifier) -> dict[str, Any]:
        sketch = studio.store.delete_sketch(author.id, identifier, True)
        return {"sketch": summary(sketch, author)}

    @app.post("/api/sketches/{identifier}/restore")
    def restore_sketch(author: Current, identifier: Identifier) -> dict[str, Any]:
        sketch = studio.store.delete_sketch(author.id, identifier, False)
        return {"sketch": summary(sketch, author)}

    @app.get("/api/export.zip")
    def get_export(author: Current, group: _Text = None) -> Response:
        studio.exports.take(author.id)
        with TemporaryDirectory() as folder:
            export_sketches(studio.store.database, Path(folder) / "sketches", _printable(group))
            archive = make_archive(str(Path(folder) / "archive"), "zip", folder, "sketches")
            data = Path(archive).read_bytes()
        name = {"content-disposition": 'attachment; filename="featviz-sketches.zip"'}
        return Response(data, media_type="application/zip", headers=name)

    # Live

    @app.websocket("/api/live")
    async def serve_live(socket: WebSocket) -> None:
        try:
            author = await asyncio.to_thread(studio.author, socket)
        except StudioError as error:
            await refuse(socket.scope, socket._send, error)
            return
        await live[0].serve(socket, author.id)

    for path, file in static_files(STATIC).items():
        app.get(path)(_serve(file))
    return Guard(app, hosts)


def static_files(folder: Path) -> dict[str, Path]:
    """The paths under which the page's files are served; nothing else ever is.

    The table is made once, so no request is turned into a path.
    """
    table = {
        f"/static/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _KINDS and not path.name.startswith(".")
    }
    if "/static/index.html" in table:
        table["/"] = table["/static/index.html"]
    for icon in ("/static/favicon.ico", "/static/favicon.svg"):
        if icon in table:
            table.setdefault("/favicon.ico", table[icon])
    return table


def pixels_of(sketch: Sketch) -> NDArray[np.uint8]:
    """The pixels (512, 512) of a sketch that was imported as a picture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sketch{sketch.suffix}"
        path.write_bytes(sketch.original or b"")
        return read_sketch(path, CANVAS, f"sketch {sketch.label}")


_Size = Annotated[int, Query(ge=32, le=CANVAS)]
_Limit = Annotated[int, Query(ge=1, le=MOST_PER_PAGE)]
_Cursor = Annotated[str | None, Query(max_length=400)]
_Text = Annotated[str | None, Query(max_length=100)]


def _identifier(identifier: Annotated[str, PathParameter(pattern=ID_PATTERN)]) -> str:
    return identifier


def _serve(path: Path) -> Callable[[], Response]:
    kind = _KINDS[path.suffix]

    def serve() -> Response:
        return Response(path.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})

    return serve


def _picture(
    studio: Studio, strokes: list[tuple[float, ...]], size: int, headers: dict[str, str]
) -> Response:
    data = png(studio.rasters.picture(strokes), size)
    return Response(data, media_type="image/png", headers=headers)


def _points_at(contents: Contents, revision: int | None) -> list[tuple[float, ...]]:
    strokes = (
        contents.at(revision)
        if revision is not None
        else [stroke for stroke in contents.strokes if stroke.present]
    )
    return [tuple(stroke.points) for stroke in strokes]


def _printable(text: str | None) -> str | None:
    return text and "".join(character for character in text if character.isprintable())


def _aware(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _config(studio: Studio) -> dict[str, Any]:
    limits, starts = studio.store.limits, studio.starts
    styles = group_styles(starts.groups)
    counts = {group: starts.sketch_groups.count(group) for group in starts.groups}
    return {
        "version": __version__,
        "page_version": PAGE_VERSION,
        "size": CANVAS,
        "pen_width": STROKE_WIDTH,
        "token_required": bool(studio.token),
        "checkpoints": [choice.document() for choice in studio.networks.choices.values()],
        "selected": studio.selected,
        "parts": PARTS,
        "probe_point": PROBE_POINT,
        "start": {
            "available": len(starts) > 0,
            "count": len(starts),
            "message": starts.message,
            "groups": [
                {
                    "group": group,
                    "count": counts[group],
                    "color": style.color,
                    "marker": style.marker,
                }
                for group, style in styles.items()
            ],
        },
        "mean_face": "/api/mean-face.png",
        "limits": {
            "body_bytes": messages.BODY_BYTES,
            "message_bytes": messages.MESSAGE_BYTES,
            "strokes": limits.strokes,
            "points": limits.points,
            "events_per_request": messages.EVENTS_PER_REQUEST,
            "events_per_drawing": limits.events,
            "group_characters": messages.GROUP_CHARACTERS,
        },
    }


def _as_problem(error: Exception) -> StudioError:
    if isinstance(error, StudioError):
        return error
    if isinstance(error, RequestValidationError):
        return messages.malformed(error.errors())
    if isinstance(error, HTTPException):
        codes = {404: "not-found", 405: "method", 413: "too-large"}
        code = codes.get(error.status_code, "bad-request")
        return StudioError(code, " ".join(str(error.detail).split())[:200])
    if isinstance(error, FeatvizError):
        return StudioError("bad-request", str(error))
    # A full disk or a missing file; its path is not for the page.
    log.error("%s", error)
    return StudioError("internal", "the server cannot read or write a file")
