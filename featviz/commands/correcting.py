"""What commands share that correct drawings first."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import UseAppendAction

from featviz.base.foreign import told_of
from featviz.commands.shared import say

if TYPE_CHECKING:
    from featviz.faces.correction import Correction


@dataclass(frozen=True)
class CorrectionOptions:
    """Of drawings whose parts are to look as a face's."""

    correct: UseAppendAction[tuple[str, ...]] = ()
    """Correct parts of drawings by what faces look like: outline=0.7, from 0 (follow what is
    drawn) to 1; parts are outline, eyebrows, eyes, nose and mouth. Give it again for more. What
    is drawn instead is written into OUT/corrected; see docs/correction.md."""
    correct_by: Literal["gaussian", "neighbours"] = "gaussian"
    """How: by a Gaussian of the training contours, or by a mixture of the nearest of them."""

    def parsed(self) -> "Correction | None":
        """What is asked for, if anything; raises FeatvizError for what cannot be."""
        from featviz.faces.correction import parse_correction

        return parse_correction(self.correct, self.correct_by)

    def files(
        self, named: Mapping[Path, str], out: Path, bases: Mapping[Path, Path] | None = None
    ) -> dict[Path, Path]:
        """The files to take instead of some, by these; as they are if nothing is asked for.

        named: what the file of each is to be called, without an ending. bases: of which of them
        some are edits. All are corrected before the first is written. Raises FeatvizError for one
        that is no drawing or lacks the part.
        """
        from featviz.sketches.drawing import write_svg
        from featviz.sketches.sketch_set import read_drawing

        correction = self.parsed()
        if correction is None:
            return {path: path for path in named}
        bases = bases or {}
        drawings = {path: read_drawing(path) for path in named}
        found = {}
        # A base is corrected once, by itself, whatever it is an edit of.
        alone = [path for path in named if path not in bases or path in bases.values()]
        for path in alone:
            with told_of(path):
                found[path] = correction(drawings[path])
        for path in [path for path in named if path not in found]:
            base = bases[path]
            with told_of(path):
                found[path] = correction.of_edit(found[base], drawings[base], drawings[path])
        written = {path: out / "corrected" / f"{named[path]}.svg" for path in named}
        for path, target in written.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_svg(found[path], target)
            say(target)
        return written
