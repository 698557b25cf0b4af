"""Rows of the database as the page reads them (JSON)."""

from typing import Any

from featviz.studio.gallery import DrawingsPage, Facets, GalleryPage
from featviz.studio.start_set import StartSet
from featviz.studio.steps import SheetContents
from featviz.studio.tables import Author, DrawingRecord, Event, SketchRecord, StrokeRecord, moment


def session_document(author: Author | None, token_required: bool) -> dict[str, Any]:
    """Who the page's user is."""
    session = author and {
        "author": author.id,
        "nickname": author.nickname,
        "created": moment(author.created),
    }
    return {"session": session, "token_required": token_required}


def _base_document(base: SketchRecord | None, starts: StartSet) -> dict[str, Any] | None:
    """The sketch that something was made from."""
    if base is None:
        return None
    number = starts.number_of(base.label) if base.origin == "start" else None
    return {"sketch": base.id, "label": base.label, "start": number}


def drawing_document(contents: SheetContents, starts: StartSet) -> dict[str, Any]:
    """A drawing with everything that ever happened to it."""
    drawing = contents.drawing
    return {
        "drawing": {
            "id": drawing.id,
            "base": _base_document(contents.base, starts),
            "created": moment(drawing.created),
            "updated": moment(drawing.updated),
            "revision": drawing.revision,
            "last": drawing.last_event,
            "ink": any(stroke.present for stroke in contents.strokes),
            "deleted": drawing.deleted and moment(drawing.deleted),
            "page_version": drawing.page_version,
            "saved": [
                {
                    "id": sketch.id,
                    "label": sketch.label,
                    "group": sketch.group_name,
                    "revision": sketch.revision,
                    "saved": moment(sketch.saved),
                }
                for sketch in contents.saved
            ],
        },
        "strokes": [stroke_document(stroke, stroke.present) for stroke in contents.strokes],
        "events": [{"number": event.number, **event_document(event)} for event in contents.events],
    }


def stroke_document(stroke: StrokeRecord, present: bool) -> dict[str, Any]:
    """A stroke of a drawing; present: whether it is there after the last step."""
    return {
        "id": stroke.id,
        "part": stroke.part,
        "order": stroke.position,
        "points": stroke.points,
        "present": present,
    }


def event_document(event: Event) -> dict[str, Any]:
    """A step of a drawing."""
    return {
        "id": event.id,
        "kind": event.kind,
        "of": event.of,
        "add": event.added,
        "remove": event.removed,
        "time": moment(event.time),
    }


def drawing_summary(
    drawing: DrawingRecord, base: SketchRecord | None, saved: int, starts: StartSet
) -> dict[str, Any]:
    """A drawing in a list."""
    return {
        "id": drawing.id,
        "base": _base_document(base, starts),
        "created": moment(drawing.created),
        "updated": moment(drawing.updated),
        "revision": drawing.revision,
        "saved": saved,
        "deleted": drawing.deleted and moment(drawing.deleted),
    }


def drawings_document(page: DrawingsPage, starts: StartSet) -> dict[str, Any]:
    """A page of drawings."""
    return {
        "drawings": [
            drawing_summary(drawing, page.bases.get(drawing.base_id or ""), saved, starts)
            for drawing, saved in page.drawings
        ],
        "next": page.next,
        "total": page.total,
    }


def sketch_summary(
    sketch: SketchRecord, nickname: str, base: SketchRecord | None, author_id: str, starts: StartSet
) -> dict[str, Any]:
    """A sketch without its strokes, as `author_id` sees it."""
    mine = sketch.author_id == author_id
    return {
        "id": sketch.id,
        "label": sketch.label,
        "group": sketch.group_name,
        "base": _base_document(base, starts),
        "edited_part": sketch.edited_part,
        "author": sketch.author_id,
        "nickname": nickname,
        "mine": mine,
        "saved": moment(sketch.saved),
        "deleted": sketch.deleted and moment(sketch.deleted),
        "drawing": sketch.drawing_id if mine else None,
        "revision": sketch.revision,
        "editable": sketch.strokes is not None,
        "origin": sketch.origin,
        "page_version": sketch.page_version,
        "faces": sketch.faces,
        "bases": len(sketch.bases or ()),
    }


def gallery_document(
    page: GalleryPage, facets: Facets, author_id: str, starts: StartSet
) -> dict[str, Any]:
    """A page of sketches and what there is to filter by."""
    return {
        "sketches": [
            sketch_summary(listed.sketch, listed.nickname, listed.base, author_id, starts)
            for listed in page.sketches
        ],
        "next": page.next,
        "total": page.total,
        "facets": {
            "groups": [{"group": name, "count": count} for name, count in facets.groups],
            "authors": [
                {"author": author, "nickname": nickname, "count": count}
                for author, nickname, count in facets.authors
            ],
            "parts": [{"part": part, "count": count} for part, count in facets.parts],
        },
    }
