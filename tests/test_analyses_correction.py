import pandas as pd
import pytest

from analyses import correction
from analyses.correction import WAYS, correction_figure, correction_table

MEASURES = ("kernel distance", "inner", "outline")


@pytest.fixture
def rows():
    """Two generators, each way a little worse when deformed."""
    return pd.DataFrame(
        [
            {"generator": name, "deformed": amount, "way": way, "found": 1.0}
            | dict.fromkeys(MEASURES, 1 + amount * (k + 1))
            | {f"{m} error": 0.1 for m in MEASURES}
            for name in ("baseline", "modified")
            for amount in (0.0, 1.0)
            for k, way in enumerate(WAYS)
        ]
    )


def test_the_table_tells_what_is_left_of_the_rise_of_what_is_drawn(rows):
    lines = correction_table(rows).splitlines()
    assert len(lines) == 2 + 2 * len(WAYS)
    rises = [line.split("|")[5].strip() for line in lines[2:]]
    assert rises == [f"{k + 1}00%" for k in range(len(WAYS))] * 2
    assert "2.0000 ± 0.1000" in lines[2]


def test_the_figure_has_a_panel_for_each_generator_and_measure_and_a_line_for_each_way(rows):
    figure = correction_figure(rows)
    assert len(figure.axes) == 6
    for ax in figure.axes:
        assert len(ax.containers) == len(WAYS)


def test_faces_that_are_not_there_are_told_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        correction.main(["--data", str(tmp_path), "--generators", "modified"])
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith("analyses.correction: error: ") and error.count("\n") == 1
