from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial import ConvexHull, Delaunay, cKDTree

from featviz.retrieval.fusion import LaidPart, area_of, fuse, laid
from featviz.retrieval.search import STAYS, Similarity
from featviz.retrieval.shapes import PART_MARGIN


@pytest.fixture
def photos(pairs):
    return [pairs.photo(number, 64) for number in range(3)]


@pytest.fixture
def disc():
    rows, columns = np.mgrid[:64, :64]
    return (rows - 30) ** 2 + (columns - 25) ** 2 < 12**2


def test_a_photo_is_laid_where_its_similarity_says(pairs):
    photo = pairs.photo(1, 128)
    assert laid(photo, STAYS, 128) is photo
    turn = 1.1 * np.exp(1j * np.radians(7))
    lay = Similarity(np.array([[turn.real, -turn.imag], [turn.imag, turn.real]]), np.array([30, 9]))
    # From a pixel of the sketch to one of the photo, whose middles lie at 1.5, 5.5, ... of 512.
    back = np.linalg.inv(lay.matrix)
    corner = (back @ (np.array([1.5, 1.5]) - lay.by) - 1.5) / 4
    channels = photo.transpose(2, 0, 1).astype(float)
    rows = back[::-1, ::-1], corner[::-1]
    wanted = np.stack([affine_transform(channel, *rows, order=1) for channel in channels], axis=-1)
    found = laid(photo, lay, 128)
    inside = np.s_[30:-30, 30:-30]
    assert np.abs(found[inside] - wanted[inside]).mean() < 2
    shifted = np.roll(found, 1, axis=1)
    assert np.abs(shifted[inside] - wanted[inside]).mean() > 4


def test_an_area_is_all_that_is_near_the_hull_of_its_points(rng):
    points = rng.normal(250, 40, (30, 2))
    area = area_of([points], 512)
    rows, columns = np.mgrid[:512:4, :512:4]
    places = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    corners = points[ConvexHull(points).vertices]
    closed = np.concatenate([corners, corners[:1]])
    edge = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(closed)])
    away = cKDTree(edge).query(places)[0]
    away[Delaunay(corners).find_simplex(places) >= 0] = 0
    found = area[::4, ::4].reshape(-1)
    assert found[away < PART_MARGIN - 1].all() and not found[away > PART_MARGIN + 1].any()
    line = np.array([[100.0, 100], [200, 100]])
    assert area_of([line], 512)[100, 86:215].all() and not area_of([line], 512)[100, 216:].any()


def test_a_part_with_the_gradients_of_the_base_vanishes_in_it(photos, disc):
    base = photos[0]
    image, (seam,) = fuse(base, [LaidPart(base + 40.0, disc)])
    assert (image == base).all()
    assert (seam.cut, seam.fused, seam.recoloured) == pytest.approx((40, 0, 40))


def test_a_fused_part_has_its_own_gradients_up_to_a_field_that_no_cell_bends(photos, disc):
    # Of little contrast, so that nothing is cut off at black or white.
    base, own = (photo // 3 + 80 for photo in photos[:2])
    image, (seam,) = fuse(base, [LaidPart(own.astype(float), disc)])
    field = image.astype(float) - own
    inside = disc[1:-1, 1:-1]
    around = field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:]
    bend = (around / 4 - field[1:-1, 1:-1])[inside]
    # Rounded to whole grey levels: half a level in each of five pixels at most.
    assert np.abs(bend).max() <= 1 and np.abs(image.astype(float) - base)[disc].mean() > 3
    assert seam.fused < seam.cut / 2
    assert seam.cut > 3


def test_parts_change_nothing_beyond_their_areas_to_the_last_bit(photos, disc):
    other = np.roll(disc, (10, 12), axis=(0, 1))
    parts = [LaidPart(photos[1].astype(float), disc), LaidPart(photos[2].astype(float), other)]
    both, _ = fuse(photos[0], parts)
    assert (both != photos[0]).any()
    assert (both == photos[0])[~(disc | other)].all()
    # What one of them is, is seen in its own area alone.
    changed, _ = fuse(photos[0], [parts[0], LaidPart(photos[0][::-1].astype(float), other)])
    assert (changed != both).any() and (changed == both)[~other].all()
    first, _ = fuse(photos[0], parts[:1])
    assert (both == first)[disc & ~other].all()


def test_an_area_at_the_edge_or_of_nothing_fuses_too(photos):
    half = np.zeros((64, 64), dtype=bool)
    half[:, :20] = True
    image, _ = fuse(
        photos[0], [LaidPart(photos[0] + 25.0, half), LaidPart(photos[1] + 0.0, half & False)]
    )
    assert (image == photos[0]).all()
    everything, _ = fuse(
        photos[0], [LaidPart(photos[1].astype(float), np.ones((64, 64), dtype=bool))]
    )
    assert (everything == photos[1]).all()
