#!/usr/bin/env bash
# torch 2.13.0, CPU, float32: group norm of one map gives other numbers for the same values in channels_last.
#
# Line drawings give maps of which nearly all cells are equal, and channels_last is the layout that is
# advised for convolutions on CPUs. Known beforehand: with one group the kernel for channels_last loses
# digits there (1e-4 to 1e-3 off where the contiguous one is 1e-7 off), as sums of float32 do that take one
# value after the other. Expected: about the same with more groups, whose sums have fewer terms. Seen: the
# error grows with the number of groups, to 0.05 with two channels a group, and with as many groups as
# channels no digit is right: values that are at most 7 in size are off by 130. In contiguous layout all
# of them are right to 1e-5.
#
# Exits 0 while that is so. The way out: `norm(x.contiguous())` and back, or permute and use one group.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn.functional import group_norm

torch.manual_seed(0)
ink = torch.rand(1, 1, 512, 512) < 0.02
maps = torch.randn(1, 16, 1, 1).expand(1, 16, 512, 512) + ink * torch.randn(1, 16, 1, 1)
last = maps.contiguous(memory_format=torch.channels_last)
assert torch.equal(maps, last)
found = {}
for groups in (1, 2, 4, 8, 16):
    exact = group_norm(maps.double(), groups)
    errors = [
        float((group_norm(given, groups).double() - exact).abs().max())
        for given in (maps.contiguous(), last)
    ]
    largest = float(exact.abs().max())
    print(f"{groups:2} groups: values to {largest:.1f}, off by {errors[0]:.1e} contiguous, "
          f"{errors[1]:.1e} in channels_last")
    found[groups] = errors
assert all(contiguous < 1e-4 for contiguous, _ in found.values())
assert 1e-5 < found[1][1] < 1e-2
assert found[8][1] > 0.01 and found[16][1] > 10
PYTHON
