"""One panel with room, and what a reader takes along: files, and the address."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.report.browser import Reader, open_report
from tests.report.conftest import TAKEN

RANGES = """() => { const { x_range, y_range } = Bokeh.documents[0].get_model_by_name("plot-1");
  return [x_range.start, x_range.end, y_range.start, y_range.end] }"""


def saved(reader: Reader, button: str) -> bytes:
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name=button, exact=True).click()
    return Path(download.value.path()).read_bytes()


def check_pictures(reader: Reader, ranges: list[float], side: float) -> None:
    """Beside points that are seen near by lie their pictures, over nothing else."""
    canvas = reader.page.locator(".pictures-near")
    expect(canvas).to_have_attribute("data-spots", re.compile("."))
    told = canvas.get_attribute("data-spots") or ""
    spots = [list(map(int, spot.split(","))) for spot in told.split()]
    drawn = reader.map(0, 1)
    left, right, bottom, top = ranges
    x = (np.array(drawn["x"], dtype=float) - left) / (right - left) * side
    y = (top - np.array(drawn["y"], dtype=float)) / (top - bottom) * side
    for i, (at, u, v) in enumerate(spots):
        assert abs(x[at] - u - 32) < 45 and abs(y[at] - v - 32) < 45
        assert not ((x > u) & (x < u + 64) & (y > v) & (y < v + 64)).any()
        assert min(u, v) >= 0
        assert max(u, v) + 64 <= side
        for _, w, z in spots[:i]:
            assert max(abs(u - w), abs(v - z)) >= 64


def test_a_panel_is_enlarged_zoomed_and_saved_as_it_is_seen(browser: Browser, page_file) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        reader.draw_all()
        page.get_by_role("button", name="Select group G8").click()
        small = reader.plot(0, 1).bounding_box()
        reader.plot(0, 1).dblclick(position={"x": 5, "y": 5})
        expect(page.locator(".panel.large")).to_have_count(1)
        # The first click of the two hit nothing, which alone clears the selection.
        expect(page.locator("#selection-text")).to_contain_text("5 of 24 selected")
        large = reader.plot(0, 1).bounding_box()
        assert small is not None and large is not None
        assert large["width"] > 2 * small["width"]
        # The wheel zooms where the pointer is, and the page stays.
        home, scrolled = page.evaluate(RANGES), page.evaluate("scrollY")
        page.mouse.move(large["x"] + 0.25 * large["width"], large["y"] + 0.5 * large["height"])
        page.mouse.wheel(0, -200)
        page.wait_for_function(f"() => ({RANGES})()[1] < {home[1]}")
        zoomed = page.evaluate(RANGES)
        fixed = [start + 0.25 * (end - start) for start, end in (home[:2], zoomed[:2])]
        assert abs(fixed[0] - fixed[1]) < 0.01 * (home[1] - home[0])
        assert page.evaluate("scrollY") == scrolled
        check_pictures(reader, zoomed, large["width"])
        # One that scrolls the page already goes on over a panel.
        page.evaluate("document.body.dispatchEvent(new WheelEvent('wheel', { bubbles: true }))")
        page.mouse.wheel(0, 10)
        reader.settle()
        assert page.evaluate(RANGES) == zoomed
        plot = reader.plot(0, 1)
        plot.focus()
        plot.press("0")
        np.testing.assert_allclose(page.evaluate(RANGES), home)
        picture = Image.open(io.BytesIO(saved(reader, "Save tiny-modified, L1 as PNG")))
        side = reader.plot(0, 1).evaluate("plot => plot.clientWidth")
        assert abs(picture.width - side) <= 2
        drawing = saved(reader, "Save tiny-modified, L1 as SVG").decode()
        assert drawing.startswith("<svg")
        assert drawing.count("<path") > sum(TAKEN.values())
        assert "<image" not in drawing
        color = next(g["color"] for g in reader.contents["groups"] if g["name"] == "G8")
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        assert re.search(f"{color}|rgba?\\({red}, ?{green}, ?{blue}", drawing, re.I)
        plot.press("+")
        assert page.evaluate(RANGES)[1] < home[1]
        plot.press("e")
        expect(page.locator(".panel.large")).to_have_count(0)


def test_a_state_is_in_the_address_and_a_selection_in_files(
    browser: Browser, page_file: Path, tmp_path: Path
) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        reader.draw_all()
        page.get_by_role("radio", name="t-SNE").check()
        page.locator(".toggle", has_text="G7").click()
        page.select_option("#color", label="length")
        page.fill("#find", "nose")
        page.get_by_role("button", name="Select group G8").click()
        plot = reader.plot(0, 1)
        plot.focus()
        plot.press("End")
        plot.press("e")
        plot.press("+")
        members = [f"G8/00{i + 1}" for i in range(TAKEN["G8"])]
        table = pd.read_csv(io.BytesIO(saved(reader, "CSV")), dtype=str, keep_default_na=False)
        assert table["sketch"].to_list() == members
        assert table["base"].to_list() == ["G8/001"] * len(members)
        (tmp_path / "s.json").write_bytes(saved(reader, "JSON"))
        page.wait_for_function("() => location.hash.includes('zoom=')")
        address, ranges = page.url, page.evaluate(RANGES)
        noses = sum("nose" in sketch["part"] for sketch in reader.contents["sketches"])
    copied = tmp_path / "sent" / "page.html"
    copied.parent.mkdir()
    copied.write_bytes(page_file.read_bytes())
    options = {"fragment": address.partition("#")[2]}
    with open_report(browser, copied, **options) as reader:
        page = reader.page
        expect(page.get_by_role("radio", name="t-SNE")).to_be_checked()
        expect(page.locator(".toggle", has_text="G7")).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#color")).to_have_value("column:length")
        expect(page.locator("#found")).to_have_text(f"{noses} found")
        expect(page.locator("#card-title")).to_have_text("G11/005")
        expect(page.locator(".panel.large figcaption b")).to_have_text("L1")
        np.testing.assert_allclose(page.evaluate(RANGES), ranges, rtol=1e-3)
        assert [reader.contents["sketches"][i]["name"] for i in reader.selected()[0]] == members
        # From a file, which may be one of another report's.
        page.click("#clear")
        page.set_input_files("#restore-file", str(tmp_path / "s.json"))
        expect(page.locator("#selection-text")).to_contain_text("5 of 24 selected")
        (tmp_path / "t.csv").write_text('note,sketch\n"a, ""b""",G5/002\n,elsewhere\n')
        page.set_input_files("#restore-file", str(tmp_path / "t.csv"))
        expect(page.locator("#selection-text")).to_contain_text("1 of 24 selected")
        expect(page.locator("#restore-told")).to_contain_text("1 of the names in t.csv")
        (tmp_path / "u.txt").write_text("nobody")
        page.set_input_files("#restore-file", str(tmp_path / "u.txt"))
        expect(page.locator("#restore-told")).to_contain_text("names no sketch")
