"""The edits of a sketch set, with the cells of each layer over which changes are averaged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from featviz.drawing import CANVAS
from featviz.encoding import encode_image, input_channels
from featviz.evaluation.locality import image_of, ink_of_eyes, near
from featviz.leakage.reach import Mask, cells_of, reach
from featviz.leakage.single import changed_pixels
from featviz.receptive_field import Geometry
from featviz.sketches import SketchSet

Read = Callable[[SketchSet, int, int], Tensor]
"""(sketches, row, size) -> the sketch as a network takes it, (1, C, size, size)."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Of one layer: what convolutions reach, what stands for the edited area and for the eyes."""

    reach: Mask
    area: Mask
    eyes: Mask


@dataclass(frozen=True, eq=False)
class Edit:
    """An edited sketch as the network takes it, (1, C, H, W), and its cells by layer."""

    sketch: str
    group: str
    base: str
    image: Tensor
    cells: Mapping[str, Cells]


def read_edits(
    sketches: SketchSet,
    numbers: Sequence[int],
    base_number: int,
    geometries: Mapping[str, Geometry],
    read: Read,
    size: int,
    margin: float,
) -> Iterator[Edit]:
    """The edits (rows of the index) of one base; not those that equal it at this size.

    margin: pixels at 512 around the changed ones that belong to the edited area, and around the
    ink of eyes that belong to the eyes.
    """
    margin = margin * size / CANVAS
    base = read(sketches, base_number, size)
    ink = ink_of_eyes(sketches, base_number, size)
    around_eyes = near(ink, margin)
    for number in numbers:
        image = read(sketches, number, size)
        changed = changed_pixels(base, image)
        if not changed.any():
            continue
        area = near(changed, margin)
        same_eyes = np.array_equal(ink_of_eyes(sketches, number, size), ink)
        eyes = around_eyes if same_eyes else np.zeros_like(around_eyes)
        cells = {}
        for layer, geometry in geometries.items():
            covered = cells_of(geometry, area)
            cells[layer] = Cells(
                reach(geometry, changed), covered, cells_of(geometry, eyes) & ~covered
            )
        name, group, base_name = sketches.index[["sketch", "group", "base"]].iloc[number]
        yield Edit(str(name), str(group), str(base_name), image, cells)


def reader(model: nn.Module) -> Read:
    """How a network that takes nothing but a sketch is given it."""
    channels = input_channels(model)

    def read(sketches: SketchSet, number: int, size: int) -> Tensor:
        return encode_image(image_of(sketches, number, size), channels)[None]

    return read
