"""How long the drawing page waits for a face; target: p50 <= 100 ms, p95 <= 200 ms on 2 cores.

python -m benchmarks.drawing [--updates 200] [--checkpoints modified] [--threads 2] [--kept]

`featviz draw` runs in a process of its own. A client draws a mouth on a face of the sketch set, a
point more each time, sends the whole drawing through the WebSocket and waits for the picture, as
the page does: every update is rasterised, generated, compared with the start sketch's face,
encoded and received. With --kept the same updates are also asked for with the rest kept, in
turn, on a connection of their own; target: a third of the whole update's p50, half of its p95.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import tyro
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from benchmarks.machine import describe_machine

P50, P95 = 100.0, 200.0
KEPT_P50, KEPT_P95 = 1 / 3, 1 / 2


@dataclass(frozen=True)
class Drawing:
    """Measure updates of the drawing page, one after the other."""

    checkpoints: tuple[str, ...] = ("modified",)
    """One checkpoint, for which the target holds, or two side by side."""
    updates: int = 200
    """Measured updates, after ten that warm up."""
    threads: int = 2
    """CPU threads of the server."""
    start: int = 133
    """Number of the start sketch in the set."""
    sketches: Path = Path("sketches")
    """Folder of the sketch set."""
    kept: bool = False
    """Measure updates that keep the rest too, in turn with whole ones."""


def main(settings: Drawing) -> None:
    print(describe_machine(("torch", "fastapi", "uvicorn", "websockets")))
    ways = {"whole": False, "kept": True} if settings.kept else {"whole": False}
    with _server(settings) as address, ExitStack() as stack:
        cookie = _session(address)
        start = _get(address, cookie, f"/api/start/{settings.start}")
        sockets = {}
        for way, kept in ways.items():
            socket = connect(
                address.replace("http", "ws") + "/api/live",
                origin=Origin(address),
                additional_headers={"Cookie": cookie},
                max_size=None,
            )
            sockets[way] = stack.enter_context(socket)
            socket.send(json.dumps(_wanted(settings, kept)))
        waits, parts = _updates(sockets, start["strokes"], settings.updates)
    print(
        f"{' and '.join(settings.checkpoints)}, {settings.threads} threads, "
        f"{len(start['strokes'])} strokes, {settings.updates} updates"
    )
    p50, p95 = _report("whole", waits["whole"], parts["whole"])
    print(f"target p50 <= {P50:.0f}, p95 <= {P95:.0f}: {_verdict(p50 <= P50 and p95 <= P95)}")
    if settings.kept:
        of_kept = _report("kept", waits["kept"], parts["kept"])
        shares = of_kept[0] / p50, of_kept[1] / p95
        print(
            f"kept / whole: p50 {shares[0]:.2f}, p95 {shares[1]:.2f}; target p50 <= "
            f"{KEPT_P50:.2f}, p95 <= {KEPT_P95:.2f}: "
            f"{_verdict(shares[0] <= KEPT_P50 and shares[1] <= KEPT_P95)}"
        )


def _wanted(settings: Drawing, kept: bool) -> dict[str, Any]:
    return {
        "type": "settings",
        "checkpoints": settings.checkpoints,
        "kept": [kept] * len(settings.checkpoints),
        "start": {"start": settings.start},
        "difference": True,
        "raster": False,
        "probe": None,
    }


def _report(way: str, waits: list[float], parts: dict[str, list[float]]) -> tuple[float, float]:
    """Print milliseconds from sending to having the face and the server's parts; p50 and p95."""
    p50, p95 = map(float, np.percentile(waits, [50, 95]))
    print(f"{way}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, slowest {max(waits):.0f} ms")
    for name, values in parts.items():
        print(f"  {name:9} median {np.median(values):6.1f} ms")
    return p50, p95


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _updates(
    sockets: dict[str, ClientConnection], strokes: list[dict[str, Any]], count: int
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
    """By way: milliseconds from sending a drawing to having its face, and the server's parts."""
    waits: dict[str, list[float]] = {way: [] for way in sockets}
    parts: dict[str, dict[str, list[float]]] = {way: {} for way in sockets}
    warm_up = 10
    line: list[float] = [200.0, 340.0]
    for update in range(count + warm_up):
        angle = update / 10
        line += [round(250 + 50 * np.cos(angle), 2), round(340 + 20 * np.sin(angle), 2)]
        drawing = [*strokes, {"part": "mouth", "points": line}]
        message = json.dumps({"type": "draw", "seq": update, "strokes": drawing})
        # In turn: who comes second finds the stroke rasterised.
        for way in list(sockets)[:: -1 if update % 2 else 1]:
            begun = time.perf_counter()
            sockets[way].send(message)
            header = _answer(sockets[way], update)
            if update >= warm_up:
                waits[way].append(1000 * (time.perf_counter() - begun))
                for name, value in header["ms"].items():
                    parts[way].setdefault(name, []).append(value)
    return waits, parts


def _answer(socket: ClientConnection, seq: int) -> dict[str, Any]:
    while True:
        message = socket.recv(timeout=60)
        if isinstance(message, bytes):
            length = int.from_bytes(message[:4], "big")
            header: dict[str, Any] = json.loads(message[4 : 4 + length])
            if header["seq"] == seq:
                return header
        elif json.loads(message)["type"] == "error":
            raise SystemExit(f"the server says: {json.loads(message)['message']}")


@contextmanager
def _server(settings: Drawing) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "featviz", "draw", "--port", "0", "--no-browser"]
        command += ["--token", ""]
        command += ["--database", f"{folder}/sketches.db", "--sketches", str(settings.sketches)]
        command += ["--checkpoints", *settings.checkpoints]
        environment = {**os.environ, "OMP_NUM_THREADS": str(settings.threads)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1].rstrip("/")
            try:
                yield address
            finally:
                process.terminate()


def _session(address: str) -> str:
    headers = {"Origin": address, "Content-Type": "application/json"}
    request = Request(f"{address}/api/session", b'{"nickname": "benchmark"}', headers)
    with urlopen(request) as answer:
        return str(answer.headers["Set-Cookie"]).partition(";")[0]


def _get(address: str, cookie: str, path: str) -> dict[str, Any]:
    with urlopen(Request(address + path, headers={"Cookie": cookie})) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


if __name__ == "__main__":
    main(tyro.cli(Drawing, description=__doc__))
