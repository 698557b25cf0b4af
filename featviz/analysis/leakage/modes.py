"""Modes: whose statistics are held, by a short name."""

from collections.abc import Sequence

from torch import nn

from featviz.analysis.leakage.table import ALL, ALL_BUT, FREE, IMAGE, STATISTICS
from featviz.base.errors import FeatvizError
from featviz.probing.statistics import instance_norms

_PARTS = {"front-end": "front_end", "residual": "residual", "back-end": "back_end"}
"""Modes that are called otherwise than the module whose norms they hold."""

BOTH_ORDERS = "both-orders"
"""In place of modes: the default ones, and each part's statistics alone free besides."""


def held_norms(model: nn.Module, mode: str) -> tuple[str, ...]:
    """The names of the norms that a mode holds; none in "free".

    mode: "free", "all", "statistics", "front-end", "residual", "back-end", any layer of the model,
    or one of these three or a layer after "all-but-". Raises FeatvizError for a layer that is not
    there or has no instance norm, and for a mode that holds none.
    """
    if mode == FREE:
        return ()
    if mode.startswith(ALL_BUT):
        free = held_norms(model, mode.removeprefix(ALL_BUT))
        norms = tuple(norm for norm in instance_norms(model) if norm not in free)
        if not norms:
            raise FeatvizError(f"mode '{mode}' holds nothing: there is no other instance norm")
        return norms
    whole = mode in (ALL, STATISTICS)
    norms = tuple(instance_norms(model, None if whole else [_PARTS.get(mode, mode)]))
    if not norms:
        raise FeatvizError(f"mode '{mode}' holds nothing: this model has no instance norm")
    return norms


def default_modes(model: nn.Module, layers: Sequence[str]) -> tuple[str, ...]:
    """The modes that differ: free, all, statistics, and each of the parts held.

    The parts are the front end, each layer by itself, the residual blocks and the back end. One
    that the model lacks or that has no norms is left out, and one that has the same norms as a part
    before it or all there are.
    """
    if not instance_norms(model):
        return (FREE,)
    parts: dict[tuple[str, ...], str] = {held_norms(model, ALL): ALL}
    of_layers = [layer for layer in layers if layer != IMAGE]
    for part in ("front-end", *of_layers, "residual", "back-end"):
        try:
            parts.setdefault(held_norms(model, part), part)
        except FeatvizError:
            continue
    _, *names = parts.values()
    return (FREE, ALL, STATISTICS, *names)


def freed_too(modes: Sequence[str]) -> tuple[str, ...]:
    """Modes, and for each part that one of them holds another that leaves it alone free."""
    parts = [mode for mode in modes if mode not in (FREE, ALL, STATISTICS)]
    return (*modes, *(f"{ALL_BUT}{part}" for part in parts))
