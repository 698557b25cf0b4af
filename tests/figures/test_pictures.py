"""Pictures of sketches and receptive fields on axes."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from featviz.figures.style import draw_receptive_fields, draw_sketch, save_figure


def saved_pixels(figure: Figure, path: Path) -> NDArray[np.float64]:
    save_figure(figure, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


@pytest.mark.parametrize("side", [0.4, 0.74, 0.9])
def test_a_sketch_drawn_small_keeps_its_lines_whole_and_even(side: float, tmp_path: Path) -> None:
    # Two lines 2 px wide that pass every position between pixels: one nearly upright, one flat.
    at = np.arange(512)
    for transpose in (False, True):
        sketch = np.full((512, 512), 255, np.uint8)
        for shift in (0, 1):
            sketch[at, 200 + shift + at // 20] = 0
        figure = Figure(figsize=(1, 1))
        draw_sketch(sketch.T if transpose else sketch, figure.add_axes((0.03, 0.03, side, side)))
        pixels = saved_pixels(figure, tmp_path / "line.png")
        # Inside the frame; row by row along the line.
        low, high = 12, int(200 * side) - 2
        inside = pixels[200 - high : 200 - low, low:high]
        ink = (255 - (inside.T if transpose else inside)).sum(axis=1) / 255
        assert ink.min() > 0.5 * ink.max() > 0


def test_a_sketch_keeps_its_size_where_there_is_room() -> None:
    sketch = np.full((40, 60), 255, np.uint8)
    sketch[10, 20] = 0
    ax = draw_sketch(sketch, Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1)))
    shown = np.asarray(ax.images[0].get_array())
    # An ink pixel covers the one below and to the right of it too.
    assert {tuple(place) for place in np.argwhere(shown == 0)} == {
        (10, 20),
        (10, 21),
        (11, 20),
        (11, 21),
    }


def test_a_receptive_field_is_outlined_around_its_outermost_pixels() -> None:
    ax = Figure().add_subplot()
    draw_receptive_fields(
        np.full((64, 64), 255, np.uint8), {"L0": (10, 20, 16, 26)}, (13, 23), ax, around=20
    )
    (outline,) = ax.patches
    corners = ax.transData.inverted().transform(outline.get_extents().corners())
    assert sorted(set(corners.round(6).ravel())) == [9.5, 16.5, 19.5, 26.5]


@pytest.mark.parametrize("around", [None, 20])
def test_boxes_with_common_edges_can_all_be_seen(around: int | None, tmp_path: Path) -> None:
    # Three share their upper left corner, as the fields of L1, L2 and L3 do.
    boxes = {
        "L0": (17, 17, 23, 23),
        "L1": (16, 16, 24, 24),
        "L2": (16, 16, 28, 28),
        "L3": (16, 16, 36, 36),
    }
    figure = Figure(figsize=(3, 3))
    ax = figure.add_axes((0, 0, 1, 1))
    draw_receptive_fields(np.full((60, 60), 255, np.uint8), boxes, (20, 20), ax, around=around)
    colors = {patch.get_label(): np.array(to_rgb(patch.get_edgecolor())) for patch in ax.patches}
    save_figure(figure, tmp_path / "boxes.png")
    with Image.open(tmp_path / "boxes.png") as image:
        pixels = np.asarray(image.convert("RGB")) / 255
    # Across the common left edge, at a row of the picture that all boxes reach.
    column = ax.transData.transform((15.5, 22)) * 200 / figure.dpi
    x, y = int(column[0]), pixels.shape[0] - int(column[1])
    across = pixels[y, x - 12 : x + 12]
    for name in ("L1", "L2", "L3"):
        assert np.abs(across - colors[name]).max(axis=1).min() < 0.12, name
