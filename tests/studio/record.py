"""Make the README's picture and recording of the drawing page with the test browser.

    python -m tests.studio.record      # drawing-page.webp, drawing-page-still.webp

One shipped checkpoint is shown both ways, free and with the rest kept, a mouth is erased and
another one drawn with the mouse, on the real server. A frame is taken whenever the faces of what is
drawn have arrived, so the recording tells what the page shows, not how fast the machine was.
"""

import argparse
import io
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from featviz.base.files import atomic_write
from featviz.sketches.drawing import read_svg
from tests.studio.browser import Desk, Server, running_browser

ROOT = Path(__file__).parent.parent.parent
VIEWPORT = {"width": 1280, "height": 836}
START, MODEL = "G8/001", "G8/012"
WIDTH, STILL_WIDTH = 800, 1600
FRAME_MS = 160
QUALITY, STILL_QUALITY = 48, 80


class Recorder:
    """Drives the page and takes a frame with a pointer drawn in."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pointer = (640.0, 420.0)
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def frame(self, milliseconds: int = FRAME_MS) -> None:
        picture = screenshot(self.desk, WIDTH)
        draw_pointer(picture, *(value * WIDTH / VIEWPORT["width"] for value in self.pointer))
        if self.frames and picture.tobytes() == self.frames[-1].tobytes():
            self.times[-1] += milliseconds
            return
        self.frames.append(picture)
        self.times.append(milliseconds)

    def move(self, place: tuple[float, float], steps: int = 1) -> None:
        self.desk.page.mouse.move(*place, steps=steps)
        self.pointer = place

    def glide(self, place: tuple[float, float], frames: int = 3) -> None:
        x, y = self.pointer
        for i in range(1, frames + 1):
            t = (1 - math.cos(math.pi * i / frames)) / 2
            self.move((x + (place[0] - x) * t, y + (place[1] - y) * t))
            self.frame(70)

    def press(self, selector: str) -> None:
        box = self.desk.page.locator(selector).bounding_box()
        assert box is not None
        self.glide((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
        self.desk.page.mouse.click(*self.pointer)
        self.frame(250)

    def drag(self, points: Sequence[tuple[float, float]], every: int) -> None:
        places = [self.desk.screen(point) for point in points]
        self.glide(places[0])
        self.desk.page.mouse.down()
        for i, place in enumerate(places[1:], 1):
            self.move(place)
            if i % every == 0:
                self.settle()
        self.desk.page.mouse.up()
        self.settle()

    def settle(self) -> None:
        self.desk.wait_answered()
        self.frame()

    def write(self, path: Path) -> None:
        with atomic_write(path) as temporary:
            self.frames[0].save(
                temporary,
                format="WEBP",
                save_all=True,
                append_images=self.frames[1:],
                duration=self.times,
                loop=0,
                quality=QUALITY,
                method=6,
            )


def screenshot(desk: Desk, width: int) -> Image.Image:
    """The page as it looks now, `width` pixels wide."""
    picture = Image.open(io.BytesIO(desk.page.screenshot())).convert("RGB")
    height = round(picture.height * width / picture.width)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def draw_pointer(picture: Image.Image, x: float, y: float) -> None:
    """An arrow with its tip at (x, y)."""
    arrow = [(0, 0), (0, 15), (3.6, 11.8), (6.2, 17.6), (8.6, 16.5), (6.1, 10.9), (11, 10.6)]
    ImageDraw.Draw(picture).polygon(
        [(x + dx, y + dy) for dx, dy in arrow], fill="black", outline="white"
    )


def resample(points: np.ndarray, step: float) -> list[tuple[float, float]]:
    """Points evenly spaced along a polyline (n, 2)."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], max(int(along[-1] / step), 2) + 1)
    x, y = (np.interp(at, along, points[:, axis]).tolist() for axis in (0, 1))
    return list(zip(x, y, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the drawing page.")
    parser.add_argument("--out", type=Path, default=ROOT / "figures")
    parser.add_argument("--checkpoint", default="modified")
    arguments = parser.parse_args()
    mouth = [s.points for s in read_svg(ROOT / "sketches" / f"{MODEL}.svg").part("mouth")]
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        server = Server(
            Path(folder), checkpoints=[arguments.checkpoint], sketches=ROOT / "sketches"
        )
        try:
            context = browser.new_context(
                viewport=VIEWPORT, locale="en-GB", color_scheme="light", device_scale_factor=1.5
            )
            desk = Desk(context, server.address)
            # The head says "live" instead of the milliseconds, which are the machine's.
            desk.inside("Object.defineProperty(page, 'latency', { get: () => null, set() {} });")
            desk.start_on(START)
            desk.wait_answered()
            desk.page.locator(".toast").first.wait_for(state="detached")
            recorder = Recorder(desk)
            recorder.frame(900)
            recorder.press("article.face:nth-child(2) .both")
            recorder.settle()
            recorder.frame(900)
            recorder.press("[data-tool=erase-stroke]")
            recorder.drag(resample(np.array([[225, 350], [262, 418]]), 8), every=5)
            recorder.press("[data-tool=pen]")
            for line in mouth:
                recorder.drag(resample(line, 5), every=10)
            recorder.glide((1040, 600), 5)
            recorder.frame(2600)
            recorder.pointer = (-50, -50)
            desk.page.mouse.move(700, 20)
            recorder.write(arguments.out / "drawing-page.webp")
            still = screenshot(desk, STILL_WIDTH)
            with atomic_write(arguments.out / "drawing-page-still.webp") as temporary:
                still.save(temporary, format="WEBP", quality=STILL_QUALITY, method=6)
            context.close()
        finally:
            server.stop()
    for name in ("drawing-page-still.webp", "drawing-page.webp"):
        path = arguments.out / name
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    print(f"{len(recorder.frames)} frames, {sum(recorder.times) / 1000:.1f} s")


if __name__ == "__main__":
    main()
