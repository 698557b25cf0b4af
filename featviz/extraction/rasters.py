"""Sketches rasterised once and kept for all checkpoints of a call."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.drawing import INK, PAPER
from featviz.errors import FeatvizError
from featviz.progress import track
from featviz.sketches import SketchSet

MEMORY = 1 << 30
"""Bytes that kept images may take: those of about 400 000 line drawings of 512x512."""

_NAMED = 5


@dataclass(frozen=True, eq=False)
class Rasters:
    """The readable sketches of a set, in its order, and their images in little memory.

    skipped: the names of those left out. packed: a bit a pixel, compressed; None if all of them
    would be too large, so that images are rasterised again each time.
    """

    sketches: SketchSet
    skipped: tuple[str, ...]
    packed: tuple[bytes, ...] | None

    @property
    def folder(self) -> Path:
        """Where the set lies."""
        return self.sketches.folder

    @property
    def index(self) -> pd.DataFrame:
        """One row a sketch."""
        return self.sketches.index

    def __len__(self) -> int:
        return len(self.sketches)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The images in the order of the index, as `SketchSet.images` gives them."""
        if self.packed is None:
            yield from self.sketches.images()
            return
        size = self.sketches.size
        for packed in self.packed:
            yield _unpack(packed, size)


def read_rasters(
    sketches: SketchSet,
    skip_bad: bool = False,
    memory: int = MEMORY,
    may_be_empty: bool = False,
) -> Rasters:
    """Read every image of a set once.

    memory: bytes that the compressed images may take. Raises FeatvizError naming the sketches
    that cannot be read, or, with skip_bad, if that is all of them and it must not be.
    """
    packed: list[bytes] | None = []
    good: list[int] = []
    bad: dict[str, str] = {}
    taken = 0
    for number in track(range(len(sketches)), "sketches, rasterised", is_passing=True):
        try:
            image = sketches.image(number)
        except FeatvizError as error:
            bad[sketches.index["sketch"].iloc[number]] = str(error)
            continue
        good.append(number)
        if packed is not None:
            packed.append(_pack(image))
            taken += len(packed[-1])
            if taken > memory:
                packed = None
    if bad and not (skip_bad and (good or may_be_empty)):
        raise FeatvizError(_report(bad, len(sketches), skip_bad))
    readable = sketches
    if bad:
        rows = sketches.index.iloc[good].reset_index(drop=True)
        readable = replace(sketches, index=rows)
    return Rasters(readable, tuple(bad), None if packed is None else tuple(packed))


def _report(bad: dict[str, str], total: int, skip_bad: bool) -> str:
    first = next(iter(bad.values()))
    advice = "" if skip_bad else "; --skip-bad leaves out what cannot be read"
    if len(bad) == 1:
        return f"{first}{advice}"
    names = ", ".join(list(bad)[:_NAMED])
    if len(bad) > _NAMED:
        names += f" and {len(bad) - _NAMED} more"
    return f"{len(bad)} of {total} sketches cannot be read ({names}); the first: {first}{advice}"


def _pack(image: NDArray[np.uint8]) -> bytes:
    return zlib.compress(np.packbits(image == INK).tobytes(), level=1)


def _unpack(packed: bytes, size: int) -> NDArray[np.uint8]:
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=size * size)
    return np.where(bits, np.uint8(INK), np.uint8(PAPER)).reshape(size, size)
