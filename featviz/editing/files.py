"""Edits that are files: faces as they are made free and kept, and what changed, in numbers."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table
from featviz.editing.engine import StatisticsOf
from featviz.editing.keeping import Keep, record_base
from featviz.editing.local import (
    EditsOfBase,
    edit_base,
    engine_of,
    suited_statistics,
)
from featviz.generators.checkpoint import Checkpoint, makes_faces_alone
from featviz.generators.generation import output_names
from featviz.generators.image_models import ImageModel
from featviz.sketches.edits import (
    MARGIN,
    Edit,
    Mask,
    absolute_change,
    at_size,
    edits_of,
    kept_eyes,
)
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet, read_sketch
from featviz.sketches.tensors import input_channels

_FREE, KEPT = "free", "kept"


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
    itself of the edit, (1, 3, H, W). change: of what is kept, in grey levels, (H, W). rows: of an
    `EditTable`.
    """

    file: EditFile
    kept: Made
    base: Tensor
    free: Tensor
    change: NDArray[np.float64]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class EditTable(Table):
    """What edits changed, free and kept.

    rows: way: free or kept. statistics: what the norms had, see `edit`; "own" where it is free.
    inside, outside, eyes: mean absolute change of the face against the base's in grey levels of
    255, in the edited area, outside of it, and at the eyes as far as they lie outside (NaN where
    they were edited or the drawing names none). area: share of the picture that counts as edited.
    reach: share that may change at all, NaN where that is not known. equal: share that is equal to
    the base's face to the last bit.
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
        told = ("digest", "keep", "margin", "size", VERSION_KEY)
        return self.rows.assign(**{name: self.metadata[name] for name in told})


def files_of(drawings: Sequence[Path]) -> list[EditFile]:
    """The edits of a base, which comes first, by their files, called after these.

    Raises FeatvizError if there is no edit, and for two files that would have one name.
    """
    if len(drawings) < 2:
        raise FeatvizError("expected a base and one or more edited sketches, or --sketches FOLDER")
    (base, *edited), (base_name, *called) = drawings, output_names(drawings)
    named = zip(called, edited, strict=True)
    return [EditFile(name, base_name, base, path) for name, path in named]


def files_of_set(sketches: SketchSet | PhotoSet, most: int | None = None) -> list[EditFile]:
    """The edits of a set, those of one base one after the other; see `edits_of`.

    Raises FeatvizError for two sketches whose files would have one name.
    """
    names = [str(name).replace("/", "-") for name in sketches.index["sketch"]]
    if again := [name for name, count in Counter(names).items() if count > 1]:
        raise FeatvizError(f"two of the sketches would be called '{again[0]}'; do them apart")
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
    statistics: StatisticsOf | Literal["auto"] = "auto",
) -> Iterator[MadeEdit]:
    """The faces of edits, one after the other; see `edit` for the options.

    statistics: "auto" takes what suits each edit, see `suited_statistics`. All files are read
    before the first face is made. Raises FeatvizError for unusable ones.
    """
    for path in sorted({path for file in files for path in (file.base, file.edited)}):
        checkpoint.read(path, size)
    alone = makes_faces_alone(checkpoint.metadata, input_channels(checkpoint.generator))
    # A copy of the network, and what it traces of it, serve all bases.
    editor = engine_of(checkpoint.generator) if alone and keep == "layers" else None
    for base, edits in groupby(files, key=lambda file: file.base):
        base_sketch, base_given = read_sketch(base, size), checkpoint.read(base, size)[None]
        start = EditsOfBase(checkpoint.generator, editor, base_sketch, base_given, keep)
        for file in edits:
            drawn = Edit(base_sketch, read_sketch(file.edited, size), margin)
            suited = suited_statistics(drawn) if statistics == "auto" else statistics
            given = checkpoint.read(file.edited, size)
            kept, before = start.edit(drawn, given, suited)
            with torch.inference_mode():
                free: Tensor = checkpoint.generator(given[None])
            eyes = replace(drawn, eyes=kept_eyes(file.base, file.edited, size)).around_eyes
            yield _made(
                checkpoint.name, file, kept, before, free, str(suited), absolute_change, eyes
            )


def make_image_edits(
    model: ImageModel,
    files: Sequence[EditFile],
    margin: float = MARGIN,
    keep: Keep = "layers",
    statistics: StatisticsOf | Literal["auto"] = "auto",
) -> Iterator[MadeEdit]:
    """The same of a network of anybody's and photos; "auto" are the base's statistics.

    Where its images have another size, the edited area lies in them at the same share. Raises
    FeatvizError for unusable files, a base and an edit of different sizes, and what is no image.
    """
    for path in sorted({path for file in files for path in (file.base, file.edited)}):
        model.read(path)
    whose = "base" if statistics == "auto" else statistics
    for base, edits in groupby(files, key=lambda file: file.base):
        given = model.read(base)
        # Refused before it is traced, which would say less.
        model.run(given)
        start = record_base(model.network, given, keep)
        for file in edits:
            edited = model.read(file.edited)
            kept = edit_base(model.network, start, edited, margin, None, whose)
            free = model.run(edited)
            yield _made(model.name, file, kept, start.image, free, str(whose), model.change, None)


def _made(
    name: str,
    file: EditFile,
    kept: Made,
    base: Tensor,
    free: Tensor,
    whose: str,
    change_of: Callable[[Tensor, Tensor], NDArray[np.float64]],
    eyes: Mask | None,
) -> MadeEdit:
    """An edit with its rows; whose: statistics where it is kept."""
    change = change_of(kept.image, base)
    area = at_size(kept.area, change.shape)
    reach = _reach(kept)
    at_eyes = np.zeros_like(area) if eyes is None else eyes
    rows = [
        (name, file.name, file.base_name, way, statistics, *_measures(each, area, at_eyes, share))
        for way, statistics, each, share in (
            (_FREE, "own", change_of(free, base), 1.0),
            (KEPT, whose, change, reach),
        )
    ]
    return MadeEdit(file, kept, base, free, change, rows)


def edits_table(
    provenance: Mapping[str, Any],
    made: Sequence[tuple[Any, ...]],
    size: int | str,
    margin: float,
    keep: Keep,
) -> EditTable:
    """The rows of edits as a table, with how they came about."""
    metadata = {
        **provenance,
        VERSION_KEY: VERSION,
        "keep": keep if isinstance(keep, str) else " ".join(keep),
        "margin": margin,
        "size": size,
    }
    return EditTable(pd.DataFrame(made, columns=list(EditTable.columns)), metadata)


def _reach(kept: Made) -> float:
    try:
        return float(kept.reach.mean())
    except FeatvizError:
        # Some operation behind the last kept layer is not followed; the image stands all the same.
        return float("nan")


def _measures(
    change: NDArray[np.float64], area: Mask, eyes: Mask, reach: float
) -> tuple[float, ...]:
    """The last columns of a row."""
    means = tuple(_mean(change[where]) for where in (area, ~area, eyes & ~area))
    return (*means, float(area.mean()), reach, float((change == 0).mean()))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")
