import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from featviz.analysis.embedding import embed_all
from featviz.analysis.embedding.plots import embedding_figure
from featviz.base.errors import FeatvizWarning
from featviz.base.feature_table import FeatureTable
from featviz.figures.labels import text_width
from featviz.figures.style import _OTHER_SCRIPTS, save_figure, style, wrap_caption


def figure_of(groups, checkpoint="m"):
    vectors = np.random.default_rng(0).normal(size=(4 * len(groups), 6)).astype(np.float32)
    rows = pd.DataFrame(
        [(f"{group}/{i}", group, 10, 10) for group in groups for i in range(4)],
        columns=["sketch", "group", "point_x", "point_y"],
    )
    table = FeatureTable(rows, {"L0": vectors}, {"checkpoint": checkpoint})
    return embedding_figure(embed_all([table], "pca", ["L0"]))


@pytest.mark.parametrize("name", ["$\\frac$", "from $5 to $9", "run_$x^$"])
def test_dollar_signs_in_names_are_no_mathematics(tmp_path, name):
    # Made and saved without the project's style, as somebody's own script would.
    figure = figure_of([name, "b"], checkpoint=name)
    figure.savefig(tmp_path / "own.png")
    with style():
        figure = figure_of([name, "b"], checkpoint=name)
    save_figure(figure, tmp_path / "ours.svg")
    assert f">{name}</text>" in (tmp_path / "ours.svg").read_text(encoding="utf-8")


def test_names_that_are_too_long_leave_neither_legend_nor_figure():
    with style():
        figure = figure_of(["x" * 270, "y" * 270, "G1"], checkpoint="z" * 270)
        figure.draw_without_rendering()
    width, height = figure.bbox.size
    boxes = [figure.legends[0].get_window_extent(), figure.axes[0].title.get_window_extent()]
    boxes += [text.get_window_extent() for text in figure.texts]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_letters_that_no_font_has_are_told_of_in_one_line(tmp_path):
    figure = Figure()
    # A letter of the private use area, which the fonts for people's names do not draw.
    figure.text(0.5, 0.5, "\uf8fe")
    with pytest.warns(
        FeatvizWarning, match="no installed font has, drawn as boxes: \uf8fe"
    ) as caught:
        save_figure(figure, tmp_path / "a.png")
    assert len(caught) == 1


def test_chinese_names_are_drawn_where_a_font_has_them_and_told_of_elsewhere(tmp_path):
    has_font = bool(set(_OTHER_SCRIPTS) & set(fontManager.get_font_names()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with style():
            figure = figure_of(["头发", "嘴"])
        save_figure(figure, tmp_path / "a.png")
    assert [type(warning.message) for warning in caught] == [FeatvizWarning] * (not has_font)


def test_words_wider_than_a_caption_are_broken():
    with style():
        lines = wrap_caption("before " + "x" * 500 + " after", 4.0)
        assert all(text_width(line, 7) <= 4.0 for line in lines)
    assert "".join(lines).replace(" ", "") == "before" + "x" * 500 + "after"
