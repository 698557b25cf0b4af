"""What whole generators make of the sketches."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featviz.base.assets import PRETRAINED
from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.editing.files import Made
from featviz.editing.local import EditsOfBase, engine_of, suited_statistics
from featviz.generators.checkpoint import Checkpoint, makes_faces_alone, open_checkpoint
from featviz.generators.checkpoint_files import shipped_checkpoints
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.generators.weights import read_metadata
from featviz.report.contents import KeptFace, ReportedGenerator
from featviz.report.pictures import Frame, box_around, face_picture
from featviz.report.sketches import SketchReader
from featviz.sketches.edits import Edit, Mask, absolute_change, at_size
from featviz.sketches.sketch_set import SketchSet
from featviz.sketches.tensors import decode_image, input_channels

FACE_SIDE = 208
"""Pixels of a face on the page, and of its picture unless the face is smaller."""


def default_generators(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """The shipped generators that stand for the checkpoints of tables, by their metadata.

    A table of a shipped whole generator has itself; one of a shipped front end, which generates
    nothing, has the whole generator of the same variant. Anything else has none: what it makes of
    a sketch cannot be known from here.
    """
    shipped = {
        name: read_metadata(PRETRAINED / f"{name}.safetensors") for name in shipped_checkpoints()
    }
    found: dict[str, None] = {}
    for metadata in tables:
        name, variant = metadata.get("checkpoint"), metadata.get("variant")
        if name not in shipped:
            continue
        whole = name if shipped[name]["kind"] == "generator" else variant
        if whole in shipped and shipped[whole]["kind"] == "generator":
            found[str(whole)] = None
    return list(found)


def load_whole(source: str) -> Checkpoint:
    """Load a generator; raises FeatvizError if there is none or it is a front end alone."""
    checkpoint = open_checkpoint(source)
    checkpoint.require_whole()
    return checkpoint


def paint_sketches(
    source: str,
    sketches: SketchSet,
    names: Collection[str],
    read: SketchReader,
    called: str | None = None,
    keeps: bool = False,
) -> ReportedGenerator:
    """The faces that one generator makes of the sketches called `names`, which the set has.

    called: what the generator is called; by its file if not given. keeps: make edits once more,
    with everything kept that was not edited. Raises FeatvizError as `load_whole`, and for a
    generator that cannot take the sketches.
    """
    checkpoint = load_whole(source)
    called = called or checkpoint.name
    index = sketches.index[sketches.index["sketch"].isin(names)]
    # A base before its edits, and these together: one face is held to compare with.
    is_edit = index["base"] != index["sketch"]
    ordered = index.assign(first=index["base"].where(index["base"] != "", index["sketch"]))
    ordered = ordered.assign(is_edit=is_edit).sort_values(["first", "is_edit"], kind="stable")
    paint, keeper = _painter(checkpoint, read), _Keeper(checkpoint, read) if keeps else None
    faces: dict[str, bytes] = {}
    changes: dict[str, tuple[float, float]] = {}
    kept: dict[str, KeptFace] = {}
    base, start, start_path = "", np.zeros(0, np.uint8), Path()
    columns = ordered[["sketch", "base", "file"]].itertuples(index=False)
    for name, of, file in track(list(columns), f"faces by {called}"):
        path = sketches.folder / file
        face = paint(path)
        faces[name] = face_picture(face, FACE_SIDE)
        if name == of:
            base, start, start_path = name, face, path
        elif of and of == base:
            area = at_size(read.area(start_path, path, sketches.size), face.shape[:2])
            # In the bytes that they have, and without a sum over an axis of three, in a tenth.
            red, green, blue = np.moveaxis(np.maximum(face, start) - np.minimum(face, start), 2, 0)
            changes[name] = _means((red.astype(np.uint16) + green + blue) / 3, area)
            if keeper is not None:
                kept[name] = keeper.keep(start_path, path)
    painted = {name: faces[name] for name in index["sketch"]}
    return ReportedGenerator(called, painted, changes, kept)


def _means(change: NDArray[Any], area: Mask) -> tuple[float, float]:
    """Of a change (H, W), in the edited area and outside of it; NaN where there is none."""
    inside, outside = (float(change[at].mean()) if at.any() else np.nan for at in (area, ~area))
    return inside, outside


class _Keeper:
    """Makes faces of edits in which all else is kept; a base is prepared once for its edits."""

    def __init__(self, checkpoint: Checkpoint, read: SketchReader) -> None:
        alone = makes_faces_alone(checkpoint.metadata, input_channels(checkpoint.generator))
        self._editor = engine_of(checkpoint.generator) if alone else None
        self._checkpoint, self._read = checkpoint, read
        self._base: tuple[Path, EditsOfBase] | None = None

    def keep(self, base: Path, edited: Path) -> KeptFace:
        size = self._checkpoint.size
        before, after = (self._read(path, size) for path in (base, edited))
        if self._base is None or self._base[0] != base:
            given = self._checkpoint.read(base, size)[None]
            start = EditsOfBase(self._checkpoint.generator, self._editor, before, given, "layers")
            self._base = base, start
        drawn = Edit(before, after)
        given = self._checkpoint.read(edited, size)
        made, image = self._base[1].edit(drawn, given, suited_statistics(drawn))
        change = absolute_change(made.image, image)
        face, area = decode_image(made.image[0]), at_size(made.area, change.shape)
        box = box_around(_reach(made, change.shape), FACE_SIDE)
        picture = b"" if box is None else face_picture(face, FACE_SIDE, box)
        place = (0, 0, 0, 0) if box is None else _as_shown(box, len(face))
        return KeptFace(picture, place, _means(change, area))


def _as_shown(box: Frame, side: int) -> tuple[float, float, float, float]:
    """A box of the picture of a face of so many pixels, on the page, which enlarges small ones."""
    if side >= FACE_SIDE:
        return box
    left, top, right, bottom = (edge * FACE_SIDE / side for edge in box)
    return left, top, right, bottom


def _reach(made: Made, shape: tuple[int, ...]) -> Mask:
    """What may differ from the base's face; all of it where that is not known."""
    try:
        return made.reach
    except FeatvizError:
        return np.ones(shape, dtype=bool)


def _painter(checkpoint: Checkpoint, read: SketchReader) -> Callable[[Path], NDArray[np.uint8]]:
    """From a sketch file to the face (H, W, 3) that `generate` makes of it, or within a level."""
    size, generator = checkpoint.size, checkpoint.generator
    if checkpoint.conditions.any or not isinstance(generator, GlobalGenerator | LocalEnhancer):
        return lambda path: generate(generator, checkpoint.read(path, size))
    # Only the order of sums differs; bfloat16 would be faster on some processors, and show others.
    fast = FastGenerator(generator, torch.float32)
    return lambda path: fast(read(path, size))
