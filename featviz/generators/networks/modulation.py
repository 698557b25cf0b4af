"""What a sketch does to a norm: a scale and a shift for each cell (SPADE, arXiv 1903.07291)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError

_HIDDEN = 16
"""Channels between a sketch and what it does to a norm; SPADE's 128 are for up to 1024."""

_SKETCH: ContextVar[Tensor] = ContextVar("sketch")


@contextmanager
def seen_by_norms(sketch: Tensor) -> Iterator[None]:
    """Inside the `with`, norms are told that this sketch (N, C, H, W) is drawn."""
    token = _SKETCH.set(sketch)
    try:
        yield
    finally:
        _SKETCH.reset(token)


def showing(
    norms_see_sketch: bool,
) -> Callable[[Tensor], AbstractContextManager[Tensor | None]]:
    """What shows a sketch to norms, if there are any that look."""
    return seen_by_norms if norms_see_sketch else nullcontext


class Modulated(nn.Module):
    """A norm without weights, and behind it a scale and a shift by what is drawn at each cell.

    The sketch's first channel is averaged down to the map; two 3x3 convolutions make of it gamma
    and beta.
    """

    def __init__(self, norm: nn.Module, channels: int) -> None:
        super().__init__()
        self.norm = norm
        self.drawn = nn.Conv2d(1, _HIDDEN, 3, padding=1)
        self.scale = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        self.shift = nn.Conv2d(_HIDDEN, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape; raises FeatvizError outside of `seen_by_norms`."""
        sketch = _SKETCH.get(None)
        if sketch is None:
            raise FeatvizError(
                "a norm that ends in -spade has to be told what is drawn; run it in its generator"
            )
        times = sketch.shape[2] // maps.shape[2]
        drawn = F.relu(self.drawn(F.avg_pool2d(sketch[:, :1], times)))
        modulated: Tensor = self.norm(maps) * (1 + self.scale(drawn)) + self.shift(drawn)
        return modulated
