"""Change: how different an edit's activations are from its base's, position by position."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.analysis.leakage.table import IMAGE
from featviz.sketches.edits import absolute_change, difference

Change = NDArray[np.float64]

_CHUNK = 2**16
"""Values that stay in a processor's cache."""


def scale_of(layer: str, base: Tensor) -> float:
    """What the changes of a layer are relative to; of the image, [-1, 1], its range.

    Root mean square length of the base's vectors over the whole map (1, C, H, W), one number a
    layer: at single positions a ReLU often leaves nothing, and a change from nothing would have no
    size.
    """
    if layer == IMAGE:
        return 2.0
    lengths = torch.linalg.vector_norm(base, dim=1, dtype=torch.float64)
    return float(lengths.square().mean().sqrt())


def change_of(layer: str, activation: Tensor, base: Tensor, scale: float) -> Change:
    """The change of a layer's map, or of the image, against the base's: (1, C, H, W) -> (H, W).

    scale: `scale_of` the base. Of a layer the length of the difference of the vectors at each
    position, of the image the mean absolute difference of the channels, so 1 is from black to
    white and 1/255 a grey level; float64. 0 means equal to the last bit. In a layer that is dead
    for the base, whose scale is 0, any change is infinite.
    """
    if layer == IMAGE:
        return absolute_change(activation, base) / (127.5 * scale)
    rows = cells_in_rows(activation), cells_in_rows(base)
    ones = base.new_ones(base.shape[1], dtype=torch.float64)
    # In double precision: squares of tiny differences would vanish in single.
    squares = [
        difference(one, other).double().square_() @ ones
        for one, other in zip(*(each.split(in_cache(each)) for each in rows), strict=True)
    ]
    changes = np.asarray(torch.cat(squares).sqrt_().view(base.shape[2:]).cpu().numpy())
    return np.asarray(changes / scale) if scale else np.where(changes == 0, 0.0, np.inf)


def cells_in_rows(maps: Tensor) -> Tensor:
    """Maps (1, C, H, W) as the vectors of their cells, (H W, C), in either order of memory."""
    if maps.is_contiguous(memory_format=torch.channels_last):
        return maps.permute(0, 2, 3, 1).flatten(0, 2)
    return maps[0].flatten(1).T


def in_cache(rows: Tensor) -> int:
    """How many rows of (n, C) at once stay in a processor's cache."""
    return max(1, _CHUNK // rows.shape[1])


def relative_change(layer: str, activation: Tensor, base: Tensor) -> Change:
    """`change_of` a layer with the scale of the base."""
    return change_of(layer, activation, base, scale_of(layer, base))
