"""A dictionary from 64-bit keys to numbers that is asked and told many at a time."""

import numpy as np
from numpy.typing import NDArray

_Keys = NDArray[np.int64]

_SMALLEST = 1 << 14


class Numbering:
    """Numbers > 0 of keys whose bits are well mixed; open addressing with linear steps."""

    def __init__(self) -> None:
        self._keys = np.zeros(_SMALLEST, np.int64)
        self._numbers = np.zeros(_SMALLEST, np.int64)
        self._count = 0

    def get(self, keys: _Keys) -> NDArray[np.int64]:
        """(n,) keys -> their numbers, 0 for unknown ones."""
        last = len(self._keys) - 1
        slots = keys & last
        numbers: NDArray[np.int64] = self._numbers[slots]
        missed = np.flatnonzero((numbers != 0) & (self._keys[slots] != keys))
        slots = slots[missed]
        while len(missed):
            slots = (slots + 1) & last
            found = self._numbers[slots]
            numbers[missed] = found
            again = (found != 0) & (self._keys[slots] != keys[missed])
            missed, slots = missed[again], slots[again]
        return numbers

    def put(self, keys: _Keys, numbers: NDArray[np.int64]) -> None:
        """Add keys that are unknown and differ from each other."""
        while 2 * (self._count + len(keys)) > len(self._keys):
            self._grow()
        self._count += len(keys)
        last = len(self._keys) - 1
        slots = keys & last
        while len(keys):
            free = self._numbers[slots] == 0
            # Of several that meet in a slot the last one written stays; the others move on.
            self._numbers[slots[free]] = numbers[free]
            left = self._numbers[slots] != numbers
            self._keys[slots[~left]] = keys[~left]
            keys, numbers, slots = keys[left], numbers[left], (slots[left] + 1) & last

    def _grow(self) -> None:
        used = self._numbers != 0
        keys, numbers = self._keys[used], self._numbers[used]
        self._keys = np.zeros(2 * len(self._keys), np.int64)
        self._numbers = np.zeros(len(self._keys), np.int64)
        self._count = 0
        self.put(keys, numbers)
