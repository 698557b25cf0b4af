"""A report of very many sketches: bytes, opening, frames while it is panned; and other exports.

python -m benchmarks.large_report [--count 100000] [--methods pca] [--keep DIR] [--peers PYTHON]

The sketches are synthetic: rows of real feature tables drawn with replacement, plus Gaussian noise
of a tenth of each channel's standard deviation; their pictures are the real ones of the sketch set,
each shifted in 25 ways. The pages are opened in headless Chromium, which draws by software. PYTHON
is that of an environment with embedding-atlas and jupyter-scatter, which export the same points.
"""

import dataclasses
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import tyro
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.large_report_peers import export_peers
from benchmarks.machine import describe_machine
from featviz.base.feature_table import FeatureTable, read_features, write_features
from featviz.report import Contents, ReportRequest, gather, render_report
from featviz.report.pictures import SMALL_SIDE, webp
from featviz.report.sketches import SketchReader, picture_sketches
from featviz.sketches.sketch_set import read_sketches

NOISE = 0.1
SHIFTS = 25
OPENING_SECONDS, FRAMES = 3.0, 30.0
_PAN_SECONDS = 4.0
_PATIENCE = 120_000


@dataclass(frozen=True)
class LargeReport:
    """Measure a large report, and what others export of the same points."""

    features: tuple[Path, ...] = (
        Path("features/paper-baseline.parquet"),
        Path("features/paper-modified.parquet"),
    )
    """Feature tables that the vectors imitate."""
    sketches: Path = Path("sketches")
    """The set whose pictures are shown."""
    layers: tuple[str, ...] = ("L0", "L1", "L4")
    """Which layers; a panel for each of each table."""
    count: int = 100_000
    """How many sketches."""
    methods: tuple[str, ...] = ("pca",)
    """Methods of the maps."""
    keep: Path | None = None
    """Folder that keeps the pages."""
    peers: Path | None = None
    """Python of an environment with embedding-atlas and jupyter-scatter."""


def imitation(settings: LargeReport, path: Path, folder: Path) -> Path:
    """A table of `count` sketches like those of a real one, in a file."""
    real = read_features(path)
    real = real.select(points=real.points[:1], layers=settings.layers)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.integers(len(real), size=settings.count))
    names = [f"{real.rows['sketch'].iloc[at]}-{i}" for i, at in enumerate(chosen)]
    rows = real.rows.iloc[chosen].assign(sketch=names).reset_index(drop=True)
    vectors = {}
    for layer, found in real.vectors.items():
        noise = rng.standard_normal((settings.count, found.shape[1]), dtype=np.float32)
        vectors[layer] = found[chosen] + (NOISE * found.std(axis=0)).astype(np.float32) * noise
    told = {key: real.metadata[key] for key in ("checkpoint", "variant", "digest", "size")}
    out = folder / path.name
    write_features(FeatureTable(rows, vectors, told), out)
    return out


def pictured(settings: LargeReport, contents: Contents) -> Contents:
    """The contents with pictures: those of real sketches, shifted."""
    found = read_sketches(settings.sketches)
    groups = dict(zip(found.index["sketch"], found.index["group"], strict=True))
    real = {
        sketch.name: sketch
        for sketch in picture_sketches(groups, found, [], SketchReader(), SMALL_SIDE)
    }
    shifted: dict[tuple[str, int], bytes] = {}
    sketches = []
    for number, sketch in enumerate(contents.sketches):
        name, way = sketch.name.rpartition("-")[0], number % SHIFTS
        if (name, way) not in shifted:
            pixels = np.asarray(Image.open(io.BytesIO(real[name].picture)).convert("RGB"))
            shifted[name, way] = webp(np.roll(pixels, (way // 5 - 2, way % 5 - 2), axis=(0, 1)))
        known = dataclasses.replace(real[name], name=sketch.name, base="")
        sketches.append(dataclasses.replace(known, picture=shifted[name, way]))
    return dataclasses.replace(contents, sketches=sketches)


@contextmanager
def chromium_page() -> Iterator[Page]:
    """A page of a headless browser without a graphics processor."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-unsafe-swiftshader"],
        )
        try:
            yield browser.new_page(viewport={"width": 1400, "height": 900})
        finally:
            browser.close()


def pan(page: Page, x: float, y: float) -> tuple[float, float]:
    """Drag to and fro around a place: frames a second, and the longest wait for one, in ms."""
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(
        """() => { window.frameTimes = []; const note = (t) => { frameTimes.push(t);
          requestAnimationFrame(note) }; requestAnimationFrame(note) }"""
    )
    start, turn = time.perf_counter(), 0
    while time.perf_counter() - start < _PAN_SECONDS:
        turn += 1
        page.mouse.move(x + 120 * np.sin(turn / 15), y + 80 * np.cos(turn / 19))
    times: list[float] = page.evaluate("frameTimes")
    page.mouse.up()
    waits = np.diff(times)
    return 1000 * len(waits) / float(waits.sum()), float(waits.max())


def opened(page: Page, address: str, is_drawn: str) -> float:
    """Seconds from asking for a page until what is told is true in it."""
    start = time.perf_counter()
    page.goto(address, timeout=_PATIENCE)
    page.wait_for_function(is_drawn, timeout=_PATIENCE)
    page.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
    return time.perf_counter() - start


def measure_ours(path: Path) -> list[str]:
    """Rows of the report's numbers, over the whole map and near by."""
    with chromium_page() as page:
        opening = opened(page, path.as_uri(), "document.documentElement.dataset.ready")
        rows = [_row("opening", opening, "s", opening < OPENING_SECONDS)]
        plot = page.locator(".panel.large .plot")
        plot.scroll_into_view_if_needed()
        box: Any = plot.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for where, turns in (("whole map", 0), ("zoomed in", 6)):
            page.mouse.move(x, y)
            for _ in range(turns):
                page.mouse.wheel(0, -200)
            frames, longest = pan(page, x, y)
            told = f"longest wait {longest:.0f} ms"
            rows.append(_row(f"panned, {where}", frames, "frames/s", frames >= FRAMES, told))
    return rows


def _row(what: str, value: float, unit: str, met: bool, further: str = "") -> str:
    return f"{what:24} {value:8.2f} {unit:10} {'met' if met else 'missed':8} {further}".rstrip()


def timed(what: str, run: Callable[[], Any]) -> Any:
    start, work = time.perf_counter(), time.process_time()
    made = run()
    wall, work = time.perf_counter() - start, time.process_time() - work
    print(f"{what:24} {wall:8.1f} s of the clock, {work:.1f} s of the processor", flush=True)
    return made


def main(settings: LargeReport) -> None:
    print(describe_machine(("openTSNE", "playwright")))
    with TemporaryDirectory() as temporary:
        folder = settings.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tables = [imitation(settings, path, folder) for path in settings.features]
        request = ReportRequest(tables, methods=settings.methods, large=True)
        contents = timed("maps", lambda: gather(request))
        contents = timed("pictures", lambda: pictured(settings, contents))
        page = timed("page", lambda: render_report(contents))
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        pictures = sum(len(sketch.picture) for sketch in contents.sketches)
        print(f"{'bytes':24} {path.stat().st_size / 1e6:8.1f} MB, {pictures / 1e6:.1f} of pictures")
        print(*measure_ours(path), sep="\n", flush=True)
        if settings.peers is not None:
            drawn = contents.rows[0].panels[0].maps[settings.methods[0]]
            points = pd.DataFrame({"x": drawn.x, "y": drawn.y})
            points["group"] = [sketch.group for sketch in contents.sketches]
            points["sketch"] = [sketch.name for sketch in contents.sketches]
            points["picture"] = [sketch.picture for sketch in contents.sketches]
            for row in export_peers(settings.peers, points, folder, opened, pan, chromium_page):
                print(row, flush=True)


if __name__ == "__main__":
    main(tyro.cli(LargeReport, description=__doc__))
