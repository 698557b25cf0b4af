"""Which cells of a layer's map stand for the points, and taking them out of it.

A token that stands for no place is its own cell, (-1, number).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.base.points import Point, named_point, token_of, whole_pair
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
    for point in points:
        _require_token(layer, geometry, point)
    if positions == "computed":
        if not geometry.known:
            raise FeatvizError(
                f"where a point lies in layer '{layer}' cannot be computed: {geometry.reason}; "
                f"give its cells, positions={{'{layer}': [(column, row), ...]}}, or take the cell "
                "at the same share of the map, positions='proportional'"
            )
        return tuple(
            geometry.position(point) if token_of(point) is None else point for point in points
        )
    if positions == "proportional":
        (width, height), (columns, rows) = geometry.image_size, size
        return _placed(points, ((x * columns // width, y * rows // height) for x, y in points))
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
    return _placed(points, given)


def _placed(points: Sequence[Point], cells: Iterable[Position]) -> tuple[Position, ...]:
    """A cell for each point; tokens are their own."""
    pairs = zip(points, cells, strict=True)
    return tuple(cell if token_of(point) is None else point for point, cell in pairs)


def _require_token(layer: str, geometry: Geometry, point: Point) -> None:
    """Raise FeatvizError for a token that the layer does not have."""
    token, arrangement = token_of(point), geometry.arrangement
    before = 0 if arrangement is None else arrangement.before
    if token is not None and token >= before:
        there = [named_point((-1, number)) for number in range(before)]
        told = f"there are {', '.join(there)}" if there else "all that it gives has a place"
        raise FeatvizError(f"layer '{layer}' has no token {named_point(point)}; {told}")


def _besides(geometry: Geometry) -> str:
    arrangement = geometry.arrangement
    others = 0 if arrangement is None else arrangement.before + arrangement.behind
    return f" and {others} tokens that have no place, as class tokens" if others else ""


def cell_reader(
    cells: Mapping[str, Sequence[Position]], geometries: Mapping[str, Geometry]
) -> Callable[[str, Tensor], Tensor]:
    """Keep (N, points, C) float32 of a layer's output, maps or tokens."""
    tokens = {layer: [token_of(cell) for cell in entry] for layer, entry in cells.items()}
    # Of a token any cell is read first.
    places = {
        layer: [(0, 0) if token_of(cell) is not None else cell for cell in entry]
        for layer, entry in cells.items()
    }

    def keep(layer: str, output: Tensor) -> Tensor:
        # Indexing by lists copies, so neither the map nor a view of it survives the hook.
        geometry = geometries[layer]
        columns, rows = map(list, zip(*places[layer], strict=True))
        vectors = geometry.maps(output)[:, :, rows, columns]
        for number, token in enumerate(tokens[layer]):
            if token is not None and geometry.arrangement is not None:
                vectors[:, :, number] = geometry.arrangement.beside(output)[..., token]
        return vectors.transpose(1, 2).to("cpu", torch.float32).contiguous()

    return keep


def boxes(geometry: Geometry, cells: Sequence[Position]) -> list[list[int]] | None:
    """The receptive field of each cell as [left, top, right, bottom], where it is known.

    A token without a place sees the whole image.
    """
    width, height = geometry.image_size
    whole = [0, 0, width - 1, height - 1]
    if not geometry.known:
        return None
    return [list(geometry.box(cell)) if token_of(cell) is None else whole for cell in cells]


def side(size: tuple[int, int] | None) -> int | list[int] | None:
    """One number for a square, (width, height) otherwise."""
    if size is None:
        return None
    return size[0] if size[0] == size[1] else list(size)
