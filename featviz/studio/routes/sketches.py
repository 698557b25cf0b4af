"""Sketches: saved, seen by all, found again, exported."""

from datetime import UTC, datetime
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray

from featviz.sketches.drawing import CANVAS
from featviz.sketches.sketch_set import read_sketch
from featviz.studio import documents, messages
from featviz.studio.context import (
    FOREVER,
    Current,
    Cursor,
    Here,
    Identifier,
    Limit,
    PictureSize,
    Studio,
    Text,
    picture_response,
    storable,
)
from featviz.studio.exporting import export_sketches
from featviz.studio.gallery import Order, SketchFilter, facets, list_sketches
from featviz.studio.problems import StudioError
from featviz.studio.rasters import png
from featviz.studio.tables import Author, SketchRecord

routes = APIRouter()


@routes.put("/api/sketches/{identifier}")
def save_sketch(
    studio: Here,
    author: Current,
    identifier: Identifier,
    response: Response,
    wanted: messages.SketchRequest,
) -> dict[str, Any]:
    """Save a drawing, as it was after so many steps, into a group."""
    sketch, new = studio.store.save_sketch(
        author.id,
        identifier,
        wanted.drawing,
        wanted.revision,
        wanted.group,
        wanted.replaces,
        wanted.shown(),
    )
    response.status_code = 201 if new else 200
    return {"sketch": _summary(studio, sketch, author)}


@routes.get("/api/sketches")
def get_sketches(
    studio: Here,
    author: Current,
    group: Text = None,
    author_id: Annotated[str | None, Query(alias="author", max_length=40)] = None,
    base: Annotated[str | None, Query(max_length=40)] = None,
    part: Text = None,
    q: Text = None,
    origin: Literal["drawn", "imported", "start"] | None = None,
    mine: bool = False,
    state: Literal["saved", "deleted"] = "saved",
    since: datetime | None = None,
    until: datetime | None = None,
    order: Order = "new",
    limit: Limit = 24,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The gallery: saved sketches by filter, and what there is to filter by."""
    wanted = SketchFilter(
        group=storable(group),
        author=storable(author_id),
        base=storable(base),
        part=storable(part),
        text=storable(q),
        origin=origin,
        since=_aware(since),
        until=_aware(until),
        mine=author.id if mine or state == "deleted" else None,
        deleted=state == "deleted",
    )
    database = studio.store.database
    page = list_sketches(database, wanted, order, limit, cursor)
    return documents.gallery_document(page, facets(database), author.id, studio.starts)


@routes.get("/api/sketches/{identifier}")
def get_sketch(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """A sketch and its strokes."""
    sketch = studio.store.sketch(identifier)
    return {"sketch": _summary(studio, sketch, author), "strokes": sketch.strokes or []}


@routes.get("/api/sketches/{identifier}/picture.png")
def get_sketch_picture(
    studio: Here, _: Current, identifier: Identifier, size: PictureSize = 128
) -> Response:
    """A sketch as a picture."""
    sketch = studio.store.sketch(identifier)
    if sketch.strokes is None:
        return Response(png(sheet_pixels(sketch), size), media_type="image/png", headers=FOREVER)
    return picture_response(studio, [tuple(s["points"]) for s in sketch.strokes], size, FOREVER)


@routes.delete("/api/sketches/{identifier}")
def delete_sketch(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """Take one's own sketch out of the gallery."""
    sketch = studio.store.delete_sketch(author.id, identifier, True)
    return {"sketch": _summary(studio, sketch, author)}


@routes.post("/api/sketches/{identifier}/restore")
def restore_sketch(studio: Here, author: Current, identifier: Identifier) -> dict[str, Any]:
    """Put one's own sketch back."""
    sketch = studio.store.delete_sketch(author.id, identifier, False)
    return {"sketch": _summary(studio, sketch, author)}


@routes.get("/api/export.zip")
def get_export(studio: Here, author: Current, group: Text = None) -> Response:
    """The saved sketches as a sketch set, zipped."""
    studio.exports.take(author.id)
    with TemporaryDirectory() as folder:
        export_sketches(studio.store.database, Path(folder) / "sketches", storable(group))
        archive = make_archive(str(Path(folder) / "archive"), "zip", folder, "sketches")
        data = Path(archive).read_bytes()
    name = {"content-disposition": 'attachment; filename="featviz-sketches.zip"'}
    return Response(data, media_type="application/zip", headers=name)


def sheet_pixels(sketch: SketchRecord) -> NDArray[np.uint8]:
    """The pixels (512, 512) of a sketch that was imported as a picture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sketch{sketch.suffix}"
        path.write_bytes(sketch.original or b"")
        return read_sketch(path, CANVAS, f"sketch {sketch.label}")


def _summary(studio: Studio, sketch: SketchRecord, author: Author) -> dict[str, Any]:
    base = studio.store.sketch(sketch.base_id) if sketch.base_id else None
    nickname = studio.store.authors.nickname(sketch.author_id)
    return documents.sketch_summary(sketch, nickname, base, author.id, studio.starts)


def _aware(time: datetime | None) -> datetime | None:
    if time is None or time.tzinfo is None:
        return time and time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise StudioError("bad-request", "there is no such time in UTC") from None
