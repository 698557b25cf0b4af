"""What a training step is given: a sketch and its photo, one pair or a batch of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from featviz.base.errors import FeatvizError


@dataclass(frozen=True, eq=False)
class Pair:
    """A sketch and its photo; a batch has one more dimension in front.

    sketch: (C, H, W) in [-1, 1]. photo: (3, H, W) in [-1, 1]. instances: (2, H, W) uint8, the
    instance maps of the sketch and of the photo (an augmented sketch lies elsewhere), for an
    encoder; None without one. edited: (C, H, W), the same sketch with one part of another face, and
    kept: (1, H, W) bool, where the image must stay when it takes its place; None without a loss on
    locality.
    """

    sketch: Tensor
    photo: Tensor
    instances: Tensor | None = None
    edited: Tensor | None = None
    kept: Tensor | None = None

    def to(self, device: torch.device) -> "Pair":
        """The batch on a device, maps in channels-last order."""
        return self._each(
            lambda maps: maps.to(device, memory_format=torch.channels_last, non_blocking=True)
        )

    def pin_memory(self) -> "Pair":
        """The batch in memory that a GPU reads fast; asked for by PyTorch's loader."""
        return self._each(Tensor.pin_memory)

    def parts(self, count: int) -> list["Pair"]:
        """The batch cut into `count` equal parts; raises FeatvizError if that cannot be."""
        if len(self.sketch) % count:
            raise FeatvizError(f"{len(self.sketch)} pairs cannot be cut into {count} equal parts")
        size = len(self.sketch) // count
        return [
            self._each(lambda maps, start=start: maps[start : start + size])  # type: ignore[misc]
            for start in range(0, len(self.sketch), size)
        ]

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Pair":
        instances, edited, kept = (
            None if maps is None else change(maps)
            for maps in (self.instances, self.edited, self.kept)
        )
        return Pair(change(self.sketch), change(self.photo), instances, edited, kept)


def batch_of(pairs: Sequence[Pair]) -> Pair:
    """Pairs of one size as a batch; what one of them has beside sketch and photo, all have."""
    instances, edited, kept = (
        [maps for pair in pairs if (maps := getattr(pair, name)) is not None]
        for name in ("instances", "edited", "kept")
    )
    return Pair(
        torch.stack([pair.sketch for pair in pairs]),
        torch.stack([pair.photo for pair in pairs]),
        torch.stack(instances) if instances else None,
        torch.stack(edited) if edited else None,
        torch.stack(kept) if kept else None,
    )
