"""The sketch set that people may start from, and that the probe maps."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import CANVAS
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.studio.problems import StudioError
from featviz.studio.start_sketch import StartSketch
from featviz.studio.strokes import editable

_DEFAULT = Path("sketches")


class StartSet:
    """The sketches of a set by their number; empty, with a message that says why, without one."""

    def __init__(self, sketches: SketchSet | None, message: str = "") -> None:
        self.sketches = sketches
        self.message = message
        self._numbers = (
            {}
            if sketches is None
            else {name: number for number, name in enumerate(sketches.index["sketch"])}
        )
        self.strokes = lru_cache(maxsize=512)(self._strokes)

    def __len__(self) -> int:
        return 0 if self.sketches is None else len(self.sketches)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups' names in order."""
        return () if self.sketches is None else self.sketches.groups

    @property
    def sketch_groups(self) -> tuple[str, ...]:
        """The group of each sketch."""
        return () if self.sketches is None else tuple(self.sketches.index["group"])

    def number_of(self, label: str) -> int | None:
        """The number of the sketch of that name."""
        return self._numbers.get(label)

    @property
    def opening(self) -> int | None:
        """The sketch that a page opens on: the first that is no edit of another and has strokes."""
        if self.sketches is None:
            return None
        rows = zip(self.sketches.index["sketch"], self.sketches.index["base"], strict=True)
        bases = (number for number, (sketch, base) in enumerate(rows) if sketch == base)
        return next((number for number in bases if self.strokes(number) is not None), None)

    def entry(self, number: int) -> dict[str, Any]:
        """What the page is told of a sketch."""
        row = self._sketches(number).index.iloc[number]
        return {
            "n": number,
            "sketch": row["sketch"],
            "group": row["group"],
            "base": self._numbers.get(row["base"]),
            "edited_part": row["edited_part"],
            "editable": self.strokes(number) is not None,
        }

    def image(self, number: int) -> NDArray[np.uint8]:
        """Its pixels (512, 512)."""
        return self._sketches(number).image(number)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """All images in order."""
        return iter(()) if self.sketches is None else self.sketches.images()

    def start(self, number: int) -> StartSketch:
        """A sketch as the store takes it, with the ones it was made from."""
        return self._start(number, frozenset())

    def _start(self, number: int, seen: frozenset[int]) -> StartSketch:
        row = self._sketches(number).index.iloc[number]
        base = self._numbers.get(row["base"])
        strokes = self.strokes(number)
        if strokes is None:
            raise StudioError(
                "bad-request", f"sketch {row['sketch']} has no strokes to draw on; choose another"
            )
        return StartSketch(
            label=row["sketch"],
            group=row["group"],
            file=row["file"],
            edited_part=row["edited_part"],
            strokes=strokes,
            base=None
            if base is None or base == number or base in seen or self.strokes(base) is None
            else self._start(base, seen | {number}),
        )

    def _strokes(self, number: int) -> tuple[tuple[str, tuple[float, ...]], ...] | None:
        sketches = self._sketches(number)
        if not sketches.index["file"].iloc[number].lower().endswith(".svg"):
            return None
        strokes = editable(sketches.drawing(number))
        if strokes is None:
            return None
        return tuple((stroke["part"], tuple(stroke["points"])) for stroke in strokes)

    def _sketches(self, number: int) -> SketchSet:
        if self.sketches is None:
            raise StudioError("not-found", self.message)
        if not 0 <= number < len(self.sketches):
            raise StudioError(
                "not-found", f"no start sketch {number}; there are {len(self)} from 0"
            )
        return self.sketches


def open_start_set(folder: Path | None) -> StartSet:
    """The set in `folder`, or in the folder `sketches` here if None is named.

    Raises FeatvizError if a named folder holds no sketches; the default one may be missing.
    """
    if folder is None and not _DEFAULT.is_dir():
        return StartSet(
            None,
            f"there is no folder '{_DEFAULT}' where the server was started; start it in featviz's "
            "repository or name a sketch set with --sketches FOLDER to start from its sketches "
            "and to map probes",
        )
    try:
        return StartSet(read_sketches(folder or _DEFAULT, CANVAS))
    except FeatvizError as error:
        if folder is not None:
            raise
        return StartSet(None, f"the folder '{_DEFAULT}' cannot be used: {error}")
