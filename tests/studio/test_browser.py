"""The drawing page in a real browser, on a real server."""

import contextlib
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from featviz.checkpoints import load_generator
from featviz.drawing import INK, Drawing, rasterize, read_svg
from featviz.extraction import extract
from featviz.generation import generate
from featviz.sketches import read_sketches
from tests.studio.browser import (
    SKETCHES,
    Desk,
    Server,
    open_desk,
    pause,
    running_browser,
    running_server,
)

MOUTH = [(195, 380), (225, 366), (255, 372), (285, 366), (315, 380)]
LIP = [(195, 380), (225, 405), (255, 412), (285, 405), (315, 380)]
BROW = [(140, 180), (170, 165), (205, 168), (230, 175)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("studio")) as server:
        yield server


@pytest.fixture
def desk(browser: Browser, server: Server) -> Iterator[Desk]:
    with open_desk(browser, server.address) as desk:
        yield desk


def same(one: Drawing, other: Drawing) -> bool:
    """The same strokes, whatever their order."""

    def key(drawing: Drawing) -> list[tuple[str, bytes]]:
        return sorted((stroke.part, stroke.points.round(2).tobytes()) for stroke in drawing.strokes)

    return key(one) == key(other)


def start_drawing(label: str) -> Drawing:
    return read_svg(SKETCHES / f"{label}.svg")


# Drawing -----------------------------------------------------------------------------------------


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
    # Coverage of a pixel and the rule "its centre is inside" agree but at the rim.
    assert np.abs((255 - shown) / 255 - ink)[20:, 20:].max() <= 0.75
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


def test_a_finger_draws_two_fingers_zoom_and_a_pen_switches_fingers_off(
    browser: Browser, server: Server
) -> None:
    with open_desk(
        browser, server.address, has_touch=True, viewport={"width": 820, "height": 1180}
    ) as desk:
        client = desk.context.new_cdp_session(desk.page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            spots = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

        places = [desk.screen(point) for point in MOUTH]
        touch("touchStart", places[0])
        for place in places[1:]:
            touch("touchMove", place)
        touch("touchEnd")
        assert len(desk.strokes()) == 1

        scale = desk.inside("return page.board.view.scale;")
        x, y = desk.screen((256, 256))
        touch("touchStart", (x - 40, y))
        touch("touchStart", (x - 40, y), (x + 40, y))
        for reach in (60, 80):
            touch("touchMove", (x - reach, y), (x + reach, y))
        touch("touchEnd")
        assert len(desk.strokes()) == 1
        assert desk.inside("return page.board.view.scale;") == pytest.approx(2 * scale, rel=0.02)
        desk.keys("0")

        def pointer(kind: str, device: str, identity: int, place: tuple[float, float]) -> None:
            desk.inside(
                "page.board.canvas.dispatchEvent(new PointerEvent(a.kind, { pointerId: a.id,"
                "  pointerType: a.device, clientX: a.x, clientY: a.y, button: 0, bubbles: true,"
                "  isPrimary: a.device === 'pen', pressure: 0.9 }));",
                {"kind": kind, "device": device, "id": identity, "x": place[0], "y": place[1]},
            )

        # A palm lies on the screen, then the pen draws: the palm's line is dropped.
        palm = desk.screen((400, 480))
        pointer("pointerdown", "touch", 71, palm)
        pointer("pointermove", "touch", 71, (palm[0] + 30, palm[1]))
        pointer("pointerdown", "pen", 72, places[0])
        for place in places[1:]:
            pointer("pointermove", "pen", 72, place)
            pointer("pointermove", "touch", 71, (palm[0] - 30, palm[1]))
        pointer("pointerdown", "touch", 73, palm)
        pointer("pointerup", "touch", 73, palm)
        pointer("pointerup", "pen", 72, places[-1])
        strokes = desk.strokes()
        assert len(strokes) == 2
        assert np.array(strokes[1]["points"])[:, 1].max() < 420


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


# Faces, differences, probe -----------------------------------------------------------------------


def test_each_checkpoint_makes_its_own_face_of_the_sketch_and_they_can_be_swapped(
    desk: Desk, server: Server
) -> None:
    desk.start_on("G8/001")
    desk.drag(MOUTH)
    sketch = rasterize(desk.drawing())
    networks = [load_generator(path).generator for path in server.checkpoints]
    faces = [generate(network, sketch).astype(float) for network in networks]

    def apart(slot: int, face: int) -> float:
        shown = desk.pixels(f"page.faces.slots[{slot}].canvas")[:, :, :3].astype(float)
        return float(np.abs(shown - faces[face]).mean())

    # Two different networks, so the right face in each place can be told from the wrong one.
    assert np.abs(faces[0] - faces[1]).mean() > 9
    desk.wait_until(lambda: apart(0, 0) < 6 and apart(1, 1) < 6)
    first, second = desk.page.locator(".face select").all()
    assert [first.input_value(), second.input_value()] == ["tiny-modified", "tiny-baseline"]
    first.select_option("tiny-baseline")
    assert second.input_value() == "tiny-modified"
    desk.wait_until(lambda: apart(0, 1) < 6 and apart(1, 0) < 6)
    expect(desk.page.locator("#live span")).to_have_text(re.compile(r"\d"))
    # All shipped checkpoints that make faces are on offer.
    offered = first.locator("option").all_inner_texts()
    assert {"modified", "baseline", "no-norm", "tiny-modified", "tiny-baseline"} <= set(offered)
    assert "paper-baseline" not in offered
    second.select_option("")
    expect(desk.page.locator(".face .cover").nth(1)).to_have_text("No checkpoint chosen")


def test_the_difference_map_tells_how_much_of_the_change_lies_outside_the_edit(desk: Desk) -> None:
    expect(desk.page.locator(".difference .cover").first).to_be_visible()
    desk.start_on("G8/001")
    cover = desk.page.locator(".difference .cover").first
    expect(cover).to_have_text("No change yet. Draw, and see where the face changes.")
    desk.drag(LIP)
    shares = desk.page.locator(".difference .measure:not([hidden]) .share")
    expect(shares).to_have_count(2)
    desk.wait_answered()
    for slot in (0, 1):
        told = desk.inside(f"return Number(page.faces.slots[{slot}].difference.dataset.outside);")
        assert 0 < told < 1
        assert shares.nth(slot).inner_text() == f"{100 * told:.{0 if told >= 0.1 else 1}f}%"
        rings = desk.page.locator(".overlay").nth(slot).locator("polygon")
        corners = np.array(
            [pair.split(",") for pair in (rings.first.get_attribute("points") or "").split()], float
        )
        # The frame lies round the edit, on the mouth, with the margin.
        assert np.all(corners.min(0) >= (164, 324))
        assert np.all(corners.max(0) <= (346, 446))
        bright = desk.pixels(f"page.faces.slots[{slot}].map")[:, :, :3].max(2)
        assert bright.max() > 100
    desk.keys("Control+z")
    expect(cover).to_be_visible()


def test_the_probe_draws_receptive_fields_and_places_the_drawing_among_the_groups(
    desk: Desk,
) -> None:
    desk.start_on("G8/001")
    desk.keys("o")
    expect(desk.page.locator("#tab-probe")).to_have_attribute("aria-selected", "true")
    live = desk.page.locator(".scatter .live-point")
    expect(live).to_have_count(1)
    # Untouched, the start sketch's copy lies on the start sketch's own mark.
    expect(desk.page.locator(".legend li")).to_have_count(4)
    at = live.get_attribute("transform")
    spots = desk.page.locator(".scatter .spot")
    assert at in [spot.get_attribute("transform") for spot in spots.all()]
    fields = desk.inside("return page.board.probe.layers.map(({ layer, box }) => [layer, box]);")
    sides = {layer: (right - left + 1, low - top + 1) for layer, (left, top, right, low) in fields}
    assert sides == {"L0": (7, 7), "L1": (9, 9), "L2": (13, 13), "L3": (21, 21), "L4": (37, 37)}
    # Live: a stroke over the probe's point moves the drawing's mark.
    desk.keys("p")
    desk.drag([(150, 240), (170, 250), (190, 262)])
    expect(live).not_to_have_attribute("transform", at or "")
    desk.page.locator(".segments label", has_text="L4").click()
    expect(desk.page.locator(".scatter")).to_have_attribute("data-layer", "L4")
    # Another point by click, and on by arrows.
    desk.keys("o")
    desk.click((300, 250))
    expect(desk.page.locator("#tool-options")).to_have_text("Point 300, 250")
    desk.keys("ArrowRight", "Shift+ArrowDown")
    expect(desk.page.locator("#tool-options")).to_have_text("Point 301, 260")
    expect(live).to_have_count(1)
    expect(desk.page.locator(".facts")).to_contain_text("L4 at (301, 260)")


# Saving ------------------------------------------------------------------------------------------


def test_after_a_reload_nothing_is_lost_and_undo_goes_on(desk: Desk) -> None:
    desk.start_on("G9/001")
    desk.drag(MOUTH)
    first = desk.strokes()
    desk.keys("a")
    desk.drag([(250, 370), (270, 372)])
    desk.keys("p")
    desk.drag(BROW)
    desk.keys("Control+z")
    before = desk.strokes()
    assert before != first
    desk.load()  # no waiting for "Saved"
    expect(desk.page.locator("#start-name")).to_have_text("G9/001")
    assert desk.strokes() == before
    desk.keys("Control+z")
    assert desk.strokes() == first
    desk.keys("Control+Shift+z", "Control+Shift+z")
    assert len(desk.strokes()) == len(before) + 1
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())


def test_a_saved_sketch_is_in_the_gallery_with_base_part_and_name(desk: Desk) -> None:
    desk.keys("Control+s")
    expect(desk.page.locator("dialog")).to_contain_text("nothing on the sheet")
    desk.keys("Escape")
    desk.start_on("G8/001")
    desk.drag(MOUTH)
    desk.keys("Control+s")
    page = desk.page
    expect(page.locator(".save-dialog dd").nth(0)).to_have_text("G8/001")
    expect(page.locator(".save-dialog dd").nth(1)).to_have_text("mouth")
    page.fill("#save-group", "a/b")
    page.keyboard.press("Enter")
    expect(page.locator("#save-group-note")).to_contain_text("none of")
    page.fill("#save-group", "Con")
    page.keyboard.press("Enter")
    expect(page.locator("#save-group-note")).to_contain_text("reserved")
    page.fill("#save-group", "smiles")
    page.fill("#save-nickname", "Mei")
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good")).to_contain_text("Saved as smiles/001")
    page.locator(".toast.good .link").click()
    card = page.locator(".sketch-card", has_text="smiles/001")
    expect(card).to_contain_text("mouth · on G8/001")
    expect(card).to_contain_text("Mei")
    assert (
        card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 256
    )

    # The filters; then deleted, and taken back.
    desk.keys("Escape")
    desk.start_on("G9/001")
    desk.drag(BROW)
    assert desk.save_into("brows") == "brows/001"
    desk.keys("g")
    expect(page.locator("[data-sketch]", has_text="brows/001")).to_be_visible()
    page.select_option("#filter-part", "mouth")
    expect(page.locator("[data-sketch]", has_text="brows/001")).to_have_count(0)
    expect(card).to_be_visible()
    page.select_option("#filter-part", "")
    page.select_option("#filter-group", "brows")
    expect(card).to_have_count(0)
    page.select_option("#filter-group", "")
    page.fill("#filter-q", "smi")
    expect(page.locator("[data-sketch]")).to_have_count(1)
    page.get_by_label("Delete smiles/001").click()
    expect(card).to_have_count(0)
    page.locator(".toast .link", has_text="Undo").click()
    expect(card).to_be_visible()
    page.fill("#filter-q", "")
    page.get_by_label("Delete smiles/001").click()
    expect(card).to_have_count(0)
    page.click("#tab-deleted")
    page.get_by_label("Restore smiles/001").click()
    page.click("#tab-saved")
    expect(card).to_be_visible()
    # And somebody else draws on it.
    page.get_by_label("Draw on smiles/001").click()
    expect(page.locator("#start-name")).to_have_text("smiles/001")
    desk.wait_saved()
    desk.drag(LIP)
    assert desk.save_into("smiles") == "smiles/002"


def test_history_leads_back_to_any_step_and_drawings_can_be_opened_again(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.drag(LIP)
    two = desk.strokes()
    desk.keys("Shift+Delete")
    assert desk.strokes() == []
    desk.keys("h")
    slider = desk.page.locator(".history-dialog input")
    slider.press("ArrowLeft")
    expect(desk.page.locator(".history-words")).to_contain_text("Step 2 of 3")
    desk.page.locator(".history-dialog .primary").click()
    assert desk.strokes() == two
    desk.start_on("G8/001")
    desk.keys("g")
    desk.page.click("#tab-drawings")
    desk.page.locator("[data-drawing]").get_by_text("Open", exact=True).click()
    expect(desk.page.locator("#start-name")).to_have_text("Blank sheet")
    assert desk.strokes() == two


def test_what_is_exported_goes_into_featviz_extract(
    desk: Desk, server: Server, tmp_path: Path
) -> None:
    desk.start_on("G8/001")
    drawn = []
    for line in (MOUTH, LIP):
        desk.drag(line)
        desk.save_into("exported")
        drawn.append(desk.drawing())
    desk.keys("g")
    desk.page.select_option("#filter-group", "exported")
    link = desk.page.locator(".export a")
    expect(link).to_have_attribute("href", "/api/export.zip?group=exported")
    with desk.page.expect_download() as download:
        link.click()
    content = Path(download.value.path()).read_bytes()
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    folder = next(tmp_path.rglob("index.csv")).parent
    sketches = read_sketches(folder)
    mine = sketches.of_groups("exported")
    assert list(mine.index["base"]) == ["G8/001", "G8/001"]
    assert list(mine.index["edited_part"]) == ["mouth", "mouth"]
    for number, drawing in enumerate(drawn):
        np.testing.assert_array_equal(mine.image(number), rasterize(drawing))
    network = load_generator(server.checkpoints[0]).generator
    table = extract(network, mine, layers=["L0", "L4"])
    assert table.vectors["L0"].shape == (2, 2)
    # The mouth is far from the probe's point: without a norm its vector has not moved.
    np.testing.assert_array_equal(table.vectors["L0"][0], table.vectors["L0"][1])


# When things go wrong ----------------------------------------------------------------------------


def test_a_server_that_dies_under_the_page_costs_no_stroke(
    browser: Browser, tmp_path: Path
) -> None:
    with running_server(tmp_path) as server:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
        desk = Desk(context, server.address)
        desk.start_on("G8/001")
        desk.drag(MOUTH)
        desk.wait_saved()
        server.kill()
        desk.drag(LIP)
        desk.keys("Control+z", "Control+Shift+z")
        desk.drag(BROW)
        expect(desk.page.locator("#save-state")).to_have_attribute("data-state", "offline")
        expect(desk.page.locator("#banner")).to_contain_text("You can go on drawing")
        expect(desk.page.locator("#live")).to_have_attribute("data-state", "disconnected")
        desk.keys("Control+s")
        desk.page.fill("#save-group", "late")
        desk.page.keyboard.press("Enter")
        expect(desk.page.locator(".toast").last).to_contain_text("Will be saved into")
        drawn = desk.drawing()
        server.start()
        expect(desk.page.locator(".toast.good", has_text="Saved as late/001")).to_be_visible()
        desk.wait_saved()
        expect(desk.page.locator("#banner")).to_be_hidden()
        expect(desk.page.locator("#live")).to_have_attribute("data-state", "connected")
        assert same(desk.stored(), drawn)

        # The same when the page goes while the server is away: the browser keeps what is not sent.
        server.kill()
        desk.drag([(100, 100), (200, 110)])
        drawn = desk.drawing()
        pause(0.3)
        desk.page.close()
        server.start()
        again = Desk(context, server.address)
        assert same(again.drawing(), drawn)
        again.wait_saved()
        assert same(again.stored(), drawn)
        assert again.complaints == []
        context.close()


def test_while_the_database_is_locked_the_page_opens_and_goes_on(
    desk: Desk, server: Server
) -> None:
    desk.drag(MOUTH)
    desk.wait_saved()
    with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        desk.drag(LIP)
        drawn = desk.drawing()
        pause(0.3)
        desk.load()
        assert same(desk.drawing(), drawn)
        expect(desk.page.locator("#banner")).to_contain_text("cannot store")
        desk.drag(BROW)
        other.execute("ROLLBACK")
    desk.wait_saved()
    assert len(desk.strokes()) == 3
    assert same(desk.stored(), desk.drawing())
    expect(desk.page.locator("#banner")).to_be_hidden()
    desk.complaints.clear()  # 503


def test_two_windows_of_one_person_keep_apart(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    one = Desk(context, server.address)
    one.drag(MOUTH)
    other = Desk(context, server.address)
    expect(other.page.locator(".toast")).to_contain_text("another window")
    other.drag(BROW)
    one.page.bring_to_front()
    one.drag(LIP)
    for desk in (one, other):
        desk.wait_saved()
        assert same(desk.stored(), desk.drawing())
        assert desk.complaints == []
    assert (len(one.strokes()), len(other.strokes())) == (2, 1)
    context.close()


def test_a_drawing_that_the_server_does_not_take_any_more_goes_on_as_a_new_one(
    desk: Desk,
) -> None:
    desk.start_on("G8/001")
    desk.drag(MOUTH)
    desk.wait_saved()
    before = desk.inside("return page.sheet.id;")
    deleted = desk.inside(
        "const answer = await fetch(`/api/drawings/${page.sheet.id}`, { method: 'DELETE' });"
        "return answer.status;"
    )
    assert deleted == 200
    desk.drag(LIP)
    expect(desk.page.locator(".toast.bad")).to_contain_text("Kept as a new drawing")
    desk.wait_saved()
    assert desk.inside("return page.sheet.id;") != before
    assert len(desk.strokes()) == len(start_drawing("G8/001").strokes) + 2
    assert same(desk.stored(), desk.drawing())
    # The browser notes the refusal too; nothing else may be wrong.
    assert all("409" in complaint for complaint in desk.complaints), desk.complaints
    desk.complaints.clear()


def test_who_has_lost_the_session_gets_a_new_one_and_keeps_the_drawing(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.wait_saved()
    desk.context.clear_cookies()
    desk.drag(LIP)
    expect(desk.page.locator(".toast.bad")).to_contain_text("Kept as a new drawing")
    desk.wait_saved()
    assert len(desk.strokes()) == 2
    assert same(desk.stored(), desk.drawing())
    desk.complaints.clear()  # 401, and 403 for what is somebody else's now


def test_who_has_become_somebody_else_begins_a_sheet_of_their_own(desk: Desk) -> None:
    desk.start_on("G8/001")
    desk.drag(MOUTH)
    desk.wait_saved()
    before = desk.inside("return page.sheet.id;")
    desk.context.clear_cookies()
    desk.load()
    assert desk.inside("return page.sheet.id;") != before
    assert desk.strokes() == []
    desk.drag(LIP)
    desk.wait_saved()
    assert same(desk.stored(), desk.drawing())
    desk.complaints.clear()  # 403 for what is somebody else's now


def test_a_step_that_the_server_cannot_take_costs_no_stroke(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.wait_saved()
    before = desk.inside("return page.sheet.id;")
    # As after a drawing's last possible step.
    event = {"id": "no-1", "kind": "erase", "add": [], "remove": ["no"]}
    desk.inside(
        "const { sheet, outbox } = page; const { id, last } = sheet;"
        "outbox.add({ type: 'event', drawing: id, base: null, after: last, event: a });",
        event,
    )
    expect(desk.page.locator(".toast.bad")).to_contain_text("Kept as a new drawing")
    desk.drag(LIP)
    desk.wait_saved()
    assert desk.inside("return page.sheet.id;") != before
    assert len(desk.strokes()) == 2
    assert same(desk.stored(), desk.drawing())
    desk.complaints.clear()  # 400


def test_a_sketch_that_cannot_be_saved_takes_no_later_stroke_with_it(desk: Desk) -> None:
    desk.drag(MOUTH)
    desk.drag(BROW)
    desk.wait_saved()
    # No group can be called so; the stroke is taken away while that is on its way.
    desk.inside(
        "page.sheet.save({ id: crypto.randomUUID(), group: 'con' });"
        "page.sheet.commit(page.sheet.strokes.slice(1), 'erase');"
    )
    expect(desk.page.locator(".toast.bad")).to_contain_text("did not take it")
    desk.wait_saved()
    assert len(desk.strokes()) == 1
    assert same(desk.stored(), desk.drawing())
    desk.complaints.clear()  # 400


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a token, and one of whose checkpoints vanishes before it is used."""
    with running_server(tmp_path_factory.mktemp("guarded"), token="a-shared-word") as server:
        Path(server.checkpoints[1]).unlink()
        yield server


def test_with_a_token_the_page_asks_for_it_and_hides_it(browser: Browser, guarded: Server) -> None:
    assert guarded.address.endswith("/#token=a-shared-word")
    with open_desk(browser, guarded.address) as desk:
        assert desk.page.url.endswith("/")  # the address can be shown around
        desk.drag(MOUTH)
        desk.wait_saved()
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(guarded.address.partition("#")[0])
    page.fill("#session-token", "a guess")
    page.keyboard.press("Enter")
    expect(page.locator("#session-note")).to_contain_text("not the word")
    page.fill("#session-token", "a-shared-word")
    page.keyboard.press("Enter")
    page.locator("html[data-ready]").wait_for(state="attached")
    context.close()


def test_a_checkpoint_that_has_vanished_is_named_and_the_other_goes_on(
    browser: Browser, guarded: Server
) -> None:
    with open_desk(browser, guarded.address) as desk:
        desk.drag(MOUTH)
        covers = desk.page.locator(".face .cover")
        expect(covers.nth(1)).to_contain_text("tiny-baseline")
        expect(covers.nth(1)).not_to_contain_text("Waiting")
        expect(covers.nth(0)).to_be_hidden()
        desk.page.locator(".face select").nth(1).select_option("no-norm")
        expect(covers.nth(1)).to_be_hidden()


# Without a mouse ---------------------------------------------------------------------------------


def test_by_keyboard_alone_a_sketch_is_chosen_changed_and_saved(desk: Desk) -> None:
    page = desk.page

    def focus() -> str:
        name: str = page.evaluate(
            "document.activeElement.id || document.activeElement.dataset.tool"
        )
        return name

    page.keyboard.press("Tab")
    assert focus() == "start-button"
    page.keyboard.press("Enter")
    page.locator(".pick").nth(8).wait_for()
    chosen = "document.activeElement.matches('.pick') && document.activeElement.textContent"
    while "G8/001" not in (page.evaluate(chosen) or ""):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#start-name")).to_have_text("G8/001")
    expect(page.locator("#hint")).not_to_have_text("Loading…")
    # The tools are one stop; arrows go through them.
    for _ in range(12):
        if focus() == "pen":
            break
        page.keyboard.press("Tab")
    for name in ("erase-stroke", "erase-area", "select"):
        page.keyboard.press("ArrowDown")
        assert focus() == name
    page.keyboard.press("Enter")
    for _ in range(12):
        if focus() == "board":
            break
        page.keyboard.press("Tab")
    assert focus() == "board"
    before = desk.strokes()
    page.keyboard.press("]")
    expect(page.locator("#announcer")).to_contain_text("1 selected")
    page.keyboard.press("]")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(".")
    after = desk.strokes()
    moved = np.array(after[1]["points"]).mean(0) - np.array(before[1]["points"]).mean(0)
    np.testing.assert_allclose(moved, (10, 1), atol=1.5)
    assert np.ptp(np.array(after[1]["points"]), 0) == pytest.approx(
        1.05 * np.ptp(np.array(before[1]["points"]), 0), abs=0.05
    )
    page.keyboard.press("]")
    page.keyboard.press("Delete")
    assert len(desk.strokes()) == len(before) - 1
    assert desk.save_into("keys") == "keys/001"
    assert focus() == "board"


def test_the_help_sheet_names_every_tool_and_its_key(desk: Desk) -> None:
    desk.keys("?")
    sheet = desk.page.locator(".help-sheet")
    for button in desk.page.locator("[data-tool]").all():
        key, label = button.get_attribute("data-key"), button.get_attribute("aria-label")
        row = sheet.locator("dt", has=desk.page.get_by_text(key or "", exact=True)).first
        expect(row.locator("xpath=following-sibling::dd[1]")).to_have_text(label or "")
    desk.keys("Escape")
    for button in desk.page.locator("[data-tool]").all():
        desk.keys((button.get_attribute("data-key") or "").lower())
        expect(button).to_have_attribute("aria-pressed", "true")
