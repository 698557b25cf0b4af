"""The protocol between page and server, over real sockets."""

import json
import random
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from featviz.sketches.drawing import rasterize, read_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.guard import HEADERS, RateLimit
from featviz.studio.messages import BODY_BYTES
from featviz.studio.pages import STATIC, static_files
from featviz.studio.steps import Limits
from tests.studio.serving import Serving, append, draw, new_drawing, save, stroke

REPOSITORY = Path(__file__).parents[2] / "sketches"


def code(answer: httpx.Response) -> str:
    """The code of an error, which is one line without any inside of the server."""
    error = answer.json()["error"]
    assert error["message"] and "\n" not in error["message"]
    for inside in ("Traceback", "site-packages", ".py", "/tmp/", "sqlalchemy"):
        assert inside not in answer.text
    return str(error["code"])


def test_every_answer_forbids_what_the_page_does_not_need(server: Serving) -> None:
    with server.client() as client:
        for answer in (
            client.get("/"),
            client.get("/static/none.js"),
            client.get("/api/config"),
            client.get("/api/drawings/unknown-1"),
            client.post("/api/start", json={}),
            client.get("/api/session", headers={"Host": "elsewhere.example"}),
            client.post("/api/session", content=b"x" * (BODY_BYTES + 1)),
        ):
            for name, value in HEADERS.items():
                assert answer.headers[name] == value, answer.url
            assert "server" not in answer.headers
        policy = HEADERS["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy


def test_static_files_come_from_a_table_and_nothing_else_does(server: Serving) -> None:
    table = static_files(STATIC)
    with server.anonymous() as client:
        for path, file in table.items():
            answer = client.get(path)
            assert answer.status_code == 200 and answer.content == file.read_bytes()
        for path in (
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/static/..%2fapp.py",
            "/static//etc/passwd",
            "/static/",
            "/static",
            "/static/index.html/",
            "/static/app.js%00",
            "/..%2f..%2fpyproject.toml",
        ):
            answer = client.get(path)
            assert answer.status_code == 404 and code(answer) == "not-found", path
    assert all(file.is_relative_to(STATIC) for file in table.values())


def test_without_a_session_there_is_nothing_to_see(server: Serving) -> None:
    with server.anonymous() as client:
        answer = client.get("/api/session").json()
        assert answer == {"session": None, "token_required": False}
        for method, path in (
            ("GET", "/api/config"),
            ("GET", "/api/start"),
            ("GET", "/api/start/0"),
            ("GET", "/api/mean-face.png"),
            ("GET", "/api/sketches"),
            ("GET", "/api/export.zip"),
            ("PUT", f"/api/drawings/{uuid4()}"),
            ("POST", f"/api/drawings/{uuid4()}/events"),
            ("DELETE", f"/api/sketches/{uuid4()}"),
            ("GET", f"/api/drawings/{uuid4()}/picture.png"),
            ("GET", f"/api/sketches/{uuid4()}/picture.png"),
        ):
            answer = client.request(method, path, json={} if method in ("PUT", "POST") else None)
            assert answer.status_code == 401 and code(answer) == "session", path
        client.cookies.set(f"featviz-{server.port}", "made up")
        assert code(client.get("/api/config")) == "session"


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(server: Serving) -> None:
    with server.anonymous() as client:
        answer = client.post("/api/session", json={"nickname": "  梅  "})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "max-age=31536000" in cookie
        session = client.get("/api/session").json()["session"]
        assert session["nickname"] == "梅"
        renamed = client.post("/api/session", json={"nickname": "Mei"}).json()["session"]
        assert (renamed["author"], renamed["nickname"]) == (session["author"], "Mei")
        secret = client.cookies[f"featviz-{server.port}"]
        client.delete("/api/session")
        assert client.get("/api/session").json()["session"] is None
        # A copy of the cookie is worth nothing any more.
        client.cookies.set(f"featviz-{server.port}", secret)
        assert client.get("/api/session").json()["session"] is None
        for nickname in ("", " ", "x" * 41, "a\u202eb", "a\nb", "\ud800"):
            # httpx itself writes no lone surrogate.
            text = json.dumps({"nickname": nickname})
            headers = {"content-type": "application/json"}
            answer = client.post("/api/session", content=text, headers=headers)
            assert code(answer) == "bad-request", nickname


def test_with_a_token_nobody_begins_without_it(start_server: Callable[..., Serving]) -> None:
    server = start_server(token="correct horse")
    with server.anonymous() as client:
        assert client.get("/api/session").json()["token_required"] is True
        for given in ({}, {"token": ""}, {"token": "correct hors"}, {"token": "correct horsé"}):
            answer = client.post("/api/session", json={"nickname": "Mei", **given})
            assert (answer.status_code, code(answer)) == (401, "token")
        answer = client.post("/api/session", json={"token": "correct horse"})
        assert answer.json()["session"]["nickname"] == "anonymous"
        # From now on the cookie is enough.
        assert client.get("/api/config").status_code == 200
        assert client.post("/api/session", json={"nickname": "Jo"}).status_code == 200


def test_a_session_outlives_the_server_and_waits_for_a_new_token(
    start_server: Callable[..., Serving], tmp_path: Path
) -> None:
    database = tmp_path / "sketches.db"
    first = start_server(database=database, token="the first one")
    with first.client() as client:
        secret = client.cookies[f"featviz-{first.port}"]
        mine = new_drawing(client)
    for token, status in (("the first one", 200), ("the second one", 401)):
        again = start_server(database=database, token=token)
        with again.anonymous() as other:
            other.cookies.set(f"featviz-{again.port}", secret)
            assert other.get("/api/config").status_code == status
            if status == 401:
                assert other.post("/api/session", json={}).status_code == 401
                # Who knows the new token, too, is who they were before.
                assert other.post("/api/session", json={"token": token}).status_code == 200
                assert other.get(f"/api/drawings/{mine}").status_code == 200


def test_other_hosts_and_origins_are_refused(server: Serving) -> None:
    with server.client() as client:
        good = f"localhost:{server.port}"
        answer = client.get("/api/config", headers={"Host": good, "Origin": f"http://{good}"})
        assert answer.status_code == 200
        for host in ("evil.example", f"evil.example:{server.port}", f"127.0.0.1:{server.port + 1}"):
            answer = client.get("/", headers={"Host": host})
            assert (answer.status_code, code(answer)) == (421, "host"), host
        for origin in (
            "http://evil.example",
            "null",
            f"http://127.0.0.1:{server.port + 1}",
            f"http://127.0.0.1:{server.port}@evil.example",
            "http://[",
            "x",
        ):
            for answer in (
                client.get("/api/config", headers={"Origin": origin}),
                client.post("/api/session", json={}, headers={"Origin": origin}),
            ):
                assert (answer.status_code, code(answer)) == (403, "forbidden"), origin
        answer = client.get("/api/config", headers={"Sec-Fetch-Site": "cross-site"})
        assert code(answer) == "forbidden"
        del client.headers["Origin"]
        assert client.get("/api/config").status_code == 200
        assert code(client.post("/api/session", json={})) == "forbidden"


def test_what_is_too_large_is_refused_and_the_client_hears_it(server: Serving) -> None:
    with server.client() as client:
        mine = new_drawing(client)

        def endless() -> Any:
            for _ in range(100):
                yield b" " * 65536

        for content in (b"x" * (BODY_BYTES + 1), endless()):
            answer = client.post(
                f"/api/drawings/{mine}/events",
                content=content,
                headers={"content-type": "application/json"},
            )
            assert (answer.status_code, code(answer)) == (413, "too-large")
        across = stroke("mouth", *([-500, -500, 1000, 1000] * 300))
        assert code(append(client, mine, None, draw(across))) == "too-large"
        assert append(client, mine, None, draw(stroke())).status_code == 200


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
        assert client.get("/api/start").json() == {"sketches": []}
        answer = client.get("/api/start/0")
        assert code(answer) == "not-found" and "--sketches" in answer.text


def test_too_many_requests_have_to_wait(
    start_server: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()
    server.studio.requests = RateLimit(rate=0.01, burst=5)
    with server.client() as client, server.client() as other:
        answers = [client.get("/api/drawings") for _ in range(6)]
        assert [a.status_code for a in answers].count(429) >= 1
        assert code(answers[-1]) == "too-many"
        assert answers[-1].json()["error"]["retry_after"] > 1
        # Others have shares of their own.
        assert other.get("/api/drawings").status_code == 200


def test_fifty_people_who_save_at_once_lose_and_mix_nothing(
    start_server: Callable[..., Serving], database: Any
) -> None:
    people, saves, batch = 50, 30, 10
    server = start_server(
        database=database.url.render_as_string(hide_password=False), limits=Limits()
    )
    together = threading.Barrier(people)

    def person(number: int) -> tuple[str, list[str]]:
        with server.client(f"person {number}") as client:
            mine = new_drawing(client)
            together.wait(600)
            last, kept = None, []
            for start in range(0, saves, batch):
                # Each event is a save of its own; some requests are sent twice.
                for n in range(start, start + batch):
                    line = {"id": f"s{n}", "part": "mouth", "order": n, "points": [number, n]}
                    step = {"id": f"e{n}", "kind": "draw", "add": [line], "remove": []}
                    # As the page does: what was refused for the moment is sent again.
                    for _ in range(20):
                        answer = append(client, mine, last, step)
                        if answer.status_code not in (429, 503):
                            break
                    assert answer.status_code == 200, answer.text
                    if n % 7 == 0:
                        assert append(client, mine, last, step).json()["stored"] == 0
                    last = f"e{n}"
                kept.append(save(client, mine, start + batch, f"group {number % 5}")["id"])
            document = client.get(f"/api/drawings/{mine}").json()
            assert [s["points"] for s in document["strokes"]] == [[number, n] for n in range(saves)]
            assert [e["id"] for e in document["events"]] == [f"e{n}" for n in range(saves)]
            return mine, kept

    with ThreadPoolExecutor(people) as pool:
        results = list(pool.map(person, range(people)))
    with server.client() as client:
        seen: dict[str, dict[str, Any]] = {}
        cursor = None
        while True:
            page = client.get(
                "/api/sketches",
                params={"limit": 100, "cursor": cursor} if cursor else {"limit": 100},
            ).json()
            seen |= {sketch["id"]: sketch for sketch in page["sketches"]}
            cursor = page["next"]
            if cursor is None:
                break
        assert set(seen) == {identifier for _, kept in results for identifier in kept}
        assert len({sketch["label"] for sketch in seen.values()}) == people * saves // batch
        for number, (_, kept) in enumerate(results):
            for identifier in kept:
                assert seen[identifier]["nickname"] == f"person {number}"
                assert seen[identifier]["group"] == f"group {number % 5}"
            strokes = client.get(f"/api/sketches/{kept[-1]}").json()["strokes"]
            assert [s["points"] for s in strokes] == [[number, n] for n in range(saves)]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 500_000,
        '{"a":' * 100_000,
        '{"nickname": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"\\ud800": 1}',
        '{"\\u001b[2J": 1}',
        '{"nickname": "\\ud800"}',
        '{"nickname": 1' + "0" * 10_000 + "}",
        b'{"nickname": "\xff\xfe"}',
        "",
        "nonsense",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_a_malformed_body_is_refused_in_one_line(server: Serving, body: str | bytes) -> None:
    with server.client() as client:
        headers = {"content-type": "application/json"}
        answer = client.post("/api/session", content=body, headers=headers)
        assert code(answer) == "bad-request"
        message = answer.json()["error"]["message"]
        assert message.isprintable() and len(message) < 400
        with server.live(client) as socket:
            socket.recv()
            socket.send(body if isinstance(body, str) else body.decode("latin-1"))
            told = json.loads(socket.recv())
            assert (told["type"], told["code"]) == ("error", "bad-request")
            assert told["message"].isprintable()


def test_a_thousand_senseless_requests_leave_the_server_and_the_sketches_as_they_were(
    start_server: Callable[..., Serving],
) -> None:
    server = start_server()
    # What is tested is not the patience of the limits.
    server.studio.requests.burst = server.studio.requests.rate = 100_000
    server.studio.new_sessions.burst = server.studio.new_sessions.rate = 100_000
    chance = random.Random(0)
    with server.client() as owner, server.client("fuzzer") as client:
        mine = new_drawing(owner, {"start": 0})
        append(owner, mine, "start", draw(stroke()))
        sketch = save(owner, mine, 2)
        before = owner.get(f"/api/drawings/{mine}").json()
        own = new_drawing(client)
        statuses = set()
        for _ in range(1000):
            answer = _senseless(chance, client, [mine, own, sketch["id"]])
            statuses.add(answer.status_code)
            if answer.status_code >= 400:
                assert code(answer) != "internal", answer.request.url
        assert {200, 400, 403, 404, 405} <= statuses
        assert owner.get(f"/api/drawings/{mine}").json() == before
        assert owner.get(f"/api/sketches/{sketch['id']}").json()["sketch"] == sketch


def _senseless(chance: random.Random, client: httpx.Client, ids: list[str]) -> httpx.Response:
    paths = [
        "/api/session",
        "/api/config",
        "/api/start/{}",
        "/api/start/{}/picture.png",
        "/api/drawings",
        "/api/drawings/{}",
        "/api/drawings/{}/events",
        "/api/drawings/{}/picture.png",
        "/api/drawings/{}/restore",
        "/api/sketches",
        "/api/sketches/{}",
        "/api/sketches/{}/picture.png",
        "/api/sketches/{}/restore",
        "/static/{}",
        "/{}",
    ]
    values: list[Any] = [
        *ids,
        None,
        True,
        -1,
        0,
        1e308,
        10**400,
        "",
        "x" * 500,
        "\u0000",
        "💥\u202e",
        "../../etc/passwd",
        "' OR 1=1 --",
        [],
        {},
        [[[[]]]],
        {"start": 0},
        {"start": 10**30},
        {"sketch": ids[2]},
        [1, 2, float("1e300"), -0.0],
        [1.5],
        "draw",
        "start",
        "mouth",
    ]
    keys = ["base", "page_version", "after", "events", "id", "kind", "add", "remove", "of"]
    keys += ["drawing", "revision", "group", "replaces", "nickname", "token", "part", "points"]

    def thing(depth: int = 0) -> Any:
        kind = chance.random()
        if depth < 4 and kind < 0.35:
            return {chance.choice(keys): thing(depth + 1) for _ in range(chance.randrange(6))}
        if depth < 4 and kind < 0.5:
            return [thing(depth + 1) for _ in range(chance.randrange(4))]
        return chance.choice(values)

    segment = str(chance.choice([*ids, *map(str, values[:20])]))[:200]
    path = chance.choice(paths).format(quote(segment, safe="/."))
    method = chance.choice(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    if method == "HEAD":
        method = "GET"
    if path == "/api/session" and method == "DELETE":
        method = "GET"
    body: bytes | None = None
    if method in ("PUT", "POST", "PATCH"):
        body = json.dumps(thing()).encode()
        damage = chance.random()
        if damage < 0.1:
            body = body[: chance.randrange(len(body) + 1)]
        elif damage < 0.2:
            body = bytes(chance.randrange(256) for _ in range(50))
        elif damage < 0.25:
            body = b"[" * 100_000
        elif damage < 0.3:
            body = b'{"revision": NaN, "points": [Infinity], "id": "\\ud800"}'
    query = {
        chance.choice(["limit", "cursor", "size", "q", "group", "since", "order", "revision"]): str(
            chance.choice(values)
        )[:300]
        for _ in range(chance.randrange(3))
    }
    headers = {"content-type": chance.choice(["application/json", "text/plain", "x"])}
    return client.request(method, path, content=body, params=query, headers=headers)
