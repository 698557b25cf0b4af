"""Modes: whose statistics are held, by a short name."""

from collections.abc import Sequence

from torch import nn

from featviz.analysis.leakage.table import ALL, FREE, IMAGE
from featviz.base.errors import FeatvizError
from featviz.probing.statistics import instance_norms

_PARTS = {"front-end": "front_end", "residual": "residual", "back-end": "back_end"}
"""Modes that are called otherwise than the module whose norms they hold."""


def held_norms(model: nn.Module, mode: str) -> tuple[str, ...]:
    """The names of the norms that a mode holds; none in "free".

    mode: "free", "all", "front-end", "residual", "back-end", or any layer of the model. Raises
    FeatvizError for a layer that is not there or has no instance norm, and for a model without.
    """
    if mode == FREE:
        return ()
    norms = tuple(instance_norms(model, None if mode == ALL else [_PARTS.get(mode, mode)]))
    if not norms:
        raise FeatvizError(f"mode '{mode}' holds nothing: this model has no instance norm")
    return norms


def default_modes(model: nn.Module, layers: Sequence[str]) -> tuple[str, ...]:
    """The modes that differ: free, all, front-end, each layer by itself, residual, back-end.

    A part that the model lacks or that has no norms is left out, and one that would hold the same
    norms as a mode before it.
    """
    modes: dict[tuple[str, ...], str] = {}
    of_layers = [layer for layer in layers if layer != IMAGE]
    for mode in (FREE, ALL, "front-end", *of_layers, "residual", "back-end"):
        try:
            modes.setdefault(held_norms(model, mode), mode)
        except FeatvizError:
            continue
    return tuple(modes.values())
