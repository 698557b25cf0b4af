"""How a feature map lies over the image, one direction at a time."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.probing.windows import Indices, Step

_NOTHING = np.iinfo(np.int64).max // 4

_Places = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a feature map over the same direction of the image.

    pixels: of the image. low, high: for each cell the first and last pixel that reach it (high <
    low if none does). start: the pixel in the middle of the first cell's window, as if the image
    had no edges; pitch: pixels from one cell to the next; grain: the largest pitch on the way from
    the image. spread: how far the middles of branches that met lie to either side of the start.
    nested: for each pixel the place among the cells to which windows lead that lie
    inside each other; None behind an operation that makes a map finer. whole: whether cells draw on
    all along it, however many pixels there are.
    """

    pixels: int
    low: Indices
    high: Indices
    start: Fraction = Fraction(0)
    pitch: Fraction = Fraction(1)
    grain: Fraction = Fraction(1)
    nested: _Places | None = None
    whole: bool = False
    spread: Fraction = Fraction(0)

    @classmethod
    def of_image(cls, pixels: int) -> "Axis":
        """The image itself: each pixel reaches itself."""
        identity = np.arange(pixels)
        return cls(pixels, identity, identity, nested=identity.astype(float))

    @cached_property
    def cells(self) -> Indices:
        """For each pixel of the image the cell that stands for it, -1 for none.

        A map with the image's own pixels has a cell for each, unless it is shifted so far that the
        cell does not see its pixel. Otherwise, while maps become coarser, the cell whose window
        holds those of the maps before; behind an operation that makes a map finer, the cell whose
        window's middle is nearest to the pixel. Of two equally near ones the later, and at most
        the last; none for a pixel that was cut off.
        """
        pixels, cells = np.arange(self.pixels), len(self.low)
        start, pitch = float(self.start), float(self.pitch)
        if cells == self.pixels and self.pitch == 1 and 2 * abs(self.start) <= self.extent:
            return pixels
        places = self.nested
        if places is None:
            places = (pixels - start) / pitch
        nearest = _nearest(places, cells).astype(np.int64)
        away = np.abs(start + pitch * nearest - pixels)
        return np.where(away <= pitch + self.extent / 2, nearest, -1)

    def through(self, step: Step) -> "Axis":
        """The axis of the map that an operation computes from this one."""
        there = step.sources >= 0
        low = np.where(there, self.low[step.sources], _NOTHING).min(axis=1)
        high = np.where(there, self.high[step.sources], -_NOTHING).max(axis=1)
        pitch, nested = self.pitch * step.pitch, self.nested
        if step.pitch < 1:
            nested = None
        elif nested is not None:
            nested = (nested - float(step.start)) / float(step.pitch)
            # Rounded only where the map becomes coarser: half a cell at each of many operations
            # between would add up.
            nested = _nearest(nested, len(low)) if step.pitch > 1 else nested
        start = self.start + self.pitch * step.start
        grain = max(self.grain, pitch)
        return Axis(self.pixels, low, high, start, pitch, grain, nested, self.whole)

    def joined(self, other: "Axis") -> "Axis":
        """The axis of a map in which two branches with equally many cells meet.

        Where the branches place a pixel differently, the one decides that has not been through so
        coarse a map; of two alike the one that sees more, or if they are alike but for a shift, as
        every second cell and those between, the middle of the window of both.
        """
        finer = (self.grain, -self.extent) <= (other.grain, -other.extent)
        main = self if finer else other
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        main = replace(main, low=low, high=high, whole=self.whole or other.whole)
        if self.nested is None or other.nested is None:
            return replace(main, nested=None)
        return self._shifted(other, main) if self._alike == other._alike else main

    @property
    def _alike(self) -> tuple[Fraction, ...]:
        """What branches have in common that differ by a shift alone."""
        return self.grain, self.pitch, self.extent - 2 * self.spread

    def _shifted(self, other: "Axis", main: "Axis") -> "Axis":
        """The same where the branches are shifted against each other."""
        first, last = (
            decide(sign * each.spread + each.start for each in (self, other))
            for decide, sign in ((min, -1), (max, 1))
        )
        if first == last:
            return main
        assert self.nested is not None and other.nested is not None
        pixels, middle = np.arange(self.pixels), (first + last) / 2
        one, two = (
            np.abs(float(middle) + float(self.pitch) * each - pixels)
            for each in (self.nested, other.nested)
        )
        nearer = np.where(one < two, self.nested, other.nested)
        nested = np.where(one == two, np.maximum(self.nested, other.nested), nearer)
        return replace(main, start=middle, spread=(last - first) / 2, nested=nested)

    def everywhere(self) -> "Axis":
        """The axis of a map of which each cell draws on all along it."""
        low, high = np.full_like(self.low, self.low.min()), np.full_like(self.high, self.high.max())
        return replace(self, low=low, high=high, whole=True)

    def overwritten(self, other: "Axis", first: int, alone: bool) -> "Axis":
        """The axis of a map of which cells from `first` on take what another holds.

        alone: whether nothing is left of these cells. The others keep what they saw, and where the
        cells lie stays as it was.
        """
        low, high = self.low.copy(), self.high.copy()
        there = slice(first, first + len(other.low))
        low[there] = other.low if alone else np.minimum(low[there], other.low)
        high[there] = other.high if alone else np.maximum(high[there], other.high)
        return replace(self, low=low, high=high, whole=self.whole or other.whole)

    @property
    def extent(self) -> int:
        """Pixels from the first to the last that reach a cell, of the cell that sees most."""
        return int((self.high - self.low).max()) + 1

    @property
    def has_room(self) -> bool:
        """Whether a cell that sees most sees it all inside the image, not cut off by its edge."""
        widest = self.high - self.low == self.extent - 1
        return self.whole or bool((widest & (self.low > 0) & (self.high < self.pixels - 1)).any())


def _nearest(places: _Places, cells: int) -> _Places:
    """Places among cells -> the nearest cell, of two the later."""
    # A tie stays one although thirds and the like are not exact.
    return np.asarray(np.floor(np.round(places, 9) + 0.5).clip(0, cells - 1))
