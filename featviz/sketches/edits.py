"""Edits: a sketch, the one that it was made from, and where they differ.

What counts as edited is said here, once, for evaluation, leakage, claims, figures and the drawing
page: every pixel in which the two sketches differ, and all within a margin around.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import CANVAS, INK, Drawing, rasterize
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import BASE, INDEX, SketchSet, read_drawing

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MARGIN = 16.0
"""Pixels at 512 around an edit that count as edited: one cell of L4's map."""

_EYES = ("left-eye", "right-eye")
"""The parts of a drawing that are eyes."""


@dataclass(frozen=True, eq=False)
class Edit:
    """A sketch and the one that it was made from, (H, W) uint8, paper 255 and ink 0.

    margin: pixels at 512 around what differs that belong to the edited area. eyes: (H, W) bool, the
    ink of the base's eyes; None if the edit drew in them or the sketch names none. number,
    base_number: their rows in the index of a sketch set, -1 for sketches that are of none.
    """

    base: Pixels
    edited: Pixels
    margin: float = MARGIN
    eyes: Mask | None = None
    number: int = -1
    base_number: int = -1

    @cached_property
    def changed(self) -> Mask:
        """The pixels that differ, (H, W) bool."""
        return np.asarray(self.edited != self.base)

    @property
    def more_ink(self) -> float:
        """Ink that the edit added, relative to the base's: 0 for none, -0.5 if half is gone."""
        before, after = (int((sketch == INK).sum()) for sketch in (self.base, self.edited))
        return after / before - 1 if before else float(after > 0)

    @cached_property
    def area(self) -> Mask:
        """The edited area: the pixels that differ and all within the margin, (H, W) bool."""
        return self._near(self.changed)

    @cached_property
    def around_eyes(self) -> Mask:
        """The ink of the eyes and all within the margin, edited or not, (H, W) bool."""
        return self._near(np.zeros_like(self.changed) if self.eyes is None else self.eyes)

    def _near(self, mask: Mask) -> Mask:
        return near(mask, self.margin * mask.shape[1] / CANVAS)


def near(mask: Mask, margin: float) -> Mask:
    """The pixels whose centres are at most `margin` px from one of the mask, (H, W) bool."""
    found = np.zeros_like(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        # Nothing farther away can be near; a box around a small edit costs a tenth of the whole.
        wide = int(min(margin, max(mask.shape)))
        box = tuple(slice(max(0, at[0] - wide), at[-1] + wide + 1) for at in (rows, columns))
        found[box] = _near(mask[box], margin, wide)
    return found


def _near(mask: Mask, margin: float, wide: int) -> Mask:
    """The same, for a mask with a margin around, in half the time of a distance transform."""
    height, width = mask.shape
    at, far = np.arange(width, dtype=np.int32), np.int32(2 * (width + wide))
    before = np.maximum.accumulate(np.where(mask, at, -far), axis=1)
    behind = np.minimum.accumulate(np.where(mask, at, far)[:, ::-1], axis=1)[:, ::-1]
    # In the fewest bytes comparisons take least.
    away = np.minimum(np.minimum(at - before, behind - at), wide + 1)
    away = away.astype(np.min_scalar_type(wide + 1))
    squares, found = np.arange(wide + 1) ** 2, np.zeros_like(mask)
    for step in range(min(wide + 1, height)):
        # What a row reaches in the rows that are so many steps away.
        there = away <= int(np.count_nonzero(np.sqrt(squares + step**2) <= margin)) - 1
        found[step:] |= there[: height - step]
        found[: height - step] |= there[step:]
    return found


def at_size(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """The pixels at the same share of an image of another size, (rows, columns) bool."""
    (height, width), (rows, columns) = mask.shape, shape
    if (height, width) == (rows, columns):
        return mask
    return mask[np.ix_(np.arange(rows) * height // rows, np.arange(columns) * width // columns)]


def absolute_change(
    image: Tensor, base: Tensor, levels: float | Tensor = 127.5
) -> NDArray[np.float64]:
    """Mean over channels of the absolute difference, in grey levels of 255.

    Images (1, 3, H, W) in [-1, 1], or such that a step of 1 is so many levels, one number or one a
    channel (C, 1, 1); returns (H, W) float64. Nothing is rounded to whole levels.
    """
    change = difference(image, base).abs()[0]
    if isinstance(levels, Tensor):
        change, levels = change * levels.to(change), 1.0
    return np.asarray((change.mean(dim=0).double() * levels).cpu().numpy())


def difference(one: Tensor, other: Tensor) -> Tensor:
    """One minus the other, in float32 at least: halves would round the difference too."""
    dtype = torch.promote_types(one.dtype, torch.float32)
    return one.to(dtype) - other.to(dtype)


def edits_of(sketches: SketchSet | PhotoSet, most: int | None = None) -> list[tuple[int, int]]:
    """Edits as pairs of rows (sketch, base), those of one base one after the other.

    Sketches without a base and the bases themselves are no edits. most: keep at most so many of a
    group, evenly spaced. Raises FeatvizError if there is no edit, or one whose base is missing.
    """
    index = sketches.index
    row_of = {name: row for row, name in enumerate(index["sketch"])}
    edits = index[(index["base"] != "") & (index["base"] != index["sketch"])]
    if len(edits) == 0:
        raise FeatvizError(
            f"{sketches.folder} holds no edit: no sketch has a base, so nothing can be measured of "
            f"edits; name bases in {INDEX}, or call each group's unedited sketch '{BASE}'"
        )
    if missing := [base for base in edits["base"] if base not in row_of]:
        raise FeatvizError(
            f"sketch '{missing[0]}' is the base of an edit and not among these sketches of "
            f"{sketches.folder}; keep its group"
        )
    pairs = []
    for _, group in edits.groupby("group", sort=False):
        rows = group.index.to_numpy()
        if most is not None and len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
        pairs += [(int(row), row_of[str(index["base"].iloc[row])]) for row in rows]
    return sorted(pairs, key=lambda pair: pair[1])


def read_edits(
    sketches: SketchSet,
    pairs: Iterable[tuple[int, int]],
    size: int | None = None,
    margin: float = MARGIN,
) -> Iterator[Edit]:
    """The edits of some pairs (sketch, base), see `edits_of`, each read when it is its turn.

    A base is read once for all its edits that follow each other. size: that of the set if not
    given. margin: pixels at 512. Raises FeatvizError for a sketch that cannot be read.
    """
    size, loaded = size or sketches.size, -1
    for number, base_number in pairs:
        if base_number != loaded:
            base, loaded = sketches.at(size).image(base_number), base_number
        edited = sketches.at(size).image(number)
        eyes = kept_eyes(sketches.path(base_number), sketches.path(number), size)
        yield Edit(base, edited, margin, eyes, number, base_number)


def check_edits(sketches: SketchSet, sizes: Iterable[int], most: int | None = None) -> None:
    """Read every sketch of the edits at some sizes; raises FeatvizError as `read_edits` would."""
    edits = edits_of(sketches, most)
    for size in sizes:
        for number in sorted({number for edit in edits for number in edit}):
            sketches.at(size).image(number)


def ink_of_eyes(path: Path, size: int) -> Mask:
    """The ink of a drawing's eyes, (size, size) bool; nothing for a sketch made of pixels."""
    if path.suffix.lower() != ".svg":
        return np.zeros((size, size), dtype=bool)
    drawing = read_drawing(path, size)
    strokes = tuple(stroke for stroke in drawing.strokes if stroke.part in _EYES)
    return np.asarray(rasterize(Drawing(strokes, size)) == INK)


def kept_eyes(base: Path, edited: Path, size: int) -> Mask | None:
    """The ink of a base's eyes; None if the edit drew in them or the sketches name none."""
    ink = ink_of_eyes(base, size)
    same = ink.any() and np.array_equal(ink_of_eyes(edited, size), ink)
    return ink if same else None
