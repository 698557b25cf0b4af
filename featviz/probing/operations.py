"""PyTorch's operations that slide a window over a map: what each does along both axes.

Convolutions, transposed ones, pooling, padding and upsampling. Each gives, from arguments and from
the sizes (height, width) of its input and output, the steps along y and x; None if it is no such
operation on maps, or not understood.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def call_window(given: dict[str, Any]) -> Window:
    """The window that `F.unfold` and `F.fold` slide."""
    return _window(given, given["kernel_size"], given["stride"])


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


def _scale(given: dict[str, Any], axis: int, cells: int, result: int) -> Fraction:
    """Input cells from one output cell to the next, as PyTorch takes it."""
    scale = (given.get("scale_factors") or (given.get("scales_h"), given.get("scales_w")))[axis]
    if scale is None:
        return Fraction(cells, result)
    return Fraction(1 / scale).limit_denominator(1 << 12)


def _places(result: int, middle: Fraction, pitch: Fraction) -> list[NDArray[Any]]:
    """Where output cells lie among the input's beginnings of cells: (result,) each.

    PyTorch computes that in float32, or in float64 for maps of that: either rounds its own way.
    """
    kinds: tuple[type[np.floating[Any]], ...] = (np.float32, np.float64)
    out = [np.arange(result).astype(kind) for kind in kinds]
    return [(each + each.dtype.type(middle)) * each.dtype.type(pitch) for each in out]


def _repeating(middle: Fraction) -> _Operation:
    """The cell that a place in each output cell falls into: its beginning, or its middle."""

    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        def step(axis: int, cells: int, result: int) -> Step:
            pitch = _scale(given, axis, cells, result)
            if not middle and result in (cells, 2 * cells):
                # These PyTorch takes as they are, whatever factor was given.
                pitch = Fraction(cells, result)
            sources = np.floor(_places(result, middle, pitch)).astype(np.int64).T
            # Which cell that is leans to one side, the same way every so many cells.
            turn = range(min(pitch.denominator, result))
            leaning = sum(math.floor((n + middle) * pitch) - n * pitch for n in turn)
            start = Fraction(leaning) / len(turn)
            return Step(sources.clip(0, cells - 1), start, pitch)

        return _both(step, size, result)

    return steps


def _interpolating(reach: int, smooth: bool = False) -> _Operation:
    """Cells to either side of a place; with `smooth` more of them where a map becomes coarser."""

    def steps(given: dict[str, Any], size: _Size, result: _Size) -> _Steps:
        def step(axis: int, cells: int, result: int) -> Step:
            pitch, middle = _scale(given, axis, cells, result), Fraction(1, 2)
            if given.get("align_corners") and cells > 1:
                pitch = Fraction(cells - 1, max(result - 1, 1))
                middle = middle if smooth else Fraction(0)
            wide = reach * max(float(pitch), 1)
            around = []
            for beginnings in _places(result, middle, pitch):
                places = beginnings - beginnings.dtype.type(middle)
                if smooth:
                    first = np.floor(places - wide).astype(np.int64)
                    sources = first[:, None] + np.arange(math.ceil(2 * wide) + 2)
                    near = np.abs(sources - places[:, None]) < wide
                    around.append(np.where(near & (sources < cells), sources, -1).clip(-1))
                else:
                    low, high = np.floor(places).astype(np.int64), np.ceil(places).astype(np.int64)
                    further = (high - low)[:, None] * np.arange(reach)
                    around += [(low[:, None] - further), (high[:, None] + further)]
            sources = np.concatenate(around, axis=1)
            sources = sources if smooth else sources.clip(0, cells - 1)
            return Step(sources, middle * (pitch - 1), pitch)

        return _both(step, size, result)

    return steps


def slice_step(first: int, pitch: int, result: int) -> Step:
    """A map cut, or every so manieth of its cells taken, along one axis."""
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
    "reflection_pad2d": _padding("reflect"),
    "replication_pad2d": _padding("replicate"),
    "upsample_nearest2d": _repeating(Fraction(0)),
    "_upsample_nearest_exact2d": _repeating(Fraction(1, 2)),
    "upsample_bilinear2d": _interpolating(reach=1),
    "upsample_bicubic2d": _interpolating(reach=2),
    "_upsample_bilinear2d_aa": _interpolating(reach=1, smooth=True),
    "_upsample_bicubic2d_aa": _interpolating(reach=2, smooth=True),
}
