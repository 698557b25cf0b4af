"""The figures of generated faces: what their maps and captions say."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from analyses import figure_4_2, figure_4_3, figure_4_4, figure_4_5, figure_5_1
from analyses.faces import Change, Face, Sketch, change, edit_change, gallery
from analyses.study import Sources
from featviz.base.errors import FeatvizError
from featviz.faces.pairs import read_pairs
from featviz.figures.style import style
from featviz.generators.checkpoint_files import load_generator
from featviz.generators.generation import generate
from featviz.sketches.drawing import rasterize
from featviz.sketches.sketch_set import read_sketches


def caption(figure: Figure) -> str:
    return " ".join(text.get_text() for text in reversed(figure.texts))


def random_image(seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_a_change_is_the_mean_over_channels_of_the_absolute_difference() -> None:
    a, b = np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2, 3), np.uint8)
    a[0, 0], b[0, 0] = (10, 0, 5), (4, 3, 5)
    b[0, 1] = 255
    np.testing.assert_array_equal(change(a, b), [[3.0, 255.0]])


def test_an_edit_is_outlined_and_its_inside_and_outside_are_averaged_apart() -> None:
    base = np.full((64, 64), 255, np.uint8)
    sketch = base.copy()
    sketch[32, 32] = 0
    image, unchanged = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    rows, columns = np.mgrid[:64, :64]
    inside = np.hypot(rows - 32, columns - 32) <= 2  # 16 px at 512
    image[inside], image[~inside] = 40, 2
    shown = edit_change(image, unchanged, sketch, base)
    np.testing.assert_array_equal(shown.area, inside)
    assert shown.label == "in 40.0, out 2.0"


def test_a_gallery_has_an_axes_for_every_cell_and_one_scale_for_all_maps() -> None:
    cells = {
        "sketches": [Sketch(np.full((32, 32), 255, np.uint8))] * 3,
        "faces": [Face(random_image(seed)) for seed in range(3)],
        "changes": [None, Change(np.ones((32, 32)), label="1.0"), Change(np.zeros((32, 32)))],
    }
    with style():
        figure = gallery(cells, "A caption.", ["a", "b", "c"], "A remark.")
        without = gallery({"faces": cells["faces"]}, "A caption.")
    assert len(figure.axes) == 8 + 1
    assert len(without.axes) == 3
    assert "A caption. A remark." in caption(figure)
    limits = {image.get_clim() for ax in figure.axes[6:8] for image in ax.images}
    assert limits == {(0.0, 64.0)}
    figure.canvas.draw()
    boxes = [ax.get_tightbbox().extents for ax in figure.axes]
    width, height = figure.bbox.size
    assert all(box[0] >= 0 and box[1] >= 0 for box in boxes)
    assert all(box[2] <= width and box[3] <= height for box in boxes)


def test_figure_4_2_compares_moved_contours_with_the_one_in_place() -> None:
    with style():
        figure = figure_4_2.draw(Sources())
    means = {}
    pairs = read_pairs(Sources().landmarks).split("test")
    index = int(np.linspace(0, len(pairs) - 1, 5)[figure_4_2.CHOSEN])
    for name in ("modified", "augmented"):
        generator = load_generator(name).generator
        points = pairs.landmarks[index]
        sketches = [pairs.contour(index)]
        sketches += [
            pairs.contour(index, points=points + np.float32(shift))
            for shift in ((25, 0), (0, 25), (-25, -25))
        ]
        images = [generate(generator, rasterize(drawing)).astype(int) for drawing in sketches]
        means[name] = [np.abs(image - images[0]).mean() for image in images[1:]]
    labels = [ax.get_xlabel() for ax in figure.axes]
    labels = [label for label in labels if re.fullmatch(r"[\d.]+", label)]
    assert len(labels) == 10
    for name, first in (("modified", 0), ("augmented", 5)):
        assert labels[first : first + 3] == [f"{number:.1f}" for number in means[name]]
    told = r"Mean of the five moves: [\d.]+ without, [\d.]+ with augmentation\."
    assert re.search(told, caption(figure))


def test_a_channel_counts_as_dead_only_if_it_is_zero_for_every_sketch() -> None:
    loaded = load_generator("modified")
    width = loaded.metadata["architecture"]["width"]
    blank = np.full((64, 64), 255, np.uint8)
    before = figure_4_3.dead_channels(loaded, [blank])
    assert before.endswith(f" of {31 * width}")
    loaded.generator.front_end.L0.conv.weight.data[0] = 0
    loaded.generator.front_end.L0.conv.bias.data[0] = -1  # ReLU leaves nothing, and no norm
    after = figure_4_3.dead_channels(loaded, [blank])
    lit = figure_4_3.dead_channels(load_generator("modified"), [blank, blank])
    assert lit == before
    assert int(after.split()[0]) >= int(before.split()[0])
    assert int(after.split()[0]) > 0


def test_crops_show_the_mouth_and_stay_in_the_picture() -> None:
    pairs = read_pairs(Sources().landmarks).split("test")
    for index in range(0, len(pairs), 40):
        x, y = figure_4_4.mouth(pairs, index)
        points = pairs.landmarks[index][48:68]
        middle = points.mean(axis=0) - [x, y]
        assert (np.abs(middle - 64) < 1).all() or not 64 <= points.mean(axis=0)[1] <= 448
        for corner in ((x, y), figure_4_4.forehead(pairs, index)):
            assert figure_4_4.crop(np.zeros((512, 512)), corner).shape == (128, 128)


def test_detail_is_zero_on_a_plain_picture_and_the_step_on_a_striped_one() -> None:
    plain = np.full((8, 8, 3), 100, np.uint8)
    assert figure_4_4.detail(plain) == 0
    striped = plain.copy()
    striped[::2] = 140
    assert figure_4_4.detail(striped) == pytest.approx(40 / 2)  # along one of two directions


def test_edits_figures_refuse_a_set_with_too_few_edits(tmp_path) -> None:
    (tmp_path / "G8").mkdir()
    sketches = read_sketches(Sources().sketches).of_groups("G8")
    (tmp_path / "G8" / "001.svg").write_bytes(
        (sketches.folder / sketches.index["file"].iloc[0]).read_bytes()
    )
    with pytest.raises(FeatvizError, match="has 1 sketches in G8; expected at least 6"):
        figure_4_5.draw(Sources(sketches=tmp_path))


def test_a_deformation_of_nothing_changes_nothing_and_moves_only_eye_mouth_and_jaw(pairs) -> None:
    points = pairs.landmarks[0]
    np.testing.assert_allclose(figure_5_1.deform(points, 0.0), points, atol=1e-4)
    moved = np.abs(figure_5_1.deform(points, 1.0) - points).max(axis=1) > 1e-3
    assert set(np.flatnonzero(moved)) == {*range(2, 8), *range(36, 42), *range(48, 68)}
