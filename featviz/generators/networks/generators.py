"""The generators of pix2pixHD: the global generator (G1) and the local enhancer (G2).

Layers carry the study's names: `front_end.L0` ... `front_end.L4` are the convolution blocks that
featviz reads. Every block has its own activation object and its parts have names (`conv`, `norm`,
`activation`), so a hook finds exactly what it asks for.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.errors import FeatvizError, require_whole
from featviz.generators.networks.modulation import showing
from featviz.generators.networks.normalization import Norm, block_parts, initialize
from featviz.generators.networks.variants import SectionNorms, norms_of

_ENHANCER_BLOCKS = 3


@dataclass(frozen=True)
class GeneratorArchitecture:
    """What a global generator is made of; enough to build one.

    width: channels of L0 (the study: 48; NVIDIA's `ngf`). Channels double with each of the
    `downsamplings`. `variant` says which front-end layers have no norm, `norm` which norm the
    others have, all alike or by section, see `norms_of`. `enhancers` > 0 makes it a local enhancer
    around a global generator of width `width` * 2 ** `enhancers`.
    """

    variant: str = "baseline"
    width: int = 48
    downsamplings: int = 4
    residual_blocks: int = 9
    norm: Norm = "instance"
    input_channels: int = 3
    output_channels: int = 3
    enhancers: int = 0
    enhancer_blocks: int = _ENHANCER_BLOCKS

    def __post_init__(self) -> None:
        require_whole(self, 1, "width", "input_channels", "output_channels")
        require_whole(self, 0, "downsamplings", "residual_blocks", "enhancers", "enhancer_blocks")
        norms_of(self.norm, self.variant, self.downsamplings + 1)

    @property
    def norms(self) -> SectionNorms:
        """The norm of each layer and section."""
        return norms_of(self.norm, self.variant, self.downsamplings + 1)

    @property
    def size_multiple(self) -> int:
        """Input height and width must be a multiple of this, and at least twice this."""
        return int(2 ** (self.downsamplings + self.enhancers))

    @property
    def least_size(self) -> int:
        """The least side of an input: the deepest map is mirrored at its border, by one cell."""
        return 2 * self.size_multiple

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read if none are named: those of the front end."""
        return tuple(f"L{layer}" for layer in range(self.downsamplings + 1))

    @property
    def channels(self) -> tuple[int, ...]:
        """Those of `layers`."""
        return tuple((self.width << self.enhancers) << n for n in range(self.downsamplings + 1))


def _one_enhancer_less(architecture: GeneratorArchitecture) -> GeneratorArchitecture:
    """What a local enhancer is built around: trained at half the size, its width is twice as much.

    Raises FeatvizError for an architecture without enhancers.
    """
    if not architecture.enhancers:
        raise FeatvizError("a global generator has no enhancer to leave out")
    levels = architecture.enhancers - 1
    return replace(
        architecture,
        enhancers=levels,
        width=2 * architecture.width,
        # Of no meaning, and so always the same, where there is no enhancer.
        enhancer_blocks=architecture.enhancer_blocks if levels else _ENHANCER_BLOCKS,
    )


def build_generator(architecture: GeneratorArchitecture) -> "Generator":
    """A generator with fresh weights from torch's global random state."""
    if architecture.enhancers:
        return LocalEnhancer(architecture)
    return GlobalGenerator(architecture)


class FrontEnd(nn.Sequential):
    """G1(F): L0 (7x7, stride 1, reflection) and stride-2 3x3 convolutions L1, L2, ...

    (N, C_in, H, W) -> (N, width * 2^n, H / 2^n, W / 2^n) after n downsamplings.
    """

    def __init__(self, architecture: GeneratorArchitecture) -> None:
        layers = architecture.downsamplings + 1
        channels = [architecture.width * 2**layer for layer in range(layers)]
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for layer in range(layers):
            norm = architecture.norms.front[layer]
            if layer == 0:
                blocks["L0"] = _wide_block(architecture.input_channels, channels[0], norm)
            else:
                blocks[f"L{layer}"] = _halving_block(channels[layer - 1], channels[layer], norm)
        super().__init__(blocks)
        self.architecture = architecture
        self._show = showing(architecture.norms.see_sketch)
        self.apply(initialize)

    def forward(self, sketch: Tensor) -> Tensor:
        """Sketches in [-1, 1] to the last layer's map."""
        with self._show(sketch):
            maps: Tensor = super().forward(sketch)  # type: ignore[no-untyped-call]
        return maps


class GlobalGenerator(nn.Module):
    """G1: front end, residual blocks, back end (Wang et al. 2018, section 3.1 and appendix).

    (N, C_in, H, W) -> (N, C_out, H, W) in [-1, 1]; H and W multiples of 2 ** downsamplings, at
    least twice that.
    """

    def __init__(self, architecture: GeneratorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, downsamplings, norms = (
            architecture.width,
            architecture.downsamplings,
            architecture.norms,
        )
        deepest = width * 2**downsamplings
        self.front_end = FrontEnd(architecture)
        self.residual = nn.Sequential(
            OrderedDict(
                (f"R{index}", ResidualBlock(deepest, norms.residual))
                for index in range(architecture.residual_blocks)
            )
        )
        self.back_end = nn.Sequential(
            OrderedDict(
                (f"U{index}", _doubling_block(deepest >> index, deepest >> (index + 1), norms.back))
                for index in range(downsamplings)
            )
        )
        self.output: nn.Module = _output_block(width, architecture.output_channels)
        self._show = showing(architecture.norms.see_sketch)
        self.apply(initialize)

    def features(self, sketch: Tensor) -> Tensor:
        """The last feature map (N, width, H, W), to which a local enhancer adds its own."""
        with self._show(sketch):
            features: Tensor = self.back_end(self.residual(self.front_end(sketch)))
        return features

    def forward(self, sketch: Tensor) -> Tensor:
        """Sketches in [-1, 1] to images in [-1, 1]."""
        check_size(sketch, self.architecture)
        image: Tensor = self.output(self.features(sketch))
        return image


class LocalEnhancer(nn.Module):
    """G2 around G1 (Wang et al. 2018, section 3.1): one or more enhancers, coarse to fine.

    G1 sees the sketch at 1 / 2 ** enhancers of its size. Enhancer n adds its own front end's map
    to the features of the level below, refines and doubles them. The front end of G1 keeps its
    name: `global_generator.front_end.L0`.
    """

    def __init__(self, architecture: GeneratorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        levels = architecture.enhancers
        coarse = architecture
        for _ in range(levels):
            coarse = _one_enhancer_less(coarse)
        self.global_generator = GlobalGenerator(coarse)
        # G1's own output layer has no part in the enhanced image.
        self.global_generator.output = nn.Identity()
        self.enhancers = nn.ModuleList(
            Enhancer(architecture, architecture.width * 2 ** (levels - 1 - level))
            for level in range(levels)
        )
        self.output = _output_block(architecture.width, architecture.output_channels)
        self.apply(initialize)

    def newest_parameters(self) -> Iterator[nn.Parameter]:
        """The weights of the finest enhancer and of the output layer."""
        yield from self.enhancers[-1].parameters()
        yield from self.output.parameters()

    def take_coarse(self, coarse: nn.Module) -> None:
        """Copy a generator of one enhancer less, trained at half the size.

        Its output layer has no place here; all else then computes the same features. Raises
        FeatvizError if it is of another architecture.
        """
        given, expected = coarse.architecture, _one_enhancer_less(self.architecture)
        if given != expected:
            raise FeatvizError(f"a generator of one enhancer less is {expected}; given {given}")
        state = coarse.state_dict()
        prefix = "global_generator." if isinstance(coarse, GlobalGenerator) else ""
        taken = {prefix + key: state[key] for key in state if not key.startswith("output.")}
        self.load_state_dict(self.state_dict() | taken)

    def forward(self, sketch: Tensor) -> Tensor:
        """Sketches in [-1, 1] to images in [-1, 1]."""
        check_size(sketch, self.architecture)
        pyramid = [sketch]
        for _ in self.enhancers:
            pyramid.append(halve(pyramid[-1]))
        features = self.global_generator.features(pyramid.pop())
        for enhancer in self.enhancers:
            features = enhancer(pyramid.pop(), features)
        image: Tensor = self.output(features)
        return image


Generator = GlobalGenerator | LocalEnhancer


class Enhancer(nn.Module):
    """One level of the local enhancer: (sketch, features of half its size) -> features."""

    def __init__(self, architecture: GeneratorArchitecture, width: int) -> None:
        super().__init__()
        norm = architecture.norms.enhancers
        self.front_end = nn.Sequential(
            OrderedDict(
                E0=_wide_block(architecture.input_channels, width, norm),
                E1=_halving_block(width, 2 * width, norm),
            )
        )
        self.residual = nn.Sequential(
            OrderedDict(
                (f"R{index}", ResidualBlock(2 * width, norm))
                for index in range(architecture.enhancer_blocks)
            )
        )
        self.back_end = _doubling_block(2 * width, width, norm)
        self._show = showing(architecture.norms.see_sketch)

    def forward(self, sketch: Tensor, coarse: Tensor) -> Tensor:
        """(N, C_in, H, W) and (N, 2 width, H/2, W/2) -> (N, width, H, W)."""
        with self._show(sketch):
            features: Tensor = self.back_end(self.residual(self.front_end(sketch) + coarse))
        return features


class ResidualBlock(nn.Module):
    """x + norm(conv(pad(relu(norm(conv(pad(x))))))), 3x3, reflection padding."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.first = nn.Sequential(
            OrderedDict(
                pad=nn.ReflectionPad2d(1),
                **dict(block_parts(nn.Conv2d(channels, channels, 3), norm)),
                activation=nn.ReLU(inplace=True),
            )
        )
        self.second = nn.Sequential(
            OrderedDict(
                pad=nn.ReflectionPad2d(1),
                **dict(block_parts(nn.Conv2d(channels, channels, 3), norm)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        refined: Tensor = self.second(self.first(x))
        return x + refined


class OutputConvolution(nn.Conv2d):
    """A convolution to a few channels of images, which the CPU computes four pixels at a time.

    Vector units work on 16 channels or more at once; an image has 3. A kernel one pixel larger and
    with stride 2, once for each of four neighbours, gives the same sums as 12 channels, in less
    than half the time forwards and backwards.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C_in, H, W) -> (N, C_out, H - kernel + 1, W - kernel + 1)."""
        height, width = (
            side - kernel + 1
            for side, kernel in zip(input.shape[-2:], self.kernel_size, strict=True)
        )
        if input.device.type != "cpu" or height % 2 or width % 2:
            return super().forward(input)
        return F.pixel_shuffle(F.conv2d(input, *self.of_neighbours(), stride=2), 2)

    def of_neighbours(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the convolution of stride 2 that computes four pixels at a time."""
        neighbours = [
            F.pad(self.weight, (right, 1 - right, down, 1 - down))
            for down in (0, 1)
            for right in (0, 1)
        ]
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return torch.stack(neighbours, dim=1).flatten(0, 1), bias


def halve(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H/2, W/2) by a 3x3 average, as pix2pixHD builds its pyramids."""
    return F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)


def _wide_block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            pad=nn.ReflectionPad2d(3),
            **dict(block_parts(nn.Conv2d(inputs, outputs, 7), norm)),
            activation=nn.ReLU(inplace=True),
        )
    )


def _halving_block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            **dict(block_parts(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), norm)),
            activation=nn.ReLU(inplace=True),
        )
    )


def _doubling_block(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(
        OrderedDict(
            **dict(block_parts(convolution, norm)),
            activation=nn.ReLU(inplace=True),
        )
    )


def _output_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            pad=nn.ReflectionPad2d(3),
            conv=OutputConvolution(inputs, outputs, 7),
            activation=nn.Tanh(),
        )
    )


class Sized(Protocol):
    """What an architecture tells of the inputs that it takes."""

    @property
    def size_multiple(self) -> int:
        """Of which height and width are multiples."""

    @property
    def least_size(self) -> int:
        """The least of both."""


def check_size(sketch: Tensor, architecture: Sized) -> None:
    """Raise FeatvizError for an input (N, C, H, W) that does not fit the architecture."""
    height, width = sketch.shape[-2:]
    multiple, least = architecture.size_multiple, architecture.least_size
    fits = all(side % multiple == 0 and side >= least for side in (height, width))
    if not fits or not torch.is_floating_point(sketch):
        raise FeatvizError(
            f"a sketch of {width}x{height} ({sketch.dtype}) does not fit this generator; "
            f"expected floating point and sides that are at least {least} and multiples of "
            f"{multiple}"
        )
