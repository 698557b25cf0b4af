from pathlib import Path

import numpy as np
import pytest
import torch

from featviz.analysis.embedding import embed
from featviz.base.errors import FeatvizError
from featviz.extraction import extract
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.networks import Networks
from featviz.studio.probe import Extraction, Prober, _UnwantedError
from featviz.studio.problems import StudioError
from featviz.studio.start_set import open_start_set

POINT = (170, 250)


@pytest.fixture
def prober(checkpoints: tuple[Path, Path], small_set: Path) -> Prober:
    return Prober(Networks([str(path) for path in checkpoints]), open_start_set(small_set))


def test_the_map_is_that_of_extract_and_plot(prober: Prober, small_set: Path) -> None:
    with prober.extraction("small", POINT) as extraction:
        table = extraction.future.result(300)
    assert extraction.done == extraction.total == 6
    generator = prober.networks.load("small").generator
    expected = extract(generator, read_sketches(small_set), [POINT], engine="dense")
    for layer in ("L0", "L2", "L4"):
        assert np.array_equal(table.vectors[layer], expected.vectors[layer])
        shown = embed(expected, "pca", [layer]).frame[["x", "y"]].to_numpy()
        assert np.allclose(prober.map("small", POINT, layer).coordinates, shown, atol=1e-6)


def test_a_drawing_that_is_a_sketch_of_the_set_lies_exactly_on_it(prober: Prober) -> None:
    picture = prober.starts.image(4)
    assert prober.live("small", POINT, "L3", picture) is None
    with prober.extraction("small", POINT) as extraction:
        extraction.future.result(300)
    place = prober.live("small", POINT, "L3", picture)
    assert place == pytest.approx(prober.map("small", POINT, "L3").coordinates[4], rel=1e-6)


def test_vectors_that_nobody_waits_for_are_given_up_and_others_wait_for_the_same(
    prober: Prober,
) -> None:
    with prober.paused(), prober.extraction("small", POINT) as first:
        with prober.extraction("small", POINT) as second:
            assert second is first
        with prober.extraction("plain", POINT) as queued:
            pass
    assert queued.future.cancelled()
    with pytest.raises(Exception) as caught:
        first.future.result(300)
    assert "Unwanted" in type(caught.value).__name__ or first.future.cancelled()
    # Nothing is held on to, and the same can be asked for again.
    assert prober.computing.acquire(timeout=300)
    prober.computing.release()
    with prober.extraction("small", POINT) as again:
        assert len(again.future.result(300).rows) == 6


def test_a_network_that_fails_is_told_and_blocks_nobody(small_set: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_generator(GeneratorArchitecture("no-norm", width=2, residual_blocks=1))
    with torch.no_grad():
        # Finite weights that overflow only when they are used.
        for layer in ("L0", "L1"):
            network.get_parameter(f"front_end.{layer}.conv.weight").fill_(1e30)
    save_network(network, tmp_path / "huge.safetensors", "generator", {}, torch.float32)
    prober = Prober(Networks([str(tmp_path / "huge.safetensors")]), open_start_set(small_set))
    with prober.extraction("huge", POINT) as extraction, pytest.raises(FeatvizError, match="NaN"):
        extraction.future.result(300)
    assert prober.computing.acquire(timeout=300)


def test_layers_and_checkpoints_that_are_not_there_are_refused(prober: Prober) -> None:
    with pytest.raises(StudioError, match="L0, L1, L2, L3, L4"):
        prober.describe("small", POINT, "L7")
    with pytest.raises(StudioError, match="unknown checkpoint"):
        prober.describe("none", POINT, "L0")


def test_who_asks_for_vectors_that_were_just_given_up_gets_new_ones(prober: Prober) -> None:
    key = ("small", POINT)
    dying = prober._extractions[key] = Extraction(6)
    dying.wanted_by = 1
    for _ in range(10):
        prober._require_wanted(key, dying)
    # Who chooses another layer lets go for a moment only.
    for wanted in (0, 1, 0, 0, 1):
        dying.wanted_by = wanted
        prober._require_wanted(key, dying)
    dying.wanted_by = 0
    with pytest.raises(_UnwantedError):
        for _ in range(10):
            prober._require_wanted(key, dying)
    with prober.extraction(*key) as again:
        assert again is not dying
        assert len(again.future.result(300).rows) == 6
