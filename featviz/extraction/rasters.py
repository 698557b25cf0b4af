"""Sketches rasterised once and kept for all checkpoints of a call."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.faces.instances import instance_map
from featviz.sketches.drawing import INK, PAPER, Drawing, rasterize
from featviz.sketches.sketch_set import SketchSet, require_paper

_MEMORY = 1 << 30
"""Bytes that kept images may take: those of about 400 000 line drawings of 512x512."""

_NAMED = 5


@dataclass(frozen=True, eq=False)
class Rasters:
    """The readable sketches of a set, in its order, and their images in little memory.

    skipped: the names of those left out. packed: a bit a pixel, compressed; None if all of them
    would be too large, so that images are rasterised again each time. instances: the instance at
    each pixel, likewise, if they were asked for.
    """

    sketches: SketchSet
    skipped: tuple[str, ...]
    packed: tuple[bytes, ...] | None
    instances: tuple[bytes, ...] | None = None

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

    def with_instances(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Each image with the instance at each of its pixels, see `instance_map`.

        Raises FeatvizError for a sketch of pixels and one whose parts have no names.
        """
        if self.packed is None or self.instances is None:
            for number in range(len(self)):
                image, drawing = _read(self.sketches, number, as_drawing=True)
                assert drawing is not None
                yield image, _instances(self.sketches, number, drawing)
            return
        size = self.sketches.size
        for packed, instances in zip(self.packed, self.instances, strict=True):
            pixels = np.frombuffer(zlib.decompress(instances), np.uint8)
            yield _unpack(packed, size), pixels.reshape(size, size)


def read_rasters(
    sketches: SketchSet,
    skip_bad: bool = False,
    memory: int = _MEMORY,
    may_be_empty: bool = False,
    with_instances: bool = False,
) -> Rasters:
    """Read every image of a set once.

    memory: bytes that the compressed images may take. with_instances: also tell the instances
    of its drawings, from the same reading. Raises FeatvizError naming the sketches that cannot be
    read, or, with skip_bad, if that is all of them and it must not be.
    """
    packed: list[bytes] | None = []
    maps: list[bytes] = []
    good: list[int] = []
    bad: dict[str, str] = {}
    taken = 0
    for number in track(range(len(sketches)), "sketches, rasterised", is_passing=True):
        try:
            image, drawing = _read(sketches, number, with_instances)
        except FeatvizError as error:
            bad[sketches.index["sketch"].iloc[number]] = str(error)
            continue
        good.append(number)
        if packed is None:
            continue
        packed.append(_pack(image))
        taken += len(packed[-1])
        if drawing is not None:
            maps.append(zlib.compress(_instances(sketches, number, drawing).tobytes(), level=1))
            taken += len(maps[-1])
        if taken > memory:
            packed = None
    if bad and not (skip_bad and (good or may_be_empty)):
        raise FeatvizError(_report(bad, len(sketches), skip_bad))
    readable = sketches
    if bad:
        rows = sketches.index.iloc[good].reset_index(drop=True)
        readable = replace(sketches, index=rows)
    return Rasters(
        readable,
        tuple(bad),
        None if packed is None else tuple(packed),
        tuple(maps) if with_instances else None,
    )


def _read(
    sketches: SketchSet, number: int, as_drawing: bool
) -> tuple[NDArray[np.uint8], Drawing | None]:
    """A sketch's image and, if wanted, the drawing that it is made from; its file is read once."""
    if not as_drawing:
        return sketches.image(number), None
    drawing = sketches.drawing(number)
    name = f"sketch {sketches.index['file'].iloc[number]}"
    return require_paper(rasterize(drawing), name), drawing


def _instances(sketches: SketchSet, number: int, drawing: Drawing) -> NDArray[np.uint8]:
    try:
        return instance_map(drawing)
    except FeatvizError as error:
        name = sketches.index["file"].iloc[number]
        raise FeatvizError(f"sketch {name}: {error}") from None


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
