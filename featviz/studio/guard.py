"""What stands before every request: whose it is, how large, how many; and what every answer has."""

import asyncio
import contextlib
import ipaddress
import json
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featviz.studio.messages import BODY_BYTES
from featviz.studio.problems import StudioError

_log = logging.getLogger("featviz.studio")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")
_DRAIN_BYTES, _DRAIN_SECONDS = 16 * BODY_BYTES, 5
BODY_SECONDS = 30.0
"""How long a request's body may take to come in."""


def allowed_hosts(host: str, port: int, more: Iterable[str] = ()) -> frozenset[str]:
    """The values of the Host header by which a server bound to host:port may be called.

    A page of another name that points to this machine (DNS rebinding) is thereby refused. Bound
    to all addresses (0.0.0.0, ::), the machine's own names and addresses are allowed. more: names
    under which a proxy or the network knows it, with or without a port.
    """
    names = set(more)
    if is_loopback(host):
        names.update(_LOOPBACK)
    elif host in ("0.0.0.0", "::", ""):
        names.update((*_LOOPBACK, *_own_names()))
    else:
        names.add(f"[{host}]" if ":" in host and not host.startswith("[") else host)
    with_port = {
        name if _has_port(name) else f"{name}:{port}" for name in (n.lower() for n in names)
    }
    # Browsers leave the port out where it is the scheme's own; proxies often use these.
    return frozenset(with_port | {name.lower() for name in more} | _without_default(with_port))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks Host and Origin, limits bodies, adds the headers, lets no traceback out."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                started = True
                present = {name for name, _ in message.get("headers", ())}
                added = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name, value) for name, value in added if name not in present),
                ]
            elif message["type"] == "websocket.accept":
                started = True
            await send(message)

        try:
            self._check(scope)
            limited = receive if scope["type"] == "websocket" else _limited(scope, receive)
            await self.app(scope, limited, answer)
        except StudioError as error:
            if not started:
                if error.code == "too-large":
                    await _drain(receive)
                await refuse(scope, answer, error)
        except Exception:
            # What went wrong is for the log, never for the page.
            _log.exception("a request failed")
            if not started:
                await refuse(scope, answer, StudioError("internal", "the server made a mistake"))

    def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            raise StudioError("host", "this server is not called by that name")
        origin = headers.get("origin")
        if origin is None:
            if scope["type"] == "websocket" or scope["method"] not in _SAFE:
                raise StudioError("forbidden", "a request that changes something needs an Origin")
        elif origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise StudioError("forbidden", "requests from other origins are refused")
        site = headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none") and scope.get("path", "") != "/":
            raise StudioError("forbidden", "requests from other sites are refused")


async def refuse(scope: Scope, send: Send, error: StudioError) -> None:
    """Answer with an error, also to a request for a WebSocket."""
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    if scope["type"] == "websocket" and kind not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    data = json.dumps({"error": error.document()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    if error.code == "too-large":
        headers.append((b"connection", b"close"))
    await send({"type": f"{kind}.start", "status": error.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": data})


@dataclass
class _Bucket:
    tokens: float
    time: float


class RateLimit:
    """How often each key may do something: `rate` a second, `burst` at once."""

    def __init__(self, rate: float, burst: int, keys: int = 10_000) -> None:
        self.rate, self.burst, self.keys = rate, burst, keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> None:
        """Raise StudioError "too-many" if the key has used up its share."""
        with self._lock:
            wait = self._wait(key)
        if wait > 0:
            raise StudioError(
                "too-many", "too many requests; wait a moment", retry_after=round(wait, 2)
            )

    def _wait(self, key: str) -> float:
        now = time.monotonic()
        bucket = self._buckets.setdefault(key, _Bucket(self.burst, now))
        self._buckets.move_to_end(key)
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.time) * self.rate)
        bucket.time = now
        while len(self._buckets) > self.keys:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self.rate
        bucket.tokens -= 1
        return 0.0


def _limited(scope: Scope, receive: Receive) -> Receive:
    declared = _headers(scope).get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > BODY_BYTES:
        raise StudioError("too-large", f"a request has at most {BODY_BYTES} bytes")
    size, whole = 0, False
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def limited() -> Message:
        nonlocal size, whole
        try:
            # Behind the body only the end of the connection is waited for.
            async with asyncio.timeout_at(None if whole else deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"a request has {BODY_SECONDS:g} seconds to come in") from None
        whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > BODY_BYTES:
            await _drain(receive)
            # The one kind of exception that FastAPI lets through while it reads a body.
            raise HTTPException(413, f"a request has at most {BODY_BYTES} bytes")
        return message

    return limited


async def _drain(receive: Receive) -> None:
    """Read, up to a limit, what is still being sent: who sends does not listen to the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _own_names() -> set[str]:
    name = socket.gethostname()
    names = {name, socket.getfqdn()}
    try:
        for *_, address in socket.getaddrinfo(name, None):
            ip = str(address[0])
            names.add(f"[{ip}]" if ":" in ip else ip)
    except OSError:
        pass
    # The address by which the network reaches this machine; nothing is sent.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            names.add(probe.getsockname()[0])
        except OSError:
            pass
    return names


def _has_port(name: str) -> bool:
    return name.rpartition("]")[2].count(":") == 1


def _without_default(names: Iterable[str]) -> set[str]:
    return {n.rpartition(":")[0] for n in names if n.endswith((":80", ":443"))}
