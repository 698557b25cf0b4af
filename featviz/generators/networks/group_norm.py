"""Group norm over maps, as exact in channels_last as it is in the other order."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        # To one group the order of its values is nothing: they are taken as they lie.
        rows = F.group_norm(input.permute(0, 2, 3, 1), 1, eps=self.eps)
        normalized = rows.permute(0, 3, 1, 2)
        if not self.affine:
            return normalized
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return torch.addcmul(bias, normalized, weight).to(input.dtype)


def lies_last(maps: Tensor) -> bool:
    """Whether maps are those of which torch's norms add up one cell after the other in float32."""
    is_last = maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last)
    return is_last and not maps.is_contiguous() and maps.device.type == "cpu"
