"""Drawings whose parts follow or are corrected, with the contours of held-out faces."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from featviz.base.assets import PRETRAINED
from featviz.base.errors import FeatvizError
from featviz.faces.contours import contours
from featviz.faces.correction import PARTS, Correction, drawn_landmarks, parse_correction
from featviz.faces.pairs import read_pairs
from featviz.sketches.drawing import Drawing, Stroke, changed_parts

FACES = 8


@pytest.fixture(scope="module")
def faces():
    """Landmarks of held-out faces, (N, 68, 2)."""
    return read_pairs(PRETRAINED).split("test").landmarks[:FACES].astype(float)


def line(drawing, part="face-shape"):
    """Points along a part, close to each other."""
    points = np.concatenate([stroke.points for stroke in drawing.part(part)])
    steps = np.linspace(0, len(points) - 1, 20 * len(points))
    return np.stack([np.interp(steps, range(len(points)), axis) for axis in points.T], axis=1)


def apart(first, second):
    """Mean distance of two lines, each point to the nearest of the other."""
    distances = np.linalg.norm(line(first)[:, None] - line(second), axis=2)
    return (distances.min(axis=0).mean() + distances.min(axis=1).mean()) / 2


def bent(landmarks, pixels, rng):
    """The outline off by a smooth bend."""
    bend = gaussian_filter1d(rng.normal(0, 1, (17, 2)), 3, axis=0, mode="nearest")
    moved = landmarks.copy()
    moved[:17] += pixels * bend / bend.std()
    return moved


@pytest.mark.parametrize("way", ["gaussian", "neighbours"])
def test_an_outline_that_is_off_comes_half_way_back_or_more(faces, rng, way):
    correction = Correction({"outline": 1}, way)
    before, after = [], []
    for landmarks in faces:
        meant, drawn = contours(landmarks), contours(bent(landmarks, 20, rng))
        before.append(apart(drawn, meant))
        after.append(apart(correction(drawn), meant))
    assert np.mean(before) > 10
    assert np.mean(after) < np.mean(before) / 2


def test_the_gaussian_is_nearer_than_neighbours_and_than_the_mean_outline(faces, rng):
    found = {"gaussian": [], "neighbours": [], "mean": []}
    usual = faces[:, :17].mean(axis=0)
    for landmarks in faces:
        meant, drawn = contours(landmarks), contours(bent(landmarks, 12, rng))
        for way in ("gaussian", "neighbours"):
            found[way].append(apart(Correction({"outline": 1}, way)(drawn), meant))
        found["mean"].append(apart(contours(np.concatenate([usual, landmarks[17:]])), meant))
    means = {way: np.mean(each) for way, each in found.items()}
    assert means["gaussian"] < means["neighbours"] < means["mean"]


def test_an_amount_moves_each_point_as_much_of_the_way(faces):
    drawing = contours(faces[0] + np.array([0.0, 20.0]) * (np.arange(68) < 17)[:, None])
    whole, half, nothing = (Correction({"outline": a})(drawing) for a in (1, 0.5, 0))
    assert nothing is drawing
    (start,), (end,), (middle,) = (
        [stroke.points for stroke in each.part("face-shape")]
        for each in (Correction({"outline": 1e-9})(drawing), whole, half)
    )
    assert np.abs(end - start).max() > 10
    assert np.allclose(middle, (start + end) / 2, atol=1e-6)
    others = changed_parts(drawing, whole)
    assert others == ("face-shape",)


def test_a_drawing_of_any_size_is_corrected_alike(faces):
    drawing = contours(faces[1])
    correct = Correction({"outline": 1, "mouth": 0.5})
    small = correct(drawing.scaled(128))
    assert small.size == 128
    assert apart(small.scaled(512), correct(drawing)) < 0.2


def test_parts_are_corrected_alone_or_together(faces):
    drawing = contours(faces[2])
    for name, parts in PARTS.items():
        assert changed_parts(drawing, Correction({name: 1})(drawing)) == tuple(sorted(parts))
    assert changed_parts(drawing, Correction({"left-eye": 1})(drawing)) == ("left-eye",)
    every = Correction(dict.fromkeys(PARTS, 1))(drawing)
    assert len(changed_parts(drawing, every)) == 7


def test_landmarks_are_found_along_the_strokes_of_a_contour(faces):
    for landmarks in faces:
        found = drawn_landmarks(contours(landmarks))
        inner = np.r_[17:48]
        assert np.linalg.norm(found - landmarks, axis=1)[inner].mean() < 3
        assert np.isnan(drawn_landmarks(Drawing(contours(landmarks).part("nose")))[:27]).all()


def test_a_stroke_that_leads_very_far_is_corrected_in_little_memory(faces):
    drawing = contours(faces[0])
    (outline,) = drawing.part("face-shape")
    far = Stroke("face-shape", np.vstack([outline.points, [[1e8, 1e8]]]))
    corrected = Correction({"outline": 1})(drawing.with_part("face-shape", [far]))
    assert sum(len(stroke.points) for stroke in corrected.strokes) < 20_000


def test_an_edit_of_another_part_leaves_the_corrected_outline_as_it_was(faces):
    base = contours(faces[3])
    smile = faces[3].copy()
    smile[48:] *= 1.05
    edited = contours(smile)
    correction = Correction({"outline": 1})
    corrected = correction(base)
    kept = correction.of_edit(corrected, base, edited)
    assert changed_parts(corrected, kept) == ("mouth",)
    assert changed_parts(kept, edited) == ("face-shape",)
    wider = faces[3].copy()
    wider[:17, 1] += 15
    moved = correction.of_edit(corrected, base, contours(wider))
    assert changed_parts(corrected, moved) == ("face-shape",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chin=1"], "no part 'chin' to correct; there are outline, eyebrows, eyes, nose, mouth"),
        (["outline=1.5"], "outline cannot be corrected by 1.5; expected 0 .* to 1"),
        (["outline"], "cannot correct 'outline'; expected a part and how much of it"),
        (["outline=1..2"], r"cannot correct 'outline=1..2'"),
        (["outline=nan"], "cannot correct 'outline=nan'"),
        (["outline=1", "outline=0"], "outline is to be corrected twice"),
    ],
)
def test_what_cannot_be_corrected_is_told_in_one_line(words, message):
    with pytest.raises(FeatvizError, match=message) as caught:
        parse_correction(words)
    assert "\n" not in str(caught.value)


def test_a_drawing_without_the_part_and_one_that_is_a_dot_are_refused(faces):
    without = contours(faces[0]).with_part("face-shape", ())
    with pytest.raises(FeatvizError, match="face-shape, which is not drawn; the drawing has left-"):
        Correction({"outline": 1})(without)
    dot = without.with_part("face-shape", [Stroke("face-shape", np.array([[5.0, 5.0]]))])
    with pytest.raises(FeatvizError, match="face-shape, which is a dot"):
        Correction({"outline": 1})(dot)
    assert changed_parts(without, Correction({"mouth": 1})(without)) == ("mouth",)
