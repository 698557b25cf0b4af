#!/usr/bin/env bash
# torch 2.13.0: a parametrization that is removed from a deep copy is gone from the original, too.
#
# Spectral and weight norm are parametrizations, and copies of networks that have them are made for
# moving averages, for export and to make a network fast. Expected: a deep copy is another network, so
# that `remove_parametrizations(copy, "weight")` bakes the weight into the copy and leaves the original
# as it was. Seen: registering makes a class for the module, deep copies share it, and removing deletes
# the attribute from that class. The copy works; the original, and every other copy, raise
# AttributeError: 'ParametrizedConv2d' object has no attribute 'weight' in their next forward, though
# `is_parametrized` still says True of them.
#
# Exits 0 while that is so. The way out: bake in the weights of a network that was built anew and given
# the state, not of a copy; or put a plain layer with the present weight in its place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import copy

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(0)
network = spectral_norm(nn.Conv2d(3, 8, 3)).eval()
copied, another = copy.deepcopy(network), copy.deepcopy(network)
image = torch.rand(1, 3, 8, 8)
before = network(image)
parametrize.remove_parametrizations(copied, "weight", leave_parametrized=True)
print("the copy computes the same:", torch.allclose(copied(image), before, atol=1e-6))
assert torch.allclose(copied(image), before, atol=1e-6)
for name, each in (("original", network), ("another copy", another)):
    assert parametrize.is_parametrized(each, "weight")
    try:
        each(image)
    except AttributeError as error:
        print(f"{name}: {error}")
        assert "no attribute 'weight'" in str(error)
    else:
        raise AssertionError(f"the {name} still works")
PYTHON
