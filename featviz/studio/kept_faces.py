"""Faces that keep their base's outside of the edited area, and the bases that are ready for it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from featviz.editing.engine import EditedFace, LocalEditor
from featviz.editing.engine_run import PreparedBase
from featviz.sketches.edits import Pixels
from featviz.studio.change import Strokes
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache

_MOST_BYTES = 2_000_000_000
"""Of all bases that are ready; a 10-filter generator's takes some 50 MB, a 48-filter one's 250."""

Chain = Sequence[tuple[str, Strokes]]
"""Bases from the start sketch's to the last one, each with a key; see `engine.Start.chain`."""


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
        self._bases: OrderedDict[tuple[LocalEditor, str], PreparedBase] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of the bases that are ready."""
        return sum(base.nbytes for base in self._bases.values())

    def edit(
        self,
        checkpoint: str,
        chain: Chain,
        picture: Pixels,
        loading: Callable[[str], None] = lambda _: None,
    ) -> tuple[PreparedBase, EditedFace]:
        """The last base of a chain and the face of a picture (512, 512) as an edit of it.

        Raises FeatvizError for a checkpoint that cannot be loaded or makes no face.
        """
        base = self._base(checkpoint, chain, loading)
        with self.networks.named(checkpoint):
            return base, self.networks.editor(checkpoint).edit(base, picture)

    def _base(self, checkpoint: str, chain: Chain, loading: Callable[[str], None]) -> PreparedBase:
        editor = self.networks.editor(checkpoint, loading)
        ready = len(chain)
        while ready and (editor, chain[ready - 1][0]) not in self._bases:
            ready -= 1
        base = self._bases[editor, chain[ready - 1][0]] if ready else None
        for key, strokes in chain[ready:]:
            sketch = self.rasters.picture(points for _, points in strokes)
            with self.networks.named(checkpoint):
                base = editor.prepare(sketch) if base is None else editor.rebase(base, sketch)
            self._bases[editor, key] = base
            while self.nbytes > self.most_bytes and len(self._bases) > 1:
                self._bases.popitem(last=False)
        assert base is not None
        self._bases.move_to_end((editor, chain[-1][0]))
        return base
