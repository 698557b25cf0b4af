"""Who gets in, from where, and what every answer forbids, over real sockets."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from featviz.studio.guard import HEADERS
from featviz.studio.messages import BODY_BYTES
from featviz.studio.pages import STATIC, static_files
from tests.studio.serving import Serving, code, new_drawing


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
