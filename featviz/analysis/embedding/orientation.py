"""The signs of a map's axes, which no method decides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.ordering import natural_key


def orient(
    coordinates: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> NDArray[np.float64]:
    """Turn each axis so that the mean of the first group is negative, if it is not 0.

    coordinates: (N, 2). First in natural order of the names, so that neither the order of the
    sketches nor the network decides, and maps of several networks lie alike.
    """
    return orientation(coordinates, groups) * coordinates


def orientation(
    coordinates: NDArray[np.float64], groups: Sequence[str] | NDArray[Any]
) -> NDArray[np.float64]:
    """The signs (2,), +1 or -1, by which `orient` multiplies coordinates."""
    first = min(groups, key=natural_key)
    mean = coordinates[np.asarray(groups) == first].mean(axis=0)
    # A mean that is 0 but for rounding has no sign.
    return np.where(mean > 1e-9 * np.abs(coordinates).max(), -1.0, 1.0)
