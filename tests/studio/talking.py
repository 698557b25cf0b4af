"""What people and the server tell each other over a live connection."""

import json
from io import BytesIO
from typing import Any, get_args, get_type_hints

import httpx
import numpy as np
from PIL import Image
from websockets.sync.client import ClientConnection

from featviz.studio.live_messages import FacesMessage, Outgoing
from tests.studio.serving import faces


def settings(**changes: Any) -> str:
    message = {
        "type": "settings",
        "checkpoints": ["small"],
        "start": None,
        "difference": False,
        "raster": False,
        "probe": None,
    }
    return json.dumps({**message, **changes})


def drawing(client: httpx.Client, number: int, *more: dict[str, Any]) -> list[dict[str, Any]]:
    strokes = client.get(f"/api/start/{number}").json()["strokes"]
    return [*strokes, *more]


def show(seq: int, strokes: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "draw", "seq": seq, "strokes": strokes})


KINDS = {
    get_args(get_type_hints(kind)["type"])[0]: kind for kind in (*get_args(Outgoing), FacesMessage)
}


def checked(message: dict[str, Any]) -> dict[str, Any]:
    """A message that has exactly what its kind has."""
    kind = KINDS[message["type"]]
    assert kind.__required_keys__ <= message.keys()
    assert message.keys() <= kind.__required_keys__ | kind.__optional_keys__
    return message


def next_faces(socket: ClientConnection, seq: int) -> tuple[dict[str, Any], bytes]:
    """The answer to a drawing; errors on the way are failures."""
    while True:
        message = socket.recv(timeout=300)
        if isinstance(message, bytes):
            header, pictures = faces(message)
            if checked(header)["seq"] == seq:
                return header, pictures
        else:
            assert checked(json.loads(message))["type"] != "error", message


def told(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next text of a kind."""
    while True:
        message = socket.recv(timeout=300)
        if isinstance(message, str) and checked(json.loads(message))["type"] == kind:
            return dict(json.loads(message))


def picture(place: dict[str, Any], pictures: bytes) -> np.ndarray[Any, Any]:
    data = pictures[place["offset"] : place["offset"] + place["length"]]
    image = Image.open(BytesIO(data))
    assert Image.MIME[str(image.format)] == place["type"]
    assert image.size == (place["width"], place["height"])
    return np.asarray(image)
