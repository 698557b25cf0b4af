"""What there is: checkpoints, the sketches to start from, the mean face."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Depends, Response

from featviz.analysis.embedding.plots import group_styles
from featviz.base.points import PROBE_POINT
from featviz.base.provenance import VERSION
from featviz.sketches.drawing import CANVAS
from featviz.sketches.strokes import STROKE_WIDTH
from featviz.studio import messages
from featviz.studio.context import FOREVER, Here, PictureSize, Studio, current_author
from featviz.studio.rasters import png
from featviz.studio.start_set import StartSet

# Who asks does not matter here, only that there is a session.
routes = APIRouter(dependencies=[Depends(current_author)])

PAGE_VERSION = "1"


@routes.get("/api/config")
def get_config(studio: Here) -> dict[str, Any]:
    """Checkpoints, groups, limits."""
    return _config(studio)


@routes.get("/api/mean-face.png")
def get_mean_face() -> Response:
    """The mean face, to draw on."""
    data = files("featviz.studio").joinpath("mean-face.png").read_bytes()
    return Response(data, media_type="image/png", headers=FOREVER)


@routes.get("/api/start")
def list_start_sketches(studio: Here) -> dict[str, Any]:
    """The sketches to start from."""
    return {"sketches": [studio.starts.entry(number) for number in range(len(studio.starts))]}


@routes.get("/api/start/{number}")
def get_start_sketch(studio: Here, number: int) -> dict[str, Any]:
    """One of them, with its strokes."""
    entry = studio.starts.entry(number)
    strokes = studio.starts.strokes(number) or ()
    return {
        **entry,
        "strokes": [{"part": part, "points": points} for part, points in strokes],
    }


@routes.get("/api/start/{number}/picture.png")
def get_start_picture(studio: Here, number: int, size: PictureSize = 128) -> Response:
    """One of them as a picture."""
    # Under the same number another set has another sketch.
    image = studio.starts.image(number)
    return Response(png(image, size), media_type="image/png", headers={"cache-control": "no-cache"})


def _opening(starts: StartSet) -> dict[str, Any] | None:
    """What a page opens on, as it names a start sketch; None is a blank sheet."""
    number = starts.opening
    if number is None:
        return None
    return {"start": number, "label": starts.entry(number)["sketch"]}


def _config(studio: Studio) -> dict[str, Any]:
    limits, starts = studio.store.limits, studio.starts
    styles = group_styles(starts.groups)
    counts = {group: starts.sketch_groups.count(group) for group in starts.groups}
    return {
        "version": VERSION,
        "page_version": PAGE_VERSION,
        "size": CANVAS,
        "pen_width": STROKE_WIDTH,
        "token_required": bool(studio.token),
        "checkpoints": [choice.document() for choice in studio.networks.choices.values()],
        "selected": studio.selected,
        "probe_point": PROBE_POINT,
        "start": {
            "available": len(starts) > 0,
            "count": len(starts),
            "message": starts.message,
            "opening": _opening(starts),
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
            "bases": messages.MOST_BASES,
        },
    }
