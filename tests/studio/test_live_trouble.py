"""Live connections of strangers, with nonsense, and that end amid work."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from featviz.studio.messages import MESSAGE_BYTES
from tests.studio.conftest import small_checkpoint
from tests.studio.serving import Serving, faces
from tests.studio.talking import drawing, next_faces, settings, show, told


def test_a_checkpoint_deleted_under_the_server_is_told_and_the_others_go_on(
    start_server: Callable[..., Serving], tmp_path: Path
) -> None:
    gone = small_checkpoint(tmp_path / "gone.safetensors", seed=3)
    stays = small_checkpoint(tmp_path / "stays.safetensors", seed=4)
    server = start_server(checkpoints=(gone, stays))
    gone.unlink()
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(checkpoints=["gone", "stays"]))
        socket.send(show(1, drawing(client, 0)))
        header, error = None, None
        while header is None or error is None:
            message = socket.recv(timeout=300)
            if isinstance(message, bytes):
                header, _ = faces(message)
            elif json.loads(message)["type"] == "error":
                error = json.loads(message)
        assert [face["checkpoint"] for face in header["faces"]] == ["stays"]
        assert error["code"] == "checkpoint" and error["checkpoint"] == "gone"
        assert str(tmp_path) not in error["message"] and "gone" in error["message"]
        # Back again, it is used again.
        small_checkpoint(gone, seed=3)
        socket.send(show(2, drawing(client, 0)))
        header, _ = next_faces(socket, 2)
        assert [face["checkpoint"] for face in header["faces"]] == ["gone", "stays"]


def test_malformed_messages_are_answered_with_errors_and_nothing_else_happens(
    server: Serving,
) -> None:
    senseless: list[str | bytes] = [
        "",
        "nonsense",
        "[" * 5000,
        "null",
        b"\x00\x01",
        '{"type": "unknown"}',
        '{"type": "draw"}',
        '{"type": "draw", "seq": -1, "strokes": []}',
        '{"type": "draw", "seq": 1, "strokes": [{"part": "a b", "points": [1, 2]}]}',
        '{"type": "draw", "seq": 1, "strokes": [{"part": "a", "points": [1]}]}',
        '{"type": "draw", "seq": 1, "strokes": [{"part": "a", "points": [NaN, 1]}]}',
        '{"type": "draw", "seq": 1, "strokes": [{"part": "a", "points": [1e9, 1]}]}',
        show(1, [{"part": "a", "points": [0, 0] * 100_001}]),
        show(1, [{"part": "a", "points": [-500, -500, 1000, 1000] * 2000}]),
        settings(checkpoints=["../../etc/passwd"]),
        settings(checkpoints=["paper-baseline"]),
        settings(checkpoints=["small", "plain", "baseline"]),
        settings(start={"start": 999}),
        settings(kept=[True]),
        settings(kept=[True, False], start={"start": 0}),
        settings(kept=["yes"], start={"start": 0}),
        settings(bases=[[]]),
        settings(bases=[[]] * 21, start={"start": 0}),
        settings(bases=[[{"part": "a", "points": [1]}]], start={"start": 0}),
        settings(
            bases=[[{"part": "a", "points": [-500, -500, 1000, 1000] * 2000}]], start={"start": 0}
        ),
        settings(start={"sketch": "unknown-1"}),
        settings(probe={"point": [600, 0], "layer": "L0", "checkpoint": "small"}),
    ]
    with server.client() as client, server.live(client) as socket:
        told(socket, "hello")
        for message in senseless:
            socket.send(message)
            answer = json.loads(socket.recv(timeout=300))
            assert answer["type"] == "error", message[:80]
            assert "\n" not in answer["message"] and "Traceback" not in answer["message"]
            assert answer["code"] in ("bad-request", "too-large", "not-found"), message[:80]
        socket.send(settings())
        socket.send(show(7, []))
        next_faces(socket, 7)
        with pytest.raises(ConnectionClosed) as caught:
            # The server may close while the last of them are sent.
            for _ in range(60):
                socket.send("nonsense")
            while True:
                socket.recv(timeout=300)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1008


def test_a_huge_message_ends_its_connection_alone(server: Serving) -> None:
    with server.client() as client, server.live(client) as other:
        other.send(settings())
        told_why = None
        for _ in range(10):
            with server.live(client) as socket, pytest.raises(ConnectionClosed) as caught:
                socket.send("x" * (MESSAGE_BYTES + 1))
                while True:
                    socket.recv(timeout=300)
            # What is still on its way when the server closes can reset the line before the reason
            # is read; the connection ends every time all the same.
            told_why = caught.value.rcvd
            if told_why is not None:
                break
        assert told_why is not None and told_why.code == 1009
        other.send(show(3, []))
        next_faces(other, 3)


def test_strangers_get_no_connection(server: Serving) -> None:
    with server.client() as client, server.anonymous() as stranger:
        for who, origin, status in (
            (stranger, server.address, 401),
            (client, "http://evil.example", 403),
            (client, None, 403),
        ):
            with pytest.raises(InvalidStatus) as caught:
                server.live(who, origin=origin)
            assert caught.value.response.status_code == status
        with ExitStack() as stack:
            for _ in range(8):
                told(stack.enter_context(server.live(client)), "hello")
            with server.live(client) as ninth, pytest.raises(ConnectionClosed):
                ninth.recv(timeout=300)
        # Their places are free again.
        deadline = time.monotonic() + 300
        while True:
            with server.live(client) as socket:
                try:
                    told(socket, "hello")
                    break
                except ConnectionClosed:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)


def test_a_connection_that_ends_amid_work_harms_nobody(server: Serving) -> None:
    with server.client() as client:
        for _ in range(5):
            with server.live(client) as socket:
                socket.send(settings(checkpoints=["small", "plain"]))
                socket.send(show(1, drawing(client, 0)))
                # Away without a word.
                socket.socket.close()
        with server.live(client) as socket:
            socket.send(settings())
            socket.send(show(2, []))
            next_faces(socket, 2)
