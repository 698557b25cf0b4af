"""Pairs as tensors, in an order that depends on seed and step alone."""

import signal
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import Augmentation
from featviz.faces.instances import instance_map
from featviz.faces.landmarks import LANDMARKS
from featviz.faces.pairs import PairSet
from featviz.generators.network_input import encode_drawing
from featviz.generators.networks.conditions import Conditions
from featviz.sketches.drawing import Drawing
from featviz.sketches.tensors import encode_image
from featviz.training.pair import Pair, batch_of
from featviz.training.part_edits import edited_sketch, where_kept

_MOST_UNREADABLE_IN_A_ROW = 100
_NO_CONDITIONS = Conditions()

PairDraw = tuple[int, int]
"""A pair's index, and how many pairs the run had drawn before this one."""


class PairTensors(Dataset[Pair]):
    """Pairs of sketch and photo, each (3, size, size) float32 in [-1, 1].

    The sketch has the channels of its conditions too.

    An int asks for a pair as it is, a draw (index, number) for the sketch moved by the
    augmentation, or unfinished; how depends on `seed` and the number alone. A photo that cannot be
    read is replaced by the next pair, said on stderr and counted in `skipped`. With `edits` a draw
    has the sketch with a part of another face too, which depends on these and on the pair. Raises
    FeatvizError if there is no other face then.
    """

    def __init__(
        self,
        pairs: PairSet,
        size: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        conditions: Conditions = _NO_CONDITIONS,
        edits: bool = False,
    ) -> None:
        if edits and len(pairs) < 2:
            raise FeatvizError(
                f"{pairs.folder} has {len(pairs)} pairs in its train split; a loss on locality "
                "takes parts of other faces, so it needs 2 or more"
            )
        self.pairs = pairs
        self.size = size
        self.augmentation = augmentation
        self.seed = seed
        self.conditions = conditions
        self.edits = edits
        # Shared, because the processes that load pairs are the ones that find out.
        self._unreadable = torch.zeros(len(pairs), dtype=torch.bool)
        self._unreadable.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the photos that could not be read and were passed over so far."""
        return tuple(self.pairs.names[i] for i in self._unreadable.nonzero().flatten().tolist())

    def __getitem__(self, key: int | PairDraw) -> Pair:
        index, number = key if isinstance(key, tuple) else (key, None)
        index, photo = self._readable_photo(index)
        points, drawing = self._drawn(index, number)
        edited = kept = None
        if self.edits and number is not None:
            random = np.random.default_rng((self.seed, 2, number))
            changed = edited_sketch(drawing, points[:LANDMARKS], self.pairs, index, random)
            edited, kept = encode_drawing(changed), where_kept(drawing, changed)
        return Pair(
            encode_drawing(drawing, self.conditions.boundaries),
            encode_image(photo),
            self._instances(drawing, index) if self.conditions.appearance_channels else None,
            edited,
            kept,
        )

    def _drawn(self, index: int, number: int | None) -> tuple[NDArray[np.float32], Drawing]:
        """The points of a contour and the contour, as they are or, of a draw, augmented."""
        points = self.pairs.points(index)
        if self.augmentation is None or number is None:
            return points, self.pairs.contour(index, self.size)
        random = np.random.default_rng((self.seed, 1, number))
        points = self.augmentation.move(points, self.pairs.size, random)
        drawing = self.pairs.contour(index, self.size, points)
        return points, self.augmentation.leave_out(drawing, random)

    def _instances(self, drawing: Drawing, index: int) -> Tensor:
        """The instance maps (2, size, size) of a drawing, moved or not, and of its photo."""
        of_photo = instance_map(self.pairs.contour(index, self.size))
        return torch.from_numpy(np.stack([instance_map(drawing), of_photo]))

    def _readable_photo(self, index: int) -> tuple[int, NDArray[np.uint8]]:
        """The photo at `index`, or the next one that can be read; says so once for each other."""
        for offset in range(min(len(self.pairs), _MOST_UNREADABLE_IN_A_ROW)):
            candidate = (index + offset) % len(self.pairs)
            try:
                return candidate, self.pairs.photo(candidate, self.size)
            except FeatvizError as error:
                reason = str(error)
                if not self._unreadable[candidate]:
                    self._unreadable[candidate] = True
                    print(f"skipped {reason} ({len(self.skipped)} so far)", file=sys.stderr)
        raise FeatvizError(
            f"{self.pairs.folder}: {offset + 1} photos in a row cannot be read; the last: {reason}"
        )


def training_order(
    count: int, batch_size: int, seed: int, first_step: int, rank: int = 0, ranks: int = 1
) -> Iterator[list[PairDraw]]:
    """Endless batches of draws: every epoch a new permutation, from step `first_step` on.

    The batch of a step depends on nothing but `seed` and the step, so a run that continues sees
    what it would have seen. Of `ranks` processes each takes its own equal share of every batch.
    The last, incomplete batch of an epoch is left out.
    """
    per_epoch = count // batch_size
    if per_epoch == 0:
        raise FeatvizError(f"a batch of {batch_size} needs as many pairs; the split has {count}")
    if batch_size % ranks:
        raise FeatvizError(f"a batch of {batch_size} cannot be shared by {ranks} processes")
    share = batch_size // ranks
    step = first_step
    while True:
        epoch, position = divmod(step, per_epoch)
        permutation = np.random.default_rng((seed, epoch)).permutation(count)
        for start in range(position * batch_size, per_epoch * batch_size, batch_size):
            first = start + rank * share
            numbers = range(step * batch_size + rank * share, step * batch_size + batch_size)
            chosen = permutation[first : first + share].tolist()
            yield list(zip(chosen, numbers, strict=False))
            step += 1


def training_batches(
    dataset: PairTensors,
    batch_size: int,
    first_step: int,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Pair]:
    """Endless batches of N / ranks pairs."""
    order = training_order(len(dataset), batch_size, dataset.seed, first_step, rank, ranks)
    loader = DataLoader(
        dataset,
        batch_sampler=_Batches(order),
        num_workers=workers,
        collate_fn=batch_of,
        pin_memory=torch.cuda.is_available(),
        # The order is decided above; the loader must not draw from the global random state.
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_ignore_interrupts,
    )
    return _with_plain_errors(loader)


def _ignore_interrupts(_: int) -> None:
    """Ctrl-C reaches all processes of a terminal; the run itself still wants its next batch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_plain_errors(batches: Iterable[Pair]) -> Iterator[Pair]:
    """The batches, and errors as they were raised: the loader puts a traceback before them."""
    try:
        yield from batches
    except FeatvizError as error:
        raise FeatvizError(str(error).strip().rpartition("FeatvizError: ")[2]) from None


class _Batches(Sampler[list[PairDraw]]):
    def __init__(self, order: Iterator[list[PairDraw]]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[list[PairDraw]]:
        return self.order
