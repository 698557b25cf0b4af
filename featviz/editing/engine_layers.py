"""A generator as the list of its convolutions, each with all that follows it up to the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.generators.networks.generators import (
    Generator,
    GlobalGenerator,
    OutputConvolution,
    ResidualBlock,
)
from featviz.generators.networks.normalization import InstanceNorm
from featviz.probing.statistics import Statistics

Kind = Literal["convolution", "transposed", "output"]


class Box(NamedTuple):
    """Cells of a map, those at `bottom` and `right` not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def cells(self) -> int:
        """How many they are."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def is_some(self) -> bool:
        """Whether it holds any."""
        return self.top < self.bottom and self.left < self.right

    def within(self, other: "Box") -> "Box":
        """What both share, as cells of the other; empty or reversed if they share nothing."""
        return Box(
            max(self.top, other.top) - other.top,
            min(self.bottom, other.bottom) - other.top,
            max(self.left, other.left) - other.left,
            min(self.right, other.right) - other.left,
        )

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def grown(self, cells: int, height: int, width: int) -> "Box":
        """The box with so many cells more on all sides, as far as a map has them."""
        top, bottom, left, right = self
        return Box(top - cells, bottom + cells, left - cells, right + cells).cut(height, width)

    def cut(self, height: int, width: int) -> "Box":
        """What of it is on a map of a size."""
        return Box(
            max(0, self.top), min(height, self.bottom), max(0, self.left), min(width, self.right)
        )

    def of_mask(self, mask: NDArray[Any]) -> NDArray[Any]:
        """These cells of a mask or sketch (H, W), a view."""
        return mask[self.top : self.bottom, self.left : self.right]

    def of(self, maps: Tensor) -> Tensor:
        """These cells of maps (N, C, H, W), a view."""
        return maps[:, :, self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, its norm and activation, and a map that is added in the end.

    name: of the convolution in the generator. source, added: the numbers of the maps that it reads
    and adds: first those of the sketch, from the finest to the coarsest, then one a layer. Of the
    sketch's equal channels it reads one. rectified: whether a ReLU follows the norm; behind the
    last layer is a tanh.
    """

    name: str
    source: int
    added: int | None
    weight: Tensor
    bias: Tensor | None
    kernel: int
    stride: int
    padding: int
    kind: Kind
    norm: InstanceNorm | None
    rectified: bool

    @property
    def refines(self) -> bool:
        """Whether it is one of a residual block: 3x3, on a map that is mirrored at its edges."""
        return self.kind == "convolution" and self.stride == 1 and self.kernel == 3

    @cached_property
    def matrix(self) -> Tensor:
        """The weight by which the cells of a window, one after the other, are multiplied."""
        return self.weight.permute(0, 2, 3, 1).flatten(1)

    def aligned(self, box: Box) -> Box:
        """The box of its cells that it computes for some of them."""
        if self.kind == "convolution":
            return box
        top, bottom, left, right = box
        return Box(top // 2 * 2, (bottom + 1) // 2 * 2, left // 2 * 2, (right + 1) // 2 * 2)

    def window(self, box: Box) -> Box:
        """The cells that it reads for a box of its own (an aligned one), also beyond the edges."""
        if self.kind == "transposed":
            top, bottom, left, right = (end // 2 for end in box)
            return Box(top, bottom + 1, left, right + 1)
        before, behind = self.padding, self.kernel - self.padding - self.stride
        top, bottom, left, right = (end * self.stride for end in box)
        return Box(top - before, bottom + behind, left - before, right + behind)

    def padded(self, cells: Tensor, window: Box, inside: Box) -> Tensor:
        """A window of which those cells are given that are inside of the map."""
        if window == inside:
            return cells
        sides = (
            inside.left - window.left,
            window.right - inside.right,
            inside.top - window.top,
            window.bottom - inside.bottom,
        )
        reflects = self.kind != "transposed" and self.stride == 1
        return F.pad(cells, sides, mode="reflect" if reflects else "constant")

    def convolved(self, window: Tensor, biased: bool) -> Tensor:
        """The convolution's cells of a window, without its bias unless that is asked for."""
        bias = self.bias if biased else None
        if self.kind == "output":
            return _shuffled(F.conv2d(window, self.weight, bias, stride=2))
        if self.kind == "transposed":
            height, width = (2 * (length - 1) for length in window.shape[2:])
            cells = F.conv_transpose2d(window, self.weight, bias, stride=2, padding=1)
            return cells[:, :, :height, :width]
        if window.shape[1] == 1:
            # The strides by which torch sees that the result is to lie in channels_last.
            height, width = window.shape[2:]
            window = window.contiguous().as_strided(window.shape, (height * width, 1, width, 1))
        return F.conv2d(window, self.weight, bias, stride=self.stride)

    def whole(self, maps: Tensor, biased: bool) -> Tensor:
        """The convolution's cells of a whole map, in channels_last."""
        bias = self.bias if biased else None
        if self.kind == "transposed":
            cells = F.conv_transpose2d(
                maps, self.weight, bias, stride=2, padding=1, output_padding=1
            )
        elif self.kind == "convolution" and self.stride == 2:
            cells = F.conv2d(maps, self.weight, bias, stride=2, padding=self.padding)
        else:
            height, width = maps.shape[2:]
            inside = Box(0, height, 0, width)
            cells = self.convolved(self.padded(maps, self.window(inside), inside), biased)
        return cells.contiguous(memory_format=torch.channels_last)

    def free(self, maps: Tensor) -> tuple[Tensor, Statistics | None]:
        """Its whole map before anything is added, and what its norm normalised it with."""
        cells, statistics = self.whole(maps, biased=True), None
        if self.norm is not None:
            cells, mean, variance = self.norm.with_statistics(cells)
            statistics = Statistics(mean, variance)
        return (cells.relu_() if self.rectified else cells), statistics


def layers_of(generator: Generator) -> tuple[Layer, ...]:
    """The layers in the order in which they are computed, the one that makes the image the last."""
    return tuple(_Layers(generator).all())


def _by_neighbour(part: Tensor) -> Tensor:
    """Weight or bias whose channels are each of four neighbours, as each neighbour's channels."""
    return part.view(-1, 4, *part.shape[1:]).transpose(0, 1).flatten(0, 1)


def _shuffled(cells: Tensor) -> Tensor:
    """(1, 4 C, H, W), by neighbour -> (1, C, 2 H, 2 W), both in channels_last."""
    height, width = cells.shape[2:]
    # Two neighbours of a row lie side by side already.
    pairs = cells.permute(0, 2, 3, 1).reshape(height, width, 2, -1)
    rows = np.ascontiguousarray(whole_cells(pairs).transpose(0, 2, 1))
    dtype = np.float64 if cells.dtype == torch.float64 else np.float32
    found = torch.from_numpy(rows.view(dtype).reshape(1, 2 * height, 2 * width, -1))
    return found.permute(0, 3, 1, 2)


def whole_cells(maps: Tensor) -> NDArray[np.void]:
    """(..., C) as (...) cells, each with all its channels, a view."""
    cells = maps.numpy()
    return cells.view(np.dtype((np.void, cells.itemsize * cells.shape[-1])))[..., 0]


class _Layers:
    """Counts the maps while it goes through a generator."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._names = {module: name for name, module in generator.named_modules()}
        self._latest = generator.architecture.enhancers

    def all(self) -> Iterator[Layer]:
        generator = self._generator
        levels = generator.architecture.enhancers
        if isinstance(generator, GlobalGenerator):
            yield from self._global(generator, levels)
        else:
            yield from self._global(generator.global_generator, levels)
            for level, enhancer in enumerate(generator.enhancers, start=1):
                coarse = self._latest
                first, second = enhancer.get_submodule("front_end").children()
                yield self._next(first, levels - level)
                yield self._next(second, added=coarse)
                yield from self._residual(enhancer.get_submodule("residual"))
                yield self._next(enhancer.get_submodule("back_end"))
        yield self._next(generator.output)

    def _global(self, generator: GlobalGenerator, sketch: int) -> Iterator[Layer]:
        for number, block in enumerate(generator.front_end):
            yield self._next(block, None if number else sketch)
        yield from self._residual(generator.residual)
        for block in generator.back_end:
            yield self._next(block)

    def _residual(self, blocks: nn.Module) -> Iterator[Layer]:
        for block in blocks.children():
            assert isinstance(block, ResidualBlock)
            before = self._latest
            yield self._next(block.first)
            yield self._next(block.second, added=before)

    def _next(self, block: nn.Module, source: int | None = None, added: int | None = None) -> Layer:
        parts = dict(block.named_children())
        convolution, norm = parts["conv"], parts.get("norm")
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        pad = parts.get("pad")
        padding = pad.padding[0] if isinstance(pad, nn.ReflectionPad2d) else convolution.padding[0]
        weight, bias = convolution.weight.detach(), convolution.bias
        kind: Kind = "convolution"
        if isinstance(convolution, nn.ConvTranspose2d):
            kind = "transposed"
        elif isinstance(convolution, OutputConvolution):
            kind = "output"
            of_weight, of_bias = convolution.of_neighbours()
            weight = _by_neighbour(of_weight)
            bias = None if of_bias is None else _by_neighbour(of_bias)
        if source is not None:
            weight = weight.sum(dim=1, keepdim=True)
        layer = Layer(
            self._names[convolution],
            self._latest if source is None else source,
            added,
            weight,
            None if bias is None else bias.detach(),
            convolution.kernel_size[0],
            convolution.stride[0],
            int(padding),
            kind,
            norm if isinstance(norm, InstanceNorm) else None,
            isinstance(parts.get("activation"), nn.ReLU),
        )
        self._latest += 1
        return layer
