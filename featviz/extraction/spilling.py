"""Arrays that grow piece by piece, and on disk once they are large."""

from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

MOST_HELD = 2**24
"""Bytes of the vectors of a table that are held in memory while it is made."""
_JOIN_EVERY = 64


class Pieces:
    """Float32 arrays (n, C) that are to be one.

    most: bytes that are held; what goes beyond lies in a file without a name in the folder for
    temporary ones (TMPDIR), which is gone with the last array that looks at it. Some pieces are
    joined as soon as there are `_JOIN_EVERY`: each of them, lying between large tables that come
    and go, would keep a page of the heap from being given back.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._joined: list[NDArray[np.float32]] = []
        self._new: list[NDArray[np.float32]] = []
        self._file: IO[bytes] | None = None
        self._shape = 0, 0

    def add(self, piece: NDArray[np.float32]) -> None:
        """Take one more."""
        self._new.append(piece)
        self._held += piece.nbytes
        self._shape = self._shape[0] + len(piece), piece.shape[1]
        if self._held > self._most:
            self._spill()
        elif len(self._new) == _JOIN_EVERY:
            self._joined.append(np.concatenate(self._new))
            self._new.clear()

    def joined(self) -> NDArray[np.float32]:
        """All of them as one; from a file, it is read where it is looked at."""
        if self._file is None:
            return np.concatenate([*self._joined, *self._new])
        self._spill()
        self._file.flush()
        # Written to, it changes the file, which nobody else has; so its memory can be let go.
        return np.memmap(self._file, np.float32, mode="r+", shape=self._shape)

    def _spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="featviz-")  # noqa: SIM115 (outlives the block)
        for piece in (*self._joined, *self._new):
            self._file.write(piece.tobytes())
        self._joined.clear()
        self._new.clear()
        self._held = 0
