"""Too much, too many and nonsense, over real sockets: nothing is lost or mixed."""

import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from featviz.studio.guard import RateLimit
from featviz.studio.messages import BODY_BYTES
from featviz.studio.steps import Limits
from tests.studio.serving import Serving, append, code, draw, new_drawing, save, stroke


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
    people, saves, batch = 50, 12, 4
    server = start_server(
        database=database.url.render_as_string(hide_password=False),
        limits=Limits(),
        # Who waits for the others is not refused, however slow the machine is.
        busy_seconds=300,
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
                    answer = append(client, mine, last, step)
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
