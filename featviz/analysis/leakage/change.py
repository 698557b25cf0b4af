"""Change: how different an edit's activations are from its base's, position by position."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.analysis.leakage.table import IMAGE
from featviz.sketches.edits import difference

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
    found = []
    for one, other in chunks_of_cells(activation, base):
        # In double precision: squares of tiny differences would vanish in single.
        apart = difference(one, other).double()
        if layer == IMAGE:
            found.append(over_channels(apart.abs_()) / apart.shape[1])
        else:
            found.append(over_channels(apart.square_()).sqrt_())
    changes = np.asarray(torch.cat(found).view(base.shape[2:]).cpu().numpy())
    return np.asarray(changes / scale) if scale else np.where(changes == 0, 0.0, np.inf)


def chunks_of_cells(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The vectors of some cells, (n, C), of each of some maps (1, C, H, W), then of the next ones.

    So few that what is made of them stays in a processor's cache; in either order of memory.
    """
    few = max(1, _CHUNK // maps[0].shape[1])
    return zip(*(torch.split(_cells_in_rows(each), few) for each in maps), strict=True)


def over_channels(cells: Tensor) -> Tensor:
    """The sums of (n, C) over C: (n,); as a product, which few channels fill as well as many."""
    return cells @ cells.new_ones(cells.shape[1])


def _cells_in_rows(maps: Tensor) -> Tensor:
    if maps.is_contiguous(memory_format=torch.channels_last):
        return maps.permute(0, 2, 3, 1).flatten(0, 2)
    return maps[0].flatten(1).T


def relative_change(layer: str, activation: Tensor, base: Tensor) -> Change:
    """`change_of` a layer with the scale of the base."""
    return change_of(layer, activation, base, scale_of(layer, base))
