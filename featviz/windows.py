"""Operations that slide a window over a map: what a cell of their output draws on.

Convolutions, transposed ones, pooling, padding and upsampling, each along one axis at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

_NOTHING = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a feature map over the same direction of the image.

    low, high: for each cell the first and last pixel that reach it (high < low if none does).
    cells: for each pixel of the image the cell that stands for it.
    """

    low: Indices
    high: Indices
    cells: Indices

    @classmethod
    def of_image(cls, pixels: int) -> "Axis":
        """The image itself: each pixel reaches itself."""
        identity = np.arange(pixels)
        return cls(identity, identity, identity)

    def through(self, step: "Step") -> "Axis":
        """The axis of the map that an operation computes from this one."""
        there = step.sources >= 0
        low = np.where(there, self.low[step.sources], _NOTHING).min(axis=1)
        high = np.where(there, self.high[step.sources], -_NOTHING).max(axis=1)
        # side="right" sends a tie to the larger cell; the ends of the map catch what lies outside.
        middles = (step.centres[1:] + step.centres[:-1]) / 2
        return Axis(low, high, np.searchsorted(middles, self.cells, side="right"))

    def joined(self, other: "Axis") -> "Axis":
        """The axis of a map in which two branches with equally many cells meet.

        Where the branches place a pixel differently, the one that sees more decides.
        """
        main = self if self.extent >= other.extent else other
        return Axis(np.minimum(self.low, other.low), np.maximum(self.high, other.high), main.cells)

    @property
    def extent(self) -> int:
        """Pixels from the first to the last that reach a cell, of the cell that sees most."""
        return int((self.high - self.low).max()) + 1

    @property
    def has_room(self) -> bool:
        """Whether a cell that sees most sees it all inside the image, not cut off by its edge."""
        widest = self.high - self.low == self.extent - 1
        return bool((widest & (self.low > 0) & (self.high < len(self.cells) - 1)).any())


class Step(NamedTuple):
    """What one operation does along one axis.

    sources: (cells, n) for each output cell the input cells it draws on, -1 for none.
    centres: (cells,) the middle of its window among the input cells, padding included.
    """

    sources: Indices
    centres: NDArray[np.floating[Any]]


# Operations that slide a window: each gives, from arguments and sizes (width, height) of its
# input and output, the steps along x and y.

_Steps = tuple[Step, Step] | None
_Size = tuple[int, int]


def _pair(value: Any) -> tuple[int, int]:
    """PyTorch's (rows, columns) or one number for both, as (along x, along y)."""
    values = [value] if isinstance(value, int) else list(value)
    return (values[-1], values[0])


def _both(step: Callable[..., Step], size: _Size, result: _Size, *settings: Any) -> _Steps:
    pairs = [_pair(value) for value in settings]
    x, y = (step(size[i], result[i], *(pair[i] for pair in pairs)) for i in (0, 1))
    return x, y


def _inside(sources: Indices, cells: int) -> Indices:
    return np.where((sources >= 0) & (sources < cells), sources, -1)


def _slide(cells: int, result: int, kernel: int, stride: int, padding: int, dilation: int) -> Step:
    starts = np.arange(result) * stride - padding
    sources = starts[:, None] + dilation * np.arange(kernel)
    return Step(_inside(sources, cells), starts + dilation * (kernel - 1) / 2)


def _spread(cells: int, result: int, kernel: int, stride: int, padding: int, dilation: int) -> Step:
    # Input cell j adds to the output cells j * stride - padding + dilation * tap.
    scaled = np.arange(result)[:, None] + padding - dilation * np.arange(kernel)
    sources = np.where(scaled % stride == 0, scaled // stride, -1)
    centres = (np.arange(result) + padding - dilation * (kernel - 1) / 2) / stride
    return Step(_inside(sources, cells), centres)


def _convolution(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    weight = given["weight"]
    if weight.ndim != 4:
        return None
    slide = _spread if given["transposed"] else _slide
    return _both(
        slide, size, result, weight.shape[-2:], given["stride"], given["padding"], given["dilation"]
    )


def _pooling(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    kernel = given["kernel_size"]
    stride = given.get("stride") or kernel
    dilation = given.get("dilation", 1)
    return _both(_slide, size, result, kernel, stride, given.get("padding", 0), dilation)


def _adaptive_pooling(_: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    def step(cells: int, result: int) -> Step:
        out = np.arange(result)
        first, last = out * cells // result, -(-(out + 1) * cells // result) - 1
        sources = first[:, None] + np.arange((last - first).max() + 1)
        return Step(np.where(sources <= last[:, None], sources, -1), (first + last) / 2)

    return _both(step, size, result)


def _padding(mode: str) -> Callable[[dict[str, Any], _Size, _Size], _Steps]:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        pad = given.get("padding", given.get("pad"))
        if pad is None or len(pad) not in (2, 4):
            return None
        left, top = pad[0], pad[2] if len(pad) == 4 else 0

        def step(cells: int, result: int, before: int) -> Step:
            places = np.arange(result) - before
            sources = places
            if mode == "reflection":
                sources = cells - 1 - np.abs(cells - 1 - np.abs(places))
            elif mode == "replication":
                sources = places.clip(0, cells - 1)
            return Step(_inside(sources, cells)[:, None], places.astype(float))

        return _both(step, size, result, (top, left))

    return steps


def _upsampling(nearest: bool) -> Callable[[dict[str, Any], _Size, _Size], _Steps]:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        align = bool(given.get("align_corners"))

        def step(cells: int, result: int) -> Step:
            places: NDArray[np.floating[Any]] = (np.arange(result) + 0.5) * (cells / result) - 0.5
            if align:
                places = np.linspace(0, cells - 1, result)
            if nearest:
                sources = (np.arange(result) * cells // result)[:, None]
            else:
                around = np.stack([np.floor(places), np.ceil(places)], axis=1)
                sources = around.astype(np.int64).clip(0, cells - 1)
            return Step(sources, places)

        # Other factors are rounded in one of several ways, depending on how they were given.
        if result[0] % size[0] or result[1] % size[1]:
            return None
        return _both(step, size, result)

    return steps


WINDOWS: dict[str, Callable[[dict[str, Any], _Size, _Size], _Steps]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pooling,
    "max_pool2d": _pooling,
    "avg_pool2d": _pooling,
    "_adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling,
    "constant_pad_nd": _padding("constant"),
    "reflection_pad2d": _padding("reflection"),
    "replication_pad2d": _padding("replication"),
    "upsample_nearest2d": _upsampling(nearest=True),
    "upsample_bilinear2d": _upsampling(nearest=False),
}
