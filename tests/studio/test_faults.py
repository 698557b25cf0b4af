"""What goes wrong in the world: kills, locks, full disks. Nothing acknowledged is ever lost."""

import contextlib
import gc
import os
import resource
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy
from sqlalchemy import event

from featviz.studio.database import Database
from featviz.studio.problems import StudioError
from featviz.studio.server import serve
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from tests.forks import Forked, featviz_process
from tests.studio.serving import (
    Serving,
    append,
    client_of,
    draw,
    new_drawing,
    save,
    serving,
    stroke,
)


def write_until_killed(path: Path, author: str, drawing: str, start: int, pipe: int) -> None:
    """Store one event after the other; tell each of them through the pipe when it is stored."""
    store = Store(Database(path))
    number = start
    while True:
        last = f"e{number - 1}" if number else None
        line = NewStroke(f"s{number}", "mouth", number, (float(number), 1.0) * 50)
        # Every event takes the stroke before it away, too.
        gone = (f"s{number - 1}",) if number else ()
        store.append_events(author, drawing, last, [NewEvent(f"e{number}", "draw", (line,), gone)])
        os.write(pipe, number.to_bytes(4, "big"))
        number += 1


def test_a_store_killed_fifty_times_amid_writes_loses_nothing_it_acknowledged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sketches.db"
    database = Database(path)
    store = Store(database)
    author = store.authors.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(author, drawing, None, "1")
    database.close()
    stored = 0
    amid = 0
    for kill in range(50):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reading)
                write_until_killed(path, author, drawing, stored, writing)
            finally:
                os._exit(1)
        os.close(writing)
        acknowledged = stored
        deadline = None
        while True:
            data = os.read(reading, 4)
            if not data:
                break
            acknowledged = int.from_bytes(data, "big") + 1
            if deadline is None:
                deadline = time.monotonic() + 0.002 * (kill % 10)
            if time.monotonic() >= deadline:
                os.kill(child, signal.SIGKILL)
        os.close(reading)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        database = Database(path)
        contents = Store(database).drawing(author, drawing)
        database.close()
        count = contents.drawing.revision
        # One more than acknowledged may be stored: its answer was killed, and it is sent again.
        assert acknowledged <= count <= acknowledged + 1
        amid += count - acknowledged
        assert [e.id for e in contents.events] == [f"e{n}" for n in range(count)]
        assert [s.id for s in contents.strokes] == [f"s{n}" for n in range(count)]
        assert [s.id for s in contents.strokes if s.present] == [f"s{count - 1}"]
        assert all(s.points == [float(n), 1.0] * 50 for n, s in enumerate(contents.strokes))
        stored = count
    assert stored >= 50
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def serve_again_and_again(checkpoint: Path, database: Path, sketches: Path) -> None:
    """Serve at each port that is asked for, as a fork of what has served already.

    What is made once, at the first start and the first request of each kind, is made before.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "own.db", [checkpoint], sketches) as server,
        server.client() as client,
    ):
        mine = new_drawing(client)
        append(client, mine, None, draw(stroke()))
        client.get(f"/api/drawings/{mine}")
    # Or every fork would copy what its collector looks at.
    gc.freeze()
    for port in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(
                *([str(checkpoint)], "127.0.0.1", int(port), database, "", sketches, []),
                lambda address, _: print(os.getpid(), address, flush=True),
            )
        os.waitpid(child, 0)


def test_a_server_killed_fifty_times_amid_requests_loses_nothing_it_acknowledged(
    checkpoints: tuple[Path, Path], small_set: Path, tmp_path: Path
) -> None:
    nursery = Forked(serve_again_and_again, checkpoints[0], tmp_path / "own.db", small_set)

    def start(port: int) -> tuple[int, str]:
        print(port, file=nursery.stdin, flush=True)
        pid, address = nursery.stdout.readline().split()
        return int(pid), address.rstrip("/")

    pid, address = start(0)
    port = int(address.rpartition(":")[2])
    acknowledged: list[str] = []
    try:
        with client_of(address) as client:
            client.post("/api/session", json={"nickname": "Mei"})
            mine = new_drawing(client)
            for kill in range(50):
                # After so many answers, however long they take, and then amid the next requests.
                victim = threading.Timer(0.003 * (kill % 7), os.kill, (pid, signal.SIGKILL))
                sent, least = None, len(acknowledged) + kill % 4
                with contextlib.suppress(httpx.TransportError):
                    while True:
                        if len(acknowledged) == least:
                            victim.start()
                        sent = draw(
                            stroke("mouth", len(acknowledged), 1, 2, 3, order=len(acknowledged))
                        )
                        answer = append(
                            client, mine, acknowledged[-1] if acknowledged else None, sent
                        )
                        assert answer.status_code == 200
                        acknowledged.append(sent["id"])
                victim.join()
                pid, _ = start(port)
                document = client.get(f"/api/drawings/{mine}").json()
                stored = [s["points"][0] for s in document["strokes"]]
                assert len(acknowledged) <= len(stored) <= len(acknowledged) + 1
                if len(stored) > len(acknowledged):
                    # Stored, and its answer was killed: sent again, it is not stored twice.
                    answer = append(client, mine, acknowledged[-1] if acknowledged else None, sent)
                    assert (answer.status_code, answer.json()["stored"]) == (200, 0)
                    acknowledged.append(sent["id"])
                assert stored == list(range(len(stored)))
            assert len(acknowledged) > 50
    finally:
        os.kill(pid, signal.SIGKILL)
        nursery.stdin.close()
        nursery.wait()
    with sqlite3.connect(tmp_path / "own.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_command_killed_and_started_again_goes_on_where_it_was(
    checkpoints: tuple[Path, Path], small_set: Path, tmp_path: Path
) -> None:
    words = ["draw", "--checkpoints", checkpoints[0], "--database", tmp_path / "own.db"]
    words += ["--sketches", small_set, "--no-browser", "--port"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    environment.pop("FEATVIZ_TOKEN", None)

    def start(port: str) -> tuple[Forked, str, str]:
        process = featviz_process([*words, port], environment=environment)
        first = process.stdout.readline()
        assert first.startswith("drawing page: http://127.0.0.1:"), first
        address, _, token = first.split()[-1].partition("/#token=")
        return process, address, token

    process, address, token = start("0")
    try:
        with client_of(address) as client:
            # Nobody else of this machine gets in, unless they can read this user's files.
            assert client.post("/api/session", json={"nickname": "Eve"}).status_code == 401
            kept = tmp_path / "data" / "featviz" / "token"
            assert kept.read_text().strip() == token and kept.stat().st_mode & 0o777 == 0o600
            client.post("/api/session", json={"nickname": "Mei", "token": token})
            mine = new_drawing(client, {"start": 0})
            first, second = draw(stroke()), draw(stroke())
            assert append(client, mine, "start", first).status_code == 200
            process.kill()
            process.wait()
            with pytest.raises(httpx.TransportError):
                append(client, mine, first["id"], second)
            process, *again = start(address.rpartition(":")[2])
            assert again == [address, token]
            # The same browser, the same queue: what is known is skipped.
            answer = append(client, mine, "start", first, second)
            assert answer.json() == {"revision": 3, "last": second["id"], "stored": 1}
        process.send_signal(signal.SIGINT)
        assert process.wait() in (0, 130)
    finally:
        process.kill()
        process.wait()


def test_a_locked_database_is_busy_until_it_is_free(
    start_server: Callable[..., Serving], tmp_path: Path
) -> None:
    path = tmp_path / "locked.db"
    server = start_server(database=path, busy_seconds=0.5)
    with server.client() as client:
        mine = new_drawing(client)
        step = draw(stroke())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = append(client, mine, None, step)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "busy"
        # Readers do not wait for the writer.
        assert client.get(f"/api/drawings/{mine}").json()["events"] == []
        other.execute("ROLLBACK")
        other.close()
        assert append(client, mine, None, step).json()["stored"] == 1


def test_a_database_moved_away_under_the_server_takes_nothing_until_it_is_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.db"
    database = Database(path)
    store = Store(database)
    me = store.authors.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    path.rename(tmp_path / "moved.db")
    for _ in range(2):
        with pytest.raises(StudioError, match="moved or deleted") as caught:
            store.create_drawing(me, drawing, None, "1")
        assert caught.value.code == "busy"
        path.touch()
    (tmp_path / "moved.db").rename(path)
    assert store.create_drawing(me, drawing, None, "1")[1]
    database.close()
    again = Database(path)
    assert Store(again).drawing(me, drawing).drawing.revision == 0
    again.close()


def test_a_full_disk_is_told_and_everything_goes_on_when_there_is_room(
    start_server: Callable[..., Serving],
) -> None:
    server = start_server()
    database = server.studio.store.database
    pages = {"most": 0}

    def limit(connection: Any, record: Any, proxy: Any) -> None:
        if pages["most"]:
            connection.execute(f"PRAGMA max_page_count={pages['most']}")

    with server.client() as client:
        mine = new_drawing(client)
        event.listen(database.engine, "checkout", limit)
        with sqlite3.connect(str(database.url.database)) as connection:
            pages["most"] = connection.execute("PRAGMA page_count").fetchone()[0] + 8
        last, stored, big = None, 0, [1.5, 2.5] * 2000
        while True:
            step = draw(stroke("mouth", *big))
            answer = append(client, mine, last, step)
            if answer.status_code != 200:
                break
            last, stored = step["id"], stored + 1
            assert stored < 100
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "full"
        document = client.get(f"/api/drawings/{mine}").json()
        assert (document["drawing"]["revision"], document["drawing"]["last"]) == (stored, last)
        pages["most"] = 1_000_000
        assert append(client, mine, last, step).json()["revision"] == stored + 1
        assert save(client, mine, stored + 1)["label"] == "mine/001"


def write_until_full(path: Path) -> None:
    """Store events until the system refuses, then the refused one when there is room again."""
    store = Store(Database(path))
    me = store.authors.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(me, drawing, None, "1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, resource.RLIM_INFINITY))
    last = None
    for number in range(100):
        line = NewStroke(f"s{number}", "mouth", number, (1.0, 2.0) * 2000)
        step = NewEvent(f"e{number}", "draw", (line,), ())
        try:
            store.append_events(me, drawing, last, [step])
        except StudioError as error:
            print(error.code)
            break
        last = step.id
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert store.drawing(me, drawing).drawing.revision == number
    assert store.append_events(me, drawing, last, [step]).revision == number + 1
    print("goes on", number > 2)


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    # In a process of its own: the limit holds for all of its files.
    process = Forked(write_until_full, tmp_path / "own.db")
    assert process.wait() == 0, process.stderr.read()
    assert process.stdout.read().split("\n")[:2] == ["full", "goes on True"]


def test_a_postgresql_that_goes_away_is_busy_and_then_used_again(postgres_database: str) -> None:
    database = Database(postgres_database, busy_seconds=1)
    store = Store(database)
    me = store.authors.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(me, drawing, None, "1")
    killer = sqlalchemy.create_engine(
        sqlalchemy.make_url(postgres_database).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    kill = sqlalchemy.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )

    cuts: list[int] = []

    def cut(*_: Any) -> None:
        if not cuts:
            with killer.connect() as connection:
                cuts.append(len(connection.execute(kill).all()))

    step = [NewEvent("e1", "draw", (NewStroke("s1", "mouth", 0, (1.0, 1.0)),), ())]
    event.listen(database.engine, "before_cursor_execute", cut)
    with pytest.raises(StudioError) as caught:
        store.append_events(me, drawing, None, step)
    assert caught.value.code == "busy" and cuts[0] >= 1
    assert store.append_events(me, drawing, None, step).stored == 1
    database.close()
    killer.dispose()
