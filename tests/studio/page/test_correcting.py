"""The sliders that correct parts before faces are made of them."""

import numpy as np
from playwright.sync_api import expect

from tests.studio.browser import Desk
from tests.studio.page.drawings import same

WORDS = "network is given"


def test_a_slider_moves_the_lines_that_the_network_is_given_and_leaves_the_drawing(
    desk: Desk,
) -> None:
    desk.start_on("G8/001")
    desk.wait_answered()
    before, drawn = desk.pixels("page.faces.slots[0].canvas"), desk.drawing()
    desk.page.get_by_role("tab", name="Correct").click()
    panel = desk.page.get_by_role("tabpanel", name="Correct")
    expect(panel).to_contain_text(WORDS)
    outline = panel.get_by_label("Outline")
    reset = panel.get_by_role("button", name="As drawn")
    expect(reset).to_be_disabled()
    outline.fill("70")
    expect(panel.locator("output").first).to_have_text("70%")
    lines = "return page.board.corrected.map(({ points }) => points);"
    desk.wait_until(lambda: desk.inside(lines))
    # One line, the outline's, near the drawn one and not on it; the drawing itself is untouched.
    (line,) = desk.inside(lines)
    points = np.concatenate([stroke.points for stroke in drawn.part("face-shape")])
    apart = np.linalg.norm(np.array(line)[:, None] - points, axis=2).min(axis=1)
    assert 1 < apart.max() < 60
    assert same(desk.drawing(), drawn)
    colour = desk.pixels("page.board.canvas").reshape(-1, 4)[:, :3].astype(int)
    orange = (colour[:, 0] - colour[:, 2] > 60) & (colour[:, 0] > 180)
    assert orange.sum() > 100
    after = desk.pixels("page.faces.slots[0].canvas")
    assert (after != before).any()
    # Kept for the next visit, and gone at a word.
    desk.page.reload()
    desk.page.locator("html[data-ready]").wait_for(state="attached")
    desk.page.get_by_role("tab", name="Correct").click()
    expect(panel.get_by_label("Outline")).to_have_value("70")
    desk.wait_until(lambda: desk.inside(lines))
    reset.click()
    expect(panel.get_by_label("Outline")).to_be_focused()
    desk.wait_until(lambda: not desk.inside(lines))
    desk.page.locator("#language-button").click()
    expect(desk.page.locator("#correct")).to_contain_text("网络看到的")
