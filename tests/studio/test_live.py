"""The live connection: faces, differences and probes over a real WebSocket."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import ClientConnection

from featviz.generators.checkpoint_files import load_generator
from featviz.generators.generation import generate
from featviz.sketches.drawing import rasterize, read_svg
from tests.studio.serving import Serving, append, draw, faces, new_drawing, save, stroke
from tests.studio.talking import drawing, next_faces, picture, settings, show, told

REPOSITORY = Path(__file__).parents[2] / "sketches"


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


def test_a_ping_is_answered_while_faces_are_made(server: Serving) -> None:
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(checkpoints=["small", "plain"]))
        for seq in range(10):
            socket.send(show(seq, drawing(client, 0)))
        socket.send('{"type": "ping", "t": "now"}')
        assert told(socket, "pong")["t"] == "now"
