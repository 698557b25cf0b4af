"""Report and drawing page in the other browser that Debian has: they draw, and can be used."""

import json
from pathlib import Path

from tests.report.firefox import Firefox, running_firefox
from tests.studio.browser import running_server

PLOT = """(function find(root) { for (const one of root.querySelectorAll("*")) {
  const found = one.tagName === "CANVAS" ? one : one.shadowRoot && find(one.shadowRoot);
  if (found) return found; } })(document.querySelector(".plot"))"""
"""The canvas of the first panel, which Bokeh keeps in a shadow."""
APP = "import('/static/app.js').then(({ page }) => %s)"


def ink(firefox: Firefox, canvas: str) -> int:
    """How many dark pixels a canvas has."""
    count = """(canvas) => { const { width, height } = canvas;
      const copy = new OffscreenCanvas(width, height).getContext("2d");
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, width, height); let dark = 0;
      for (let i = 0; i < data.length; i += 4)
        dark += data[i + 3] > 128 && data[i] + data[i + 1] + data[i + 2] < 300;
      return dark; }"""
    return int(firefox.evaluate(f"({count})({canvas})"))


def test_firefox_draws_both_pages_selects_a_point_and_takes_a_stroke(
    page_file: Path, tmp_path: Path
) -> None:
    with running_firefox(tmp_path / "profile") as firefox:
        firefox.open(page_file.as_uri())
        assert ink(firefox, PLOT) > 100
        contents = json.loads(firefox.evaluate("document.getElementById('contents').textContent"))
        maps = [panel["maps"]["pca"] for row in contents["rows"] for panel in row["panels"]]
        drawn, half = maps[0], max(one["half"] for one in maps if one["unit"])
        box = firefox.evaluate("document.querySelector('.plot').getBoundingClientRect().toJSON()")
        x, y = ((drawn[axis][-1] - drawn["centre"][i]) / (2 * half) for i, axis in enumerate("xy"))
        place = box["x"] + (0.5 + x) * box["width"], box["y"] + (0.5 - y) * box["height"]
        firefox.drag([place])
        firefox.wait("document.getElementById('selection-text').textContent.includes('selected:')")
        with running_server(tmp_path) as server:
            firefox.open(server.address)
            canvas = APP % "page.board.canvas"
            box = firefox.evaluate(APP % "page.board.canvas.getBoundingClientRect().toJSON()")
            # The page opens on a face.
            firefox.wait(APP % "page.sheet.strokes.length > 0")
            opened = firefox.evaluate(APP % "page.sheet.strokes.length")
            before = ink(firefox, f"await {canvas}")
            firefox.drag(
                [
                    (box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
                    for share in (0.3, 0.5, 0.7)
                ]
            )
            firefox.wait(APP % f"page.sheet.strokes.length === {opened + 1}")
            assert ink(firefox, f"await {canvas}") > before + 50
        assert firefox.complaints == []
