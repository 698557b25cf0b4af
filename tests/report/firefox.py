"""Debian's Firefox, driven by WebDriver BiDi: a websocket of its own, without a driver."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_SECONDS = 120.0


class Firefox:
    """One window. What it complains of is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._socket, self._number = socket, 0
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        self._window = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(timeout=_SECONDS))
            if told.get("method") == "log.entryAdded" and told["params"]["level"] == "error":
                self.complaints.append(told["params"]["text"])
            if told.get("id") == self._number:
                assert told["type"] == "success", told
                result: dict[str, Any] = told["result"]
                return result

    def open(self, address: str, width: int = 1280, height: int = 800) -> None:
        viewport = {"width": width, "height": height}
        self._ask("browsingContext.setViewport", context=self._window, viewport=viewport)
        self._ask("browsingContext.navigate", context=self._window, url=address, wait="complete")
        self.wait("document.documentElement.dataset.ready !== undefined")

    def evaluate(self, expression: str) -> Any:
        """What JSON can hold of an expression's value, or of that of a promise."""
        answer = self._ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression}) ?? null))()",
            target={"context": self._window},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def wait(self, true: str) -> None:
        end = time.monotonic() + _SECONDS
        while not self.evaluate(true):
            assert time.monotonic() < end, f"waited in vain for {true}"
            time.sleep(0.05)

    def drag(self, places: Sequence[Sequence[float]]) -> None:
        """Press the mouse at the first place, move it by the others, let go; one place: a click."""
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20} for x, y in places
        ]
        down, up = ({"type": f"pointer{what}", "button": 0} for what in ("Down", "Up"))
        actions = [{"type": "pointer", "id": "mouse", "actions": [moves[0], down, *moves[1:], up]}]
        self._ask("input.performActions", context=self._window, actions=actions)


@contextlib.contextmanager
def running_firefox(profile: Path) -> Iterator[Firefox]:
    """Firefox without a screen and with a new profile; the test is skipped where there is none."""
    program = shutil.which("firefox-esr")
    if program is None:
        pytest.skip("there is no firefox-esr; install it to test the pages in Firefox")
    profile.mkdir()
    # It asks nobody for experiments, news or updates.
    quiet = {"app.normandy.enabled": False, "services.settings.server": "data:,"}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(to)});" for name, to in quiet.items())
    (profile / "user.js").write_text("\n".join(lines))
    words = [program, "--headless", "--no-remote", "--profile", profile]
    process = subprocess.Popen(
        [*words, "--remote-debugging-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told, end = profile / "WebDriverBiDiServer.json", time.monotonic() + _SECONDS
        while not told.exists() or not told.read_text():
            assert process.poll() is None, "Firefox has ended"
            assert time.monotonic() < end, "Firefox does not answer"
            time.sleep(0.05)
        place = json.loads(told.read_text())
        address = f"ws://{place['ws_host']}:{place['ws_port']}/session"
        with connect(address, max_size=None, open_timeout=_SECONDS) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        process.wait()
