"""Connections that ask for nothing keep nobody out, over real sockets."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from featviz.studio.connections import Patience
from featviz.studio.server import uvicorn_settings
from tests.studio.serving import Serving, new_drawing


@pytest.fixture
def sockets() -> Iterator[Callable[[Serving, bytes], socket.socket]]:
    """Opens connections that have sent something; closes them in the end."""
    with ExitStack() as stack:

        def connect(server: Serving, sent: bytes = b"") -> socket.socket:
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 300))
            if sent:
                one.sendall(sent)
            return one

        yield connect


def is_closed(one: socket.socket) -> bool:
    """Wait until the other side has ended a connection; fail if it never does."""
    one.settimeout(300)
    try:
        while one.recv(1000):
            pass
    except ConnectionError:
        pass
    return True


HALVES = (
    b"",
    b"GET / HTTP/1.1\r\nHost: 127",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 1000,
)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of all connections are this process's here."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(before, 4096), most), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_silent_connections_and_half_requests_lock_nobody_out(
    many_files: None,
    start_server: Callable[..., Serving],
    sockets: Callable[..., socket.socket],
) -> None:
    server = start_server()
    count = uvicorn_settings()["limit_concurrency"] + 5
    with server.client() as client:
        silent = [sockets(server, HALVES[number % 3]) for number in range(count)]
        # While those that must go are being closed, a request may be told to come again.
        while client.get("/api/session").status_code == 503:
            time.sleep(0.1)
        for _ in range(3):
            assert client.get("/api/session").json()["session"]["nickname"] == "Mei"
        with server.client("Jo") as other:
            new_drawing(other)
        # The ones that have been silent longest had to go.
        assert all(map(is_closed, silent[: count - Patience().each]))


@pytest.mark.parametrize("sent", HALVES)
def test_who_does_not_come_to_the_point_is_cut_off_however_slowly_they_send(
    sent: bytes, start_server: Callable[..., Serving], sockets: Callable[..., socket.socket]
) -> None:
    server = start_server(**uvicorn_settings(Patience(seconds=0.5)))
    one = sockets(server, sent)
    dripping = sockets(server, b"GET / HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):
        # Without an end: every byte that is taken is followed by another one.
        while True:
            dripping.sendall(b"x")
            time.sleep(0.05)
    assert is_closed(one)
    with server.client() as client:
        # Waiting between requests is no fault, and takes no connection for long.
        time.sleep(1)
        new_drawing(client)


def test_a_body_that_never_comes_is_answered_and_its_connection_closed(
    start_server: Callable[..., Serving],
    sockets: Callable[..., socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("featviz.studio.guard.BODY_SECONDS", 0.5)
    server = start_server()
    host = f"127.0.0.1:{server.port}"
    one = sockets(
        server,
        f"POST /api/session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"nick'.encode(),
    )
    answer = one.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert is_closed(one)


def test_one_address_has_a_bound_of_connections_and_gets_it_back(
    start_server: Callable[..., Serving], sockets: Callable[..., socket.socket]
) -> None:
    server = start_server(**uvicorn_settings(Patience(open=5)))
    first = [sockets(server) for _ in range(5)]
    assert is_closed(sockets(server))
    for one in first:
        one.close()
    with server.client() as client:
        new_drawing(client)
