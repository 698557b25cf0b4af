"""How the page looks in a real browser: themes, contrast, and on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.report.browser import look, open_report
from tests.report.conftest import TAKEN
from tests.studio.test_browser_looks import behind, contrast

LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
OPENING_SECONDS = 2.0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_and_nothing_is_clipped(
    browser: Browser, page_file: Path, theme: str
) -> None:
    with open_report(browser, page_file, color_scheme=theme) as reader:
        page = reader.page
        for summary in page.locator("summary").all():
            summary.click()
        for viewport in (LAPTOP, {"width": 820, "height": 1180}, PHONE):
            page.set_viewport_size(viewport)
            reader.settle()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= viewport["width"]
            assert [
                line for line in look(reader, "clipped") if "wide: SPAN.meaning" not in line
            ] == []
        page.set_viewport_size(LAPTOP)
        marks = page.evaluate(
            """() => [...document.querySelectorAll(".chip .mark path")].map((path) =>
              [getComputedStyle(path).fill, getComputedStyle(path).stroke,
               getComputedStyle(path.closest(".chip")).backgroundColor]
              .map((color) => color.match(/\\d+/g).slice(0, 3).map(Number)))"""
        )
        assert len(marks) == len(TAKEN)
        for fill, edge, ground in marks:
            assert max(contrast(fill, ground), contrast(edge, ground)) >= 3, (fill, edge)
        texts = look(reader, "texts")
        assert len(texts) > 150
        for text in texts:
            background = behind(text["layers"])
            large = text["size"] >= 24 or (text["size"] >= 18.66 and text["weight"] >= 700)
            ratio = contrast(text["color"], background)
            assert ratio >= (3 if large else 4.5), f"{theme}: {text['text']!r} {ratio:.2f}"


def test_the_theme_is_switched_and_the_maps_follow(browser: Browser, page_file: Path) -> None:
    with open_report(browser, page_file) as reader:
        page = reader.page
        theme = page.locator("#theme")
        seen = {}
        for expected in ("auto", "light", "dark"):
            expect(theme).to_have_text(f"Theme: {expected}")
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            seen[expected] = background, tuple(reader.pixels(0, 0)[3, 3].tolist())
            theme.click()
        assert seen["auto"] == seen["light"]
        assert all(one != other for one, other in zip(seen["light"], seen["dark"], strict=True))
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_on_a_phone_a_tap_shows_a_sketch_and_a_finger_scrolls(
    browser: Browser, page_file: Path
) -> None:
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    with open_report(browser, page_file, **options) as reader:
        page = reader.page
        # The first screen shows maps; what they are shown by is folded.
        first = page.locator(".plot").first.bounding_box()
        assert first is not None
        assert first["y"] + first["height"] < 0.6 * PHONE["height"]
        expect(page.locator("#card")).to_be_hidden()
        expect(page.locator("#find")).to_be_hidden()
        page.click("#fold-controls")
        expect(page.get_by_role("radio", name="Off")).to_be_checked()
        # Playwright looks into shadows, where Bokeh keeps its own.
        events = page.locator(".plot").first.locator(".bk-events")
        assert "pan-y" in events.evaluate("(events) => getComputedStyle(events).touchAction")
        page.get_by_role("radio", name="Lasso").check()
        assert events.evaluate("(events) => getComputedStyle(events).touchAction") == "none"
        page.get_by_role("radio", name="Off").check()
        names = page.locator(".toggle b").all()
        assert all(name.evaluate("(b) => b.scrollWidth <= b.clientWidth") for name in names)
        page.locator(".panels").first.evaluate("(panels) => panels.scrollIntoView()")
        at = reader.lonely(0, 0)[0]
        page.touchscreen.tap(*reader.screen(0, 0, at))
        expect(page.locator("#card-title")).to_have_text(reader.contents["sketches"][at]["name"])
        card = page.locator("#card").bounding_box()
        assert card is not None
        assert card["height"] < 0.42 * PHONE["height"]
        page.locator("#fold").click()
        expect(page.locator(".edit, .moved").first).to_be_visible()
        # The sheet is drawn away, comes back with the next tap, and is closed.
        handle = page.locator(".handle").bounding_box()
        assert handle is not None
        x, y = handle["x"] + 50, handle["y"] + 8
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + 400, steps=3)
        page.mouse.up()
        expect(page.locator("#card")).to_be_hidden()
        page.touchscreen.tap(*reader.screen(0, 0, reader.lonely(0, 0)[1]))
        expect(page.locator("#card")).to_be_visible()
        page.locator("#close-card").click()
        expect(page.locator("#card")).to_be_hidden()
        # Two fingers zoom the map, not the page.
        pinch(page, *reader.screen(0, 1, at))
        width = page.evaluate(
            "() => { const { x_range } = Bokeh.documents[0].get_model_by_name('plot-1');"
            " return x_range.end - x_range.start }"
        )
        assert width < 1.9 * reader.map(0, 1)["half"]
        assert page.evaluate("visualViewport.scale") == 1


def pinch(page: Page, x: float, y: float) -> None:
    """Draw two fingers apart around a place."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *offsets: float) -> None:
        points = [{"x": x + by, "y": y, "id": i} for i, by in enumerate(offsets)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -10, 10)
    for by in (16, 24, 32, 40):
        touch("touchMove", -by, by)
    touch("touchEnd")
