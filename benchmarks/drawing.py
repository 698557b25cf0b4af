"""How long the drawing page waits for a face; target: p50 <= 100 ms, p95 <= 200 ms on 2 cores.

python -m benchmarks.drawing [--updates 200] [--checkpoints modified] [--threads 2]

`featviz draw` runs in a process of its own. A client draws a mouth on a face of the sketch set, a
point more each time, sends the whole drawing through the WebSocket and waits for the picture, as
the page does: every update is rasterised, generated, compared with the start sketch's face,
encoded and received.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


def main(settings: Drawing) -> None:
    print(describe_machine(("torch", "fastapi", "uvicorn", "websockets")))
    with _server(settings) as address:
        cookie = _session(address)
        start = _get(address, cookie, f"/api/start/{settings.start}")
        with connect(
            address.replace("http", "ws") + "/api/live",
            origin=Origin(address),
            additional_headers={"Cookie": cookie},
            max_size=None,
        ) as socket:
            socket.send(
                json.dumps(
                    {
                        "type": "settings",
                        "checkpoints": settings.checkpoints,
                        "start": {"start": settings.start},
                        "difference": True,
                        "raster": False,
                        "probe": None,
                    }
                )
            )
            waits, parts = _updates(socket, start["strokes"], settings.updates)
    p50, p95 = np.percentile(waits, [50, 95])
    verdict = "met" if p50 <= P50 and p95 <= P95 else "missed"
    print(
        f"{' and '.join(settings.checkpoints)}, {settings.threads} threads, "
        f"{len(start['strokes'])} strokes, {len(waits)} updates: p50 {p50:.0f} ms, "
        f"p95 {p95:.0f} ms, slowest {max(waits):.0f} ms; "
        f"target p50 <= {P50:.0f}, p95 <= {P95:.0f}: {verdict}"
    )
    for name, values in parts.items():
        print(f"  {name:9} median {np.median(values):6.1f} ms")


def _updates(
    socket: ClientConnection, strokes: list[dict[str, Any]], count: int
) -> tuple[list[float], dict[str, list[float]]]:
    """Milliseconds from sending a drawing to having its face, and the server's parts of them."""
    waits: list[float] = []
    parts: dict[str, list[float]] = {}
    warm_up = 10
    line: list[float] = [200.0, 340.0]
    for update in range(count + warm_up):
        angle = update / 10
        line += [round(250 + 50 * np.cos(angle), 2), round(340 + 20 * np.sin(angle), 2)]
        drawing = [*strokes, {"part": "mouth", "points": line}]
        begun = time.perf_counter()
        socket.send(json.dumps({"type": "draw", "seq": update, "strokes": drawing}))
        header = _answer(socket, update)
        if update >= warm_up:
            waits.append(1000 * (time.perf_counter() - begun))
            for name, value in header["ms"].items():
                parts.setdefault(name, []).append(value)
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
