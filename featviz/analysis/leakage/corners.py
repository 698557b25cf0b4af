"""Four corners: content and statistics, each of the base or of the edit, and who makes the change.

The content is what convolutions are given, the statistics are what instance norms normalise with.
Both of the base are the base's maps, both of the edit are the edit's. Each of the other two
corners changes one of them alone.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from featviz.analysis.leakage.change import chunks_of_cells, over_channels
from featviz.sketches.edits import Mask, difference


@dataclass(frozen=True)
class Shares:
    """The statistics' part in a change, along the change: 1 is all of it, below 0 is against it.

    first: what they do to the base's content, that is before the content changes. last: what they
    do to the edit's, after it. They are not alike where statistics and content act together. NaN
    if there is no change.
    """

    first: float
    last: float

    @property
    def statistics(self) -> float:
        """Shapley's share of the statistics, the mean of both orders."""
        return (self.first + self.last) / 2

    @property
    def content(self) -> float:
        """Shapley's share of the content, of the convolutions; both shares add up to 1."""
        return 1 - self.statistics

    @property
    def interaction(self) -> float:
        """What both make together beyond what each makes by itself."""
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class Corners:
    """A layer's maps (1, C, H, W), or some of their vectors, at the four corners.

    base, edit: content and statistics of one. content: that of the edit with the base's
    statistics. statistics: those of the edit on the base's content.
    """

    base: Tensor
    content: Tensor
    statistics: Tensor
    edit: Tensor

    def shares(self, cells: Mask | None = None) -> Shares:
        """Whose the change from base to edit is, in some cells (H, W), all if not given.

        Each order's part is projected on the change: <part, change> / <change, change>, over all
        channels. As vectors the parts add up to the change, so projections add up to 1, which
        lengths do not.
        """
        along = self._along if cells is None else self._along[:, torch.from_numpy(cells)]
        whole, content, statistics = along.flatten(1).sum(dim=1).tolist()
        if not whole:
            return Shares(math.nan, math.nan)
        return Shares(statistics / whole, 1 - content / whole)

    @cached_property
    def _along(self) -> Tensor:
        """Change, content and statistics, each times the change, at each cell: (3, H, W)."""
        found = []
        for edit, *others, base in chunks_of_cells(
            self.edit, self.content, self.statistics, self.base
        ):
            change = difference(edit, base)
            parts = [change, *(difference(each, base) for each in others)]
            found.append(torch.stack([over_channels(part * change) for part in parts]))
        return torch.cat(found, dim=1).double().view(3, *self.base.shape[2:]).cpu()
