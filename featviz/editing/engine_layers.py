"""A generator as the list of its convolutions, each with all that follows it up to the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.editing.rectangles import Rectangle
from featviz.generators.folded import moments
from featviz.generators.networks.generators import (
    Generator,
    GlobalGenerator,
    OutputConvolution,
    ResidualBlock,
)
from featviz.generators.networks.instance_norm import InstanceNorm, is_instance_norm_or_none
from featviz.generators.winograd import WinogradConvolution, gains
from featviz.probing.statistics import Statistics

Kind = Literal["convolution", "transposed", "output"]

_WIDE = 8
"""Channels that a convolution computes at once."""


@dataclass(frozen=True, eq=False)
class Scale:
    """A norm with fixed statistics, its convolution's bias included: a number for each column of
    a layer's matrices.

    factor: None without a norm. rectifies: whether a layer's ReLU follows.
    """

    factor: Tensor | None
    shift: Tensor
    rectifies: bool = True

    def product(self, rows: Tensor, matrix: Tensor, out: Tensor | None = None) -> Tensor:
        """Rows (n, K) times a matrix (K, columns), scaled and shifted."""
        if self.factor is None:
            return torch.addmm(self.shift, rows, matrix, out=out)
        # Whichever there is less of.
        if len(rows) > len(matrix):
            return torch.addmm(self.shift, rows, matrix * self.factor, out=out)
        products = torch.mm(rows, matrix, out=out)
        return torch.addcmul(self.shift, products, self.factor, out=products)


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, its norm and activation, and a map that is added in the end.

    name: of the convolution in the generator. source, added: the numbers of the maps that it reads
    and adds: first those of the sketch, from the finest to the coarsest, then one a layer. Of the
    sketch's equal channels it reads one. outputs: the channels of its map. rectified: whether a
    ReLU follows the norm; behind the last layer is a tanh.
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
    outputs: int
    norm: InstanceNorm | None
    rectified: bool

    @property
    def refines(self) -> bool:
        """Whether it is one of a residual block: 3x3, on a map that is mirrored at its edges."""
        return self.kind == "convolution" and self.stride == 1 and self.kernel == 3

    @property
    def channels(self) -> int:
        """How many the convolution gives."""
        return self.weight.shape[1 if self.kind == "transposed" else 0]

    @property
    def steps(self) -> int:
        """How many neighbours of a row one product gives: enough to be worth its while."""
        if self.kind == "output":
            return 1
        if self.kind == "transposed":
            return 2
        return 8 if self.weight.shape[1] == self.stride == 1 else 1

    @cached_property
    def matrices(self) -> tuple[Tensor, ...]:
        """By what a window's cells are multiplied, row by row: (K, steps C).

        A transposed convolution has two: one for its even rows, which draw on a row of two cells
        and give two, and one for the odd, which draw on two rows.
        """
        if self.kind == "transposed":
            inputs, outputs = self.weight.shape[:2]
            taps = self.weight.new_zeros(2, 2, 2, inputs, 2, outputs)
            # Of a cell's own row and column the tap in the middle falls on even ones, the last on
            # odd ones; of the next ones the first, on odd ones.
            places = ((0, 0, 1), (1, 0, 2), (1, 1, 0))
            for odd, below, y in places:
                for right, beside, x in places:
                    taps[odd, below, beside, :, right] = self.weight[:, :, y, x]
            even, odd_rows = taps.view(2, 4 * inputs, 2 * outputs)
            return even[: 2 * inputs].clone(), odd_rows
        if self.steps == 1:
            return (self.weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous(),)
        rows = self.weight[:, 0].permute(1, 2, 0)
        shape = (self.kernel, self.kernel + self.steps - 1, self.steps, rows.shape[2])
        matrix = rows.new_zeros(shape)
        for step in range(self.steps):
            matrix[:, step : step + self.kernel, step] = rows
        return (matrix.view(-1, self.steps * rows.shape[2]),)

    @cached_property
    def winograd(self) -> WinogradConvolution | None:
        """What computes its whole map with less, if there is that."""
        return (
            WinogradConvolution(self.weight, None) if self.refines and gains(self.weight) else None
        )

    def aligned(self, box: Rectangle) -> Rectangle:
        """The box of its cells that it computes for some of them."""
        if self.kind == "convolution":
            return box
        top, bottom, left, right = box
        return Rectangle(top // 2 * 2, (bottom + 1) // 2 * 2, left // 2 * 2, (right + 1) // 2 * 2)

    def window(self, box: Rectangle) -> Rectangle:
        """The cells that it reads for a box of its own (an aligned one), also beyond the edges."""
        if self.kind == "transposed":
            top, bottom, left, right = (end // 2 for end in box)
            return Rectangle(top, bottom + 1, left, right + 1)
        before, behind = self.padding, self.kernel - self.padding - self.stride
        top, bottom, left, right = (end * self.stride for end in box)
        return Rectangle(top - before, bottom + behind, left - before, right + behind)

    def padded(self, cells: Tensor, window: Rectangle, inside: Rectangle) -> Tensor:
        """A window of which those cells are given that are inside of the map."""
        if window == inside:
            return cells
        sides = window.sides_around(inside)
        reflects = self.kind != "transposed" and self.stride == 1
        return F.pad(cells, sides, mode="reflect" if reflects else "constant")

    def cells(self, window: Tensor, scale: Scale) -> Tensor:
        """Its cells of a window (1, C, H, W), scaled and rectified, in channels_last."""
        if self.kind == "output":
            return self._image(window, scale.shift)
        twice = self.kind == "transposed"
        kernel, stride, steps = (2, 1, 1) if twice else (self.kernel, self.stride, self.steps)
        height, width = ((side - kernel) // stride + 1 for side in window.shape[2:])
        groups = -(-width // steps)
        if beyond := groups * steps - width:
            window = F.pad(window, (0, beyond))
        maps = window.permute(0, 2, 3, 1).contiguous()
        _, _, length, channels = maps.shape
        drawn = maps.as_strided(
            (height, groups, kernel, (kernel + steps - 1) * channels),
            (stride * length * channels, steps * stride * channels, length * channels, 1),
        ).reshape(height * groups, -1)
        found = [
            scale.product(drawn[:, : len(matrix)], matrix).view(height, -1)
            for matrix in self.matrices
        ]
        rows = torch.stack(found, dim=1) if twice else found[0]
        if self.rectified and scale.rectifies:
            rows.relu_()
        if twice:
            height, width = 2 * height, 2 * width
        return rows.view(1, height, -1, self.channels)[:, :, :width].permute(0, 3, 1, 2)

    def whole(self, maps: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution's cells of a whole map, in channels_last."""
        if self.kind == "transposed":
            cells = F.conv_transpose2d(
                maps, self.weight, bias, stride=2, padding=1, output_padding=1
            )
        elif self.stride == 2 and self.kind == "convolution":
            cells = F.conv2d(maps, self.weight, bias, stride=2, padding=self.padding)
        else:
            maps = F.pad(maps, 4 * (self.padding,), mode="reflect")
            if self.kind == "output":
                return self._image(maps, bias)
            if self.winograd is not None:
                sums: Tensor = self.winograd(maps)
                return sums if bias is None else sums.add_(bias[:, None, None])
            if maps.shape[1] == 1:
                # The strides by which torch sees that the result is to lie in channels_last.
                height, width = maps.shape[2:]
                maps = maps.contiguous().as_strided(maps.shape, (height * width, 1, width, 1))
            cells = F.conv2d(maps, self.weight, bias)
        return cells.contiguous(memory_format=torch.channels_last)

    def _image(self, window: Tensor, bias: Tensor | None) -> Tensor:
        """What the last layer makes of a window, (1, C, H, W) in channels_last."""
        squares = F.conv2d(window, self.weight, bias, stride=2)
        squares = squares.contiguous(memory_format=torch.channels_last)
        height, width = squares.shape[2:]
        # Two neighbours of a row lie side by side already.
        pairs = squares.permute(0, 2, 3, 1).view(height, width, 2, -1)[..., : 2 * self.outputs]
        rows = np.ascontiguousarray(whole_cells(pairs).transpose(0, 2, 1))
        values = torch.from_numpy(rows.view(pairs.numpy().dtype))
        return values.view(1, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)

    def free(self, maps: Tensor) -> tuple[Tensor, Statistics | None]:
        """Its whole map before anything is added, and what its norm normalised it with."""
        if self.norm is None:
            cells, statistics = self.whole(maps, self.bias), None
        elif self.kind == "transposed":
            cells = self.whole(maps, None)
            rows = cells.permute(0, 2, 3, 1)[0]
            mean, variance = moments(rows, self.channels, rows[..., 0].numel())
            scale, shift = self.norm.scale_and_shift(mean, variance)
            torch.addcmul(shift.to(rows), rows, scale.to(rows), out=rows)
            statistics = Statistics(mean if self.bias is None else mean + self.bias, variance)
        else:
            cells, mean, variance = self.norm.with_statistics(self.whole(maps, self.bias))
            statistics = Statistics(mean, variance)
        return (cells.relu_() if self.rectified else cells), statistics

    def scaled(self, maps: Tensor, scale: Scale) -> Tensor:
        """Its whole map before anything is added, scaled and rectified."""
        bias = scale.shift[: self.channels] if scale.factor is None else None
        return self.finished(self.whole(maps, bias), scale)

    def finished(self, cells: Tensor, scale: Scale) -> Tensor:
        """Its convolution's cells, without bias if there is a norm, scaled and rectified."""
        if scale.factor is not None:
            rows, shift = cells.permute(0, 2, 3, 1), scale.shift[: self.channels]
            torch.addcmul(shift, rows, scale.factor[: self.channels], out=rows)
        return cells.relu_() if self.rectified and scale.rectifies else cells

    @cached_property
    def plain(self) -> Scale:
        """What leaves the convolution's cells as they are, without a bias."""
        return Scale(None, self.weight.new_zeros(self.steps * self.channels), rectifies=False)

    def scale(self, statistics: Statistics | None) -> Scale:
        """What a norm of some statistics does to cells without the convolution's bias."""
        bias = self.weight.new_zeros(self.channels) if self.bias is None else self.bias
        if self.norm is None or statistics is None:
            return Scale(None, bias.repeat(self.steps))
        found = self.norm.scale_and_shift(statistics.mean - bias, statistics.variance)
        factor, shift = (part.to(self.weight).repeat(self.steps) for part in found)
        return Scale(factor, shift)


def has_layers(generator: nn.Module) -> bool:
    """Whether its norms are instance norms, if any: what `Layer` knows."""
    return all(
        is_instance_norm_or_none(norm)
        for name, norm in generator.named_modules()
        if name.endswith(".norm")
    )


def layers_of(generator: Generator) -> tuple[Layer, ...]:
    """The layers in the order in which they are computed, the one that makes the image the last."""
    return tuple(_Layers(generator).all())


def _by_neighbour(part: Tensor) -> Tensor:
    """Weight or bias whose channels are each of four neighbours, as each neighbour's channels.

    Those of a row of two neighbours are filled up to what vector units work on at once.
    """
    rows = part.view(-1, 2, 2, *part.shape[1:]).movedim(0, 2).flatten(1, 2)
    filled = rows.new_zeros(2, -(-rows.shape[1] // _WIDE) * _WIDE, *rows.shape[2:])
    filled[:, : rows.shape[1]] = rows
    return filled.flatten(0, 1)


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
            convolution.out_channels,
            norm if isinstance(norm, InstanceNorm) else None,
            isinstance(parts.get("activation"), nn.ReLU),
        )
        self._latest += 1
        return layer
