"""A painted head whose hair is known: its region, the lines around it and in it."""

import numpy as np
import pytest

from featviz.faces.hair_lines import border_lines, strand_lines
from featviz.faces.hair_region import face_unit, hair_region

ROWS, COLUMNS = np.indices((256, 256))
CENTRE = (128, 130)


def ellipse(across, up):
    return ((COLUMNS - CENTRE[0]) / across) ** 2 + ((ROWS - CENTRE[1]) / up) ** 2 < 1


HEAD, FACE = ellipse(80, 110), ellipse(56, 80)
SHOULDERS = (ROWS > 215) & (np.abs(COLUMNS - 128) < 110)
PERSON = HEAD | SHOULDERS
HAIR = HEAD & ~FACE & (ROWS < 190)


@pytest.fixture(scope="module")
def landmarks():
    points = np.zeros((68, 2))
    turn = np.linspace(0, np.pi, 17)
    points[:17] = np.stack([128 - 54 * np.cos(turn), 130 + 78 * np.sin(turn)], axis=1)
    points[17:27] = np.stack([np.linspace(85, 171, 10), np.full(10, 108)], axis=1)
    points[27:36] = np.stack([np.full(9, 128), np.linspace(125, 158, 9)], axis=1)
    for first, left in ((36, 90), (42, 138)):
        turn = np.linspace(np.pi, 3 * np.pi, 7)[:6]
        points[first : first + 6] = np.stack(
            [left + 14 + 14 * np.cos(turn), 125 + 4 * np.sin(turn)], axis=1
        )
    points[48:68] = np.stack([np.linspace(105, 151, 20), np.full(20, 178)], axis=1)
    return points


def painted(hair=(70, 45, 30)):
    photo = np.full((256, 256, 3), (60, 90, 140), float)
    photo[SHOULDERS] = (40, 140, 60)
    photo[HEAD] = (205, 160, 135)
    photo[HAIR] = hair
    noise = np.random.default_rng(0).normal(0, 6, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def test_the_region_is_the_painted_hair_and_a_bald_head_has_none(landmarks):
    found = hair_region(painted(), PERSON, landmarks)
    assert (found & HAIR).sum() / (found | HAIR).sum() > 0.9
    assert not hair_region(painted(hair=(205, 160, 135)), PERSON, landmarks).any()


def test_the_border_runs_along_the_known_outlines_and_leaves_out_the_jaw(landmarks):
    lines = border_lines(HAIR, PERSON, landmarks)
    assert 1 <= len(lines) <= 4
    points = np.concatenate(lines)
    away = points - CENTRE
    outer = np.abs(np.hypot(*(away / (80, 110)).T) - 1) * 80
    inner = np.abs(np.hypot(*(away / (56, 80)).T) - 1) * 56
    cut = np.abs(points[:, 1] - 190)
    assert np.minimum.reduce([outer, inner, cut]).max() < 5
    # Outer hair line and fringe are there to their tops.
    for across, up, distance in ((80, 110, outer), (56, 80, inner)):
        assert (distance < 3).sum() > 0.6 * across * np.pi / 2
        assert points[distance < 3][:, 1].min() < CENTRE[1] - up + 4
    jaw = landmarks[:17]
    near = np.hypot(*(points[:, None] - jaw[None]).transpose(2, 0, 1)).min(axis=1)
    assert near.min() > 0.08 * face_unit(landmarks) - 2


def test_the_edge_of_the_picture_is_no_line_of_hair(landmarks):
    cut = np.roll(HAIR, -60, axis=0) | (HAIR & (ROWS > 100))
    person = np.roll(PERSON, -60, axis=0) | PERSON
    points = np.concatenate(border_lines(cut, person, landmarks))
    assert points.min() > 0.5 and points.max() < 254.5
    assert len(points) > 100


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_strands_run_along_the_stripes_few_and_apart(degrees):
    angle = np.radians(degrees)
    # A strand along (cos, sin): grey levels change across it.
    across = -np.sin(angle) * COLUMNS + np.cos(angle) * ROWS
    noise = np.random.default_rng(0).normal(0, 5, across.shape)
    grey = 128 + 60 * np.sin(across) + noise
    region = ellipse(100, 100)
    lines = strand_lines(grey, region, [], unit=90.0)
    assert 2 <= len(lines) <= 8
    for line in lines:
        step = line[-1] - line[0]
        assert abs(step @ (np.cos(angle), np.sin(angle))) > 0.98 * np.hypot(*step)
        columns, rows = np.rint(line).astype(int).T
        assert region[rows, columns].all()
        for other in lines:
            if other is not line:
                gaps = np.hypot(*(line[:, None] - other[None]).transpose(2, 0, 1))
                assert gaps.min() > 0.5 * 0.22 * 90


def test_even_grey_has_no_strands():
    assert strand_lines(np.full((256, 256), 99.0), HAIR, [], 90.0) == []
