"""The live connection: faces, differences and probes over a real WebSocket."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from featviz.extraction import extract
from featviz.generators.checkpoint_files import load_generator
from featviz.generators.generation import generate
from featviz.sketches.drawing import rasterize, read_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.live_messages import FacesMessage, Outgoing
from featviz.studio.messages import MESSAGE_BYTES
from featviz.studio.probe import Extraction, Prober
from tests.studio.conftest import small_checkpoint
from tests.studio.serving import Serving, append, draw, faces, new_drawing, save, stroke

REPOSITORY = Path(__file__).parents[2] / "sketches"


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


def test_the_face_of_a_drawing_is_the_one_that_generate_makes(server: Serving) -> None:
    with server.client() as client, server.live(client) as socket:
        assert json.loads(socket.recv())["checkpoints"][:2] == ["small", "plain"]
        socket.send(settings(checkpoints=["modified", "baseline"], raster=True))
        socket.send(show(1, drawing(client, 1)))
        header, pictures = next_faces(socket, 1)
    sketch = rasterize(read_svg(REPOSITORY / "G1" / "002.svg"))
    assert np.array_equal(picture(header["raster"], pictures), sketch)
    for face, name in zip(header["faces"], ("modified", "baseline"), strict=True):
        assert face["checkpoint"] == name
        expected = generate(load_generator(name).generator, sketch).astype(int)
        # JPEG changes the grain of single pixels; what it means is the same.
        shown = picture(face["image"], pictures).astype(int)
        difference = (shown - expected).reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
        assert np.abs(difference).mean() < 0.7 and np.abs(difference).max() < 6
        assert face["difference"] is None
    assert header["edited"] is None
    assert header["ms"]["total"] >= header["ms"]["generate"] > 0


def test_differences_are_taken_against_the_face_of_the_start_sketch(
    server: Serving,
) -> None:
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(checkpoints=["small"], start={"start": 3}, difference=True))
        socket.send(show(1, drawing(client, 3)))
        header, pictures = next_faces(socket, 1)
        assert header["edited"] is None
        unchanged = header["faces"][0]["difference"]
        assert unchanged["outside"] is None and unchanged["mean_outside"] == 0
        assert picture(unchanged["image"], pictures).max() < 8
        line = {"part": "mouth", "points": [200, 340, 300, 345]}
        socket.send(show(2, drawing(client, 3, line)))
        header, pictures = next_faces(socket, 2)
    assert header["edited"]["parts"] == ["mouth"]
    change = header["faces"][0]["difference"]
    assert 0 < change["outside"] < 1
    assert change["mean_inside"] > change["mean_outside"] > 0
    area = header["edited"]["pixels"]
    inside, outside = change["mean_inside"] * area, change["mean_outside"] * (512**2 - area)
    assert change["outside"] == pytest.approx(outside / (inside + outside), abs=1e-3)
    shown = picture(change["image"], pictures)
    assert shown[335:350, 200:300].mean() > shown[:100].mean()


def test_a_saved_sketch_can_be_the_start_too(server: Serving) -> None:
    with server.client() as client, server.live(client) as socket:
        mine = new_drawing(client, {"start": 0})
        append(client, mine, "start", draw(stroke("beard", 200, 400, 300, 420, order=99)))
        sketch = save(client, mine, 2)
        strokes = client.get(f"/api/sketches/{sketch['id']}").json()["strokes"]
        socket.send(settings(start={"sketch": sketch["id"]}, difference=True))
        socket.send(show(1, strokes))
        header, _ = next_faces(socket, 1)
        assert header["edited"] is None
        socket.send(show(2, strokes[:-1]))
        header, _ = next_faces(socket, 2)
        assert header["edited"]["parts"] == ["beard"]


def test_a_checkpoint_is_shown_both_ways_and_a_chain_of_bases_gives_the_same_bytes_again(
    server: Serving,
) -> None:
    both = {"checkpoints": ["small", "small"], "kept": [False, True], "start": {"start": 3}}
    mouth = {"part": "mouth", "points": [200, 340, 300, 345]}
    brow = {"part": "left-eyebrow", "points": [130, 190, 200, 186]}

    def kept(socket: ClientConnection, seq: int, bases: int) -> bytes:
        while True:
            header, pictures = next_faces(socket, seq)
            # The settings of before may be answered first.
            if header["bases"] == bases:
                break
        assert [face["kept"] for face in header["faces"]] == [False, True]
        place = header["faces"][1]["image"]
        return pictures[place["offset"] : place["offset"] + place["length"]]

    with server.client() as client:
        first, second = drawing(client, 3, mouth), drawing(client, 3, mouth, brow)
        with server.live(client) as socket:
            socket.send(settings(**both, difference=True))
            socket.send(show(1, first))
            header, pictures = next_faces(socket, 1)
            free, same = header["faces"]
            assert (free["kept"], same["kept"]) == (False, True)
            assert free["reach"] is None and free["difference"]["beyond"] is None
            assert same["reach"] and same["difference"]["beyond"] == 0 and not same["whole"]
            assert 0 < same["difference"]["outside"] < free["difference"]["outside"]
            shown = picture(same["difference"]["image"], pictures)
            left, top = same["difference"]["left"], same["difference"]["top"]
            assert left < 200 and left + shown.shape[1] > 300
            assert top < 340 and top + shown.shape[0] > 345
            socket.send(show(2, first))
            before = kept(socket, 2, 0)
            socket.send(settings(**both, bases=[first]))
            socket.send(show(3, first))
            assert kept(socket, 3, 1) == before
            socket.send(show(4, second))
            after = kept(socket, 4, 1)
            assert after != before
            socket.send(settings(**both))
            socket.send(show(5, first))
            assert kept(socket, 5, 0) == before
        # Another connection, from the chain alone.
        with server.live(client) as socket:
            socket.send(settings(**both, bases=[first]))
            socket.send(show(6, second))
            assert kept(socket, 6, 1) == after


def test_a_start_sketch_removed_under_the_page_is_told_in_one_line(
    start_server: Callable[..., Serving], small_set: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(small_set, folder)
    server = start_server(sketches=folder)
    with server.client() as client, server.live(client) as socket:
        told(socket, "hello")
        shutil.rmtree(folder)
        socket.send(settings(kept=[True], start={"start": 2}))
        error = told(socket, "error")
        assert "\n" not in error["message"] and error["code"] == "bad-request"
        # The connection goes on with what it had.
        socket.send(settings())
        socket.send(show(1, []))
        next_faces(socket, 1)


def test_only_the_newest_of_many_drawings_is_answered_and_the_others_are_counted(
    server: Serving,
) -> None:
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(checkpoints=["small", "plain"]))
        strokes = drawing(client, 0)
        socket.send(show(0, strokes))
        next_faces(socket, 0)
        for seq in range(1, 101):
            socket.send(show(seq, [*strokes, {"part": "mouth", "points": [seq, 300, 250, 310]}]))
        answered, skipped = [], 0
        while not answered or answered[-1] != 100:
            header, _ = faces(socket.recv(timeout=300))
            answered.append(header["seq"])
            skipped += header["skipped"]
    assert answered == sorted(answered)
    assert skipped > 0
    assert len(answered) + skipped == 100


def test_people_are_served_in_turn_and_see_their_own_drawings_only(server: Serving) -> None:
    with (
        server.client() as first,
        server.client() as second,
        server.live(first) as one,
        server.live(second) as other,
    ):
        for socket in (one, other):
            socket.send(settings(raster=True))
        blank = show(1, [])
        full = show(1, drawing(first, 0))
        for _ in range(5):
            one.send(blank)
            other.send(full)
            header, pictures = next_faces(one, 1)
            assert picture(header["raster"], pictures).min() == 255
            header, pictures = next_faces(other, 1)
            assert picture(header["raster"], pictures).min() == 0


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


def test_a_probe_shows_receptive_fields_the_groups_and_the_drawing_among_them(
    server: Serving, checkpoints: tuple[Path, Path], small_set: Path
) -> None:
    probe = {"point": [170, 250], "layer": "L2", "checkpoint": "small"}
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(probe=probe))
        described = told(socket, "probe")
        boxes = {layer["layer"]: layer["box"] for layer in described["layers"]}
        # The study's receptive fields, as docs/extraction.md has them.
        assert boxes["L0"] == [167, 247, 173, 253] and boxes["L4"] == [158, 238, 194, 274]
        progress = told(socket, "probe_progress")
        assert progress["total"] == 6
        shown = told(socket, "probe_map")
        assert shown["groups"] == ["G1", "G8"]
        assert [point[2:] for point in shown["points"]] == [
            [0, 0],
            [0, 1],
            [0, 2],
            [1, 3],
            [1, 4],
            [1, 5],
        ]
        for number in (0, 4):
            socket.send(show(number, drawing(client, number)))
            live = told(socket, "probe_live")
            assert live["seq"] == number
            assert live["xy"] == pytest.approx(shown["points"][number][:2], rel=1e-3, abs=1e-4)
        # Another layer of the same point needs no new vectors.
        socket.send(settings(probe={**probe, "layer": "L0"}))
        progress = told(socket, "probe_progress")
        assert progress["done"] == progress["total"]
        assert told(socket, "probe_map")["layer"] == "L0"
        socket.send(settings(probe={**probe, "layer": "L9"}))
        assert "L0, L1, L2, L3, L4" in told(socket, "error")["message"]
    table = extract(
        load_generator(checkpoints[0]).generator,
        read_sketches(small_set),
        [(170, 250)],
        ["L2"],
    )
    vectors = table.vectors["L2"].astype(float)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    places = np.array([point[:2] for point in shown["points"]])
    shown_distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert (shown_distances <= distances * (1 + 1e-4) + 1e-5).all()
    assert shown["distinct"] == len(np.unique(vectors, axis=0))


def test_other_settings_do_not_begin_a_probe_anew(
    start_server: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, require_wanted = threading.Event(), Prober._require_wanted

    def held(prober: Prober, key: Any, extraction: Extraction) -> None:
        # The vectors are not all there before the other settings are.
        if extraction.done == 3:
            going_on.wait(300)
        require_wanted(prober, key, extraction)

    monkeypatch.setattr(Prober, "_require_wanted", held)
    probe = {"point": [170, 250], "layer": "L2", "checkpoint": "small"}
    server = start_server()
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(probe=probe))
        assert told(socket, "probe_progress")["done"] <= 3
        socket.send(settings(probe=probe, raster=True))
        socket.send('{"type": "ping", "t": "both are heard"}')
        kinds, done = [], 0
        while "probe_map" not in kinds:
            message = json.loads(socket.recv(timeout=300))
            kinds.append(message["type"])
            if message["type"] == "pong":
                going_on.set()
            if message["type"] == "probe_progress":
                assert message["done"] >= done
                done = message["done"]
        # The receptive fields were told once, before, and so is the map.
        assert "probe" not in kinds


def test_a_ping_is_answered_while_faces_are_made(server: Serving) -> None:
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(checkpoints=["small", "plain"]))
        for seq in range(10):
            socket.send(show(seq, drawing(client, 0)))
        socket.send('{"type": "ping", "t": "now"}')
        assert told(socket, "pong")["t"] == "now"


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
