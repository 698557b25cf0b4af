import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file

from featviz.base.errors import FeatvizError
from featviz.base.numpy_pickle import convert_numpy_pickle


def test_arrays_keep_their_values_and_get_the_names_of_their_places(tmp_path, rng):
    kernel = rng.normal(size=(3, 4, 5)).astype(np.float32)
    content = {"outer": {"inner": {"kernel": kernel.T, "bias": np.arange(3)}}, "other": kernel}
    for protocol in (3, 4):
        (tmp_path / "arrays.pickle").write_bytes(pickle.dumps(content, protocol))
        convert_numpy_pickle(tmp_path / "arrays.pickle", tmp_path / "arrays.safetensors")
        arrays = load_file(tmp_path / "arrays.safetensors")
        assert sorted(arrays) == ["other", "outer/inner/bias", "outer/inner/kernel"]
        assert np.array_equal(arrays["outer/inner/kernel"], kernel.T)
        assert np.array_equal(arrays["outer/inner/bias"], np.arange(3))
        assert arrays["other"].dtype == np.float32


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_runs_none(tmp_path):
    (tmp_path / "x").write_bytes(pickle.dumps({"a": RunsCode(tmp_path / "ran")}))
    with pytest.raises(FeatvizError, match="mkdir is no array"):
        convert_numpy_pickle(tmp_path / "x", tmp_path / "y")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [({"a": {"b": 3}}, "'a/b' is int; expected an array"), ([1], "'' is list")],
)
def test_what_is_no_array_is_named(tmp_path, content, message):
    (tmp_path / "x").write_bytes(pickle.dumps(content))
    with pytest.raises(FeatvizError, match=message):
        convert_numpy_pickle(tmp_path / "x", tmp_path / "y")


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04K"])
def test_files_that_are_no_pickles_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FeatvizError, match="x: not a pickle of arrays"):
        convert_numpy_pickle(tmp_path / "x", tmp_path / "y")
