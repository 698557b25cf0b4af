from pathlib import Path

import numpy as np
import pytest
import torch

from featviz.faces.pairs import PairSet, read_pairs

SAMPLES = Path(__file__).parent.parent / "analyses" / "samples"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run side by side; a thread pool in each would only make them wait."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pairs() -> PairSet:
    """A handful of real pairs that come with the repository."""
    return read_pairs(SAMPLES)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
