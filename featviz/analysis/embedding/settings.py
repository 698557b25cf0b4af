"""What goes into a method and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.embedding.ties import Ties
from featviz.base.errors import FeatvizError

PERPLEXITY = 15.0
NEIGHBOURS = 15
MIN_DIST = 0.1
START: Literal["pca", "random"] = "pca"
_STARTS = ("pca", "random")


@dataclass(frozen=True)
class MethodSettings:
    """What the methods may need; each takes what is its own, see `Method.options`.

    seed: of the random start, of the jitter of a start, and of UMAP's sampling.
    perplexity: about how many neighbours a vector of t-SNE or SNE has.
    neighbours: links of a vector in the graph of Isomap, LLE or UMAP.
    min_dist: the least distance of two points of UMAP, in units of the map.
    start: where points lie before the first step, "pca" or "random".
    """

    seed: int = 0
    perplexity: float = PERPLEXITY
    neighbours: int = NEIGHBOURS
    min_dist: float = MIN_DIST
    start: str = START

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise FeatvizError(f"the seed must lie between 0 and {2**32 - 1}; got {self.seed}")
        if self.start not in _STARTS:
            raise FeatvizError(f"unknown start '{self.start}'; there are {', '.join(_STARTS)}")
        if self.neighbours < 2:
            raise FeatvizError(f"neighbours must be 2 or more; got {self.neighbours}")
        if not 0 <= self.min_dist <= 1:
            raise FeatvizError(f"min-dist must lie between 0 and 1; got {self.min_dist:g}")


@dataclass(frozen=True, eq=False)
class Map:
    """Coordinates (D, 2) of the distinct vectors, and the facts a reader needs with them."""

    coordinates: NDArray[np.float64]
    metadata: dict[str, Any]


Places = NDArray[np.float64]
"""Where the distinct vectors (D, 2) start."""


@dataclass(frozen=True)
class Method:
    """A way to draw vectors on a plane.

    label: what people call it. run: distinct vectors, settings and, for a method that moves
    points step by step, a start shared with other panels -> map. options: the fields of
    `MethodSettings` it heeds. has_unit: distances on the map are distances of the vectors (PCA,
    MDS) or along their graph (Isomap). least, most: how many distinct vectors it takes.
    """

    label: str
    run: Callable[[Ties, MethodSettings, Places | None], Map]
    options: tuple[str, ...] = ()
    has_unit: bool = False
    least: int = 2
    most: int | None = None

    @property
    def moves_points(self) -> bool:
        """Whether it improves a start step by step, so that panels can share one."""
        return "start" in self.options
