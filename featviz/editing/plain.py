"""Edits that stay, of any network, by the plain definition: the same steps as the engine takes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from featviz.editing.keeping import Base, record_base
from featviz.editing.local import LocalEdit, edit_base
from featviz.sketches.edits import Mask, Pixels
from featviz.sketches.tensors import decode_image, encode_image, input_channels


@dataclass(frozen=True, eq=False)
class PlainBase:
    """A sketch whose maps are kept, with its face."""

    base: Base

    @cached_property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return decode_image(self.base.image[0])

    @property
    def nbytes(self) -> int:
        """Bytes of memory that its maps and its image take."""
        return sum(tensor.nbytes for tensor in (self.base.image, *self.base.maps.values()))


@dataclass(frozen=True, eq=False)
class PlainEdit:
    """What an edit makes of a base's face: see `EditedFace`, whose names these are."""

    edit: LocalEdit

    @cached_property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return self.edit.pixels

    @property
    def reach(self) -> Mask:
        """(H, W) bool, the pixels that may differ from the base's face."""
        return self.edit.reach

    @property
    def whole(self) -> bool:
        """Whether the edited area covers everything, so that no map is kept."""
        return bool(self.edit.area.all())


class PlainEditor:
    """Makes faces of edits as `LocalEditor` does, with any network that is given a sketch alone."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    def prepare(self, sketch: Pixels) -> PlainBase:
        """Run a base, (H, W) uint8, and keep what its edits need; raises as `record_base`."""
        given = encode_image(sketch, input_channels(self._network))[None]
        return PlainBase(record_base(self._network, given))

    def edit(self, base: PlainBase, edited: Pixels) -> PlainEdit:
        """The face of a base's edit, (H, W) uint8; raises FeatvizError as `edit_base` does."""
        return PlainEdit(edit_base(self._network, base.base, edited))

    def rebase(self, base: PlainBase, edited: Pixels) -> PlainBase:
        """An edit as a base of its own, with its maps as kept; norms keep the first base's."""
        return PlainBase(self.edit(base, edited).edit.after)
