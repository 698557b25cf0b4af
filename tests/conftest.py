import gc
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from featviz.faces.pairs import PairSet, read_pairs
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image

SAMPLES = Path(__file__).parent.parent / "analyses" / "samples"
LONG = ("test_analyses.py", "test_app_floods.py", "test_faults.py", "test_scale_out.py")

# The same examples in every run; --hypothesis-profile=default looks for others.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: to look through it for garbage would take seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: begun last, it would be waited for by workers without work."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side; a thread pool in each would only make them wait.

    Before each: what UMAP is compiled with, for one, sets the threads of all libraries.
    """
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pairs() -> PairSet:
    """A handful of real pairs that come with the repository."""
    return read_pairs(SAMPLES)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shipped(pytestconfig):
    return read_sketches(pytestconfig.rootpath / "sketches")


@pytest.fixture(scope="session")
def make():
    """Small whole generators with random weights, whose biases and norms are not trivial."""

    def build(variant="baseline", norm="instance", **settings):
        torch.manual_seed(3)
        settings = {"width": 4, "residual_blocks": 2, **settings}
        model = build_generator(GeneratorArchitecture(variant, norm=norm, **settings)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return model.requires_grad_(False)

    return build


@pytest.fixture
def edit(shipped):
    """A base and an edit of its mouth as a network takes them, (1, 3, 128, 128)."""
    names = list(shipped.index["sketch"])
    numbers = [names.index("G8/001"), names.index("G8/009")]
    return tuple(encode_image(shipped.at(128).image(number))[None] for number in numbers)
