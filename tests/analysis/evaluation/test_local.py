import numpy as np
import pytest
import torch

from featviz.analysis.evaluation import local
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.images import load_whole_generator, painter
from featviz.analysis.evaluation.local import (
    LocalChanges,
    Perception,
    across_border,
    landmark_distances,
    local_rows,
    measure_local,
)
from featviz.analysis.evaluation.locality import measure_locality, summarize_changes
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.analysis.evaluation.table import make_table
from featviz.analysis.evaluation.ways import FREE_WAY, HELD, Way, faces_of, ways_of
from featviz.editing import edit
from featviz.generators.checkpoint_files import save_network
from featviz.sketches.drawing import Drawing, Stroke
from featviz.sketches.edits import edits_of, read_edits

WAYS = ways_of(("layers", "trunk"), ("base", "composite", 0.5))


@pytest.fixture(scope="module")
def paint(checkpoint):
    return painter(load_whole_generator(checkpoint))


@pytest.fixture(scope="module")
def sketches(shipped):
    return shipped.of_groups("G4", "G8")


@pytest.fixture(scope="module")
def lpips():
    return load_lpips()


@pytest.fixture(scope="module")
def changes(paint, sketches, lpips):
    ways = ways_of(("layers", "trunk"), ("base",))
    return measure_local(paint, sketches, ways, lpips, find=False, margin=24, most=3)


def test_ways_have_names_that_tell_them_apart():
    ways = ways_of(("layers", "trunk"), ("base", "edit", 0.5))
    assert [way.name for way in ways] == [
        *("free", "held", "layers base", "layers edit", "layers 0.5"),
        *("trunk base", "trunk edit", "trunk 0.5"),
    ]


def test_each_way_gives_the_face_that_editing_gives(paint, sketches):
    pairs = edits_of(sketches, 1)
    for each, faces in faces_of(paint, read_edits(sketches, pairs, paint.size, 24), WAYS):
        assert list(faces) == list(WAYS)
        for way, face in faces.items():
            torch.testing.assert_close(face.base, paint(each.base), rtol=0, atol=1e-5)
            if way in (FREE_WAY, HELD):
                continue
            made = edit(
                paint.generator,
                each.base,
                each.edited,
                area=each.area,
                keep=way.keep,
                statistics=way.statistics,
            )
            torch.testing.assert_close(face.image, made.image, rtol=0, atol=1e-5)
        torch.testing.assert_close(faces[FREE_WAY].image, paint(each.edited), rtol=0, atol=1e-5)
        assert not torch.allclose(faces[HELD].image, faces[FREE_WAY].image, atol=1e-3)


def test_a_generator_without_norms_has_nothing_to_hold(make, sketches, tmp_path):
    save_network(
        make(norm="none", width=2), tmp_path / "n.safetensors", "generator", {}, torch.float32
    )
    paint = painter(load_whole_generator(tmp_path / "n.safetensors"), 64)
    edits = read_edits(sketches, edits_of(sketches, 1), 64, 24)
    _, faces = next(faces_of(paint, edits, WAYS))
    assert HELD not in faces and Way("layers", "base") in faces


def test_free_edits_are_those_of_edit_locality(paint, sketches, changes):
    plain = measure_locality(paint, sketches, paint.size, 24, 3).changes
    free = changes.changes[changes.changes["way"] == "free"]
    assert list(free["sketch"]) == list(plain["sketch"])
    for column in ("inside", "outside", "eyes", "area"):
        np.testing.assert_allclose(free[column], plain[column], rtol=1e-3)


def test_kept_edits_change_less_outside_than_held_and_free_ones(changes):
    outside = changes.changes.groupby("way")["outside"].mean()
    lpips_outside = changes.changes.groupby("way")["lpips_outside"].mean()
    for means in (outside, lpips_outside):
        assert means["layers base"] < means["trunk base"] < means["free"]
        assert means["layers base"] < means["free"] / 5


def test_a_seam_is_the_gradient_across_the_border_and_not_along_it():
    rows, columns = np.mgrid[:64, :64]
    area = columns < 32
    across = torch.from_numpy(np.tile(columns / 127.5, (3, 1, 1)))[None]
    along = torch.from_numpy(np.tile(rows / 127.5, (3, 1, 1)))[None]
    assert across_border(across, area) == pytest.approx(1, abs=1e-6)
    assert across_border(along, area) == pytest.approx(0, abs=1e-6)
    # A step at the border is there; one far from it is not.
    step = (columns < 32) * 1.0
    for mask, seam in ((area, True), (columns < 50, False)):
        image = torch.from_numpy(np.tile(step, (3, 1, 1)))[None]
        assert (across_border(image, mask) > 1) == seam


def test_a_seam_does_not_depend_on_where_its_border_runs():
    rows, columns = np.mgrid[:64, :64]
    wide = np.hypot(rows - 32, columns - 32) < 20
    image = torch.from_numpy(np.tile(wide * 1.0, (3, 1, 1)))[None]
    straight = torch.from_numpy(np.tile((columns < 32) * 1.0, (3, 1, 1)))[None]
    assert across_border(image, wide) == pytest.approx(
        across_border(straight, columns < 32), rel=0.3
    )


def test_lpips_outside_is_blind_to_the_inside_and_sees_the_outside(lpips, rng):
    base = torch.from_numpy(rng.uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32))
    area = np.zeros((64, 64), bool)
    area[:32] = True
    inside, outside = base.clone(), base.clone()
    inside[:, :, :32] = 0
    outside[:, :, 32:] = 0
    assert Perception(lpips, 64).distance_outside(inside, base, area) == 0
    found = Perception(lpips, 64).distance_outside(outside, base, area)
    assert found > 0.1
    # The same with nothing inside is the distance itself.
    nothing = np.zeros((64, 64), bool)
    whole = float(lpips(outside, base))
    assert Perception(lpips, 64).distance_outside(outside, base, nothing) == pytest.approx(
        whole, rel=1e-5
    )
    # What is equal in the area is no part of the mean.
    assert found > whole


def test_following_is_the_distance_of_found_landmarks_to_the_drawn_lines(monkeypatch):
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[48:] = (10, 13)
    landmarks[27:36] = (40, 20)
    landmarks[36:48] = (99, 99)
    monkeypatch.setattr(local, "find_landmarks", lambda pixels: landmarks)
    nose = Stroke("nose", np.array([[40.0, 10.0], [40.0, 30.0]]))
    mouth, smile = (Stroke("mouth", np.array([[0.0, y], [30.0, y]])) for y in (10, 12))
    hair = Stroke("hair", np.array([[1.0, 1.0]]))
    base, edited = Drawing((nose, mouth), 64), Drawing((nose, smile, hair), 64)
    image = torch.zeros(1, 3, 64, 64)
    # Pixels at 512 are an eighth of those at 64. Eyes are not drawn; hair has no landmarks.
    assert landmark_distances(image, base, edited) == {
        "edited": 8.0,
        "elsewhere": 0.0,
        "found": 1.0,
    }
    assert landmark_distances(image, edited, edited)["elsewhere"] == pytest.approx(8 * 20 / 29)
    monkeypatch.setattr(local, "find_landmarks", lambda pixels: None)
    lost = landmark_distances(image, base, edited)
    assert lost["found"] == 0 and np.isnan(lost["edited"])


def test_rows_are_means_over_groups_and_the_kernel_distance_is_of_all_edits(changes):
    table = make_table(local_rows("a", changes), {})
    where = {"part": "local", "way": "trunk base"}
    frame = changes.changes[changes.changes["way"] == "trunk base"]
    groups = [summarize_changes(part)["inside"].value for _, part in frame.groupby("group")]
    got = table.estimate(**where, measure="inside", group="all")
    assert got.value == pytest.approx(np.mean(groups))
    part = frame[frame["group"] == "G8"]
    seam = table.estimate(**where, measure="seam", group="G8")
    assert seam.value == pytest.approx(part["across"].mean() / part["across_free"].mean())
    assert table.estimate(part="local", way="free", measure="seam", group="G8").value == 1
    of = {way: changes.descriptors[(changes.changes["way"] == way)] for way in ("free", "held")}
    found = table.estimate(part="local", way="held", measure="kernel distance", group="all")
    assert found == kernel_distance(of["held"], of["free"])
    assert table.estimate(part="local", way="free", measure="kernel distance").count == 0
    assert "landmarks edited" not in set(table.rows["measure"])


def test_landmarks_have_a_row_of_the_unedited_face(paint, sketches, monkeypatch):
    monkeypatch.setattr(local, "find_landmarks", lambda pixels: np.zeros((68, 2), np.float32))
    found = measure_local(paint, sketches, (FREE_WAY,), margin=24, most=2)
    assert isinstance(found, LocalChanges) and found.descriptors is None
    table = make_table(local_rows("a", found), {})
    measures = set(table.values(way="unedited")["measure"])
    assert measures == {"landmarks edited", "landmarks elsewhere", "face found"}
    assert "lpips outside" not in set(table.rows["measure"])
    # Both are the same landmarks, so the faces follow alike.
    pair = [
        table.estimate(way=way, measure="landmarks edited", group="G8").value
        for way in ("unedited", "free")
    ]
    assert pair[0] == pair[1] > 0
