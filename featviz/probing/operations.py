"""PyTorch's operations that slide a window over a map: what each does along both axes.

Convolutions, transposed ones, pooling, padding and upsampling. Each gives, from arguments and from
the sizes (height, width) of its input and output, the steps along y and x; None if it is no such
operation on maps, or not understood.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from featviz.probing.windows import PaddingMode, Step, Window

_Size = tuple[int, int]
_Steps = tuple[Step, Step] | None
_Operation = Callable[[dict[str, Any], _Size, _Size], _Steps]
_AXES = (0, 1)


def _pair(value: Any) -> tuple[int, int]:
    """PyTorch's (rows, columns) or one number for both."""
    values = [value] if isinstance(value, int) else list(value)
    return values[0], values[-1]


def _both(step: Callable[[int, int, int], Step], size: _Size, result: _Size) -> _Steps:
    y, x = (step(axis, size[axis], result[axis]) for axis in _AXES)
    return y, x


def _window(given: dict[str, Any], kernel: Any, stride: Any) -> Window:
    down, across = _pair(given.get("padding", 0))
    return Window(
        _pair(kernel), _pair(stride), _pair(given.get("dilation", 1)), (across, across, down, down)
    )


def _convolution(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    weight = given["weight"]
    if weight.ndim != 4:
        return None
    window = _window(given, weight.shape[-2:], given["stride"])
    return _both(window.transposed_step if given["transposed"] else window.step, size, result)


def _pooling(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    kernel = given["kernel_size"]
    return _both(_window(given, kernel, given.get("stride") or kernel).step, size, result)


def _adaptive_pooling(_: dict[str, Any], size: _Size, result: _Size) -> _Steps:
    def step(_: int, cells: int, result: int) -> Step:
        out = np.arange(result)
        first, last = out * cells // result, -(-(out + 1) * cells // result) - 1
        sources = first[:, None] + np.arange((last - first).max() + 1)
        return _even(np.where(sources <= last[:, None], sources, -1), cells, result)

    return _both(step, size, result)


def _padding(mode: PaddingMode) -> _Operation:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        pad = given.get("padding", given.get("pad"))
        if pad is None or len(pad) not in (2, 4):
            return None
        left, right, top, bottom = (*pad, 0, 0)[:4]
        return _both(Window(padding=(left, right, top, bottom), mode=mode).step, size, result)

    return steps


def _upsampling(nearest: bool) -> _Operation:
    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        align = bool(given.get("align_corners"))

        def step(_: int, cells: int, result: int) -> Step:
            if nearest:
                sources = (np.arange(result) * cells // result)[:, None]
                if result < cells:
                    # The first of every so many cells, not the one in their middle.
                    return Step(sources, Fraction(0), Fraction(cells, result))
                return _even(sources, cells, result)
            corners = align and cells > 1
            places = (np.arange(result) + 0.5) * (cells / result) - 0.5
            if corners:
                places = np.linspace(0, cells - 1, result)
            around = np.stack([np.floor(places), np.ceil(places)], axis=1)
            sources = around.astype(np.int64).clip(0, cells - 1)
            if corners:
                return Step(sources, Fraction(0), Fraction(cells - 1, max(result - 1, 1)))
            return _even(sources, cells, result)

        # Other factors are rounded in one of several ways, depending on how they were given.
        if any(max(pair) % min(pair) for pair in zip(size, result, strict=True)):
            return None
        return _both(step, size, result)

    return steps


def slice_step(given: dict[str, Any], length: int, result: int) -> Step:
    """A map cut, or every so manieth of its cells taken, along one axis."""
    start, pitch = given["start"] or 0, given["step"]
    first = min(start + length if start < 0 else start, length)
    return Step((first + pitch * np.arange(result))[:, None], Fraction(first), Fraction(pitch))


def _even(sources: Any, cells: int, result: int) -> Step:
    """Output cells that share the input evenly among them."""
    pitch = Fraction(cells, result)
    return Step(sources, (pitch - 1) / 2, pitch)


WINDOWS: dict[str, _Operation] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pooling,
    "max_pool2d": _pooling,
    "avg_pool2d": _pooling,
    "_adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling,
    "constant_pad_nd": _padding("constant"),
    "reflection_pad2d": _padding("reflect"),
    "replication_pad2d": _padding("replicate"),
    "upsample_nearest2d": _upsampling(nearest=True),
    "upsample_bilinear2d": _upsampling(nearest=False),
}
