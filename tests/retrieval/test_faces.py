import numpy as np
import pytest

from featviz.retrieval.faces import Retriever
from featviz.retrieval.fusion import laid
from featviz.retrieval.shapes import OUTLINE, SEARCHED_PARTS
from featviz.sketches.drawing import Stroke, rasterize

SIZE = 96


@pytest.fixture(scope="module")
def retrieve(database):
    return Retriever(database, SIZE)


def test_a_contour_of_the_data_base_gives_its_own_photo(database, retrieve):
    for number in range(2):
        found = retrieve(database.pairs.contour(number))
        photo = laid(database.pairs.photo(number, SIZE), found.matches[OUTLINE].lay, SIZE)
        assert np.abs(found.image.astype(int) - photo).max() <= 1
        assert set(found.areas) == set(SEARCHED_PARTS[1:])


def test_what_is_not_drawn_stays_as_it_is_in_the_base(faces, retrieve):
    drawing = faces.contour(0)
    without = drawing.with_part("nose", ()).with_part("mouth", ())
    found = retrieve(without)
    assert found.matches["nose"].state == "not drawn" and "nose" not in found.areas
    outside = ~np.any(list(found.areas.values()), axis=0)
    assert (found.image == found.base)[outside].all() and outside.mean() > 0.7
    alone = retrieve(without.with_part("left-eye", ()).with_part("right-eye", ()))
    assert (alone.image != found.image).any()


def test_an_edit_of_a_part_changes_nothing_beyond_its_areas_to_the_last_bit(
    faces, database, retrieve
):
    base = faces.contour(0)
    before = retrieve(base)
    for part in ("mouth", "left-eye"):
        other = [
            Stroke(part, stroke.points + np.array([4, -2]))
            for stroke in database.pairs.contour(2).part(part)
        ]
        after = retrieve(base.with_part(part, other))
        reach = before.areas[part] | after.areas[part]
        changed = (before.image != after.image).any(axis=2)
        assert changed.any() and not changed[~reach].any(), part
        assert reach.mean() < 0.2
    # The outline is the base: another one may change everything.
    after = retrieve(base.with_part(OUTLINE, database.pairs.contour(3).part(OUTLINE)))
    assert after.matches[OUTLINE].face != before.matches[OUTLINE].face
    assert (before.image != after.image).any(axis=2).mean() > 0.9


def test_pixels_give_about_the_face_of_the_drawing(database, retrieve):
    drawing = database.pairs.contour(1)
    found = retrieve(rasterize(drawing))
    assert {part: match.face for part, match in found.matches.items()} == dict.fromkeys(
        SEARCHED_PARTS, 1
    )
    by_place = Retriever(database, SIZE, "place")(drawing)
    assert (by_place.image == found.image).all()
