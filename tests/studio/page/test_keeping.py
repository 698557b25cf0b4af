"""Keeping the rest, as a person does it: the lock, both ways side by side, new bases, and back."""

import numpy as np
from playwright.sync_api import Browser, expect

from tests.studio.browser import Desk, Server, open_desk
from tests.studio.page.drawings import BROW, MOUTH

MARGIN = 32
"""Pixels around what is drawn in which a kept face may change: the edited area's 16, what the last
convolution reaches, and the blocks of a JPEG."""


def wait_shown(desk: Desk, *ways: str, bases: int = 0) -> None:
    """Wait until the faces are shown those ways, after so many bases, of the newest strokes."""
    desk.wait_answered()
    desk.wait_until(
        lambda: desk.inside(
            "return page.faces.slots.filter((slot) => slot.checkpoint).every((slot, i) =>"
            "  slot.canvas.dataset.way === a.ways[i] && slot.canvas.dataset.bases === a.bases"
            "  && !slot.card.classList.contains('stale'));",
            {"ways": ways, "bases": str(bases)},
        )
    )


def shown(desk: Desk, slot: int) -> np.ndarray:
    return desk.pixels(f"page.faces.slots[{slot}].canvas")[:, :, :3].astype(int)


def changes_by(desk: Desk, line: list[tuple[int, int]]) -> list[np.ndarray]:
    """What a line changes in two faces, the first free and the second kept."""
    wait_shown(desk, "free", "kept")
    before = [shown(desk, slot) for slot in (0, 1)]
    desk.drag(line)
    wait_shown(desk, "free", "kept")
    return [np.abs(shown(desk, slot) - before[slot]) for slot in (0, 1)]


def beside(line: list[tuple[int, int]]) -> np.ndarray:
    """The pixels (512, 512) that lie farther than MARGIN from the box around a line."""
    (left, top), (right, bottom) = np.min(line, axis=0), np.max(line, axis=0)
    outside = np.ones((512, 512), bool)
    outside[top - MARGIN : bottom + MARGIN, left - MARGIN : right + MARGIN] = False
    return outside


def test_without_a_start_sketch_the_lock_says_why_it_cannot_be_closed(desk: Desk) -> None:
    lock = desk.page.locator(".lock").first
    expect(lock).to_have_attribute("aria-disabled", "true")
    expect(lock).to_have_attribute(
        "title", "Keep the rest: choose a start sketch first, whose face is to be kept"
    )
    lock.press("Enter")
    expect(lock).to_have_attribute("aria-pressed", "false")
    expect(desk.page.locator(".toast").last).to_contain_text("choose a start sketch first")
    desk.start_on("G8/001")
    expect(lock).to_have_attribute("aria-disabled", "false")


def test_one_checkpoint_is_shown_both_ways_free_on_the_left_and_kept_on_the_right(
    desk: Desk,
) -> None:
    desk.start_on("G8/001")
    desk.page.locator(".face select").nth(1).select_option("")
    desk.page.locator(".both").last.click()
    selects = [select.input_value() for select in desk.page.locator(".face select").all()]
    assert selects == ["tiny-modified", "tiny-modified"]
    locks = desk.page.locator(".lock")
    expect(locks.nth(0)).to_have_attribute("aria-pressed", "false")
    expect(locks.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(locks.nth(1)).to_be_focused()
    changes, away = changes_by(desk, MOUTH), beside(MOUTH)
    assert all(change[~away].mean() > 1 for change in changes)
    assert changes[1][away].max() == 0 < changes[0][away].max()
    words = desk.page.locator(".difference .share-words")
    expect(words.nth(0)).to_have_text("of the change lies outside the edit")
    expect(words.nth(1)).to_have_text("grey levels: nothing outside of the outline changed")
    expect(desk.page.locator(".difference .share").nth(1)).to_have_text("0.0")
    expect(desk.page.locator(".overlay").nth(1).locator(".reach")).not_to_have_count(0)
    # Unlocking one locks the other: the same face twice would show nothing.
    locks.nth(1).press("Enter")
    expect(locks.nth(0)).to_have_attribute("aria-pressed", "true")
    wait_shown(desk, "kept", "free")
    # What is chosen is remembered, and without a base one face is left.
    desk.load()
    wait_shown(desk, "kept", "free")
    desk.page.click("#start-button")
    desk.page.locator(".pick", has_text="Blank sheet").first.click()
    expect(desk.page.locator(".face .cover").nth(1)).to_contain_text("choose a start sketch first")


def test_a_new_base_is_kept_by_the_next_edit_and_undo_gives_the_very_pixels_back(
    desk: Desk,
) -> None:
    desk.start_on("G8/001")
    desk.page.locator(".lock").nth(0).click()
    take = desk.page.locator(".take").nth(0)
    expect(take).to_be_disabled()
    wait_shown(desk, "kept", "free")
    frames = [shown(desk, 0)]
    desk.drag(MOUTH)
    wait_shown(desk, "kept", "free")
    frames.append(shown(desk, 0))
    take.click()
    expect(desk.page.locator(".toast").last).to_contain_text("This face is the new base")
    wait_shown(desk, "kept", "free", bases=1)
    # The base is the face as it was shown; what is drawn now is an edit of that.
    assert np.array_equal(shown(desk, 0), frames[1])
    expect(take).to_be_disabled()
    desk.drag(BROW)
    wait_shown(desk, "kept", "free", bases=1)
    frames.append(shown(desk, 0))
    change = np.abs(frames[2] - frames[1])
    assert change[beside(BROW)].max() == 0 < change.max()
    for bases, frame in ((1, frames[1]), (0, frames[1]), (0, frames[0])):
        desk.keys("Control+z")
        wait_shown(desk, "kept", "free", bases=bases)
        assert np.array_equal(shown(desk, 0), frame)
    for _ in range(3):
        desk.keys("Control+Shift+z")
    wait_shown(desk, "kept", "free", bases=1)
    assert np.array_equal(shown(desk, 0), frames[2])
    # After a reload the server's history has the base again, and looking back goes behind it.
    desk.wait_saved()
    desk.load()
    wait_shown(desk, "kept", "free", bases=1)
    assert np.array_equal(shown(desk, 0), frames[2])
    # A drawing that goes on under another name takes its bases along.
    desk.inside("await page.sheet.moveOn();")
    wait_shown(desk, "kept", "free", bases=1)
    assert np.array_equal(shown(desk, 0), frames[2])
    desk.page.click("#history-button")
    desk.page.locator(".history-dialog input[type=range]").fill("1")
    desk.page.click(".history-dialog .primary")
    wait_shown(desk, "kept", "free")
    assert np.array_equal(shown(desk, 0), frames[1])


def test_an_edit_of_nearly_the_whole_sheet_says_that_little_could_be_kept(desk: Desk) -> None:
    desk.start_on("G8/001")
    desk.page.locator(".lock").nth(0).click()
    note = desk.page.locator(".face-note").nth(0)
    desk.drag(MOUTH)
    wait_shown(desk, "kept", "free")
    expect(note).to_be_hidden()
    for y in range(16, 512, 40):
        desk.drag([(6, y), (505, y)])
    wait_shown(desk, "kept", "free")
    expect(note).to_contain_text("covers too much to keep the rest")


def test_the_gallery_tells_which_way_a_saved_face_was_made(desk: Desk) -> None:
    desk.start_on("G8/001")
    desk.page.locator(".lock").nth(1).click()
    desk.drag(MOUTH)
    desk.page.locator(".take").nth(1).click()
    desk.drag(BROW)
    label = desk.save_into("kept")
    desk.page.click("#gallery-button")
    card = desk.page.locator(f".sketch-card[aria-label='{label}']")
    expect(card).to_contain_text("Rest kept: tiny-baseline; base 1 after the start sketch")


def test_keeping_speaks_chinese(browser: Browser, server: Server) -> None:
    with open_desk(browser, server.address, locale="zh-CN") as desk:
        lock = desk.page.locator(".lock").nth(1)
        expect(lock).to_have_text("保留其余")
        desk.start_on("G8/001")
        lock.click()
        desk.drag(MOUTH)
        words = desk.page.locator(".difference .share-words").nth(1)
        expect(words).to_have_text("灰度级：轮廓之外没有任何变化")
        desk.page.locator(".take").nth(1).click()
        expect(desk.page.locator(".toast").last).to_contain_text("这张脸成为新基准")
