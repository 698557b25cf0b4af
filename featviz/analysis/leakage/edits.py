"""The edits of a sketch set, with the cells of each layer over which changes are averaged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from featviz.analysis.leakage.single import changed_pixels
from featviz.probing.reach import cells_of, reach
from featviz.probing.receptive_field import Geometry
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import Mask, near, read_edits
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet
from featviz.sketches.tensors import encode_image, input_channels

Size = int | tuple[int, int]
"""The side of square sketches, or width and height."""
ReadInput = Callable[[Any, int, Any], Tensor]
"""(set, row, size) -> the sketch or photo as a network takes it, (1, C, height, width)."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Of one layer: what convolutions reach, what stands for the edited area and for the eyes."""

    reach: Mask
    area: Mask
    eyes: Mask


@dataclass(frozen=True, eq=False)
class PlacedEdit:
    """An edited sketch and its base as the network takes them, (1, C, H, W), and cells by layer.

    All edits of a base hold the same base_image.
    """

    sketch: str
    group: str
    base: str
    base_image: Tensor
    image: Tensor
    cells: Mapping[str, Cells]


PlaceEdits = Callable[
    [Any, Sequence[tuple[int, int]], Mapping[str, Geometry], ReadInput, Any, float],
    Iterator[PlacedEdit],
]
"""Finds edits and their cells, as `place_edits` and `place_photo_edits` do."""


def place_edits(
    sketches: SketchSet,
    pairs: Sequence[tuple[int, int]],
    geometries: Mapping[str, Geometry],
    read: ReadInput,
    size: int,
    margin: float,
) -> Iterator[PlacedEdit]:
    """The edits of some pairs (sketch, base) of one base; not those that equal it at this size.

    margin: pixels at 512 around the changed ones that belong to the edited area, and around the
    ink of eyes that belong to the eyes.
    """
    base = read(sketches, pairs[0][1], size)
    for edit in read_edits(sketches, pairs, size, margin):
        if not edit.changed.any():
            continue
        image = read(sketches, edit.number, size)
        # What the network is given may differ in more than the sketch, such as boundaries.
        changed = changed_pixels(base, image)
        cells = {}
        for layer, geometry in geometries.items():
            area = cells_of(geometry, edit.area)
            cells[layer] = Cells(
                reach(geometry, changed), area, cells_of(geometry, edit.around_eyes) & ~area
            )
        name, group, base_name = sketches.index[["sketch", "group", "base"]].iloc[edit.number]
        yield PlacedEdit(str(name), str(group), str(base_name), base, image, cells)


def place_photo_edits(
    photos: PhotoSet,
    pairs: Sequence[tuple[int, int]],
    geometries: Mapping[str, Geometry],
    read: ReadInput,
    size: Size,
    margin: float,
) -> Iterator[PlacedEdit]:
    """The same of photos: edited is what differs in what the network is given; there are no eyes.

    margin: pixels of an image 512 wide.
    """
    base = read(photos, pairs[0][1], size)
    for number, _ in pairs:
        image = read(photos, number, size)
        changed = changed_pixels(base, image)
        if not changed.any():
            continue
        area = near(changed, margin * changed.shape[1] / CANVAS)
        cells = {}
        for layer, geometry in geometries.items():
            there = cells_of(geometry, area)
            cells[layer] = Cells(reach(geometry, changed), there, np.zeros_like(there))
        name, group, base_name = photos.index[["sketch", "group", "base"]].iloc[number]
        yield PlacedEdit(str(name), str(group), str(base_name), base, image, cells)


def reader(model: nn.Module) -> ReadInput:
    """How a network that takes nothing but a sketch is given it."""
    channels = input_channels(model)

    def read(sketches: SketchSet, number: int, size: int) -> Tensor:
        return encode_image(sketches.at(size).image(number), channels)[None]

    return read
