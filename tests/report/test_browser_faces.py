"""Faces of an edit, its base's and their difference, as a reader sees them."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, expect

from featviz.figures.change import heat
from featviz.report.pictures import FACE_NOISE
from tests.report.browser import Reader, open_report, read_png

TALL = {"width": 1400, "height": 1300}


def decoded(uri: str) -> NDArray[np.int64]:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(picture.convert("RGB")).astype(int)


def difference_on_canvas(reader: Reader, number: int) -> NDArray[np.uint8]:
    canvas = reader.page.locator(".view canvas").nth(number)
    expect(canvas).to_have_attribute("data-drawn", "")
    return read_png(base64.b64decode(canvas.evaluate("c => c.toDataURL()").partition(",")[2]))


def test_pointing_at_an_edit_shows_base_edit_and_their_difference_free_and_kept(
    browser: Browser, page_file
) -> None:
    with open_report(browser, page_file, viewport=TALL) as reader:
        page, sketches = reader.page, reader.contents["sketches"]
        reader.draw_all()
        (made,) = reader.contents["generators"]
        edits = [i for i, change in enumerate(made["changes"]) if change]
        at = next(i for i in reader.lonely(0, 2) if i in edits)
        page.mouse.move(*(resting := reader.screen(0, 2, at)))
        expect(page.locator("#faces-title")).to_contain_text(sketches[at]["name"])
        base = reader.number(sketches[at]["base"])
        views = page.locator("#faces .view")
        expect(views).to_have_count(5)
        for view in views.all():
            box = view.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 200
            path = view.locator(".area .line")
            expect(path).to_have_attribute("d", sketches[at]["outline"])
        sources = [view.locator("img").first.get_attribute("src") for view in views.all()[:2]]
        assert sources == [made["faces"][base], made["faces"][at]]
        # The difference that the page draws, computed from the same pictures.
        free, start = decoded(made["faces"][at]), decoded(made["faces"][base])
        levels = np.abs(free - start).mean(axis=2)
        expected = heat(np.where(levels < FACE_NOISE, 0, np.floor(levels)))
        off = np.abs(difference_on_canvas(reader, 0).astype(int) - expected).max(axis=2)
        assert (off > 12).mean() < 0.02
        assert expected.any()
        # Outside of what can change the kept face is the base's.
        left, top, right, bottom = made["kept"][at]["box"]
        kept = difference_on_canvas(reader, 1).astype(int)
        none = heat(np.zeros((1, 1)))[0, 0]
        assert (kept[top:bottom, left:right] != none).any()
        kept[top:bottom, left:right] = none
        assert (kept == none).all()
        inside, outside = made["changes"][at]
        told = views.nth(2).locator("xpath=..").locator("figcaption")
        numbers = [float(word) for word in told.inner_text().split() if word[0].isdigit()]
        np.testing.assert_allclose(numbers, [inside, outside], rtol=0.06)
        # By key through the group's edits, in order and around, while the mouse rests on a point.
        plot = reader.plot(0, 2)
        plot.focus()
        group = [i for i in edits if sketches[i]["group"] == sketches[at]["group"]]
        seen = []
        for _ in range(len(group) + 1):
            plot.press("n")
            reader.settle()
            # What a browser sends when something else has come to lie under a mouse that rests.
            plot.dispatch_event("pointerleave")
            page.mouse.move(*resting)
            reader.settle()
            seen.append(reader.number(page.locator("#card-title").inner_text()))
        assert set(seen) == set(group)
        assert seen[-1] == seen[0]
        assert [group[(group.index(i) + 1) % len(group)] for i in seen[:-1]] == seen[1:]


def test_the_faces_can_be_wiped_and_flicker(browser: Browser, page_file) -> None:
    with open_report(browser, page_file, viewport=TALL) as reader:
        page = reader.page
        over = page.locator(".view .over").first
        expect(over).to_be_hidden()
        page.get_by_role("radio", name="Wipe").check()
        expect(over).to_be_visible()
        box = page.locator(".view:has(.over)").first.bounding_box()
        assert box is not None
        for share in (0.25, 0.75):
            page.mouse.move(box["x"] + share * box["width"], box["y"] + 50)
            clip = over.evaluate("image => getComputedStyle(image).clipPath")
            right = float(clip.replace("inset(", "").split()[1].rstrip("%)"))
            assert abs(right - 100 * (1 - share)) < 2
        page.get_by_role("radio", name="Flicker").check()
        visibility = "getComputedStyle(document.querySelector('.view .over')).visibility"
        for wanted in ("visible", "hidden", "visible"):
            page.wait_for_function(f"() => {visibility} === '{wanted}'")
