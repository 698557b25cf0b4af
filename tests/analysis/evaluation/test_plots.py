import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from featviz.analysis.evaluation.plots import (
    draw_local,
    draw_locality,
    draw_quality,
    draw_robustness,
    evaluation_figure,
    looks,
)
from featviz.figures.style import style
from tests.analysis.evaluation.conftest import WAYS, made_up_table

GROUPS = ("G1", "G2", "G3", "G4", "G5", "G6", "G8", "G9", "G10", "G11")
NAMES = ("baseline", "modified", "no-norm", "runs/baseline", "runs/a-rather-long-name")


def points(ax):
    """(x, y) of what was drawn with error bars, in the order of drawing."""
    lines = [c.lines[0] for c in ax.containers if isinstance(c, ErrorbarContainer)]
    return [np.column_stack(line.get_data()).astype(float) for line in lines]


def test_quality_is_a_line_a_checkpoint_in_their_order():
    table = made_up_table()
    ax = draw_quality(table, Figure().add_subplot(), "ssim")
    values = [
        table.estimate(checkpoint=n, part="quality", measure="ssim").value for n in looks(table)
    ]
    assert [tuple(p[0]) for p in points(ax)] == [(values[0], 0), (values[1], 1)]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_locality_shows_every_group_and_the_mean_and_a_dash_for_what_is_missing():
    table = made_up_table()
    ax = draw_locality(table, Figure().add_subplot(), "eyes")
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["G1", "G5", "G8", "mean"]
    for number, name in enumerate(looks(table)):
        drawn = np.concatenate(points(ax)[3 * number : 3 * number + 3])
        assert np.rint(drawn[:, 0]).tolist() == [0, 2, 3]
        where = {"checkpoint": name, "part": "locality", "measure": "eyes"}
        wanted = [table.estimate(**where, group=group).value for group in ("G1", "G8", "all")]
        assert drawn[:, 1].tolist() == wanted
    assert [text.xy[0] for text in ax.texts] == [1]


def test_robustness_is_a_curve_over_the_amounts():
    table = made_up_table()
    ax = draw_robustness(table, Figure().add_subplot(), "lpips", "shift")
    for name, curve in zip(looks(table), points(ax), strict=True):
        rows = table.values(checkpoint=name, part="robustness", measure="lpips", move="shift")
        assert curve[:, 0].tolist() == [0, 5, 10, 15, 20, 25]
        assert curve[:, 1].tolist() == rows["value"].tolist()


def test_local_editing_has_a_place_for_every_way_and_a_look_for_every_checkpoint():
    table = made_up_table()
    ax = draw_local(table, Figure().add_subplot(), "outside")
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        way.replace(" ", "\n") for way in WAYS
    ]
    where = {"part": "local", "measure": "outside", "group": "all"}
    wanted = [
        table.estimate(checkpoint=name, way=way, **where).value
        for name in looks(table)
        for way in WAYS
    ]
    assert [float(point[0, 1]) for point in points(ax)] == wanted
    assert [int(np.rint(point[0, 0])) for point in points(ax)] == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[:3], NAMES])
@pytest.mark.parametrize(
    "parts",
    [["quality"], ["locality"], ["robustness"], ["local"], ["quality", "locality", "robustness"]],
)
def test_nothing_is_clipped_and_no_words_run_into_others(names, parts):
    with style():
        figure = evaluation_figure(made_up_table(names, GROUPS, parts))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        boxes = [ax.get_tightbbox(renderer) for ax in figure.axes]
        boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations([box.padded(-1) for box in boxes], 2):
        assert not a.overlaps(b)


def test_checkpoints_have_looks_of_their_own():
    assert len(set(looks(made_up_table([f"run {i}" for i in range(7)])).values())) == 7
