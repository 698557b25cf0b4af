"""A U-Net, a CRN and photos on the page, as a person chooses and uses them."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.studio.browser import Desk, Server
from tests.studio.other_systems import make_other_systems
from tests.studio.page.drawings import MOUTH
from tests.studio.page.test_keeping import beside, changes_by, shown, wait_shown

SCRIBBLE = [(60, 60), (450, 440), (70, 430), (440, 70)]


@pytest.fixture(scope="module")
def server(browser: Browser, pairs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("systems")
    sources = make_other_systems(folder, pairs)
    server = Server(folder, checkpoints=[str(source) for source in sources])
    yield server
    server.stop()


def test_a_stroke_changes_the_face_of_each_system_and_what_can_be_kept_is(desk: Desk) -> None:
    desk.start_on("G8/001")
    first, second = desk.page.locator(".face select").all()
    assert [first.input_value(), second.input_value()] == ["unet", "crn"]
    lock = desk.page.locator(".lock").nth(1)
    lock.click()
    changes, away = changes_by(desk, MOUTH), beside(MOUTH)
    assert all(change[~away].mean() > 0.5 for change in changes)
    assert changes[1][away].max() == 0 < changes[0][away].max()
    # Photos: the mouth is another one, the lock says why it stays open.
    second.select_option("photos")
    wait_shown(desk, "free", "free")
    expect(lock).to_have_attribute("aria-disabled", "true")
    lock.press("Enter")
    expect(lock).to_have_attribute("aria-pressed", "false")
    expect(desk.page.locator(".toast").last).to_contain_text("Keep the rest: not for photos")
    edited = shown(desk, 1)
    desk.keys("Control+z")
    wait_shown(desk, "free", "free")
    assert np.abs(shown(desk, 1) - edited).max() > 20
    # The same choice twice shows nothing: there is but one way.
    first.select_option("photos")
    assert second.input_value() == "unet"
    assert "photos" not in desk.page.locator(".probe-controls option").all_inner_texts()


def test_what_has_no_match_among_the_photos_is_said(desk: Desk) -> None:
    desk.page.locator(".face select").first.select_option("photos")
    cover, note = desk.page.locator(".face .cover").first, desk.page.locator(".face-note").first
    expect(cover).to_contain_text("No part of a face is drawn yet")
    desk.page.locator("#tool-options select").select_option("mouth")
    desk.drag(SCRIBBLE)
    desk.wait_answered()
    expect(cover).to_be_hidden()
    expect(note).to_contain_text("No match among the photos: mouth.")
    desk.inside("document.querySelector('#language-button').click();")
    expect(note).to_contain_text("照片中没有匹配")
