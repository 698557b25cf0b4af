"""A real browser on the real server: what the tests of the drawing page drive."""

import base64
import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.drawing import Drawing, Stroke
from tests.forks import featviz_process

# The shell is Chromium without windows: the same pages for less work.
FOUND = shutil.which("chromium-headless-shell") or shutil.which("chromium")
CHROMIUM = Path(FOUND or "/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Without the hidden pages that a window of the whole browser loads beside its own: half of what
    # opening a page takes. Only the last such word is heard, so Playwright's own are said again.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,"
    "AimEnabled,AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,"
    "HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,"
    "NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,"
    "ThirdPartyStoragePartitioning",
]
SKETCHES = Path(__file__).parent.parent.parent / "sketches"
STARTS = ("G5/001", "G5/002", "G7/001", "G7/002", "G8/001", "G8/002", "G8/009", "G9/001")
"""The start sketches of the test server: few, so that the probe is quick."""
BLANK_CHOSEN = """
if (localStorage.getItem("featviz.drawing") === null) {
  const id = crypto.randomUUID();
  localStorage.setItem("featviz.drawing", JSON.stringify({ id, base: null, drawn: false }));
}
"""
PATIENCE = 300_000
LOOKS = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8").rstrip().rstrip(";")
"""Milliseconds; who waits for a condition loses nothing by waiting long for it."""

Point = tuple[float, float]

expect.set_options(timeout=PATIENCE)


def make_checkpoints(folder: Path) -> list[Path]:
    """Two untrained generators that differ from each other and answer at once."""
    paths = []
    for seed, variant in enumerate(("modified", "baseline")):
        torch.manual_seed(seed)
        generator = build_generator(GeneratorArchitecture(variant, width=2, residual_blocks=1))
        path = folder / f"tiny-{variant}.safetensors"
        save_network(generator, path, "generator", {"step": 0}, torch.float32)
        paths.append(path)
    return paths


def make_sketches(folder: Path) -> Path:
    """A sketch set of a few of the shipped sketches."""
    index = pd.read_csv(SKETCHES / "index.csv", dtype=str, keep_default_na=False)
    index = index[index["sketch"].isin(STARTS)]
    for file in index["file"]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((SKETCHES / file).read_bytes())
    index.to_csv(folder / "index.csv", index=False)
    return folder


class Server:
    """`featviz draw` as a process, that can be killed and started again at the same place."""

    def __init__(
        self,
        folder: Path,
        token: str = "",
        checkpoints: Sequence[str] = (),
        sketches: Path | None = None,
    ) -> None:
        self.folder, self.token = folder, token
        self.database = folder / "sketches.db"
        self.checkpoints = list(checkpoints) or list(map(str, make_checkpoints(folder)))
        self.sketches = sketches or make_sketches(folder / "set")
        self.port = 0
        self.start()

    def start(self) -> None:
        words = ["draw", "--no-browser", "--port", self.port, "--token", self.token]
        words += ["--checkpoints", *self.checkpoints]
        words += ["--database", self.database, "--sketches", self.sketches]
        self.process = featviz_process(words, folder=self.folder)
        for line in self.process.stdout:
            if line.startswith("drawing page:"):
                self.address = line.split()[-1]
                self.port = int(self.address.partition("/#")[0].rstrip("/").rpartition(":")[2])
                return
        raise RuntimeError(f"the server ended with {self.process.wait()}")

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Desk:
    """The page as a person uses it: by mouse, keyboard, and what can be read on it.

    opens_blank: whoever comes first finds the blank sheet they chose before, not the start face.
    """

    def __init__(self, context: BrowserContext, address: str, opens_blank: bool = True) -> None:
        self.context, self.address = context, address
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        if opens_blank:
            self.page.add_init_script(BLANK_CHOSEN)
        self.page.set_default_timeout(PATIENCE)
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.load()

    def load(self) -> None:
        self.page.goto(self.address)
        self.page.locator("html[data-ready]").wait_for(state="attached")

    def inside(self, script: str, argument: Any = None) -> Any:
        """Run the body of an async function that gets `page`, the parts of the page, and `a`."""
        return self.page.evaluate(
            "async (a) => { const { page } = await import('/static/app.js');" + script + "}",
            argument,
        )

    # What a person does ------------------------------------------------------------------------

    def start_on(self, label: str) -> None:
        self.page.click("#start-button")
        self.page.locator(".pick", has_text=label).click()
        expect(self.page.locator("#start-name")).to_have_text(label)
        expect(self.page.locator("#hint")).not_to_have_text("Loading…")

    def screen(self, point: Point) -> Point:
        """Where a point of the sketch lies on the screen."""
        return self.screens([point])[0]

    def screens(self, points: Sequence[Point]) -> list[Point]:
        found: list[Point] = self.inside(
            "const box = page.board.canvas.getBoundingClientRect();"
            "return a.map((point) => {"
            "  const [x, y] = page.board.view.toScreen(point); return [box.left + x, box.top + y];"
            "});",
            [list(point) for point in points],
        )
        return found

    def drag(self, points: Sequence[Point], button: Any = "left") -> None:
        mouse = self.page.mouse
        places = self.screens(points)
        mouse.move(*places[0])
        mouse.down(button=button)
        for place in places[1:]:
            mouse.move(*place, steps=4)
        mouse.up(button=button)

    def click(self, point: Point) -> None:
        self.page.mouse.click(*self.screen(point))

    def keys(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)

    def save_into(self, group: str) -> str:
        """Save by the dialog; returns the name of the sketch."""
        self.keys("Control+s")
        self.page.fill("#save-group", group)
        self.page.keyboard.press("Enter")
        message = self.page.locator(".toast.good").last
        expect(message).to_contain_text(f"Saved as {group}/")
        return (message.locator("span").inner_text()).removeprefix("Saved as ")

    # What a person sees ------------------------------------------------------------------------

    def strokes(self) -> list[dict[str, Any]]:
        """What is on the sheet: parts and points."""
        strokes: list[dict[str, Any]] = self.inside(
            "return page.sheet.strokes.map(({ id, part, points }) => ({ id, part, points }));"
        )
        return strokes

    def drawing(self) -> Drawing:
        return Drawing(
            tuple(Stroke(stroke["part"], np.array(stroke["points"])) for stroke in self.strokes())
        )

    def wait_saved(self) -> None:
        expect(self.page.locator("#save-state")).to_have_attribute("data-state", "saved")

    def wait_answered(self) -> None:
        """Wait until the faces are those of the newest strokes, and are shown."""
        self.wait_until(
            lambda: self.inside(
                "const { live, faces } = page; const newest = String(live.seq);"
                "return live.settled && faces.slots.every((slot) =>"
                "  !slot.checkpoint || slot.canvas.dataset.seq === newest);"
            )
        )

    def wait_until(self, true: Callable[[], Any]) -> None:
        """A page under a strict content security policy cannot be polled from inside."""
        for _ in range(PATIENCE // 50):
            if true():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("waited in vain")

    def stored(self) -> Drawing:
        """The present drawing as the server has it."""
        identity = self.inside("return page.sheet.id;")
        address = f"{self.address}api/drawings/{identity}"
        answer = self.context.request.get(address, timeout=PATIENCE)
        assert answer.ok, answer.text()
        return Drawing(
            tuple(
                Stroke(stroke["part"], np.array(stroke["points"]).reshape(-1, 2))
                for stroke in answer.json()["strokes"]
                if stroke["present"]
            )
        )

    def pixels(self, script: str) -> NDArray[np.uint8]:
        """Pixels (H, W, 4) of an image or a canvas that a script names."""
        found = self.inside(
            f"const image = {script};"
            "const canvas = new OffscreenCanvas(image.width, image.height);"
            "const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
            "const { data } = context.getImageData(0, 0, image.width, image.height);"
            "let text = ''; for (let i = 0; i < data.length; i += 8192)"
            "  text += String.fromCharCode(...data.subarray(i, i + 8192));"
            "return [image.width, image.height, btoa(text)];"
        )
        width, height, text = found
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


@contextlib.contextmanager
def running_server(folder: Path, token: str = "") -> Iterator[Server]:
    server = Server(folder, token)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}; install Chromium to test the page")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def open_desk(
    browser: Browser, address: str, opens_blank: bool = True, **options: Any
) -> Iterator[Desk]:
    """A page of somebody new. It must not complain: no error, no violation of the policy."""
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
    context = browser.new_context(**options)
    desk = Desk(context, address, opens_blank)
    try:
        yield desk
    finally:
        context.close()
    assert desk.complaints == [], desk.complaints


def pause(seconds: float) -> None:
    """Wait where a pause itself is what is meant."""
    time.sleep(seconds)
