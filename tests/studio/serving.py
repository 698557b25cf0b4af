"""A real server (uvicorn, sockets) in a thread of the test process, and clients for it."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from websockets.sync.client import ClientConnection, connect

from featviz.studio.app import create_app
from featviz.studio.context import Studio
from featviz.studio.database import Database
from featviz.studio.guard import allowed_hosts
from featviz.studio.networks import Networks
from featviz.studio.server import uvicorn_settings
from featviz.studio.start_set import open_start_set
from featviz.studio.steps import Limits
from featviz.studio.store import Store


def client_of(address: str) -> httpx.Client:
    """A client without a session, as a page of the server itself."""
    # Nothing is encrypted here, and reading the system's certificates takes its time.
    return httpx.Client(base_url=address, headers={"Origin": address}, timeout=300, verify=False)


@dataclass
class Serving:
    """A running server."""

    port: int
    studio: Studio
    token: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def anonymous(self) -> httpx.Client:
        """A client without a session."""
        return client_of(self.address)

    @contextmanager
    def client(self, nickname: str = "Mei") -> Iterator[httpx.Client]:
        """A client with a session of its own."""
        with self.anonymous() as client:
            wanted = {"nickname": nickname, "token": self.token}
            answer = client.post("/api/session", json=wanted)
            assert answer.status_code == 200, answer.text
            yield client

    def live(self, client: httpx.Client, **more: Any) -> ClientConnection:
        """A WebSocket for a client's session."""
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return connect(
            f"ws://127.0.0.1:{self.port}/api/live",
            origin=more.pop("origin", self.address),
            additional_headers={"Cookie": cookies},
            max_size=None,
            open_timeout=300,
            **more,
        )


@contextmanager
def serving(
    database: str | Path,
    checkpoints: Sequence[Path],
    sketches: Path | None,
    token: str = "",
    limits: Limits | None = None,
    busy_seconds: float = 5.0,
    **uvicorn_changes: Any,
) -> Iterator[Serving]:
    """Serve until the block ends; uvicorn_changes: to how uvicorn is run."""
    networks = Networks([str(path) for path in checkpoints])
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    studio = Studio(
        Store(Database(database, busy_seconds), limits),
        networks,
        open_start_set(sketches),
        networks.names_of([str(path) for path in checkpoints]),
        token,
        cookie=f"featviz-{port}",
    )
    app = create_app(studio, allowed_hosts("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, **{**uvicorn_settings(), **uvicorn_changes}))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Serving(port, studio, token)
    finally:
        server.should_exit = True
        thread.join(300)


def stroke(part: str = "mouth", *points: float, order: float = 0) -> dict[str, Any]:
    """A new stroke as the page sends it."""
    return {
        "id": str(uuid4()),
        "part": part,
        "order": order,
        "points": list(points) or [200, 300, 250, 310],
    }


def draw(
    *strokes: dict[str, Any], remove: Sequence[str] = (), kind: str = "draw"
) -> dict[str, Any]:
    """An event as the page sends it."""
    return {"id": str(uuid4()), "kind": kind, "add": list(strokes), "remove": list(remove)}


def new_drawing(client: httpx.Client, base: dict[str, Any] | None = None) -> str:
    """The id of a drawing made just now."""
    identifier = str(uuid4())
    answer = client.put(f"/api/drawings/{identifier}", json={"base": base})
    assert answer.status_code == 201, answer.text
    return identifier


def append(
    client: httpx.Client, drawing: str, after: str | None, *events: dict[str, Any]
) -> httpx.Response:
    """Send events."""
    return client.post(
        f"/api/drawings/{drawing}/events", json={"after": after, "events": list(events)}
    )


def save(client: httpx.Client, drawing: str, revision: int, group: str = "mine") -> dict[str, Any]:
    """Save a sketch and give its summary."""
    answer = client.put(
        f"/api/sketches/{uuid4()}",
        json={"drawing": drawing, "revision": revision, "group": group},
    )
    assert answer.status_code == 201, answer.text
    sketch: dict[str, Any] = answer.json()["sketch"]
    return sketch


def faces(message: str | bytes) -> tuple[dict[str, Any], bytes]:
    """Header and pictures of a binary message."""
    assert isinstance(message, bytes), message
    length = int.from_bytes(message[:4], "big")
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def code(answer: httpx.Response) -> str:
    """The code of an error, which is one line without any inside of the server."""
    error = answer.json()["error"]
    assert error["message"] and "\n" not in error["message"]
    for inside in ("Traceback", "site-packages", ".py", "/tmp/", "sqlalchemy"):
        assert inside not in answer.text
    return str(error["code"])
