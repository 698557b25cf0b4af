"""Without a mouse."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.studio.browser import Desk


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
