"""The report as a reader uses it, in a real browser."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.studio.browser import LOOKS, PATIENCE


class Reader:
    """An open report. It keeps every complaint, and everything the page asked the network for."""

    def __init__(self, page: Page, path: Path, fragment: str = "") -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri() + (f"#{fragment}" if fragment else ""))
        page.locator("html[data-ready]").wait_for(state="attached")
        text = page.locator("script#contents").text_content()
        self.contents: dict[str, Any] = json.loads(text or "")

    def draw_all(self) -> None:
        """Scroll by every row, so that all are drawn, and back."""
        for row in self.page.locator(".row").all():
            row.scroll_into_view_if_needed()
        self.page.wait_for_function(
            "() => document.querySelectorAll('.row:not([data-drawn])').length === 0"
        )
        self.page.evaluate("scrollTo(0, 0)")

    def plot(self, row: int, panel: int) -> Any:
        return self.page.locator(".row").nth(row).locator(".plot").nth(panel)

    def map(self, row: int, panel: int, method: str = "pca") -> dict[str, Any]:
        found: dict[str, Any] = self.contents["rows"][row]["panels"][panel]["maps"][method]
        return found

    def number(self, name: str) -> int:
        return [sketch["name"] for sketch in self.contents["sketches"]].index(name)

    def screen(self, row: int, panel: int, sketch: int, method: str = "pca") -> tuple[float, float]:
        """Where a point lies on the screen, computed from what the page says it shows."""
        drawn = self.map(row, panel, method)
        half = drawn["half"]
        if drawn["unit"]:
            half = max(
                panel["maps"][method]["half"]
                for row in self.contents["rows"]
                for panel in row["panels"]
            )
        plot = self.plot(row, panel)
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        x = (drawn["x"][sketch] - drawn["centre"][0]) / (2 * half) + 0.5
        y = (drawn["y"][sketch] - drawn["centre"][1]) / (2 * half) + 0.5
        return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

    def lonely(self, row: int, panel: int) -> list[int]:
        """Sketches without a neighbour near by, the loneliest first."""
        drawn = self.map(row, panel)
        places = np.array([drawn["x"], drawn["y"]], dtype=float).T
        distance = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(distance, np.inf)
        return [int(i) for i in np.argsort(-distance.min(axis=1))]

    def selected(self) -> list[list[int]]:
        """What is selected, as each drawn row's source has it."""
        found: list[list[int]] = self.page.evaluate(
            "Bokeh.documents.map((d) => [...d.get_model_by_name('points').selected.indices])"
        )
        return found

    def pixels(self, row: int, panel: int) -> NDArray[np.uint8]:
        plot = self.plot(row, panel)
        plot.scroll_into_view_if_needed()
        self.page.mouse.move(2, 2)
        # Bokeh puts drawing off by a timer. One in the page fires after it, however busy all are.
        self.page.evaluate("new Promise((done) => setTimeout(done, 100))")
        self.settle()
        return read_png(plot.screenshot())

    def settle(self) -> None:
        """Two frames: one in which Bokeh draws and one in which it is shown."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )


def read_png(data: bytes) -> NDArray[np.uint8]:
    import io

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def count_color(pixels: NDArray[np.uint8], color: str, tolerance: int = 6) -> int:
    """How many pixels have a colour #rrggbb, or nearly."""
    wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels.astype(int) - wanted).max(axis=2) <= tolerance).sum())


@contextlib.contextmanager
def open_report(browser: Browser, path: Path, **options: Any) -> Iterator[Reader]:
    """A report somebody opens. It must not complain, and must ask for nothing."""
    options = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **options}
    fragment = options.pop("fragment", "")
    context = browser.new_context(**options)
    try:
        reader = Reader(context.new_page(), path, fragment)
        yield reader
    finally:
        context.close()
    assert reader.complaints == [], reader.complaints
    outside = [url for url in reader.requests if not url.startswith(("data:", "blob:"))]
    assert [url.partition("#")[0] for url in outside] == [path.as_uri()]


def look(reader: Reader, what: str) -> Any:
    """What a check of how the page looks finds; see `LOOKS`."""
    return reader.page.evaluate(f"() => {LOOKS}.{what}()")
