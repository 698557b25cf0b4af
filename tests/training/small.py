"""Runs of seconds, for the tests of training."""

import torch
from safetensors.torch import load_file

from featviz.training.presets import preset

CPU = torch.device("cpu")


def small_config(**changes):
    settings = {"size": 32, "width": 2, "residual_blocks": 1, "discriminator_width": 2, "steps": 12}
    return preset("demo", **(settings | changes))


def weights(folder, kind="generator"):
    return load_file(folder / f"{kind}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
