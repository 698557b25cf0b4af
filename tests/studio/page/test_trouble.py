"""When things go wrong: servers, sessions, databases, tokens; no stroke is lost."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.studio.browser import Desk, Server, open_desk, pause, running_server
from tests.studio.page.drawings import BROW, LIP, MOUTH, same, start_drawing


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
    # A sheet of its own, and nobody chose with what.
    assert len(one.strokes()) == 2
    assert len(other.strokes()) == len(start_drawing("G5/001").strokes) + 1
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
    assert same(desk.drawing(), start_drawing("G5/001"))
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
