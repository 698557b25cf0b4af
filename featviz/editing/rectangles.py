"""Boxes of cells of a map."""

from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor


class Rectangle(NamedTuple):
    """Cells of a map, those at `bottom` and `right` not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def cells(self) -> int:
        """How many they are."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def is_some(self) -> bool:
        """Whether it holds any."""
        return self.top < self.bottom and self.left < self.right

    def within(self, other: "Rectangle") -> "Rectangle":
        """What both share, as cells of the other; empty or reversed if they share nothing."""
        return Rectangle(
            max(self.top, other.top) - other.top,
            min(self.bottom, other.bottom) - other.top,
            max(self.left, other.left) - other.left,
            min(self.right, other.right) - other.left,
        )

    def joined(self, other: "Rectangle") -> "Rectangle":
        """The smallest box around both."""
        return Rectangle(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def grown(self, cells: int, height: int, width: int) -> "Rectangle":
        """The box with so many cells more on all sides, as far as a map has them."""
        top, bottom, left, right = self
        larger = Rectangle(top - cells, bottom + cells, left - cells, right + cells)
        return larger.cut(height, width)

    def cut(self, height: int, width: int) -> "Rectangle":
        """What of it is on a map of a size."""
        return Rectangle(
            max(0, self.top), min(height, self.bottom), max(0, self.left), min(width, self.right)
        )

    def of_mask(self, mask: NDArray[Any]) -> NDArray[Any]:
        """These cells of a mask or sketch (H, W), a view."""
        return mask[self.top : self.bottom, self.left : self.right]

    def of(self, maps: Tensor) -> Tensor:
        """These cells of maps (N, C, H, W), a view."""
        return maps[:, :, self.top : self.bottom, self.left : self.right]

    def sides_around(self, inside: "Rectangle") -> tuple[int, int, int, int]:
        """How many cells it has left, right, above and below of a box inside, as `F.pad` has it."""
        return (
            inside.left - self.left,
            self.right - inside.right,
            inside.top - self.top,
            self.bottom - inside.bottom,
        )
