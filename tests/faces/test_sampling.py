import numpy as np
import pytest

from featviz.errors import FeatvizError
from featviz.faces.landmarks import LEFT_EYE_CORNER
from featviz.faces.sampling import sample_faces


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    pairs, _ = sample_faces(2, folder)
    return pairs


def test_sampled_faces_are_aligned_photos_with_landmarks(sampled):
    assert sampled.names == ("000000.jpg", "000001.jpg")
    assert sampled.photo(0).shape == (512, 512, 3)
    corners = sampled.landmarks[:, LEFT_EYE_CORNER]
    assert np.abs(corners - (166, 244)).max() < 12
    assert not np.array_equal(sampled.photo(0), sampled.photo(1))


def test_a_larger_count_goes_on_where_the_smaller_one_ended(sampled, tmp_path):
    before = {p.name: p.read_bytes() for p in (sampled.folder / "photos").iterdir()}
    longer, _ = sample_faces(3, sampled.folder)
    after = {p.name: p.read_bytes() for p in (sampled.folder / "photos").iterdir()}
    assert longer.names == (*sampled.names, "000002.jpg")
    assert {name: after[name] for name in before} == before
    at_once, _ = sample_faces(3, tmp_path)
    assert np.array_equal(at_once.photo(2), longer.photo(2))


def test_senseless_calls_are_refused(sampled, tmp_path):
    for count, options, message in (
        (0, {}, "--count must be at least 1"),
        (1, {"seed": -1}, "seed not negative"),
        (1, {"size": 8}, "size at least 128"),
        (1, {"truncation": float("nan")}, "truncation must lie between 0 and 2; got nan"),
    ):
        with pytest.raises(FeatvizError, match=message):
            sample_faces(count, tmp_path, **options)
        assert not list(tmp_path.iterdir())
    with pytest.raises(FeatvizError, match="holds photos of 512 px; this call asks for 256"):
        sample_faces(5, sampled.folder, size=256)
    with pytest.raises(FeatvizError, match=r"another origin .* seed 0, .* would add .* seed 1"):
        sample_faces(5, sampled.folder, seed=1)


def test_without_the_weights_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    with pytest.raises(FeatvizError, match="featviz assets get face-gan"):
        sample_faces(1, tmp_path / "out")
