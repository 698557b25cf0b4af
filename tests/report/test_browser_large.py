"""A page of thousands of points in a real browser."""

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Browser, expect

from featviz.base.feature_table import FeatureTable
from featviz.report import Contents, PanelRow, render_report
from featviz.report.maps import map_panels
from tests.report.browser import count_color, open_report
from tests.report.test_browser_room import saved

COUNT = 3000


def many(contents: Contents) -> Contents:
    """Two panels of thousands of sketches: one lies alone, all others in a cloud."""
    rng = np.random.default_rng(0)
    given = contents.sketches
    sketches = [
        dataclasses.replace(given[i % 24], name=f"{given[i % 24].group}/{i:04d}", base="")
        for i in range(COUNT)
    ]
    numbers = {sketch.name: i for i, sketch in enumerate(sketches)}
    frame = pd.DataFrame({"sketch": list(numbers), "group": [s.group for s in sketches]})
    frame = frame.assign(point_x=170, point_y=250)
    layers = {name: rng.normal(size=(COUNT, 2)).astype(np.float32) for name in ("L0", "L1")}
    for vectors in layers.values():
        vectors[7] = (8, 0)
    table = FeatureTable(frame, layers, {"checkpoint": "one"})
    panels, _ = map_panels(table, ["pca"], numbers, {})
    rows = [PanelRow("one", table.metadata, (170, 250), panels)]
    return dataclasses.replace(
        contents,
        sketches=sketches,
        rows=rows,
        captions={"pca": ""},
        generators=(),
        columns=(),
        movements=(),
        boxes=(),
        is_large=True,
    )


def test_thousands_of_points_are_pointed_at_selected_moved_and_pictured(
    browser: Browser, contents: Contents, tmp_path: Path
) -> None:
    shown = many(contents)
    path = tmp_path / "page.html"
    path.write_text(render_report(shown), encoding="utf-8")
    drawn = shown.rows[0].panels[0].maps["pca"]
    with open_report(browser, path, viewport={"width": 1280, "height": 1000}) as reader:
        page = reader.page
        plot = page.locator(".panel.large .plot")
        # Panels with a unit are equally large.
        half = max(panel.maps["pca"].half_width for panel in shown.rows[0].panels)
        left, bottom = np.array(drawn.centre) - half

        def screen(at: int) -> tuple[float, float]:
            plot.scroll_into_view_if_needed()
            box = plot.bounding_box()
            assert box is not None
            assert box["width"] > 600
            x, y = (drawn.x[at] - left) / (2 * half), (drawn.y[at] - bottom) / (2 * half)
            return box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]

        colors = {g["name"]: g["color"] for g in reader.contents["groups"]}
        seen = {name: count_color(reader.pixels(0, 0), color) for name, color in colors.items()}
        assert min(seen.values()) > 500
        # The lonely one is pointed at, and selected by a click; all others fade.
        page.mouse.move(*screen(7))
        expect(page.locator("#card-title")).to_have_text(shown.sketches[7].name)
        expect(page.locator(".whole image")).to_have_attribute("href", _uri(shown, 7))
        page.mouse.click(*screen(7))
        expect(page.locator("#selection-text")).to_contain_text("1 of 3000 selected")
        other = next(name for name in colors if name != shown.sketches[7].group)
        assert count_color(reader.pixels(0, 0), colors[other]) == 0
        page.click("#clear")
        expect(page.locator("#sheet li")).to_have_count(200)
        expect(page.locator("#sheet-text")).to_contain_text("The first 200 of 3000")
        # A lasso selects what an independent count finds inside of it.
        page.get_by_role("radio", name="Lasso").check()
        x, y = screen(11)
        corners = [(x - 30, y - 30), (x + 30, y - 30), (x + 30, y + 30), (x - 30, y + 30)]
        page.mouse.move(*corners[0])
        page.mouse.down()
        for corner in corners[1:]:
            page.mouse.move(*corner, steps=2)
        page.mouse.up()
        places = np.stack([drawn.x, drawn.y], axis=1)
        pixels = np.abs(places - places[11]).max(axis=1) * plot.bounding_box()["width"] / (2 * half)
        count = (pixels <= 30).sum()
        text = page.locator("#selection-text")
        expect(text).to_contain_text("selected:")
        assert abs(int(text.inner_text().split()[0]) - count) <= 2
        page.click("#clear")
        # A drag moves the map by as much as the pointer.
        page.get_by_role("radio", name="Move").check()
        (x, y), there = screen(11), screen(7)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 100, y + 40, steps=4)
        page.mouse.up()
        page.mouse.move(there[0] - 100, there[1] + 40)
        expect(page.locator("#card-title")).to_have_text(shown.sketches[7].name)
        # Near by, pictures stand beside points: none over another, none over the frame.
        expect(page.locator(".pictures-near")).to_have_count(0)
        for _ in range(6):
            page.mouse.wheel(0, -300)
        pictures = page.locator(".pictures-near")
        expect(pictures).not_to_have_attribute("data-spots", "")
        reader.pixels(0, 0)
        picture = Image.open(io.BytesIO(saved(reader, "Save one, L0 as PNG")))
        color = colors[shown.sketches[7].group]
        assert count_color(np.asarray(picture.convert("RGB")), color) > 150
        assert saved(reader, "Save one, L0 as SVG").decode().count("<circle") < 300
        # A group that is hidden is gone; the small panel shows the others.
        page.get_by_role("button", name="Reset zoom").click()
        page.locator(".chip .toggle", has_text="G5").click()
        assert count_color(reader.pixels(0, 1), colors["G5"]) == 0
        assert count_color(reader.pixels(0, 1), colors[other if other != "G5" else "G8"]) > 0


def _uri(shown: Contents, at: int) -> str:
    return f"data:image/webp;base64,{base64.b64encode(shown.sketches[at].picture).decode()}"
