from dataclasses import replace

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.search import (
    MOST_DISTANCE,
    Searcher,
    Similarity,
    best_similarity,
    laid_over,
)
from featviz.retrieval.shapes import (
    OUTLINE,
    SEARCHED_PARTS,
    along_strokes,
    chamfer,
    frame_of,
    normalised,
)
from featviz.retrieval.shapes import of_landmarks as points_of


def similarity(scale, degrees, by):
    turn = np.radians(degrees)
    matrix = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return Similarity(scale * np.array(matrix), np.array(by, dtype=float))


def test_the_best_similarity_of_pairs_is_the_one_that_made_them(rng):
    made = similarity(0.8, -33, (5, 70))
    source = rng.normal(200, 40, (9, 2))
    found = best_similarity(source, made(source))
    np.testing.assert_allclose(found.matrix, made.matrix)
    np.testing.assert_allclose(found.by, made.by)
    assert (found.scale, found.degrees) == pytest.approx((0.8, -33))


def test_a_part_is_laid_over_the_same_part_turned_scaled_and_moved(database):
    for part in SEARCHED_PARTS:
        points = points_of(database.landmarks[:1], part)[0]
        made = similarity(1.2, 9, (-60, 20))
        # Drawn from either end.
        for drawn in (made(points), made(points)[::-1]):
            found = laid_over(points, drawn)
            np.testing.assert_allclose(found(points), made(points), atol=0.1, err_msg=part)


def test_a_contour_of_the_data_base_is_its_own_nearest(database):
    for face in range(len(database)):
        found = Searcher(database).find_all(parts_by_name(database.pairs.contour(face)))
        outline = found[OUTLINE]
        assert (outline.face, outline.state) == (face, "matched")
        for part, match in found.items():
            assert (match.face, match.state) == (face, "matched"), part
            assert match.distance < 0.01 and match.lay.scale == pytest.approx(1, abs=1e-3)


def test_the_nearest_is_that_of_every_one_looked_at_and_its_distance_is_told(database, faces):
    drawn = parts_by_name(faces.contour(0, 512))
    for part, points in drawn.items():
        match = Searcher(database).find(part, points)
        others = points_of(database.landmarks, part)
        shapes = normalised(others, frame_of(others))
        apart = chamfer(normalised(points, frame_of(points)), shapes)
        assert match.face == apart.argmin() and match.relative == pytest.approx(apart.min())
        assert match.distance < apart.min() * frame_of(points).radius + 0.5


def test_of_parts_that_are_as_good_the_one_with_the_colours_of_the_base_is_taken(database, faces):
    searcher = Searcher(database)
    # Alike in all: then each base finds itself.
    alike = np.repeat(database.landmarks[:1], len(database), axis=0)
    searcher.database = replace(database, landmarks=alike)
    nose = parts_by_name(database.pairs.contour(0))["nose"]
    assert [searcher.find("nose", nose, base).face for base in range(len(database))] == [
        *range(len(database))
    ]


def test_what_no_face_has_has_no_match_and_what_is_not_drawn_is_not_searched(database):
    upright = along_strokes([np.array([[256.0, 300], [256, 420]])])
    found = Searcher(database).find_all({"mouth": upright})
    assert found["mouth"].state == "no match" and found["mouth"].relative > MOST_DISTANCE
    assert {found[part].state for part in SEARCHED_PARTS if part != "mouth"} == {"not drawn"}
    with pytest.raises(FeatvizError, match="no part of a face is drawn"):
        Searcher(database).find_all({})


def test_without_an_outline_the_base_is_the_face_whose_parts_lie_there(database):
    for face in range(len(database)):
        drawn = parts_by_name(database.pairs.contour(face))
        found = Searcher(database).find_all({part: drawn[part] for part in SEARCHED_PARTS[2:]})
        assert found[OUTLINE].face == face and found[OUTLINE].state == "not drawn"
        assert found[OUTLINE].lay.scale == 1
