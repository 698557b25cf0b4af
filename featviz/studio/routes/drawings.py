"""Drawings: private, stored stroke by stroke."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from featviz.studio import documents, messages
from featviz.studio.context import (
    Current,
    Cursor,
    Here,
    Identifier,
    Limit,
    PictureSize,
    Studio,
    picture_response,
)
from featviz.studio.gallery import list_drawings
from featviz.studio.start_sketch import StartSketch
from featviz.studio.steps import SheetContents
from featviz.studio.tables import Author

routes = APIRouter()


@routes.put("/api/drawings/{identifier}")
def create_drawing(
    studio: Here,
    author: Current,
    identifier: Identifier,
    response: Response,
    wanted: messages.DrawingRequest,
) -> dict[str, Any]:
    """A new drawing, from scratch or with the strokes of a sketch."""
    base: StartSketch | str | None = None
    if isinstance(wanted.base, messages.StartReference):
        base = studio.starts.start(wanted.base.start)
    elif wanted.base is not None:
        base = wanted.base.sketch
    contents, new = studio.store.create_drawing(author.id, identifier, base, wanted.page_version)
    response.status_code = 201 if new else 200
    return documents.drawing_document(contents, studio.starts)


@routes.get("/api/drawings/{identifier}")
def get_drawing(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """A drawing with all its strokes and steps."""
    contents = studio.store.drawing(author.id, identifier)
    return documents.drawing_document(contents, studio.starts)


@routes.post("/api/drawings/{identifier}/events")
def append_events(
    studio: Here, author: Current, identifier: Identifier, wanted: messages.EventsRequest
) -> dict[str, Any]:
    """Store steps; they are on disk when this is answered."""
    state = studio.store.append_events(author.id, identifier, wanted.after, wanted.new_events())
    return {"revision": state.revision, "last": state.last, "stored": state.stored}


@routes.get("/api/drawings")
def get_drawings(
    studio: Here,
    author: Current,
    state: Literal["open", "deleted"] = "open",
    limit: Limit = 24,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One's own drawings, the latest changed first."""
    page = list_drawings(studio.store.database, author.id, state == "deleted", limit, cursor)
    return documents.drawings_document(page, studio.starts)


@routes.get("/api/drawings/{identifier}/picture.png")
def get_drawing_picture(
    studio: Here,
    author: Current,
    identifier: Identifier,
    size: PictureSize = 128,
    revision: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """A drawing, now or after so many steps."""
    contents = studio.store.drawing(author.id, identifier)
    return picture_response(
        studio, _points_at(contents, revision), size, {"cache-control": "no-cache"}
    )


@routes.delete("/api/drawings/{identifier}")
def delete_drawing(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """Put a drawing aside."""
    return _put_aside(studio, author, identifier, True)


@routes.post("/api/drawings/{identifier}/restore")
def restore_drawing(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """Take a drawing back."""
    return _put_aside(studio, author, identifier, False)


def _put_aside(studio: Studio, author: Author, identifier: str, deleted: bool) -> dict[str, Any]:
    studio.store.delete_drawing(author.id, identifier, deleted)
    contents = studio.store.drawing(author.id, identifier)
    saved = len(contents.saved)
    return {
        "drawing": documents.drawing_summary(contents.drawing, contents.base, saved, studio.starts)
    }


def _points_at(contents: SheetContents, revision: int | None) -> list[tuple[float, ...]]:
    strokes = (
        contents.at(revision)
        if revision is not None
        else [stroke for stroke in contents.strokes if stroke.present]
    )
    return [tuple(stroke.points) for stroke in strokes]
