"""The normalisations a layer can have, by name."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from featviz.base.errors import FeatvizError

Norm = Literal["instance", "instance-affine", "none"]

_NORMS: tuple[Norm, ...] = get_args(Norm)

_FEW = 1024


class InstanceNorm(nn.InstanceNorm2d):
    """torch's instance norm, which on the CPU is exact and leaves maps as they lie in memory.

    torch copies maps in channels_last to the other order, which costs more than the norm itself.
    Its batch norm leaves them, but adds up one cell after the other in float32, and of a sketch's
    maps, whose cells are nearly all equal, hardly two digits are right then. Here what most cells
    hold is subtracted first, which changes nothing: their share of every sum is exactly 0. Then
    each column of a large map is added up by itself. Maps of equal cells, such as a blank sheet's,
    become exactly 0. In bfloat16 mean and variance are kept in float32.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C, H, W) -> the same shape, in channels_last if it lies so and contiguous if not."""
        if input.ndim != 4 or input.device.type != "cpu" or input.shape[2:].numel() < 2:
            return super().forward(input)
        maps = input.contiguous(memory_format=_order(input))
        images = [self._normalized(image) for image in torch.split(maps, 1)]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _normalized(self, image: Tensor) -> Tensor:
        # Few digits leave room in float32 for sums of many cells.
        if image.dtype == torch.float16:
            return self._normalized(image.float()).half()
        if image.dtype in (torch.float32, torch.float64):
            image = image - _usual(image)[:, None, None]
        if image.dtype == torch.float32 and _order(image) == torch.channels_last and _few(image):
            normalized = F.batch_norm(image, None, None, training=True, eps=self.eps)
        else:
            normalized = _Normalization.apply(image, self.eps)  # type: ignore[no-untyped-call]
        if not self.affine:
            return normalized
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return torch.addcmul(bias, normalized, weight).to(image.dtype)


def _usual(image: Tensor) -> Tensor:
    """Of each channel of (1, C, H, W) a value that is likely to be its most frequent one: (C,)."""
    height, width = image.shape[-2:]
    down, right = max(1, height // 3), max(1, width // 3)
    cells = image.detach()[0, :, down // 2 :: down, right // 2 :: right]
    return cells.flatten(1).median(dim=1).values


class _Normalization(torch.autograd.Function):
    """A map (1, C, H, W) normalised, with its gradient.

    torch's own gradient adds up as its batch norm does, and on a CPU is wrong for one contiguous
    image if it comes in channels_last.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, eps: float) -> Tensor:
        cells, columns = _by_column(image)
        # Statistics have the precision of the buffers that the kernel is given.
        kept = torch.promote_types(image.dtype, torch.float32)
        buffer = image.new_zeros(cells.shape[1], dtype=kept)
        mean, variance = torch.batch_norm_update_stats(cells, buffer, buffer, 0.0)
        if columns > 1:
            means = mean.view(columns, -1)
            mean = means.mean(dim=0)
            variance = (variance.view(columns, -1) + (means - mean).square()).mean(dim=0)
        ctx.save_for_backward(image, mean, (variance + eps).rsqrt())
        # Equal cells are 0 also where x s - m s would leave the rounding of m s.
        variance = variance.masked_fill(variance == 0, torch.inf)
        mean, variance = _spread((mean, variance), columns)
        # Not a view of another tensor, or no activation could work on it in place.
        normalized = torch.empty_like(image)
        torch.ops.aten.native_batch_norm.out(
            cells, None, None, mean, variance, False, 0.0, eps,
            out=_by_column(normalized)[0], save_mean=buffer[:0], save_invstd=buffer[:0].clone(),
        )  # fmt: skip
        return normalized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        """Where y = s (x - m): dx = s (dy - mean(dy) - y mean(dy y))."""
        image, mean, scale = ctx.saved_tensors
        cells, columns = _by_column(image)
        slopes, _ = _by_column(slope.contiguous(memory_format=_order(image)))
        whole = columns == 1
        means, scales, ones = _spread((mean, scale, torch.ones_like(mean)), columns)
        gradient, *sums = torch.ops.aten.native_batch_norm_backward(
            slopes, cells, ones, None, None, means, scales, True, 0.0, [whole, not whole, not whole]
        )
        if whole:
            return gradient, None
        count = image[0, 0].numel()
        along, level = (x.view(columns, -1).sum(dim=0) / count for x in sums)
        tilt = scale * scale * along
        level = mean * tilt - scale * level
        level, tilt, scale = (x[:, None, None] for x in _spread((level, tilt, scale), columns))
        gradient = torch.addcmul(level, cells, tilt, value=-1).addcmul_(slopes, scale)
        return _together(gradient.to(image.dtype), image), None


def _order(maps: Tensor) -> torch.memory_format:
    lies_last = maps.is_contiguous(memory_format=torch.channels_last)
    # Of one channel, or of one cell, both are true.
    return (
        torch.channels_last if lies_last and not maps.is_contiguous() else torch.contiguous_format
    )


def _by_column(image: Tensor) -> tuple[Tensor, int]:
    """A map (1, C, H, W) as (1, columns C, H, 1), and how many columns that is.

    One column is the whole map, as it comes, if its cells are few or its channels lie apart, which
    torch adds up in float64.
    """
    _, channels, height, width = image.shape
    if image.is_contiguous() or _few(image):
        return image, 1
    rows = image.permute(0, 2, 3, 1).reshape(1, height, 1, width * channels)
    return rows.permute(0, 3, 1, 2), width


def _few(image: Tensor) -> bool:
    """Whether the cells of (1, C, H, W) may be added up one after the other in float32.

    In lower precision so many may as sum up exactly if they are equal.
    """
    return image.shape[2:].numel() <= max(_FEW, torch.finfo(image.dtype).eps * 2**23)


def _spread(values: Iterable[Tensor], columns: int) -> list[Tensor]:
    """Values (C,) of each channel, for each channel of each column."""
    return [each.repeat(columns) if columns > 1 else each for each in values]


def _together(cells: Tensor, image: Tensor) -> Tensor:
    """What `_by_column` took apart, in the shape of the image."""
    _, channels, height, width = image.shape
    if cells.shape == image.shape:
        return cells
    return cells.permute(0, 2, 3, 1).reshape(1, height, width, channels).permute(0, 3, 1, 2)


def normalization(name: Norm, channels: int) -> nn.Module:
    """A module that normalises maps (N, channels, H, W).

    "instance": y = (x - mean) / sqrt(var + 1e-5) per image and channel over the whole map, as in
    NVIDIA's code; "instance-affine": the same, then gamma * y + beta with learnable gamma and
    beta, as in the study's formula; "none": the identity. Raises FeatvizError for another name.
    """
    match name:
        case "instance":
            return InstanceNorm(channels, affine=False)
        case "instance-affine":
            return InstanceNorm(channels, affine=True)
        case "none":
            return nn.Identity()
        case _:
            raise FeatvizError(f"unknown normalisation '{name}'; there are {', '.join(_NORMS)}")
