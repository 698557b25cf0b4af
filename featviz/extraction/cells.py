"""Which cells of a layer's map stand for the points, and taking them out of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.base.points import Point, whole_pair
from featviz.probing.receptive_field import Geometry, Position

Placing = Literal["computed", "proportional"] | Mapping[str, Sequence[Position]]


def place_cells(
    layer: str, geometry: Geometry, points: Sequence[Point], positions: Placing
) -> tuple[Position, ...]:
    """The cells (column, row) of one layer, one a point; positions: see `extract`."""
    size = geometry.map_size
    if size is None:
        raise FeatvizError(
            f"layer '{layer}' gives no maps: {geometry.reason}; choose one with output (N, C, H, W)"
        )
    if positions == "computed":
        if not geometry.known:
            raise FeatvizError(
                f"where a point lies in layer '{layer}' cannot be computed: {geometry.reason}; "
                f"give its cells, positions={{'{layer}': [(column, row), ...]}}, or take the cell "
                "at the same share of the map, positions='proportional'"
            )
        return tuple(geometry.position(point) for point in points)
    if positions == "proportional":
        (width, height), (columns, rows) = geometry.image_size, size
        return tuple((x * columns // width, y * rows // height) for x, y in points)
    given = tuple(whole_pair(cell, "position") for cell in positions.get(layer, ()))
    if len(given) != len(points):
        raise FeatvizError(
            f"layer '{layer}' has {len(given)} given positions; expected {len(points)}, one a point"
        )
    for column, row in given:
        if not (0 <= column < size[0] and 0 <= row < size[1]):
            raise FeatvizError(
                f"position ({column}, {row}) is not on the map of layer '{layer}', which has "
                f"{size[0]}x{size[1]} cells{_besides(geometry)}"
            )
    return given


def _besides(geometry: Geometry) -> str:
    arrangement = geometry.arrangement
    others = 0 if arrangement is None else arrangement.before + arrangement.behind
    return f" and {others} tokens that have no place, as class tokens" if others else ""


def cell_reader(
    cells: Mapping[str, Sequence[Position]], geometries: Mapping[str, Geometry]
) -> Callable[[str, Tensor], Tensor]:
    """Keep (N, points, C) float32 of a layer's output, maps or tokens."""
    columns = {layer: [column for column, _ in entry] for layer, entry in cells.items()}
    rows = {layer: [row for _, row in entry] for layer, entry in cells.items()}

    def keep(layer: str, output: Tensor) -> Tensor:
        # Indexing by lists copies, so neither the map nor a view of it survives the hook.
        vectors = geometries[layer].maps(output)[:, :, rows[layer], columns[layer]]
        return vectors.transpose(1, 2).to("cpu", torch.float32).contiguous()

    return keep


def boxes(geometry: Geometry, cells: Sequence[Position]) -> list[list[int]] | None:
    """The receptive field of each cell as [left, top, right, bottom], where it is known."""
    return [list(geometry.box(cell)) for cell in cells] if geometry.known else None


def side(size: tuple[int, int] | None) -> int | list[int] | None:
    """One number for a square, (width, height) otherwise."""
    if size is None:
        return None
    return size[0] if size[0] == size[1] else list(size)
