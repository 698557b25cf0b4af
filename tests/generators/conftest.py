"""Small generators and the folder of a run that they are saved in."""

import pytest
import torch

from featviz.generators.checkpoint_files import (
    save_network,
)
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return build_generator(GeneratorArchitecture("modified", width=4, residual_blocks=1))


@pytest.fixture
def run_folder(tmp_path, generator):
    folder = tmp_path / "my-run"
    details = {"step": 7, "seed": 3}
    save_network(generator, folder / "generator.safetensors", "generator", details, torch.float32)
    return folder
