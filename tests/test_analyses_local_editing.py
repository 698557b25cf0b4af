"""The picture of edits that stay: what its cells and its error say."""

from dataclasses import replace

import numpy as np
import pytest

from analyses import local_editing
from analyses.faces import Change, Face, Sketch
from analyses.local_editing import ROWS, cells, draw, main
from featviz.figures.style import style
from featviz.generators.checkpoint_files import LoadedGenerator
from featviz.generators.generation import generate
from featviz.sketches.edits import Edit


@pytest.fixture(scope="module")
def loaded(make) -> LoadedGenerator:
    return LoadedGenerator("thin", make(width=2, residual_blocks=1), {}, "0")


def test_a_row_shows_the_base_free_and_kept_faces_and_their_changes(loaded, shipped) -> None:
    found = cells(loaded, shipped, ROWS[0])
    sketch, base, free, free_change, kept, kept_change = found
    assert isinstance(sketch, Sketch) and isinstance(kept_change, Change)
    assert isinstance(free_change, Change) and isinstance(kept, Face)
    assert isinstance(base, Face) and isinstance(free, Face)
    names = list(shipped.index["sketch"])
    drawn = [shipped.image(names.index(name)) for name in ("G8/001", ROWS[0].sketch)]
    area = Edit(drawn[0], drawn[1]).area
    np.testing.assert_array_equal(sketch.area, area)
    # The oracle runs twice more than `generate`, whose engine may fuse layers.
    for shown, image in zip((base, free), drawn, strict=True):
        assert np.abs(shown.pixels.astype(int) - generate(loaded.generator, image)).max() <= 1
    for shown, change in ((free, free_change), (kept, kept_change)):
        levels = np.abs(shown.pixels.astype(float) - base.pixels).mean(axis=2)
        np.testing.assert_allclose(change.levels, levels)
    assert kept_change.levels[~area].mean() < free_change.levels[~area].mean() / 10


def test_the_picture_has_six_cells_a_row(loaded, shipped, monkeypatch) -> None:
    monkeypatch.setattr(local_editing, "ROWS", ROWS[:2])
    with style():
        figure = draw(loaded, shipped)
    # And the scale of colours.
    assert len(figure.axes) == 2 * 6 + 1
    # The sketch and both maps have the edited area outlined.
    outlined = [len(ax.collections) for ax in figure.axes[:6]]
    assert outlined == [1, 0, 0, 1, 0, 1]


def test_a_set_without_the_edits_is_refused_in_one_line(
    shipped, tmp_path, monkeypatch, capsys
) -> None:
    few = replace(shipped, index=shipped.of_groups("G9").index)
    monkeypatch.setattr(local_editing, "read_sketches", lambda folder: few)
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path)])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "has no sketch G8/026" in error
    assert not list(tmp_path.iterdir())
