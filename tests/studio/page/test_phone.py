"""The page on a phone: fingers, a pen and the hand that holds it; what the first screen shows."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, CDPSession, expect

from tests.accessibility import findings
from tests.studio.browser import Desk, Point, Server, open_desk
from tests.studio.page.drawings import BROW, MOUTH

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
REST = 1.0
"""Seconds after which a pen counts as put away; the page's own rest is 0.8."""


class Hand:
    """Fingers and a pen on the screen, as the browser itself is told of them."""

    def __init__(self, client: CDPSession) -> None:
        self.client = client
        self.down: dict[int, Point] = {}

    def touch(self, kind: str, **places: Point) -> None:
        """Touches by name (`_1`) go down, move, or, without a place, all lift."""
        self.down.update({int(name[1:]): place for name, place in places.items()})
        spots = [{"x": x, "y": y, "id": name} for name, (x, y) in self.down.items()]
        self.client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    def lift(self, *names: int) -> None:
        """These fingers lift; the others stay."""
        for name in names:
            del self.down[name]
        self.touch("touchEnd")

    def pen(self, points: list[Point], lifts: bool = True) -> None:
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1)]
        for kind, (x, y) in zip(kinds, points, strict=True):
            self._pen(kind, x, y)
        if lifts:
            self._pen("mouseReleased", *points[-1])

    def _pen(self, kind: str, x: float, y: float) -> None:
        button = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        self.client.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **button})


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Desk]:
    with open_desk(browser, server.address, **PHONE) as desk:
        yield desk


def test_a_finger_draws_two_fingers_zoom_and_the_hand_of_a_pen_does_nothing(phone: Desk) -> None:
    desk = phone
    hand = Hand(desk.context.new_cdp_session(desk.page))

    def moved(place: Point, dx: float = 0, dy: float = 0) -> Point:
        return place[0] + dx, place[1] + dy

    def scale() -> float:
        value: float = desk.inside("return page.board.view.scale;")
        return value

    places = desk.screens(MOUTH)
    hand.touch("touchStart", _1=places[0])
    for place in places[1:]:
        hand.touch("touchMove", _1=place)
    hand.lift(1)
    assert len(desk.strokes()) == 1

    # The second finger makes of the first one's line a zoom, and of what is left of it nothing.
    whole = scale()
    middle = desk.screen((256, 256))
    hand.touch("touchStart", _1=moved(middle, -30))
    hand.touch("touchMove", _1=moved(middle, -40))
    hand.touch("touchStart", _2=moved(middle, 40))
    hand.touch("touchMove", _1=moved(middle, -80), _2=moved(middle, 80))
    assert scale() == pytest.approx(2 * whole, rel=0.02)
    hand.lift(2)
    hand.touch("touchMove", _1=moved(middle, -120, 60))
    hand.lift(1)
    assert len(desk.strokes()) == 1
    assert scale() == pytest.approx(2 * whole, rel=0.02)
    desk.inside("page.board.fit();")

    # The hand lies down first, in two places that move as they do: no line, no zoom is left of it.
    palm, wrist = desk.screens([(400, 470), (480, 500)])
    hand.touch("touchStart", _3=palm)
    hand.touch("touchMove", _3=moved(palm, 20))
    hand.touch("touchStart", _4=wrist)
    hand.touch("touchMove", _4=moved(wrist, 8, 8))
    assert scale() != whole
    brow = desk.screens(BROW)
    hand.pen(brow[:3], lifts=False)
    hand.touch("touchMove", _3=moved(palm, -30), _4=moved(wrist, -20))
    hand.pen(brow[2:])
    assert scale() == whole
    assert len(desk.strokes()) == 2
    # It lifts late, and rolls as it does, long after the pen.
    desk.page.wait_for_timeout(1000 * REST)
    hand.touch("touchMove", _3=moved(palm, -60, -40))
    hand.lift(4)
    hand.touch("touchStart", _5=moved(wrist, -50, -50))
    hand.touch("touchMove", _5=moved(wrist, -90, -90))
    hand.lift(5)
    hand.lift(3)
    _, stroke = desk.strokes()
    assert np.array(stroke["points"])[:, 1].max() < 200
    # Then a finger draws again.
    hand.touch("touchStart", _6=palm)
    hand.touch("touchMove", _6=moved(palm, -60))
    hand.lift(6)
    assert len(desk.strokes()) == 3
    assert scale() == whole


def test_the_first_screen_has_sheet_and_faces_and_folds_the_rest(phone: Desk) -> None:
    page = phone.page
    for place in ("#board", ".face .picture >> nth=0", ".face .picture >> nth=1", "#tools"):
        expect(page.locator(place)).to_be_in_viewport(ratio=1)
    for fold, inside in (
        ("view", "#underlay, #zoom-fit"),
        ("menu", "#gallery-button, #help-button"),
    ):
        button = page.locator(f"[data-i18n-label='fold.{fold}']")
        for hidden in page.locator(inside).all():
            expect(hidden).not_to_be_visible()
        button.tap()
        expect(button).to_have_attribute("aria-expanded", "true")
        for shown in page.locator(inside).all():
            expect(shown).to_be_in_viewport(ratio=1)
    assert findings(page) == []
    # What is open folds by Escape, which drops nothing else then, and by going on to draw.
    phone.keys("Escape")
    expect(page.locator("#gallery-button")).not_to_be_visible()
    page.locator("[data-i18n-label='fold.view']").tap()
    page.locator("#board").tap()
    expect(page.locator("#underlay")).not_to_be_visible()
    # With the bars of a browser there is less room: the faces are smaller, and still there.
    page.set_viewport_size({"width": 390, "height": 664})
    for place in ("#board", ".face .picture >> nth=1", "#tools"):
        expect(page.locator(place)).to_be_in_viewport(ratio=1)
