"""Drawing with the mouse: what is on the sheet is what was meant."""

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from featviz.sketches.drawing import INK, rasterize
from tests.studio.browser import Desk, Server, open_desk
from tests.studio.page.drawings import BROW, MOUTH, same, start_drawing


def test_a_line_drawn_with_the_mouse_is_where_the_mouse_went_and_is_stored(desk: Desk) -> None:
    desk.drag(MOUTH)
    (stroke,) = desk.strokes()
    points = np.array(stroke["points"])
    np.testing.assert_allclose(points[[0, -1]], [MOUTH[0], MOUTH[-1]], atol=0.6)
    # Smoothing rounds the corners by no more than a pen or two.
    for corner in MOUTH[1:-1]:
        assert np.hypot(*(points - corner).T).min() < 5
    assert stroke["part"] == "mouth"
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())


@pytest.mark.parametrize(
    ("language", "told"), [("en-GB", "A face to begin with"), ("zh-CN", "先给你一张脸")]
)
def test_whoever_comes_first_finds_a_face_to_draw_on_and_may_clear_it_for_good(
    browser: Browser, server: Server, language: str, told: str
) -> None:
    with open_desk(browser, server.address, opens_blank=False, locale=language) as desk:
        # The first sketch of the set that is no edit; nothing is sent before a stroke.
        assert same(desk.drawing(), start_drawing("G5/001"))
        expect(desk.page.locator("#start-name")).to_have_text("G5/001")
        expect(desk.page.locator(".toast")).to_contain_text(told)
        assert desk.inside("return page.outbox.queue.length;") == 0
        desk.page.click("#start-button")
        desk.page.locator(".pick").first.click()
        desk.wait_until(lambda: desk.strokes() == [])
        desk.load()
        assert desk.strokes() == []
        desk.drag(MOUTH)
        desk.wait_saved()
        assert same(desk.stored(), desk.drawing())


def test_the_network_sees_exactly_the_strokes_on_the_sheet(desk: Desk) -> None:
    desk.start_on("G8/001")
    desk.drag(BROW)
    desk.click((256, 120))  # a tap is a dot
    desk.keys("n")
    raster = rasterize(desk.drawing())
    newest = "return page.live.settled && page.board.network.seq === page.live.seq;"
    desk.wait_until(lambda: desk.inside(newest))
    seen = desk.pixels("page.board.network.image")[:, :, 0]
    np.testing.assert_array_equal(seen, raster)
    assert (raster == INK).sum() > (rasterize(start_drawing("G8/001")) == INK).sum() + 150

    # And the screen shows those very pixels: one of the sketch is 20 x 20 of the screen here.
    desk.inside(
        "page.board.view.scale = 20; page.board.view.fitted = false;"
        "page.board.view.x = -250 * 20; page.board.view.y = -110 * 20; page.board.invalidate();"
        "await new Promise(requestAnimationFrame);"
    )
    shown = desk.pixels("page.board.canvas")[10:400:20, 10:500:20, 0]
    height, width = shown.shape
    np.testing.assert_array_equal(shown < 128, raster[110 : 110 + height, 250 : 250 + width] == INK)


def test_the_sheet_shows_what_the_network_sees_within_a_pixel_and_stays_crisp(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.drag([(100, 300), (180, 420)])
    desk.keys("u")  # no mean face under it
    desk.inside(
        "page.board.view.scale = 1; page.board.view.fitted = false; page.board.view.x = 0;"
        "page.board.view.y = 0; page.board.invalidate();"
        "await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);"
    )
    shown = desk.pixels("page.board.canvas")[:512, :512, 0].astype(float)
    ink = rasterize(desk.drawing()) == INK
    # Coverage of a pixel, in steps of 1/255, and "its centre is inside" agree but at the rim.
    assert np.abs((255 - shown) / 255 - ink)[20:, 20:].max() <= 0.75 + 1 / 255
    assert (255 - shown).sum() / 255 == pytest.approx(ink.sum(), rel=0.06)
    # At any zoom a line is 2 px of the sketch wide, on a screen of any density.
    desk.inside(
        "page.board.view.scale = 16; page.board.view.x = -120 * 16; page.board.view.y = -340 * 16;"
        "page.board.invalidate(); await new Promise(requestAnimationFrame);"
    )
    across = desk.pixels("page.board.canvas")[160, :600, 0]
    dx, dy = 80, 120
    expected = 2 * 16 * np.hypot(dx, dy) / dy  # a level cut through a slanted line
    assert (across < 128).sum() == pytest.approx(expected, abs=3)
    assert ((across > 20) & (across < 235)).sum() <= 8


def test_undo_and_redo_have_no_limit_and_give_back_the_same_strokes(desk: Desk) -> None:
    before = [desk.strokes()]
    for i in range(12):
        y = 60 + 30 * i
        desk.drag([(100 + i, y), (180, y + 8), (260 + i, y)])
        before.append(desk.strokes())
    for state in reversed(before[:-1]):
        desk.keys("Control+z")
        assert desk.strokes() == state
    desk.keys("Control+z")
    assert desk.strokes() == []
    for state in before[1:]:
        desk.keys("Control+Shift+z")
        assert desk.strokes() == state
    desk.keys("Control+z", "Control+z")
    desk.drag(MOUTH)  # what was undone is gone for redo, not for good
    expect(desk.page.locator("[data-command=redo]")).to_have_attribute("aria-disabled", "true")
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())


def test_the_stroke_eraser_takes_whole_strokes_and_nothing_else(desk: Desk) -> None:
    desk.start_on("G8/001")
    before = desk.strokes()
    desk.keys("e")
    desk.drag([(255, 360), (255, 410)])
    left = desk.strokes()
    gone = [stroke["part"] for stroke in before if stroke not in left]
    assert gone
    assert set(gone) == {"mouth"}
    assert all(stroke in before for stroke in left)
    desk.keys("Control+z")
    assert desk.strokes() == before


def test_the_area_eraser_takes_the_ink_under_the_circle_and_leaves_the_rest(desk: Desk) -> None:
    desk.start_on("G8/001")
    before = rasterize(desk.drawing()) == INK
    desk.keys("a")
    radius = desk.inside("return page.board.radius;")
    desk.drag([(110, 300), (200, 300), (400, 330)])
    after = rasterize(desk.drawing()) == INK
    y, x = np.mgrid[:512, :512]
    distance = np.full((512, 512), np.inf)
    for (x0, y0), (x1, y1) in (((110, 300), (200, 300)), ((200, 300), (400, 330))):
        t = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        t = np.clip(t, 0, 1)
        distance = np.minimum(distance, np.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)))
    assert (before & (distance < radius)).sum() > 50
    # A screen's pixels are not the sketch's: half a pixel of leeway.
    assert not (after & (distance < radius - 0.8)).any()
    # A cut end lies on the grid of 0.01 px, which may tip a pixel or two of its last segment.
    assert (after != before)[distance > radius + 3].sum() <= 2
    assert (after == before)[distance > radius + 20].all()
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())


def test_symmetric_drawing_mirrors_at_the_middle_of_the_mean_face(desk: Desk) -> None:
    desk.keys("m")
    desk.drag(BROW)
    one, other = desk.strokes()
    assert {one["part"], other["part"]} == {"left-eyebrow", "right-eyebrow"}
    axis = desk.page.evaluate("async () => (await import('/static/parts.js')).AXIS")
    mirrored = np.array(one["points"]) * (-1, 1) + (2 * axis, 0)
    np.testing.assert_allclose(other["points"], mirrored, atol=0.011)
    desk.keys("Control+z")
    assert desk.strokes() == []
    desk.keys("Control+y", "e")
    desk.drag([(180, 140), (180, 190)])  # the eraser is symmetric too
    assert desk.strokes() == []


def test_a_stroke_can_be_selected_moved_and_scaled(desk: Desk) -> None:
    desk.start_on("G8/001")
    nose = next(s for s in desk.strokes() if s["part"] == "nose")
    before = {s["id"]: s for s in desk.strokes()}
    points = np.array(nose["points"])
    desk.keys("v")
    desk.drag([tuple(points[0]), tuple(points[0] + (40, 25))])
    moved = [s for s in desk.strokes() if s["id"] not in before]
    assert [s["part"] for s in moved] == ["nose"]
    shift = np.array(moved[0]["points"]) - points
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=0.011)
    np.testing.assert_allclose(shift[0], (40, 25), atol=1)

    # The corner at the lower right makes it larger and leaves the upper left where it is.
    box = desk.inside("return page.board.view.scale;")
    low, high = np.min(moved[0]["points"], 0), np.max(moved[0]["points"], 0)
    corner = high + 8 / box
    desk.drag([tuple(corner), tuple(corner + (high - low) * 0.5)])
    (scaled,) = [s for s in desk.strokes() if s["id"] not in before]
    sides = np.ptp(np.array(scaled["points"]), axis=0) / (high - low)
    np.testing.assert_allclose(sides, sides[0], atol=0.02)
    assert sides[0] == pytest.approx(1.5, abs=0.1)
    np.testing.assert_allclose(np.min(scaled["points"], 0), low, atol=0.02)
    others = [s for s in desk.strokes() if s["id"] in before]
    assert len(others) == len(before) - 1
    desk.keys("Control+z", "Control+z")
    assert desk.strokes() == list(before.values())


def test_wheel_space_and_buttons_move_the_sheet_and_change_no_stroke(desk: Desk) -> None:
    desk.drag(MOUTH)
    before = desk.strokes()
    place = desk.screen((300, 200))
    desk.page.mouse.move(*place)
    desk.page.mouse.wheel(0, -400)
    zoomed = desk.inside("return page.board.view.scale;")
    assert zoomed > 1.5
    # A mouse knows whole pixels of the screen only.
    np.testing.assert_allclose(desk.screen((300, 200)), place, atol=1)
    place = desk.screen((300, 200))
    desk.page.keyboard.down("Space")
    desk.page.mouse.down()
    desk.page.mouse.move(place[0] + 50, place[1] + 30, steps=3)
    desk.page.mouse.up()
    desk.page.keyboard.up("Space")
    np.testing.assert_allclose(desk.screen((300, 200)), np.add(place, (50, 30)), atol=1)
    desk.page.click("#zoom-out")
    assert desk.inside("return page.board.view.scale;") == pytest.approx(zoomed * 0.8)
    desk.page.click("#zoom-fit")
    expect(desk.page.locator("#zoom-value")).to_have_text("121%")
    assert desk.strokes() == before
