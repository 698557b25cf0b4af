import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from featviz.analysis.leakage import LeakageTable, summarize
from featviz.analysis.leakage.plots import (
    ZERO,
    MapRow,
    draw_edit,
    draw_layers,
    draw_leakage,
    draw_modes,
    maps_figure,
    paths_figure,
)
from featviz.figures.style import ADDED, REMOVED, save_figure
from tests.analysis.leakage.test_decomposition import with_corners
from tests.analysis.leakage.test_table import METADATA, rows


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_only_what_is_exactly_0_has_the_colour_of_0(ax, rng):
    change = 10 ** rng.uniform(-12, 1, (64, 64))
    change[:8] = 0
    draw_leakage(change, np.zeros((64, 64), dtype=bool), ax)
    (image,) = ax.images
    colors = image.to_rgba(image.get_array())
    has_zero_color = (np.abs(colors - to_rgba(ZERO)) < 1e-6).all(axis=2)
    assert np.array_equal(has_zero_color, change == 0)
    assert (colors[8:] == colors[8, 0]).all(axis=2).mean() < 0.6


def test_a_large_map_is_0_only_where_all_of_its_cells_are(ax):
    change = np.zeros((512, 512))
    change[0, 0] = 1e-9
    draw_leakage(change, change > 0, ax)
    mask = np.ma.getmaskarray(ax.images[0].get_array())
    assert mask.shape == (128, 128)
    assert np.argwhere(~mask).tolist() == [[0, 0]]


def test_the_outline_of_the_reach_runs_along_the_edges_of_cells(ax):
    reach = np.zeros((32, 32), dtype=bool)
    reach[10:14, 20:25] = True
    draw_leakage(np.ones((32, 32)), reach, ax)
    (path,) = (path for each in ax.collections for path in each.get_paths() if len(path.vertices))
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    assert low == pytest.approx([19.5, 9.5], abs=0.1)
    assert high == pytest.approx([24.5, 13.5], abs=0.1)


def test_an_edit_shows_what_came_and_what_went(ax):
    base = np.full((9, 20), 255, dtype=np.uint8)
    sketch = base.copy()
    base[2, 2:12], sketch[2, 8:18] = 0, 0
    picture = draw_edit(sketch, base, ax).images[0].get_array()
    assert picture[2, 4].tolist() == list(REMOVED)
    assert picture[2, 11].tolist() == [150, 150, 150]
    assert picture[2, 16].tolist() == list(ADDED)
    assert picture[7, 7].tolist() == [255, 255, 255]


def summarized():
    frame = rows()
    held = frame["mode"] == "all"
    frame.loc[held & (frame["layer"] == "L0"), "eyes"] = 0.0
    frame.loc[held & (frame["layer"] == "image"), "eyes"] = 0.1
    frame.loc[held, "eyes_by_statistics"] = 0.2
    return summarize(LeakageTable(frame, METADATA))


def test_lines_show_values_and_put_0_below_all_others(ax):
    found = summarized()
    draw_layers(found[found["group"] == "all"], ax, 0.01, 1.0)
    free, free_image, held, held_image = (line.get_ydata() for line in ax.lines)
    assert free[0] == free_image[0] == 0.25
    assert held_image[0] == pytest.approx(0.1)
    assert held[0] < 0.01
    assert ax.get_yticklabels()[0].get_text() == "0"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["L0", "image"]


def test_bars_show_what_each_part_makes_in_both_orders_in_grey_levels(ax):
    found = summarize(LeakageTable(with_corners(), METADATA))
    draw_modes(found[found["group"] == "all"], ax, 100)
    assert [label.get_text() for label in ax.get_yticklabels()][2] == "L0"
    widths = {round(bar.get_y() + 0.2, 1): bar.get_width() for bar in ax.patches}
    # L0 in line 2: held alone and free alone.
    assert (widths[1.8], widths[2.2]) == pytest.approx((255 / 32, 255 / 8))
    assert ax.lines[0].get_xdata()[0] == pytest.approx(0.25 * 255)
    assert [text.get_text() for text in ax.texts] == ["no norm"] * 7


def test_whole_figures_are_drawn_and_written(rng, tmp_path):
    layers = ("L0", "L4", "image")
    change = {layer: rng.random((32, 32)) for layer in layers}
    reach = {layer: np.ones((32, 32), dtype=bool) for layer in layers}
    reach["L0"] = rng.random((32, 32)) < 0.2
    sketch = np.full((64, 64), 255, dtype=np.uint8)
    outside = {"L0": change["L0"][~reach["L0"]].mean(), "L4": np.nan, "image": np.nan}
    rows = [MapRow("one", change, reach, outside, edit) for edit in ((sketch, sketch), None)]
    figure = maps_figure(rows, "Words.")
    assert [ax.get_title() for ax in figure.axes].count("edit") == 1
    # A sketch, two rows of maps, the scale and its 0.
    assert len(figure.axes) == 1 + 2 * 3 + 2
    told = [ax.get_xlabel() for ax in figure.axes]
    assert told.count("all in reach") == 4
    assert told.count(f"out: {change['L0'][~reach['L0']].mean():.4f}") == 2
    save_figure(figure, tmp_path / "maps.png")
    save_figure(paths_figure(summarized(), ["modified"], "Words."), tmp_path / "paths.pdf")
    assert (tmp_path / "paths.pdf").stat().st_size > 1000
