"""The protocol between page and server, over real sockets."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from featviz.sketches.drawing import rasterize, read_svg
from featviz.sketches.sketch_set import read_sketches
from tests.studio.serving import Serving, append, code, draw, new_drawing, save, stroke

REPOSITORY = Path(__file__).parents[2] / "sketches"


def test_a_drawing_grows_is_saved_and_found(server: Serving) -> None:
    with server.client("Mei") as client, server.client("Jo") as other:
        mine = new_drawing(client, {"start": 4})
        document = client.get(f"/api/drawings/{mine}").json()
        assert document["drawing"]["base"]["label"] == "G8/002"
        assert document["drawing"]["base"]["start"] == 4
        original = client.get("/api/start/4").json()["strokes"]
        assert [(s["part"], s["points"]) for s in document["strokes"]] == [
            (s["part"], s["points"]) for s in original
        ]
        line = stroke("nose", 100.123, 50, 110, -0.0, order=99)
        step = draw(line, remove=["b0"])
        answer = append(client, mine, "start", step).json()
        assert answer == {"revision": 2, "last": step["id"], "stored": 1}
        assert append(client, mine, "start", step).json() == {**answer, "stored": 0}
        conflict = append(client, mine, "start", draw(stroke()))
        assert (conflict.status_code, code(conflict)) == (409, "conflict")
        assert conflict.json()["error"]["last"] == step["id"]
        document = client.get(f"/api/drawings/{mine}").json()
        assert document["strokes"][-1]["points"] == [100.12, 50, 110, 0]
        assert document["strokes"][0]["present"] is False
        assert code(other.get(f"/api/drawings/{mine}")) == "forbidden"
        sketch = save(client, mine, 2, "微笑")
        assert sketch["label"] == "微笑/001" and sketch["nickname"] == "Mei"
        parts = {s["part"] for s in original[:1]} | {"nose"}
        assert set(sketch["edited_part"].split()) == parts
        seen = other.get("/api/sketches", params={"group": "微笑"}).json()
        assert seen["total"] == 1
        assert seen["sketches"][0] == {**sketch, "mine": False, "drawing": None}
        assert {"group": "微笑", "count": 1} in seen["facets"]["groups"]
        assert code(other.delete(f"/api/sketches/{sketch['id']}")) == "forbidden"
        deleted = client.delete(f"/api/sketches/{sketch['id']}").json()["sketch"]
        assert deleted["deleted"] is not None
        assert other.get("/api/sketches", params={"group": "微笑"}).json()["total"] == 0
        restored = client.post(f"/api/sketches/{sketch['id']}/restore").json()["sketch"]
        assert restored == sketch
        listed = client.get("/api/drawings").json()["drawings"]
        assert [d["saved"] for d in listed if d["id"] == mine] == [1]
        assert client.delete(f"/api/drawings/{mine}").json()["drawing"]["deleted"]
        assert code(append(client, mine, step["id"], draw(stroke()))) == "deleted"
        assert client.post(f"/api/drawings/{mine}/restore").json()["drawing"]["deleted"] is None


def test_pictures_show_what_the_network_sees(server: Serving) -> None:
    with server.client() as client:
        mine = new_drawing(client, {"start": 1})
        expected = rasterize(read_svg(REPOSITORY / "G1" / "002.svg"))
        sketch = save(client, mine, 1)
        append(client, mine, "start", draw(remove=["b0"], kind="erase"))
        for path in (
            "/api/start/1/picture.png?size=512",
            f"/api/sketches/{sketch['id']}/picture.png?size=512",
            f"/api/drawings/{mine}/picture.png?size=512&revision=1",
        ):
            answer = client.get(path)
            assert answer.headers["content-type"] == "image/png"
            assert np.array_equal(np.asarray(Image.open(BytesIO(answer.content))), expected), path
        now = client.get(f"/api/drawings/{mine}/picture.png?size=512")
        assert not np.array_equal(np.asarray(Image.open(BytesIO(now.content))), expected)
        # Another set may stand behind the same numbers tomorrow.
        assert client.get("/api/start/1/picture.png").headers["cache-control"] == "no-cache"
        small = Image.open(BytesIO(client.get("/api/start/1/picture.png").content))
        assert small.size == (128, 128) and np.asarray(small).min() < 100
        for since in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "never"):
            answer = client.get("/api/sketches", params={"since": since})
            assert code(answer) == "bad-request", since
        for size in ("0", "31", "513", "x", "1e9"):
            answer = client.get(f"/api/start/1/picture.png?size={size}")
            assert code(answer) == "bad-request"
        assert code(client.get("/api/start/6")) == "not-found"
        assert code(client.get("/api/start/-1")) == "not-found"


def test_the_page_is_told_what_there_is(server: Serving) -> None:
    with server.client() as client:
        config = client.get("/api/config").json()
        assert config["selected"] == ["small", "plain"]
        names = {entry["name"]: entry for entry in config["checkpoints"]}
        assert {"small", "plain", "baseline", "modified", "paper-baseline"} <= set(names)
        assert names["small"]["layers"][4] == {"layer": "L4", "channels": 32}
        assert names["small"]["generates"] and not names["paper-baseline"]["generates"]
        assert config["start"]["count"] == 6
        assert config["start"]["opening"] == {"start": 0, "label": "G1/001"}
        groups = [entry["group"] for entry in config["start"]["groups"]]
        assert groups == ["G1", "G8"]
        assert "/" not in "".join(names)
        listed = client.get("/api/start").json()["sketches"]
        assert [entry["n"] for entry in listed] == list(range(6))
        assert [entry["base"] for entry in listed] == [0, 0, 0, 3, 3, 3]
        mean = np.asarray(Image.open(BytesIO(client.get("/api/mean-face.png").content)))
        assert mean.shape == (512, 512) and mean.max() == 255 and mean.min() < 240


def test_the_export_for_download_is_a_sketch_set(server: Serving, tmp_path: Path) -> None:
    with server.client() as client:
        mine = new_drawing(client, {"start": 3})
        append(client, mine, "start", draw(stroke("mouth", 9, 9, 200, 9)))
        sketch = save(client, mine, 2, "for export")
        answer = client.get("/api/export.zip", params={"group": "for export"})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(BytesIO(answer.content)) as archive:
            archive.extractall(tmp_path)
        index = read_sketches(tmp_path / "sketches").index
        assert list(index["sketch"]) == ["G8/001", sketch["label"]]
        answer = client.get("/api/export.zip", params={"group": "no such"})
        assert answer.status_code == 400 and "/" not in answer.json()["error"]["message"]


def test_names_that_are_no_folders_are_no_groups(server: Serving) -> None:
    with server.client() as client:
        mine = new_drawing(client)
        append(client, mine, None, draw(stroke()))
        for group in (
            "",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "con",
            "NUL.x",
            "a\u0000",
            "x" * 41,
            "a.",
        ):
            answer = client.put(
                f"/api/sketches/{uuid4()}", json={"drawing": mine, "revision": 1, "group": group}
            )
            assert code(answer) == "bad-request", group


def test_a_start_without_sketches_says_what_to_do(
    start_server: Callable[..., Serving], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = start_server(sketches=None)
    with server.client() as client:
        start = client.get("/api/config").json()["start"]
        assert start["available"] is False and "--sketches FOLDER" in start["message"]
        assert start["opening"] is None
        assert client.get("/api/start").json() == {"sketches": []}
        answer = client.get("/api/start/0")
        assert code(answer) == "not-found" and "--sketches" in answer.text
