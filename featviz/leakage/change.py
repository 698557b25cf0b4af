"""Change: how different an edit's activations are from its base's, position by position."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.evaluation.locality import absolute_change
from featviz.leakage.table import IMAGE

Change = NDArray[np.float64]


def change_of(layer: str, activation: Tensor, base: Tensor) -> Change:
    """The change of a layer's map (1, C, H, W), or of the image, against the base's: (H, W).

    Of a layer see `relative_change`. Of the image, in [-1, 1]: the mean absolute difference of
    the channels as a share of the range from black to white, so 1/255 is a grey level.
    """
    if layer == IMAGE:
        return absolute_change(activation, base) / 255
    return relative_change(activation, base)


def relative_change(activation: Tensor, base: Tensor) -> Change:
    """Length of the difference of the vectors at each position, relative to the layer's scale.

    Maps (1, C, H, W) -> (H, W) float64. The scale is the root mean square length of the base's
    vectors over the whole map, one number a layer: at single positions a ReLU often leaves
    nothing, and a change from nothing would have no size. 0 means equal to the last bit. In a
    layer that is dead for the base, whose scale is 0, any change is infinite.
    """
    # In double precision: squares of tiny differences would vanish in single.
    length = torch.linalg.vector_norm(activation - base, dim=1, dtype=torch.float64)[0]
    scale = torch.linalg.vector_norm(base, dim=1, dtype=torch.float64).square().mean().sqrt()
    changes = np.asarray(length.cpu().numpy())
    if scale == 0:
        return np.where(changes == 0, 0.0, np.inf)
    return np.asarray(changes / float(scale))
