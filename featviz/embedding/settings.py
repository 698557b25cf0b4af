"""What goes into a method and what comes out of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERPLEXITY = 15.0


@dataclass(frozen=True)
class Settings:
    """What the methods may need; each takes what is its own."""

    seed: int = 0
    perplexity: float = PERPLEXITY


@dataclass(frozen=True, eq=False)
class Map:
    """Coordinates (D, 2) of the distinct vectors, and the facts a reader needs with them."""

    coordinates: NDArray[np.float64]
    metadata: dict[str, Any]
