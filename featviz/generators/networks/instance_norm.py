"""Instance norm, exact and fast on the CPU."""

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_FEW = 1024
"""So many cells may be added up one after the other in float32."""
_SHORT = 256
"""So many are one column of a map that has more."""
_NARROW, _WIDE = 16, 128
"""Of fewer channels torch's kernels fill no registers; of so many they fill them."""
CHUNK = 2**18
"""Values that stay in a processor's cache."""


class InstanceNorm(nn.InstanceNorm2d):
    """torch's instance norm, which on the CPU is exact and leaves maps as they lie in memory.

    torch copies maps in channels_last to the other order, which costs more than the norm itself.
    Its batch norm leaves them, but adds up one cell after the other in float32, and of a sketch's
    maps, whose cells are nearly all equal, hardly two digits are right then. Here what most cells
    hold is subtracted first, which changes nothing: their share of every sum is exactly 0. Then
    every so many-th cell of a large map is added up by itself. Maps of equal cells, such as a
    blank sheet's, become exactly 0. In bfloat16 mean and variance are kept in float32.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C, H, W) -> the same shape, in channels_last if it lies so and contiguous if not."""
        if input.ndim != 4 or input.device.type != "cpu" or input.shape[2:].numel() < 2:
            return super().forward(input)
        if _is_captured():
            return self._scaled(_written_out(input, self.eps), input.dtype)
        maps = input.contiguous(memory_format=_order(input))
        if len(maps) == 1:
            return self._normalized(maps)
        return torch.cat([self._normalized(image) for image in torch.split(maps, 1)])

    def with_statistics(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A map (1, C, H, W) normalised, and its mean and biased variance, (C,) in float64.

        In float32 or float64, without gradients. The map may be overwritten.
        """
        image = image.contiguous(memory_format=_order(image))
        usual = usual_cell(image).double()
        normalized, _, mean, variance = _normalize(image, self.eps, keep=False)
        return self._scaled(normalized, image.dtype), usual + mean, variance.double()

    def statistics(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of a map (1, C, H, W) in float32 or float64, (C,) in float64."""
        image = image.contiguous(memory_format=_order(image))
        _, mean, variance = _moments(image)
        return usual_cell(image).double() + mean, variance.double()

    def scale_and_shift(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """What it does to x of a mean and a variance, x scale + shift; (C,) each."""
        # Rounding may leave a little less than nothing.
        scale = (variance.clamp(min=0) + self.eps).rsqrt()
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        return scale, shift

    def _normalized(self, image: Tensor) -> Tensor:
        # Few digits leave room in float32 for sums of many cells.
        if image.dtype == torch.float16:
            return self._normalized(image.float()).half()
        if image.dtype == torch.float32 and not image.is_contiguous() and _few(image):
            image = image - usual_cell(image)[:, None, None]
            normalized = F.batch_norm(image, None, None, training=True, eps=self.eps)
        elif image.requires_grad and torch.is_grad_enabled():
            normalized = _Normalization.apply(image, self.eps)  # type: ignore[no-untyped-call]
        else:
            normalized = _normalize(image, self.eps, keep=False)[0]
        return self._scaled(normalized, image.dtype)

    def _scaled(self, normalized: Tensor, dtype: torch.dtype) -> Tensor:
        if not self.affine:
            return normalized.to(dtype)
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return torch.addcmul(bias, normalized, weight).to(dtype)


def is_instance_norm_or_none(norm: nn.Module) -> bool:
    """Whether it is an instance norm of this kind, or an identity in a norm's place."""
    return isinstance(norm, InstanceNorm | nn.Identity)


def _is_captured() -> bool:
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling()


def _written_out(maps: Tensor, eps: float) -> Tensor:
    """The norm in operations that every capture of graphs knows, slower but as exact."""
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    centred = maps - maps[:, :, :1, :1].detach()
    centred = centred - centred.mean(dim=(2, 3), keepdim=True)
    return centred * (centred.square().mean(dim=(2, 3), keepdim=True) + eps).rsqrt()


def usual_cell(image: Tensor) -> Tensor:
    """Of each channel of (1, C, H, W) a value that is likely to be its most frequent one: (C,).

    It is the median of some cells: three of a small map, where more would take longer than they
    save, nine of a large one.
    """
    channels, height, width = image.shape[1:]
    along, down, right = image.stride()[1:]
    count = 3 if height * width <= _FEW else 9
    first = image.storage_offset() + height // (2 * count) * down + width // 3 * right
    step = height // count * down + width // (3 * count) * right
    cells = image.detach().as_strided((count, channels), (step, along), first)
    if count > 3:
        return cells.median(dim=0).values
    one, two, three = cells.unbind()
    return three.clamp(torch.minimum(one, two), torch.maximum(one, two))


def _normalize(image: Tensor, eps: float, keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A map (1, C, H, W) normalised, what was normalised, and mean and variance (C,) of that.

    The second is the image, or in float32 and float64 the image less what most cells hold. It may
    be overwritten unless it is to be kept.
    """
    image, mean, variance = _moments(image)
    cells, columns = by_column(image)
    # Not a view of another tensor, or no activation could work on it in place.
    is_new = image.dtype in (torch.float32, torch.float64)
    normalized = image if is_new and not keep else torch.empty_like(image)
    # Equal cells are 0 also where x s - m s would leave the rounding of m s.
    told_apart = torch.threshold(variance, 0.0, torch.inf)
    torch.native_batch_norm(
        cells, None, None, _spread(mean, columns), _spread(told_apart, columns), False, 0.0, eps,
        out=(by_column(normalized)[0], mean.new_empty(0), mean.new_empty(0)),
    )  # fmt: skip
    return normalized, image, mean, variance


def _moments(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is normalised, see `_normalize`, and its mean and variance (C,), not spread."""
    cells, columns = by_column(image)
    if image.dtype in (torch.float32, torch.float64):
        usual = _spread(usual_cell(image), columns)[:, None, None]
        image = torch.empty_like(image)
        cells = torch.sub(cells, usual, out=by_column(image)[0])
    # Statistics have the precision of the buffers that the kernel is given.
    kept = torch.promote_types(image.dtype, torch.float32)
    buffer = image.new_zeros(cells.shape[1], dtype=kept)
    mean, variance = torch.batch_norm_update_stats(cells, buffer, buffer, 0.0)
    if columns > 1:
        means = mean.view(columns, -1)
        mean = means.mean(dim=0)
        variance = (variance.view(columns, -1) + (means - mean).square()).mean(dim=0)
    return image, mean, variance


class _Normalization(torch.autograd.Function):
    """A map (1, C, H, W) normalised, with its gradient.

    torch's own gradient adds up as its batch norm does, and on a CPU is wrong for one contiguous
    image if it comes in channels_last.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, eps: float) -> Tensor:
        normalized, image, mean, variance = _normalize(image, eps, keep=True)
        ctx.save_for_backward(image, mean, (variance + eps).rsqrt())
        return normalized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        """Where y = s (x - m): dx = s (dy - mean(dy) - y mean(dy y))."""
        image, mean, scale = ctx.saved_tensors
        slope = slope.contiguous(memory_format=_order(image))
        cells, columns = by_column(image)
        if columns == 1 or (_few(image) and image.shape[1] >= _NARROW):
            return batch_norm_backward(slope, image, mean, scale, [True, False, False])[0], None
        slopes, _ = by_column(slope)
        means, scales = _spread(mean, columns), _spread(scale, columns)
        sums = batch_norm_backward(slopes, cells, means, scales, [False, True, True])[1:]
        count = image[0, 0].numel()
        along, level = (x.view(columns, -1).sum(dim=0) / count for x in sums)
        tilt = -scale * scale * along
        level, tilt = _spread(-mean * tilt - scale * level, columns), _spread(tilt, columns)
        gradient = torch.empty_like(image)
        rows = [x[0, :, :, 0].T for x in (by_column(gradient)[0], cells, slopes)]
        # What lies between stays in the cache, chunk by chunk.
        chunks = (torch.split(x, max(1, CHUNK // len(level))) for x in rows)
        for into, x, dy in zip(*chunks, strict=True):
            if into.dtype == level.dtype:
                torch.addcmul(level, x, tilt, out=into).addcmul_(dy, scales)
            else:
                into.copy_(torch.addcmul(level, x.to(level), tilt).addcmul_(dy.to(level), scales))
        return gradient, None


def batch_norm_backward(
    slope: Tensor, maps: Tensor, mean: Tensor, scale: Tensor, wanted: list[bool]
) -> list[Tensor]:
    """Where wanted, the gradient of maps, the sum of slope times the normalised, and of slope."""
    results: list[Tensor] = torch.ops.aten.native_batch_norm_backward(
        slope, maps, None, None, None, mean, scale, True, 0.0, wanted
    )
    return results


def _order(maps: Tensor) -> torch.memory_format:
    lies_last = maps.is_contiguous(memory_format=torch.channels_last)
    # Of one channel, or of one cell, both are true.
    return (
        torch.channels_last if lies_last and not maps.is_contiguous() else torch.contiguous_format
    )


def _few(image: Tensor) -> bool:
    """Whether the cells of (1, C, H, W) may be added up one after the other in float32.

    In lower precision so many may as sum up exactly if they are equal.
    """
    return image.shape[2:].numel() <= max(_FEW, torch.finfo(image.dtype).eps * 2**23)


def by_column(image: Tensor) -> tuple[Tensor, int]:
    """A map (1, C, H, W) as (1, columns C, H W / columns, 1), and how many columns that is.

    One column is the whole map, as it comes, if its cells are few or its channels lie apart, which
    torch adds up in float64.
    """
    _, channels, height, width = image.shape
    columns = 1 if image.is_contiguous() else _columns(channels, height, width)
    if columns == 1:
        return image, 1
    size = (1, columns * channels, height * width // columns, 1)
    return image.as_strided(size, (image.numel(), 1, size[1], size[1])), columns


@functools.cache
def _columns(channels: int, height: int, width: int) -> int:
    """The fewest columns, a divisor of the width, that are short and together wide enough."""
    cells = height * width
    if cells <= _FEW:
        return 1
    for columns in range(1, width):
        short, wide = cells <= _SHORT * columns, columns * channels >= _WIDE
        if short and wide and width % columns == 0:
            return columns
    return width


def _spread(values: Tensor, columns: int) -> Tensor:
    """Values (C,) of each channel, for each channel of each column."""
    return values.repeat(columns) if columns > 1 else values
