"""The modules of the page by themselves, run in a browser and judged by Python."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from playwright.sync_api import Page

from featviz.sketches.drawing import CANVAS, read_svg
from featviz.sketches.sketch_set import read_sketches
from tests.studio.browser import SKETCHES, running_browser

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "featviz" / "studio" / "static"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """An empty page that can import the modules; no server stands behind it."""
    with running_browser() as browser:
        page = browser.new_page()

        def answer(route: Any) -> None:
            name = route.request.url.removeprefix("http://modules/")
            if (STATIC / name).is_file():
                kind = "text/javascript" if name.endswith(".js") else "image/svg+xml"
                route.fulfill(path=STATIC / name, content_type=kind)
            else:
                route.fulfill(body="<!doctype html>", content_type="text/html")

        page.route("http://modules/**", answer)
        page.goto("http://modules/")
        yield page


def call(page: Page, module: str, script: str, argument: Any = None) -> Any:
    """Run the body of a function that gets the module as `m` and an argument as `a`."""
    return page.evaluate(
        f"async (a) => {{ const m = await import('/{module}.js'); {script} }}", argument
    )


def distances(points: NDArray[np.float64], line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each point (n, 2) to a polyline (m, 2)."""
    if len(line) == 1:
        return np.hypot(*(points - line[0]).T)
    best = np.full(len(points), np.inf)
    for a, b in pairwise(line):
        d = b - a
        length2 = float(d @ d)
        t = np.clip((points - a) @ d / length2, 0, 1) if length2 > 0 else np.zeros(len(points))
        best = np.minimum(best, np.hypot(*(points - a - t[:, None] * d).T))
    return best


def dense(line: NDArray[np.float64], step: float = 0.5) -> NDArray[np.float64]:
    """Points on a polyline, close to each other."""
    parts = [line[:1]]
    for a, b in pairwise(line):
        count = max(int(np.hypot(*(b - a)) / step), 1)
        parts.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


coordinate = st.floats(0, 511, allow_nan=False).map(lambda value: round(value, 2))
point = st.tuples(coordinate, coordinate)


@settings(max_examples=60)
@given(line=st.lists(point, min_size=2, max_size=12), a=point, b=point, radius=st.floats(1, 60))
def test_cutting_leaves_what_lies_outside_and_only_that(
    page: Page,
    line: list[tuple[float, float]],
    a: tuple[float, float],
    b: tuple[float, float],
    radius: float,
) -> None:
    pieces = call(page, "geometry", "return m.cutPolyline(...a)", [line, a, b, radius])
    whole, path = dense(np.array(line)), np.array([a, b])
    away = distances(whole, path)
    if pieces is None:
        assert away.min() >= radius - 1e-6
        return
    kept = [np.array(piece) for piece in pieces]
    for piece in kept:
        assert distances(dense(piece), path).min() >= radius - 1e-6
        assert distances(dense(piece), np.array(line)).max() <= 1e-6
    outside = whole[away > radius + 0.06]
    if len(outside):
        nearest = np.min([distances(outside, piece) for piece in kept], axis=0)
        assert nearest.max() <= 0.06


@settings(max_examples=40)
@given(line=st.lists(point, min_size=1, max_size=40), tolerance=st.floats(0.05, 30))
def test_simplifying_keeps_ends_and_order_and_stays_within_its_tolerance(
    page: Page, line: list[tuple[float, float]], tolerance: float
) -> None:
    short = call(page, "geometry", "return m.simplify(...a)", [line, tolerance])
    assert short[0] == list(line[0])
    assert short[-1] == list(line[-1])
    rest = iter(map(list, line))
    assert all(kept in rest for kept in short)
    assert distances(np.array(line), np.array(short)).max() <= tolerance + 1e-9


def test_smoothing_takes_the_jitter_out_and_keeps_the_shape(page: Page) -> None:
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1.5 * np.pi, 240)
    path = np.stack([256 + 100 * np.cos(t), 256 + 100 * np.sin(t)], axis=1)
    noisy = path + rng.normal(0, 0.7, path.shape)
    script = (
        "const input = new m.StrokeInput();"
        "a.forEach((p, i) => input.add(p, i * 8)); return [input.preview(), input.finish()];"
    )
    preview, finished = (np.array(line) for line in call(page, "smoothing", script, noisy.tolist()))
    radius = np.hypot(*(dense(finished) - 256).T)
    assert radius.std() < 0.5 * np.hypot(*(noisy - 256).T).std()
    assert abs(radius.mean() - 100) < 1
    np.testing.assert_allclose(finished[-1], noisy[-1], atol=0.006)
    # What is stored is what was seen while drawing, with fewer points, on the grid of 0.01 px.
    assert distances(preview, finished).max() < 0.14
    assert len(finished) < len(preview) / 3
    np.testing.assert_array_equal(finished, finished.round(2))


def test_pressure_and_speed_do_not_matter_and_a_tap_is_one_point(page: Page) -> None:
    script = (
        "const i = new m.StrokeInput(); for (const [p, t] of a) i.add(p, t); return i.finish();"
    )
    assert call(page, "smoothing", script, [[[30.004, 40.006], 0]]) == [[30, 40.01]]
    assert call(page, "smoothing", script, [[[30, 40], 0], [[30, 40], 5]]) == [[30, 40]]
    fast = call(page, "smoothing", script, [[[0, 0], 0], [[500, 300], 0], [[500, 301], 0]])
    assert np.isfinite(fast).all()


def test_new_strokes_get_the_part_of_the_face_they_lie_on(page: Page) -> None:
    common = set(call(page, "parts", "return m.MEAN_PARTS"))
    strokes = [
        stroke
        for file in read_sketches(SKETCHES).index["file"]
        for stroke in read_svg(SKETCHES / file).strokes
        if stroke.part in common
    ]
    assert len(strokes) > 2000
    assert {stroke.part for stroke in strokes} == common
    lines = [stroke.points.tolist() for stroke in strokes]
    guessed = call(page, "parts", "return a.map(m.guessPart)", lines)
    assert guessed == [stroke.part for stroke in strokes]
    hair = [[150, 60], [250, 30], [350, 60]]
    doodle = [[20, 480], [40, 500]]
    assert call(page, "parts", "return a.map(m.guessPart)", [hair, doodle]) == ["hair", "doodle"]
    names = ["left-eye", "right-eyebrow", "mouth"]
    mirrored = call(page, "parts", "return a.map(m.mirroredPart)", names)
    assert mirrored == ["right-eye", "left-eyebrow", "mouth"]


def test_the_mean_face_of_the_page_is_the_mean_of_the_training_landmarks(page: Page) -> None:
    table = pd.read_parquet(ROOT / "featviz" / "pretrained" / "landmarks.parquet")
    landmarks = np.stack(table.loc[table["split"] == "train", "landmarks"]).reshape(-1, 68, 2)
    mean = landmarks.mean(0)
    points, axis = call(page, "parts", "return [m.MEAN_FACE, m.AXIS]")
    np.testing.assert_allclose(points, mean, atol=0.51)
    assert axis == pytest.approx(mean[:, 0].mean(), abs=0.1)


KINDS = ["draw", "draw", "draw", "cut", "undo", "undo", "redo", "rebase", "restore"]


def test_a_history_replayed_from_its_events_is_the_same_with_all_its_undo(page: Page) -> None:
    """A random session; Python keeps its own stacks of states, the server's side is replayed."""
    script = """
      const { makeStroke, toWire, addStroke, eraseArea } = m;
      const nose = { part: "nose", points: [250, 240, 255, 330] };
      const history = new m.History(m.startStrokes([nose]));
      const all = history.base.map(toWire);
      const events = [{ id: "start", kind: "start", of: null, add: ["b0"], remove: [] }];
      const log = [];
      const chain = (one) => one.bases.map((state) => state.map((stroke) => stroke.id));
      const ids = () => [history.now.map((stroke) => stroke.id), chain(history)];
      log.push(["start", ids()]);
      for (const [what, x] of a) {
        let event = null;
        const { now } = history;
        const line = [[x, 0], [x, 500]];
        if (what === "draw") event = history.push(addStroke(now, "mouth", line), "draw");
        else if (what === "cut") event = history.push(eraseArea(now, [0, x], [511, x], 5), "cut");
        else if (what === "rebase") event = history.rebase();
        else if (what === "restore") {
          const step = history.timeline[x % (history.timeline.length || 1)];
          if (step) event = history.restore(step);
        } else if (what === "undo") event = history.undo();
        else event = history.redo();
        if (event) {
          for (const stroke of event.add) if (stroke.points) all.push(stroke);
          events.push({ ...event, add: event.add.map(({ id }) => id) });
        }
        log.push([what, ids(), event !== null]);
      }
      all.sort((one, other) => one.order - other.order);
      const again = m.History.fromServer(all, events);
      const walk = (one) => {
        const states = [];
        const note = () =>
          states.push([one.now.map(({ id, part, points }) => [id, part, points]), chain(one)]);
        do note(); while (one.undo());
        while (one.redo()) note();
        return states;
      };
      return { log, one: walk(history), other: walk(again), base: again.base.length };
    """
    rng = np.random.default_rng(1)
    for _ in range(5):
        steps = [[str(rng.choice(KINDS)), int(x)] for x in rng.integers(10, 500, 60)]
        result = call(page, "sketch", script, steps)
        past: list[list[Any]] = []
        future: list[list[Any]] = []
        # Every state that ever was, to go back to.
        story: list[list[Any]] = []
        now = result["log"][0][1]
        for (what, ids, happened), (_, x) in zip(result["log"][1:], steps, strict=True):
            if what == "undo" and past:
                future.append(now)
                now = past.pop()
            elif what == "redo" and future:
                past.append(now)
                now = future.pop()
            elif what in ("draw", "cut") and happened:
                past.append(now)
                now, future = [ids[0], now[1]], []
            elif what == "rebase":
                past.append(now)
                now, future = [now[0], [*now[1], now[0]]], []
            elif what == "restore" and happened:
                past.append(now)
                now, future = story[x % len(story)], []
            assert ids == now
            if happened:
                story.append(now)
        assert result["one"] == result["other"]
        assert len(result["one"]) == 1 + len(past) + len(past) + len(future)
        assert result["base"] == 1


def test_pieces_and_moved_strokes_keep_their_place_in_the_order(page: Page) -> None:
    script = """
      let state = [];
      for (let i = 0; i < 5; i++) state = m.addStroke(state, "mouth", [[0, 50 * i], [500, 50 * i]]);
      for (const x of [100, 200, 300, 300.5]) state = m.eraseArea(state, [x, 90], [x, 110], 4);
      [state] = m.moveStrokes(state, new Set([state[0].id, state.at(-1).id]), 3, 4);
      return state.map(({ order, points }) => [order, points[0][1]]);
    """
    placed = call(page, "sketch", script)
    orders = [order for order, _ in placed]
    assert orders == sorted(set(orders))
    assert [y for _, y in placed] == [4, 50, 100, 100, 100, 100, 150, 204]


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["zoom", "pan", "resize"]), st.floats(0.2, 5), st.floats(-900, 900)
        ),
        max_size=8,
    )
)
def test_the_view_goes_to_the_screen_and_back_and_never_loses_the_sheet(
    page: Page, steps: list[tuple[str, float, float]]
) -> None:
    script = """
      const view = new m.View();
      view.resize(700, 640);
      for (const [what, factor, move] of a) {
        if (what === "zoom") view.zoom(factor, [350 + move / 20, 320]);
        else if (what === "pan") view.pan(move, -move / 2);
        else view.resize(500 + factor * 100, 600);
      }
      const corners = [view.toScreen([-0.5, -0.5]), view.toScreen([511.5, 511.5])];
      const back = view.toSketch(view.toScreen([12.5, 400]));
      return { back, corners, size: [view.width, view.height] };
    """
    result = call(page, "view", script, steps)
    np.testing.assert_allclose(result["back"], [12.5, 400], atol=1e-9)
    (left, top), (right, bottom) = result["corners"]
    width, height = result["size"]
    assert min(right, width) - max(left, 0) >= 60
    assert min(bottom, height) - max(top, 0) >= 60
    assert right - left == pytest.approx(bottom - top)
    assert CANVAS == 512


def test_zooming_keeps_what_lies_under_the_pointer(page: Page) -> None:
    script = """
      const view = new m.View();
      view.resize(700, 640);
      return a.map(([factor, at]) => {
        const under = view.toSketch(at);
        view.zoom(factor, at);
        return [under, view.toSketch(at), view.scale];
      });
    """
    steps = [[2, [300, 200]], [3, [350, 320]], [0.4, [310, 250]], [1.1, [200, 300]]]
    for under, after, scale in call(page, "view", script, steps):
        np.testing.assert_allclose(after, under, atol=1e-9)
        assert scale > 0.5


# Words -------------------------------------------------------------------------------------------


def strings(page: Page) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = call(page, "strings", "return m.STRINGS")
    return table


def test_both_languages_have_the_same_words_and_fill_in_the_same_values(page: Page) -> None:
    english, chinese = strings(page)["en"], strings(page)["zh"]
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert text.strip(), key
        assert chinese[key].strip(), key
        holes = re.compile(r"\{(\w+)\}")
        assert set(holes.findall(text)) == set(holes.findall(chinese[key])), key
        assert re.search(r"[一-鿿]", chinese[key]) or key in {
            "faces.failed",
            "error.text",
            "live.latency",
            "language.other",
            "language.switch",
        }, key


def test_every_word_the_page_asks_for_is_in_the_table_and_none_is_idle(page: Page) -> None:
    english = strings(page)["en"]
    sources = {
        path.name: path.read_text(encoding="utf-8")
        for path in STATIC.iterdir()
        if path.suffix in (".js", ".html") and path.name != "strings.js"
    }
    text = "\n".join(sources.values())
    asked = set(re.findall(r'data-i18n(?:-label)?="([\w.-]+)"', text))
    # Keys that are put together: `tool.${id}` and the like.
    families = set(re.findall(r"`([a-z]+\.(?:[a-z]+-)?)\$\{", text))
    for literal in re.findall(r'"([a-z]+\.[a-z][\w-]*)"', text):
        if literal in english:
            asked.add(literal)
        else:
            assert not any(literal.startswith(f"{name}.") for name in _families(english)), literal
    assert asked <= set(english)
    idle = [
        key
        for key in english
        if key not in asked and not key.startswith(tuple(families)) and f'"{key}"' not in text
    ]
    assert idle == []


def _families(table: dict[str, str]) -> set[str]:
    return {key.partition(".")[0] for key in table if "." in key}
