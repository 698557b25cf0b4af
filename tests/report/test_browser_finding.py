"""Finding, colouring and comparing sketches, as a reader does it."""

import numpy as np
from playwright.sync_api import Browser, expect

from featviz.base.feature_table import read_features
from tests.report.browser import count_color, open_report
from tests.report.conftest import LAYERS, TAKEN, Study

RING = "#b86e00"


def test_what_is_found_is_ringed_in_every_panel_and_can_be_selected(
    browser: Browser, page_file
) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        reader.draw_all()
        before = [count_color(reader.pixels(row, 2), RING) for row in range(2)]
        # Words are sought in names, groups and parts alike.
        for text, expected in (
            ("mouth", TAKEN["G8"] - 1),
            ("g5 eye", TAKEN["G5"] - 1),
            ("g1/0", 3),
        ):
            page.fill("#find", text)
            expect(page.locator("#found")).to_have_text(f"{expected} found")
            for row in range(2):
                assert count_color(reader.pixels(row, 2), RING) > before[row] + 20
        page.press("#find", "Enter")
        assert [len(numbers) for numbers in reader.selected()] == [3, 3]
        page.press("#find", "Escape")
        assert [count_color(reader.pixels(row, 2), RING) for row in range(2)] == before


def test_points_take_the_colours_of_a_column_and_keep_their_shapes(
    browser: Browser, page_file
) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        reader.draw_all()
        markers = "[...Bokeh.documents[0].get_model_by_name('points').data.marker]"
        colors = "[...Bokeh.documents[{}].get_model_by_name('points').data['color-{}']]"
        shapes = page.evaluate(markers)
        page.select_option("#color", label="kind")
        legend = page.locator("#legend")
        expect(legend).to_contain_text("round (12)")
        words = page.evaluate(colors.format(0, 0))
        names = [sketch["name"] for sketch in reader.contents["sketches"]]
        assert len(set(words)) == 2
        assert words[names.index("G1/001")] == words[names.index("G1/003")] != words[1]
        assert count_color(reader.pixels(1, 2), words[0]) > 20
        page.select_option("#color", label="length")
        scale = reader.contents["scale"]
        drawn = [scale.index(color) for color in page.evaluate(colors.format(1, 2))]
        np.testing.assert_allclose(drawn, np.linspace(0, 32, len(names)), atol=0.51)
        expect(legend).to_contain_text("23")
        # Each panel has the distances of its own; what has no base is grey.
        page.select_option("#color", label="Distance to the base, each panel's")
        one, other = (page.evaluate(colors.format(0, panel)) for panel in (0, 2))
        assert one != other
        moved = reader.contents["rows"][0]["panels"][2]["moved"]
        assert [color not in scale for color in other] == [value is None for value in moved]
        assert page.evaluate(markers) == shapes
        page.select_option("#color", label="Group")
        expect(legend).to_be_hidden()


def test_neighbours_and_who_moved_are_those_of_the_vectors(
    browser: Browser, page_file, study: Study
) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        reader.draw_all()
        at = reader.lonely(0, 2)[0]
        page.mouse.click(*reader.screen(0, 2, at))
        names = [sketch["name"] for sketch in reader.contents["sketches"]]
        expect(page.locator("#card-title")).to_have_text(names[at])
        tables = [read_features(path) for path in study.features]
        order = [list(tables[0].rows["sketch"]).index(name) for name in names]
        far = {}
        for row, table in enumerate(tables):
            for panel, layer in enumerate(LAYERS):
                vectors = table.vectors[layer][order].astype(float)
                unit = np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean())
                far[row, panel] = np.linalg.norm(vectors[:, None] - vectors[None], axis=2) / unit
        others = np.where(far[0, 2][at] == 0, np.inf, far[0, 2][at])
        listed = page.locator(".near button").first
        name = listed.locator("b").inner_text()
        assert others[names.index(name)] <= others.min() * 1.0001
        told = listed.locator("span").last.inner_text().split()[0]
        assert float(told) == float(f"{others.min():.2g}")
        listed.click()
        expect(page.locator("#card-title")).to_have_text(name)
        page.locator("#moved summary").click()
        page.select_option("#moved-from", "0-0")
        page.select_option("#moved-to", "0-2")
        moved = np.sqrt(((far[0, 0] - far[0, 2]) ** 2).mean(axis=1))
        told = page.locator("#moved-list .number").all_inner_texts()
        np.testing.assert_allclose(
            [float(each) for each in told], np.sort(moved)[::-1][:10], rtol=0.06
        )
        # A line runs from where the one panel shows the first to where the other does.
        first = page.locator("#moved-list button b").first.inner_text()
        assert moved[names.index(first)] >= 0.95 * moved.max()
        line = page.locator("#lines line:not(.back)").first
        expect(line).to_be_attached()

        def off() -> float:
            """How far its ends are from there, at most, in pixels."""
            scrolled = page.evaluate("scrollY")
            ends = line.evaluate(
                """line => { const { left, top } = line.ownerSVGElement.getBoundingClientRect();
                  const at = (name) => Number(line.getAttribute(name));
                  return [[left + at("x1"), top + at("y1")], [left + at("x2"), top + at("y2")]] }"""
            )
            found = []
            for panel, end in zip((0, 2), ends, strict=True):
                x, y = reader.screen(0, panel, names.index(first))
                found.append(np.subtract(end, (x, y + page.evaluate("scrollY") - scrolled)))
            return float(np.abs(found).max())

        # Lines are drawn in a frame of their own.
        for _ in range(200):
            if off() <= 1.5:
                break
            page.wait_for_timeout(50)
        assert off() <= 1.5
