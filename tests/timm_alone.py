"""timm without torchvision, which its package names and its networks do not use.

PyTorch's builds for CPUs and PyPI's torchvision do not fit together, so tests do without.
"""

import importlib.util
import sys
from unittest.mock import MagicMock

import pytest
from torch import nn

_NAMES = ("", ".datasets", ".ops", ".ops.misc", ".transforms", ".transforms.functional")


class _FrozenBatchNorm2d(nn.Module):
    """What timm asks norms whether they are."""


def import_timm(monkeypatch):
    """timm, imported inside a test; skips the test where it is not installed."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: pip install --no-deps timm")
    for name in _NAMES:
        stand_in = MagicMock(FrozenBatchNorm2d=_FrozenBatchNorm2d)
        monkeypatch.setitem(sys.modules, f"torchvision{name}", stand_in)
    import timm

    return timm
