"""Pairs as tensors, in an order that depends on seed and step alone."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from featviz.drawing import rasterize
from featviz.encoding import encode_image
from featviz.errors import FeatvizError
from featviz.faces.pairs import PairSet

INPUT_CHANNELS = 3


class PairTensors(Dataset[tuple[Tensor, Tensor]]):
    """Pairs (sketch, photo), each (3, size, size) float32 in [-1, 1]."""

    def __init__(self, pairs: PairSet, size: int) -> None:
        self.pairs = pairs
        self.size = size

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sketch = rasterize(self.pairs.contour(index, self.size))
        return encode_image(sketch), encode_image(self.pairs.photo(index, self.size))


def training_order(count: int, batch_size: int, seed: int, first_step: int) -> Iterator[list[int]]:
    """Endless batches of indices: every epoch a new permutation, from step `first_step` on.

    The batch of a step depends on nothing but `seed` and the step, so a run that continues sees
    what it would have seen. The last, incomplete batch of an epoch is left out.
    """
    per_epoch = count // batch_size
    if per_epoch == 0:
        raise FeatvizError(f"a batch of {batch_size} needs as many pairs; the split has {count}")
    step = first_step
    while True:
        epoch, position = divmod(step, per_epoch)
        permutation = np.random.default_rng((seed, epoch)).permutation(count)
        for start in range(position * batch_size, per_epoch * batch_size, batch_size):
            yield permutation[start : start + batch_size].tolist()
            step += 1


def training_batches(
    pairs: PairSet, size: int, batch_size: int, seed: int, first_step: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches (sketches, photos), each (N, 3, size, size)."""
    order = training_order(len(pairs), batch_size, seed, first_step)
    loader = DataLoader(
        PairTensors(pairs, size),
        batch_sampler=_Batches(order),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # The order is decided above; the loader must not draw from the global random state.
        generator=torch.Generator().manual_seed(0),
    )
    return iter(loader)


class _Batches(torch.utils.data.Sampler[list[int]]):
    def __init__(self, order: Iterator[list[int]]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[list[int]]:
        return self.order
