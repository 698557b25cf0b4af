"""Starting the server of the drawing page, and the browser."""

import logging
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn

from featviz.base.errors import FeatvizError
from featviz.studio.app import create_app
from featviz.studio.connections import Patience, patient_protocol
from featviz.studio.context import Studio
from featviz.studio.database import Database, default_database
from featviz.studio.guard import allowed_hosts, is_loopback
from featviz.studio.messages import MESSAGE_BYTES
from featviz.studio.networks import Networks
from featviz.studio.start_set import open_start_set
from featviz.studio.store import Store

_LEAST_TOKEN = 8
_MOST_CONNECTIONS = 1000
_MOST_HEAD_BYTES = 32_768
_TOKEN_VARIABLE = "FEATVIZ_TOKEN"


def check_token(host: str, token: str) -> None:
    """Raise FeatvizError for a server that others can reach without a token, or a short one."""
    if token and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise FeatvizError(
            f"the token has {len(token)} characters; expected {_LEAST_TOKEN} or more, ASCII only"
        )
    if not is_loopback(host) and not token:
        raise FeatvizError(
            f"{host} can be reached from other machines; leave --token as it is or give one, which "
            "everybody needs who draws, or keep to --host 127.0.0.1"
        )


def choose_token(token: str | None, file: Path | None) -> str:
    """The token that is given, or in the file, or in the environment, or this user's own.

    token: "" asks for none. The own one is made once and kept where only this user can read it, so
    sessions outlive the server. Raises FeatvizError for a file that holds no token.
    """
    if token is not None:
        return token
    if file is not None:
        return _read_token(file)
    if given := os.environ.get(_TOKEN_VARIABLE):
        return given
    own = default_database().with_name("token")
    try:
        return _make_token(own)
    except FileExistsError:
        return _read_token(own)
    except OSError:
        # Nowhere to keep it: one for this time.
        return secrets.token_urlsafe(18)


def _make_token(path: Path) -> str:
    token = secrets.token_urlsafe(18)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(private, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _read_token(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            token = file.readline(1000).strip()
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise FeatvizError(f"{path} holds no token; expected one in its first line")
    return token


def serve(
    checkpoints: Sequence[str],
    host: str,
    port: int,
    database: str | Path | None,
    token: str,
    sketches: Path | None,
    names: Sequence[str],
    ready: Callable[[str, str], None],
) -> None:
    """Serve the page until stopped.

    checkpoints: offered beside the shipped ones, and the first two chosen; own ones by path, data
    bases too. port: 0 takes a free one. names:
    more host names by which the server may be called. ready: called with the page's address and
    the database's name when it can be opened. Raises FeatvizError for anything that cannot be
    used, before anything is served.
    """
    check_token(host, token)
    if not 0 <= port < 2**16:
        # The system takes the lower 16 bits of a larger number: another port, and says nothing.
        raise FeatvizError(f"port {port} is none; expected 0 to 65535")
    if not checkpoints:
        raise FeatvizError("expected one or more checkpoints; got none")
    networks = Networks(checkpoints)
    selected = networks.names_of(checkpoints)[:2]
    starts = open_start_set(sketches)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    studio = Studio(
        Store(Database(database)),
        networks,
        starts,
        selected,
        token,
        # Cookies do not tell ports apart; two servers on one machine must.
        cookie=f"featviz-{port}",
    )
    app = create_app(studio, allowed_hosts(host, port, names))
    config = uvicorn.Config(app, **uvicorn_settings())
    server = _Server(config, lambda: ready(page_address(host, port, token), studio.database_name))
    server.run(sockets=[listening])


def uvicorn_settings(patience: Patience | None = None) -> dict[str, Any]:
    """How uvicorn is run: quiet, limited, and believing no proxy."""
    return {
        "http": patient_protocol(patience or Patience()),
        "h11_max_incomplete_event_size": _MOST_HEAD_BYTES,
        "log_level": logging.WARNING,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "ws_max_size": MESSAGE_BYTES,
        "ws_per_message_deflate": False,
        "limit_concurrency": _MOST_CONNECTIONS,
        "timeout_graceful_shutdown": 3,
        # Anybody who reaches the port could claim to be a proxy.
        "proxy_headers": False,
    }


def page_address(host: str, port: int, token: str) -> str:
    """Where the page is; the token travels behind the #, which browsers keep to themselves."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{port}/" + (f"#token={quote(token, safe='')}" if token else "")


def open_page(address: str) -> None:
    """Open a browser without waiting for it."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise FeatvizError(f"cannot listen on {host} port {port}: {error}") from None
    return listening
