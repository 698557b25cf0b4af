"""Edits that are files: faces as they are made free and kept, and what changed, in numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table
from featviz.editing.engine import LocalEditor
from featviz.editing.keeping import Keep, record_base
from featviz.editing.local import StatisticsOf, edit_base
from featviz.generators.checkpoint import Checkpoint, makes_faces_alone
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.sketches.edits import MARGIN, Edit, Mask, absolute_change, edits_of, kept_eyes
from featviz.sketches.sketch_set import SketchSet, read_sketch
from featviz.sketches.tensors import input_channels

FREE, KEPT = "free", "kept"


@dataclass(frozen=True)
class EditFile:
    """An edit of a sketch. name, base_name: what the files of its face and of its base's have."""

    name: str
    base_name: str
    base: Path
    edited: Path


class Made(Protocol):
    """What an edit makes of a base's image: a `LocalEdit`, or the engine's `EditedFace`."""

    @property
    def image(self) -> Tensor:
        """(1, 3, H, W)."""

    @property
    def area(self) -> Mask:
        """The edited area, (H, W) bool."""

    @property
    def reach(self) -> Mask:
        """The pixels that may differ from the base's image, (H, W) bool."""


@dataclass(frozen=True, eq=False)
class MadeEdit:
    """The faces of an edit.

    kept: that in which all else stays. base, free: what the network makes of the base, and by
    itself of the edit, (1, 3, H, W). rows: of an `EditTable`.
    """

    file: EditFile
    kept: Made
    base: Tensor
    free: Tensor
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class EditTable(Table):
    """What edits changed, free and kept.

    rows: way: free or kept. statistics: what the norms had where it is kept, see `edit`; inside, outside, eyes: mean absolute change of the face against the
    base's in grey levels of 255, in the edited area, outside of it, and at the eyes as far as they
    lie outside (NaN where they were edited or the drawing names none). area: share of the picture
    that counts as edited. reach: share that may change at all. equal: share that is equal to the
    base's face to the last bit.
    """

    noun: ClassVar[str] = "table of edits"
    command: ClassVar[str] = "featviz edit"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "checkpoint": "text",
        "sketch": "text",
        "base": "text",
        "way": "text",
        "statistics": "text",
        "inside": "number",
        "outside": "number",
        "eyes": "number",
        "area": "number",
        "reach": "number",
        "equal": "number",
    }
    key: ClassVar[tuple[str, ...]] = ("checkpoint", "sketch", "base", "way")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".json")

    def with_provenance(self) -> pd.DataFrame:
        """The rows, each with how it came about."""
        told = ("digest", "keep", "statistics", "margin", "size", VERSION_KEY)
        return self.rows.assign(**{name: self.metadata[name] for name in told})


def files_of(drawings: Sequence[Path]) -> list[EditFile]:
    """The edits of a base, which comes first, by their files, called after these.

    Raises FeatvizError if there is no edit, and for two files that would have one name.
    """
    if len(drawings) < 2:
        raise FeatvizError("expected a base and one or more edited sketches, or --sketches FOLDER")
    names = [path.stem for path in drawings]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}-{path.stem}" for path in drawings]
    if again := [name for n, name in enumerate(names) if name in names[:n]]:
        raise FeatvizError(f"two of the sketches would be called '{again[0]}'; do them apart")
    (base, *edited), (base_name, *called) = drawings, names
    named = zip(called, edited, strict=True)
    return [EditFile(name, base_name, base, path) for name, path in named]


def files_of_set(sketches: SketchSet, most: int | None = None) -> list[EditFile]:
    """The edits of a sketch set, those of one base one after the other; see `edits_of`."""
    names = [str(name).replace("/", "-") for name in sketches.index["sketch"]]
    return [
        EditFile(names[number], names[base], sketches.path(base), sketches.path(number))
        for number, base in edits_of(sketches, most)
    ]


def make_edits(
    checkpoint: Checkpoint,
    files: Sequence[EditFile],
    size: int,
    margin: float = MARGIN,
    keep: Keep = "layers",
    statistics: StatisticsOf = "base",
) -> Iterator[MadeEdit]:
    """The faces of edits, one after the other; see `edit` for the options.

    All files are read before the first face is made. Raises FeatvizError for unusable ones.
    """
    paths = {path for file in files for path in (file.base, file.edited)}
    for path in sorted(paths):
        checkpoint.read(path, size)
    faces = _faces_by_engine if _suits_engine(checkpoint, keep, statistics) else _faces
    for file, kept, base in faces(checkpoint, files, size, margin, keep, statistics):
        with torch.inference_mode():
            free: Tensor = checkpoint.generator(checkpoint.read(file.edited, size)[None])
        rows = _rows(checkpoint.name, file, kept, base, free, size, margin)
        yield MadeEdit(file, kept, base, free, rows)


_Faces = Iterator[tuple[EditFile, Made, Tensor]]
"""Each edit, what it makes, and its base's image."""


def _suits_engine(checkpoint: Checkpoint, keep: Keep, statistics: StatisticsOf) -> bool:
    """Whether the engine makes the same, faster."""
    alone = makes_faces_alone(checkpoint.metadata, input_channels(checkpoint.generator))
    return alone and keep == "layers" and statistics != "composite"


def _faces(
    checkpoint: Checkpoint,
    files: Sequence[EditFile],
    size: int,
    margin: float,
    keep: Keep,
    statistics: StatisticsOf,
) -> _Faces:
    network = checkpoint.generator
    for base, edits in groupby(files, key=lambda file: file.base):
        start = record_base(network, checkpoint.read(base, size)[None], keep)
        for file in edits:
            given = checkpoint.read(file.edited, size)
            kept = edit_base(network, start, given, margin, statistics=statistics)
            yield file, kept, kept.base_image


def _faces_by_engine(
    checkpoint: Checkpoint,
    files: Sequence[EditFile],
    size: int,
    margin: float,
    _: Keep,
    statistics: Any,
) -> _Faces:
    network = checkpoint.generator
    assert isinstance(network, GlobalGenerator | LocalEnhancer)
    editor = LocalEditor(network)
    for base, edits in groupby(files, key=lambda file: file.base):
        start = editor.prepare(read_sketch(base, size))
        for file in edits:
            kept = editor.edit(start, read_sketch(file.edited, size), margin, statistics)
            yield file, kept, start.image


def edits_table(
    checkpoint: Checkpoint,
    made: Sequence[tuple[Any, ...]],
    size: int,
    margin: float,
    keep: Keep,
    statistics: StatisticsOf,
) -> EditTable:
    """The rows of edits as a table, with how they came about."""
    metadata = {
        **checkpoint.provenance(),
        VERSION_KEY: VERSION,
        "keep": keep if isinstance(keep, str) else " ".join(keep),
        "statistics": str(statistics),
        "margin": margin,
        "size": size,
    }
    return EditTable(pd.DataFrame(made, columns=list(EditTable.columns)), metadata)


def _rows(
    name: str, file: EditFile, kept: Made, base: Tensor, free: Tensor, size: int, margin: float
) -> list[tuple[Any, ...]]:
    nothing = np.zeros(kept.area.shape, np.uint8)
    eyes = Edit(nothing, nothing, margin, kept_eyes(file.base, file.edited, size))
    rows = []
    for way, image in ((FREE, free), (KEPT, kept.image)):
        change = absolute_change(image, base)
        at_eyes = change[eyes.around_eyes & ~kept.area]
        reach = kept.reach if way == KEPT else np.ones_like(kept.area)
        means = (_mean(change[kept.area]), _mean(change[~kept.area]), _mean(at_eyes))
        shares = (kept.area.mean(), reach.mean(), (change == 0).mean())
        rows.append((name, file.name, file.base_name, way, *means, *map(float, shares)))
    return rows


def _mean(values: Any) -> float:
    return float(values.mean()) if values.size else float("nan")
