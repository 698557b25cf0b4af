"""Faces, differences and the probe, as the page shows them."""

import re

import numpy as np
from playwright.sync_api import expect

from featviz.generators.checkpoint_files import load_generator
from featviz.generators.generation import generate
from featviz.sketches.drawing import rasterize
from tests.studio.browser import Desk, Server
from tests.studio.page.drawings import LIP, MOUTH


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
        shown = shares.nth(slot).inner_text()
        # To the nearest, of which a half has two.
        assert abs(float(shown.removesuffix("%")) - 100 * told) <= (0.5 if told >= 0.1 else 0.05)
        assert ("." in shown) == (told < 0.1)
        rings = desk.page.locator(".overlay").nth(slot).locator("polygon")
        corners = np.array(
            [pair.split(",") for pair in (rings.first.get_attribute("points") or "").split()], float
        )
        # The frame lies round the edit, on the mouth.
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
