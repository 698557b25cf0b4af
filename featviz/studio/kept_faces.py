"""Faces that keep their base's outside of the edited area, and the bases that are ready for it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from featviz.sketches.edits import Mask, Pixels
from featviz.studio.change import Strokes
from featviz.studio.face_makers import shown_face, shown_reach
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache

_MOST_BYTES = 2_000_000_000
"""Of all bases that are ready; a 10-filter generator's takes some 50 MB, a 48-filter one's 250."""


class ReadyBase(Protocol):
    """What both kinds of editors' bases have."""

    @property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""


class AnyEdit(Protocol):
    """What both kinds of editors make of an edit, see `EditedFace`."""

    @property
    def face(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""

    @property
    def reach(self) -> Mask:
        """(H, W) bool."""

    @property
    def whole(self) -> bool:
        """Whether all was computed."""


_B = TypeVar("_B", bound=ReadyBase)


class Editor(Protocol[_B]):
    """An editor with bases of its own kind: the engine's, or the plain definition's."""

    def prepare(self, sketch: Pixels) -> _B:
        """Run a base."""

    def edit(self, base: _B, edited: Pixels) -> AnyEdit:
        """The face of an edit of a base."""

    def rebase(self, base: _B, edited: Pixels) -> _B:
        """An edit as a base."""


Chain = Sequence[tuple[str, Strokes]]
"""Bases from the start sketch's to the last one, each with a key; see `engine.Start.chain`."""


@dataclass(frozen=True, eq=False)
class FaceOfEdit:
    """The face of an edit and its base's, (512, 512, 3) uint8 RGB.

    reach: (512, 512) bool, the pixels that may differ. whole: whether the edit covers so much that
    all was computed.
    """

    face: NDArray[np.uint8]
    base: NDArray[np.uint8]
    reach: Mask
    whole: bool


class KeptFaces:
    """Makes faces of edits; call it from one thread at a time.

    What a chain of bases gives depends on the chain alone: a base that was forgotten is made again,
    the same to the last bit.
    """

    def __init__(
        self, networks: Networks, rasters: RasterCache, most_bytes: int = _MOST_BYTES
    ) -> None:
        self.networks, self.rasters, self.most_bytes = networks, rasters, most_bytes
        # By editor, not by name: a checkpoint's file may be another one when it is loaded again.
        self._bases: OrderedDict[tuple[Editor[Any], str], ReadyBase] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of the bases that are ready, without a first base that only its edits hold."""
        return sum(base.nbytes for base in self._bases.values())

    def edit(
        self,
        checkpoint: str,
        chain: Chain,
        strokes: Strokes,
        loading: Callable[[str], None] = lambda _: None,
    ) -> FaceOfEdit:
        """The face of a drawing's state as an edit of the last base of a chain.

        Raises FeatvizError for a checkpoint that cannot be loaded or makes no face.
        """
        editor: Editor[Any] = self.networks.editor(checkpoint, loading)
        base = self._base(checkpoint, editor, chain)
        with self.networks.named(checkpoint):
            edited = editor.edit(base, self._picture(checkpoint, strokes))
            return FaceOfEdit(
                shown_face(edited.face),
                shown_face(base.face),
                shown_reach(edited.reach),
                edited.whole,
            )

    def _picture(self, checkpoint: str, strokes: Strokes) -> NDArray[np.uint8]:
        size = self.networks.choice(checkpoint).size
        return self.rasters.picture((points for _, points in strokes), size)

    def _base(self, checkpoint: str, editor: Editor[Any], chain: Chain) -> ReadyBase:
        """The last base of a chain; a key with an editor is that of a base of its kind."""
        ready = len(chain)
        while ready and (editor, chain[ready - 1][0]) not in self._bases:
            ready -= 1
        base = self._bases[editor, chain[ready - 1][0]] if ready else None
        for key, strokes in chain[ready:]:
            sketch = self._picture(checkpoint, strokes)
            with self.networks.named(checkpoint):
                base = editor.prepare(sketch) if base is None else editor.rebase(base, sketch)
            self._bases[editor, key] = base
            while self.nbytes > self.most_bytes and len(self._bases) > 1:
                self._bases.popitem(last=False)
        assert base is not None
        self._bases.move_to_end((editor, chain[-1][0]))
        return base
