"""Layer norm over maps, as exact in channels_last as it is in the other order."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm(nn.GroupNorm):
    """torch's group norm of one group, without the float32 sums of its kernel for channels_last.

    That adds up one cell after the other, and of maps of nearly equal cells three digits are right
    then. To one group the order of its values is nothing, so the other kernel is given them as
    they lie.
    """

    def __init__(self, channels: int, affine: bool, eps: float) -> None:
        super().__init__(1, channels, eps, affine)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(N, C, H, W) -> the same shape, in channels_last if it lies so."""
        lies_last = input.is_contiguous(memory_format=torch.channels_last)
        if input.ndim != 4 or input.device.type != "cpu" or input.is_contiguous() or not lies_last:
            return super().forward(input)
        rows = F.group_norm(input.permute(0, 2, 3, 1), 1, eps=self.eps)
        normalized = rows.permute(0, 3, 1, 2)
        if not self.affine:
            return normalized
        return torch.addcmul(self.bias[:, None, None], normalized, self.weight[:, None, None])
