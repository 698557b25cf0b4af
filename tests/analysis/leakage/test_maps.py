import numpy as np
import pytest

from featviz.analysis.leakage import LeakageMaps, read_maps, write_maps
from featviz.analysis.leakage.maps import shrink
from featviz.base.errors import FeatvizError


@pytest.fixture
def maps(rng):
    changes = {
        (mode, group, layer): rng.random((4, 6)).astype(np.float32)
        for mode in ("free", "all")
        for group in ("G8", "Mund und Nase")
        for layer in ("L0", "front_end.L1", "image")
    }
    changes["all", "G8", "L0"][:2] = 0
    changes["all", "G8", "L0"][2] = 1e-12
    reach = {key[1:]: rng.random((4, 6)) < 0.5 for key in changes}
    own = {("free", "G8/014", "L0"): rng.random((4, 6)).astype(np.float32)}
    metadata = {"checkpoint": "modified", "edits": {"G8": 3}}
    return LeakageMaps(changes, reach, metadata, own, {("G8/014", "L0"): rng.random((4, 6)) < 0.5})


def test_maps_come_back_from_a_file(maps, tmp_path):
    write_maps(maps, tmp_path / "a.npz")
    found = read_maps(tmp_path / "a.npz")
    assert found.metadata == maps.metadata
    assert list(found.changes) == list(maps.changes)
    assert (found.modes, found.groups) == (("free", "all"), ("G8", "Mund und Nase"))
    assert found.layers == ("L0", "front_end.L1", "image")
    for key, change in maps.changes.items():
        assert np.allclose(found.changes[key], change, rtol=1e-3, atol=1e-7)
    for place, reach in maps.reach.items():
        assert np.array_equal(found.reach[place], reach)
    (key,), (place,) = maps.edit_changes, maps.edit_reach
    assert np.allclose(found.edit_changes[key], maps.edit_changes[key], rtol=1e-3, atol=1e-7)
    assert np.array_equal(found.edit_reach[place], maps.edit_reach[place])
    assert (len(found.edit_changes), len(found.edit_reach)) == (1, 1)


def test_what_changed_a_little_is_not_nothing_in_the_file(maps, tmp_path):
    write_maps(maps, tmp_path / "a.npz")
    change = read_maps(tmp_path / "a.npz").changes["all", "G8", "L0"]
    assert (change[:2] == 0).all()
    assert ((change[2] > 0) & (change[2] < 1e-7)).all()


def test_a_file_opens_without_pickles(maps, tmp_path):
    write_maps(maps, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["change|free|G8|image"].dtype == np.float16
        assert file["reach|G8|image"].dtype == np.uint8


def test_a_map_is_made_smaller_by_means_and_a_mask_by_any(rng):
    values = rng.random((300, 200))
    small = shrink(values)
    assert small.shape == (75, 50)
    assert small[10, 20] == pytest.approx(values[40:44, 80:84].mean())
    assert small.mean() == pytest.approx(values.mean())
    mask = np.zeros((256, 129), dtype=bool)
    mask[100, 128] = True
    assert shrink(mask).shape == (128, 65)
    assert np.argwhere(shrink(mask)).tolist() == [[50, 64]]
    assert np.array_equal(shrink(values[:128, :128]), values[:128, :128])


def test_a_file_that_holds_no_maps_is_told(tmp_path):
    with pytest.raises(FeatvizError, match="no such leakage maps"):
        read_maps(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(FeatvizError, match=r"text\.npz: no leakage maps"):
        read_maps(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(FeatvizError, match=r"other\.npz: no leakage maps"):
        read_maps(tmp_path / "other.npz")
