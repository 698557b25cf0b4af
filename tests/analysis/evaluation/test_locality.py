import numpy as np
import pytest
from PIL import Image

from featviz.analysis.evaluation.locality import (
    EYES_MEASURE,
    RATIO_MEASURE,
    measure_locality,
    summarize_changes,
)
from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import Drawing, Stroke, rasterize, write_svg
from featviz.sketches.edits import Edit, absolute_change
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image

SHIPPED = "sketches"


@pytest.fixture(scope="module")
def shipped(request):
    return read_sketches(request.config.rootpath / SHIPPED)


def copies(sketch):
    """A generator that keeps every edit where it is: the image is the sketch."""
    return encode_image(sketch)[None]


def shifts_everything(sketch):
    """A generator that makes the whole image darker for every inked pixel, as a mean would."""
    return copies(sketch) - float((sketch == 0).mean())


def test_an_image_that_copies_its_sketch_changes_nowhere_else(shipped):
    result = measure_locality(copies, shipped.of_groups("G8"), 512, margin=0, most=3)
    assert len(result.changes) == 3
    assert result.skipped == ()
    # Without a margin the edited area is exactly the pixels that turn from paper to ink or back.
    assert (result.changes["inside"] == 255).all()
    assert (result.changes["outside"] == 0).all()
    wide = measure_locality(copies, shipped.of_groups("G8"), 512, margin=16, most=3).changes
    assert (wide["outside"] == 0).all()
    assert (wide["inside"] < 100).all()
    ink = result.changes["area"] * 255
    assert np.allclose(wide["inside"] * wide["area"], ink)


def test_change_that_is_everywhere_has_a_ratio_of_nearly_one(shipped):
    group = shipped.of_groups("G9")
    changes = measure_locality(shifts_everything, group, 512, most=4).changes
    base, sketch = (group.image(i) for i in (0, group.index.index[-1]))
    mean = abs(float((sketch == 0).mean()) - float((base == 0).mean())) * 127.5
    assert changes["outside"].iloc[-1] == pytest.approx(mean, rel=1e-4)
    assert changes["eyes"].iloc[-1] == pytest.approx(mean, rel=1e-4)
    everywhere = summarize_changes(changes.assign(inside=changes["outside"]))
    assert everywhere[RATIO_MEASURE].value == pytest.approx(1)


@pytest.mark.parametrize(("levels", "seen"), [(2.5, 0.0), (2.6, 100 * 512)])
def test_beyond_is_the_share_of_pixels_outside_that_change_by_more_than_is_seen(
    shipped, levels, seen
):
    group = shipped.of_groups("G8")
    base = group.image(0)

    def darkens_a_band(sketch):
        # All above row 100, far from every mouth, in every sketch but the base.
        image = copies(sketch).clone()
        image[:, :, :100] -= levels / 127.5 * float((sketch != base).any())
        return image

    changes = measure_locality(darkens_a_band, group, 512, margin=0, most=2).changes
    outside = (1 - changes["area"]) * 512**2
    assert (changes["beyond"] * outside).tolist() == pytest.approx([seen, seen])


def test_the_change_at_the_eyes_is_that_of_their_surroundings_where_they_are_not_edited(shipped):
    def marks_the_eye(sketch):
        image = copies(sketch).clone()
        # As dark as there is ink below the eyes, and only at one eye of the base.
        image[:, :, 240:260, 160:180] -= float((sketch[300:] == 0).mean())
        return image

    group = shipped.of_groups("G8")
    changes = measure_locality(marks_the_eye, group, 512, margin=8, most=2).changes
    row = changes.iloc[-1]
    base, sketch = group.image(0), group.image(len(group) - 1)
    change = absolute_change(marks_the_eye(sketch), marks_the_eye(base))
    drawing = group.drawing(0)
    strokes = drawing.part("left-eye") + drawing.part("right-eye")
    eyes = rasterize(Drawing(strokes, 512)) == 0
    y, x = np.mgrid[:512, :512]
    marked = np.argwhere(eyes)
    window = np.zeros((512, 512), bool)
    for row_of, column in marked:
        window |= (y - row_of) ** 2 + (x - column) ** 2 <= 64
    assert not (window & Edit(base, sketch, margin=8).area).any()
    assert row["eyes"] == pytest.approx(change[window].mean())
    assert 0 < row["outside"] < row["eyes"]


def test_edited_eyes_have_no_change_at_unedited_eyes(shipped):
    changes = measure_locality(copies, shipped.of_groups("G5", "G6", "G9"), 512, most=2).changes
    assert changes[changes["group"].isin(["G5", "G6"])]["eyes"].isna().all()
    assert changes[changes["group"] == "G9"]["eyes"].notna().all()
    assert np.isnan(summarize_changes(changes[changes["group"] == "G5"])[EYES_MEASURE].value)


def test_changes_come_in_the_order_of_the_sketches_whatever_their_bases(shipped):
    # G11 is drawn on G8's face and G10 on G9's: measured base by base, told group by group.
    part = shipped.of_groups("G8", "G9", "G10", "G11")
    changes = measure_locality(copies, part, 128, most=2).changes
    assert list(changes["group"].drop_duplicates()) == ["G8", "G9", "G10", "G11"]


def test_drawings_are_measured_at_any_size_and_margins_keep_their_share(shipped):
    part = shipped.of_groups("G9")
    small, large = (measure_locality(copies, part, size, most=2).changes for size in (256, 512))
    # Lines stay 2 px wide, so a smaller picture has relatively more of them.
    np.testing.assert_allclose(small["area"], large["area"], rtol=0.15)


def pixel_set(folder, *images, base="a"):
    rows = ["sketch,group,file,base"]
    for name, image in zip("abcdefgh", images, strict=False):
        Image.fromarray(image).save(folder / f"{name}.png")
        rows.append(f"{name},G,{name}.png,{base}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return read_sketches(folder, images[0].shape[0])


def test_sketches_of_pixels_have_edits_but_no_eyes(tmp_path):
    base = np.full((64, 64), 255, np.uint8)
    edit = base.copy()
    edit[10, 10:20] = 0
    changes = measure_locality(copies, pixel_set(tmp_path, base, edit), 64, margin=0).changes
    assert changes["area"].tolist() == [10 / 64**2]
    assert changes["inside"].tolist() == [255]
    assert changes["eyes"].isna().all()
    with pytest.raises(FeatvizError, match=r"a\.png is 64x64; expected 32x32"):
        measure_locality(copies, pixel_set(tmp_path, base, edit), 32)


def test_edits_that_cannot_be_measured_are_listed(tmp_path):
    base = np.full((64, 64), 255, np.uint8)
    edit = base.copy()
    edit[32, 32] = 0
    found = measure_locality(copies, pixel_set(tmp_path, base, edit, base), 64, margin=4)
    assert found.skipped == ("sketch c equals its base at 64 px",)
    assert found.changes["sketch"].tolist() == ["b"]
    found = measure_locality(copies, pixel_set(tmp_path, base, edit), 64, margin=4000)
    assert found.skipped == ("sketch b is edited everywhere at 64 px",)
    assert len(found.changes) == 0


def test_a_set_without_edits_is_refused(tmp_path):
    (tmp_path / "G").mkdir()
    drawing = Drawing((Stroke("nose", np.array([[1.0, 1.0], [9.0, 9.0]])),), 64)
    write_svg(drawing, tmp_path / "G" / "001.svg")
    with pytest.raises(FeatvizError, match="holds no edit: no sketch has a base"):
        measure_locality(copies, read_sketches(tmp_path, 64), 64)
