import re
from pathlib import Path

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.report import sketches as report_sketches
from featviz.report.sketches import SketchReader, picture_sketches
from featviz.sketches.edits import Edit, near
from featviz.sketches.sketch_set import read_sketch, read_sketches
from tests.report.conftest import Study


@pytest.mark.parametrize("size", [500, 512, 333])
def test_a_reader_gives_the_pixels_of_the_file_every_time(study: Study, size: int) -> None:
    path = read_sketches(study.sketches).path(1)
    read = SketchReader()
    expected = read_sketch(path, size)
    for _ in range(2):
        image = read(path, size)
        assert image.dtype == np.uint8 and np.array_equal(image, expected)
        image[:] = 7


def test_each_file_is_read_once_at_each_size(study: Study, monkeypatch) -> None:
    asked: list[tuple[Path, int]] = []

    def counted(path: Path, size: int, name: str | None) -> np.ndarray:
        asked.append((path, size))
        return read_sketch(path, size, name)

    monkeypatch.setattr(report_sketches, "read_sketch", counted)
    paths = [read_sketches(study.sketches).path(number) for number in range(2)]
    read = SketchReader()
    for path, size in [(paths[0], 512), (paths[1], 512), (paths[0], 512), (paths[0], 256)]:
        read(path, size)
    assert asked == [(paths[0], 512), (paths[1], 512), (paths[0], 256)]
    # One that keeps few reads again what it has let go.
    asked.clear()
    few = SketchReader(most=1)
    for path in (paths[0], paths[0], paths[1], paths[0]):
        few(path, 512)
    assert asked == [(paths[0], 512), (paths[1], 512), (paths[0], 512)]


def test_errors_call_a_sketch_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(FeatvizError, match=r"^sketch G1/1 is"):
        SketchReader()(tmp_path / "1.bmp", 512, "sketch G1/1")


def test_the_outline_of_an_edit_runs_around_its_edited_area(study: Study) -> None:
    """The path drawn by another program, filled, is the area but for what the line may be off."""
    from matplotlib.path import Path as Outline

    found = read_sketches(study.sketches)
    names = list(found.index["sketch"])
    groups = dict.fromkeys(["G1/001", "G1/002", "G8/003"], "G")
    base, hair, mouth = picture_sketches(groups, found, [], SketchReader())
    assert base.outline == ""
    centres = np.stack(np.meshgrid(np.arange(512), np.arange(512)), axis=-1).reshape(-1, 2)
    for pictured in (hair, mouth):
        images = (found.image(names.index(name)) for name in (pictured.base, pictured.name))
        area = Edit(*images).area
        inside = np.zeros(512 * 512, dtype=bool)
        for line in re.findall(r"M([^Mz]*)z", pictured.outline):
            steps = np.array(re.findall(r"-?\d+", line), dtype=int).reshape(-1, 2)
            # A hole takes out what its surroundings put in.
            inside ^= Outline(steps.cumsum(axis=0)).contains_points(centres)
        wrong = inside.reshape(512, 512) != area
        assert not wrong[~near(area, 4) | ~near(~area, 4)].any()
        assert wrong.mean() < 0.1 * area.mean()
