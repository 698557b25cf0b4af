"""Group norm over maps, as exact in channels_last as it is in the other order."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from featviz.generators.networks.instance_norm import CHUNK, batch_norm_backward, by_column

_LARGE = 2**18
"""Values of an image's map; a smaller one lies in a processor's cache."""


class GroupNorm(nn.GroupNorm):
    """torch's group norm without the float32 sums of its CPU kernel for channels_last.

    That adds up one cell after the other: of maps of nearly equal cells three digits are right
    with one group, and none with as many groups as channels. The other kernel's sums are exact.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C, H, W) -> the same shape, in channels_last if it lies so."""
        if not lies_last(input):
            return super().forward(input)
        if self.num_groups > 1:
            found = super().forward(input.contiguous())
            return found.contiguous(memory_format=torch.channels_last)
        if self.training and self.affine and _is_large(input) and not _is_captured():
            fused: Tensor = _LayerNorm.apply(input, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
            return fused
        # To one group the order of its values is nothing: they are taken as they lie.
        rows = F.group_norm(input.permute(0, 2, 3, 1), 1, eps=self.eps)
        normalized = rows.permute(0, 3, 1, 2)
        if not self.affine:
            return normalized
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return torch.addcmul(bias, normalized, weight).to(input.dtype)


class _LayerNorm(torch.autograd.Function):
    """The norm of one group with its scale and shift, in fewer passes over the maps.

    Maps (N, C, H, W) lie in channels_last. Mean and variance are those of columns of few cells and
    channels, put together, so that no sum is long; scale and shift go into the pass that
    normalises. torch's gradient of weight and bias has the two sums that all others follow from.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        result, moments = torch.empty_like(maps), []
        for image, into in zip(torch.split(maps, 1), torch.split(result, 1), strict=True):
            cells, _ = by_column(image)
            buffer = cells.new_zeros(cells.shape[1])
            means, variances = torch.batch_norm_update_stats(cells, buffer, buffer, 0.0)
            mean = means.mean()
            variance = (variances + (means - mean).square()).mean()
            moments.append(torch.stack([mean, variance]))
            # The kernels take values as they lie: nothing is expanded.
            torch.native_batch_norm(
                image, weight, bias, mean.repeat(len(weight)), variance.repeat(len(weight)), False,
                0.0, eps, out=(into, mean.new_empty(0), mean.new_empty(0)),
            )  # fmt: skip
        ctx.save_for_backward(maps, weight, torch.stack(moments))
        ctx.eps = eps
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Where y = s (x - m): dx = s (dy - mean(dy) - y mean(dy y)), dy being scaled by weight."""
        maps, weight, moments = ctx.saved_tensors
        slope = slope.contiguous(memory_format=torch.channels_last)
        gradient = torch.empty_like(maps)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        every = (torch.split(each, 1) for each in (maps, slope, gradient))
        for image, dy, into, (mean, variance) in zip(*every, moments, strict=True):
            scale = (variance + ctx.eps).rsqrt()
            (cells, columns), (slopes, _) = by_column(image), by_column(dy)
            wide = cells.shape[1]
            sums = batch_norm_backward(
                slopes, cells, mean.repeat(wide), scale.repeat(wide), [False, True, True]
            )[1:]
            along, level = (each.view(columns, -1).sum(dim=0) for each in sums)
            of_weight += along
            of_bias += level
            tilt, by = ((each * weight).sum() / image.numel() for each in (along, level))
            tilt = -scale * scale * tilt
            by = (-mean * tilt - scale * by).expand(wide)
            steps = (weight * scale).repeat(columns)
            rows = [each[0, :, :, 0].T for each in (by_column(into)[0], cells, slopes)]
            # What lies between stays in the cache, chunk by chunk.
            chunks = (torch.split(each, max(1, CHUNK // wide)) for each in rows)
            for there, x, part in zip(*chunks, strict=True):
                torch.add(by, x * tilt, out=there).addcmul_(part, steps)
        return gradient, of_weight, of_bias, None


def _is_large(maps: Tensor) -> bool:
    """Whether passes over maps are what a norm costs, and not what is done before and after."""
    return maps.dtype == torch.float32 and maps[0].numel() >= _LARGE


def _is_captured() -> bool:
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling()


def lies_last(maps: Tensor) -> bool:
    """Whether maps are those of which torch's norms add up one cell after the other in float32."""
    is_last = maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last)
    return is_last and not maps.is_contiguous() and maps.device.type == "cpu"
