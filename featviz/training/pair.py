"""What a training step is given: a sketch and its photo, one pair or a batch of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pair:
    """A sketch and its photo; a batch has one more dimension in front.

    sketch: (C, H, W) in [-1, 1]. photo: (3, H, W) in [-1, 1].
    """

    sketch: Tensor
    photo: Tensor

    def to(self, device: torch.device) -> "Pair":
        """The batch on a device, maps in channels-last order."""
        return Pair(_moved(self.sketch, device), _moved(self.photo, device))

    def pin_memory(self) -> "Pair":
        """The batch in memory that a GPU reads fast; asked for by PyTorch's loader."""
        return Pair(self.sketch.pin_memory(), self.photo.pin_memory())

    def parts(self, count: int) -> list["Pair"]:
        """The batch cut into `count` equal parts."""
        both = zip(self.sketch.chunk(count), self.photo.chunk(count), strict=True)
        return [Pair(sketch, photo) for sketch, photo in both]


def batch_of(pairs: Sequence[Pair]) -> Pair:
    """Pairs of one size as a batch."""
    return Pair(
        torch.stack([pair.sketch for pair in pairs]), torch.stack([pair.photo for pair in pairs])
    )


def _moved(maps: Tensor, device: torch.device) -> Tensor:
    return maps.to(device, memory_format=torch.channels_last, non_blocking=True)
