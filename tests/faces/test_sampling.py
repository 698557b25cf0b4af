import functools
import shutil
from dataclasses import replace

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.faces import sampling
from featviz.faces.landmarks import LEFT_EYE_CORNER
from featviz.faces.pairs import read_pairs, write_pairs
from featviz.faces.sampling import sample_faces

compiled_anew = sampling._compiled


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Compiling takes longer than a few faces: here it is done once a network, but for one test."""
    core = sampling._openvino().Core()
    once = functools.cache(lambda path: compiled_anew(core, path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_compiled", lambda _, path: once(path))
        yield


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    pairs, _ = sample_faces(1, folder)
    return pairs


def test_sampled_faces_are_aligned_photos_with_landmarks(sampled):
    assert sampled.names == ("000000.jpg",)
    assert sampled.photo(0).shape == (512, 512, 3)
    corners = sampled.landmarks[:, LEFT_EYE_CORNER]
    assert np.abs(corners - (166, 244)).max() < 12


def test_a_larger_count_goes_on_where_the_smaller_one_ended(sampled, tmp_path):
    before = {p.name: p.read_bytes() for p in (sampled.folder / "photos").iterdir()}
    longer, _ = sample_faces(2, sampled.folder)
    after = {p.name: p.read_bytes() for p in (sampled.folder / "photos").iterdir()}
    assert longer.names == (*sampled.names, "000001.jpg")
    assert {name: after[name] for name in before} == before
    assert not np.array_equal(longer.photo(0), longer.photo(1))
    at_once, _ = sample_faces(2, tmp_path)
    assert np.array_equal(at_once.photo(1), longer.photo(1))


def test_the_gan_is_asked_for_float32_and_computes_in_it(monkeypatch):
    """A processor with bfloat16 would take it unless asked; this one may have none."""
    openvino, compiled = sampling._openvino(), []

    class Core(openvino.Core):
        def compile_model(self, model, device, config=None):
            compiled.append((config, super().compile_model(model, device, config or {})))
            return compiled[-1][1]

    monkeypatch.setattr(openvino, "Core", Core)
    monkeypatch.setattr(sampling, "_compiled", compiled_anew)
    next(sampling.generate_faces(0))
    assert len(compiled) == 2
    for config, model in compiled:
        assert config == {"INFERENCE_PRECISION_HINT": "f32"}
        assert model.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32


def test_the_precision_is_recorded_but_not_of_faces_made_before_it_was(sampled, tmp_path):
    assert sampled.precision == read_pairs(sampled.folder).precision == "float32"
    shutil.copytree(sampled.folder, tmp_path / "old")
    old = read_pairs(tmp_path / "old")
    write_pairs(replace(old, precision=""))
    assert read_pairs(tmp_path / "old").precision == ""
    longer, _ = sample_faces(len(old) + 1, tmp_path / "old")
    assert len(longer) == len(old) + 1
    assert longer.precision == read_pairs(tmp_path / "old").precision == ""


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
