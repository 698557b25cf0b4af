"""How the page looks: nothing clipped, contrast enough, in both languages and both themes."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.accessibility import findings
from tests.studio.browser import LOOKS, Desk, Server, open_desk, running_browser, running_server

LAPTOP = (1280, 800)
SIZES = [LAPTOP, (1400, 900), (1024, 768), (820, 1180), (390, 844), (844, 390)]
LOCALES = {"en": "en-GB", "zh": "zh-CN"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("studio")) as server:
        yield server


def look(desk: Desk, what: str) -> Any:
    """One of the functions of looks.js, run in the page."""
    return desk.page.evaluate(f"() => {LOOKS}.{what}()")


def luminance(color: list[float]) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (value / 255 for value in color[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def behind(layers: list[list[float]]) -> list[float]:
    """Half-transparent layers on the first opaque one."""
    color = [255.0, 255.0, 255.0]
    for layer in reversed(layers):
        color = [c + (new - c) * layer[3] for c, new in zip(color, layer[:3], strict=True)]
    return color


def check_contrast(desk: Desk, where: str) -> int:
    texts: list[dict[str, Any]] = look(desk, "texts")
    for text in texts:
        background = behind(text["layers"])
        large = text["size"] >= 24 or (text["size"] >= 18.66 and text["weight"] >= 700)
        ratio = contrast(text["color"], background)
        assert ratio >= (3 if large else 4.5), f"{where}: {text['text']!r} {ratio:.2f}"
        if text["border"]:
            around = behind(text["layers"][1:] or text["layers"])
            edge = contrast(text["border"], around)
            assert edge >= 3, f"{where}: edge of {text['name']} {edge:.2f}"
    return len(texts)


def views(desk: Desk) -> Iterator[str]:
    """The page and its dialogs, one after the other."""
    page = desk.page
    yield "page"
    page.locator(".lock").nth(1).click()
    page.locator(".reach").first.wait_for(state="attached")
    yield "kept"
    page.locator(".face select").nth(1).select_option("")
    yield "one checkpoint"
    page.locator(".both").last.click()
    desk.keys("2")
    page.locator(".scatter .spot").first.wait_for(state="attached")
    yield "probe"
    desk.keys("v", "]")
    yield "selection"
    desk.keys("Escape", "a")
    yield "eraser"
    desk.keys("p")
    desk.inside("document.querySelectorAll('.fold').forEach((fold) => (fold.ariaExpanded = true));")
    yield "unfolded"
    desk.keys("Escape")
    for key, ready in (
        ("b", ".pick >> nth=6"),
        ("Control+s", "#save-group"),
        ("g", "[data-sketch]"),
        ("h", ".history-picture"),
        ("?", ".help-sheet"),
    ):
        desk.keys(key)
        page.locator(ready).first.wait_for()
        if key == "Control+s":
            page.fill("#save-group", "..")
            page.keyboard.press("Enter")
        yield f"dialog {key}"
        if key == "g":
            page.click("#tab-drawings")
            page.locator("[data-drawing]").first.wait_for()
            yield "own drawings"
            page.click("#tab-deleted")
            page.locator("#gallery-panel .note").first.wait_for()
            yield "deleted"
        desk.keys("Escape")
    desk.inside(
        "page.outbox.trouble = { code: 'offline' }; page.outbox.queue.push({});"
        "page.outbox.dispatchEvent(new CustomEvent('state'));"
    )
    yield "offline"
    desk.inside(
        "page.outbox.trouble = null; page.outbox.queue.pop();"
        "page.outbox.dispatchEvent(new CustomEvent('state'));"
    )


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_clipped_and_contrast_is_enough(
    browser: Browser, server: Server, language: str, theme: str
) -> None:
    options = {"locale": LOCALES[language], "color_scheme": theme}
    with open_desk(browser, server.address, **options) as desk:
        assert desk.page.evaluate("document.documentElement.lang")[:2] == language
        desk.inside("await page.sheet.begin({ start: 4, label: 'G8/001' });")
        desk.drag([(195, 380), (225, 366), (255, 372), (315, 380)])
        desk.inside(f"page.sheet.save({{ id: crypto.randomUUID(), group: 'looks-{theme}' }});")
        desk.wait_saved()
        expect(desk.page.locator(".difference .measure:not([hidden])")).to_have_count(2)
        checked = 0
        for view in views(desk):
            checked += check_contrast(desk, f"{language} {theme} {view}")
            # What a text is called does not hang on its colours: half of the pairs are enough.
            if view == "page" or (language, theme) in (("en", "light"), ("zh", "dark")):
                assert findings(desk.page, contrast=view == "page") == [], (language, theme, view)
            for width, height in SIZES:
                desk.page.set_viewport_size({"width": width, "height": height})
                wrong = look(desk, "clipped")
                assert wrong == [], f"{language} {theme} {view} {width}x{height}"
            desk.page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
        assert checked > 300


def test_an_unnamed_button_and_pale_words_are_found(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(
        "<!doctype html><html lang='en'><title>t</title><main><h1>t</h1><button></button>"
        "<p style='color: #ddd'>pale</p><p aria-label='named'>no role to name</p></main>"
    )
    found = [line.partition(":")[0] for line in findings(page, contrast=True)]
    assert sorted(found) == ["aria-prohibited-attr", "button-name", "color-contrast"]
    assert "color-contrast" not in "".join(findings(page))
    page.close()


def test_the_switches_change_language_and_theme_and_are_remembered(
    browser: Browser, server: Server
) -> None:
    with open_desk(browser, server.address, color_scheme="light") as desk:
        page = desk.page

        def desk_color() -> str:
            color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return color

        light = desk_color()
        page.click("#theme-button")
        page.click("#theme-button")
        dark = desk_color()
        assert dark != light
        page.click("#language-button")
        expect(page.locator("#save-button")).to_contain_text("保存")
        expect(page.locator("#pen, [data-tool=pen]")).to_have_attribute("aria-label", "画笔")
        desk.load()
        assert desk_color() == dark
        expect(page.locator("#save-button")).to_contain_text("保存")
        page.click("#theme-button")
        assert desk_color() == light
        page.emulate_media(color_scheme="dark")
        assert desk_color() == dark


def test_every_control_has_a_name_and_shows_its_focus(browser: Browser, server: Server) -> None:
    with open_desk(browser, server.address) as desk:
        page = desk.page
        seen: list[str] = []
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = look(desk, "focus")
            if focused["name"] == "BODY" or focused["name"] == (seen or [""])[0]:
                break
            seen.append(focused["name"])
            assert focused["outline"] != "none", focused
            assert focused["width"] >= 2, focused
            assert focused["label"], focused
        for name in ("start-button", "save-button", "pen", "board", "zoom-in", "tab-difference"):
            assert name in seen
        # The tools are one stop on the way of the Tab key.
        assert len({"pen", "select", "probe"} & set(seen)) == 1
        assert look(desk, "unnamed") == []


def test_motion_is_reduced_when_asked_for(browser: Browser, server: Server) -> None:
    with open_desk(browser, server.address, reduced_motion="reduce") as desk:
        desk.drag([(100, 100), (200, 100)])
        desk.keys("Shift+Delete")
        toast = desk.page.locator(".toast").last
        assert toast.evaluate("(element) => getComputedStyle(element).animationName") == "none"
        assert look(desk, "moving") == 0
