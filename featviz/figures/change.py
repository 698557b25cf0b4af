"""Changes of images in colours."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BRIGHTEST = 64.0
"""The change in grey levels that is drawn in the brightest colour."""


def heat(change: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """A change (H, W) in colours (H, W, 3): black is none, the brightest BRIGHTEST or more."""
    index = np.minimum(change * (255 / BRIGHTEST), 255).astype(np.uint8)
    return np.asarray(_colours().take(index, axis=0))


@lru_cache(maxsize=1)
def _colours() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    return np.asarray((colormaps["magma"](np.arange(256))[:, :3] * 255).round(), dtype=np.uint8)
