"""Edits x layers x modes -> how much changed where."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.analysis.leakage.change import Change, change_of, scale_of
from featviz.analysis.leakage.corners import Corners
from featviz.analysis.leakage.edits import (
    Cells,
    PlacedEdit,
    PlaceEdits,
    ReadInput,
    Size,
    place_edits,
    reader,
)
from featviz.analysis.leakage.holding import Holding, NormHolding, WayHolding, WayRuns
from featviz.analysis.leakage.maps import LeakageMaps, shrink
from featviz.analysis.leakage.modes import BOTH_ORDERS, freed_too
from featviz.analysis.leakage.runs import Runs, runs_of
from featviz.analysis.leakage.single import placed, trace
from featviz.analysis.leakage.table import ALL, FREE, LEAKAGE_COLUMNS, STATISTICS, LeakageTable
from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT, Point, check_point
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.probing.activations import require_names
from featviz.probing.held import record_map_statistics
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import Geometry
from featviz.probing.statistics import Statistics, instance_norms
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import MARGIN, Mask, edits_of
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet

_MAP_MODES = (FREE, ALL)
"""The modes whose mean maps are kept."""
_CORNERS = (FREE, ALL, STATISTICS)
"""The modes that differ from the base in content, in statistics or in both."""


@dataclass(frozen=True, eq=False)
class Leakage:
    """A leakage table, its maps, and the names of the edits that equal their base."""

    table: LeakageTable
    maps: LeakageMaps
    unchanged: tuple[str, ...]


def measure_leakage(
    model: nn.Module,
    sketches: SketchSet | PhotoSet,
    layers: Sequence[str],
    modes: Sequence[str] | None = None,
    *,
    name: str = "model",
    point: Point = PROBE_POINT,
    size: Size = CANVAS,
    margin: float = MARGIN,
    most: int | None = None,
    read: ReadInput | None = None,
    details: Mapping[str, Any] | None = None,
    keep: Collection[str] = (),
    runs: Callable[[nn.Module, Sequence[str]], Runs] | None = None,
    holding: Holding | None = None,
    place: PlaceEdits = place_edits,
) -> Leakage:
    """Measure what every edit of a sketch set changes, in each layer and mode.

    model: takes (1, C, H, W) and runs in evaluation mode where its weights are. layers: as in
    `record_activations`; "image" is the model's output. modes: see `held_norms`; "free" is always
    among them, "both-orders" stands for `freed_too` of `default_modes`, and these are measured if
    none are given. point: pixel (x, y) of sketches of `size` (one side, or width and height).
    margin: pixels at 512 around an edit that belong to its area. most: at most so many edits a
    group, evenly spaced. read: how a sketch becomes the model's input; as a sketch alone if not
    given. name, details: what the metadata tell of the checkpoint. keep: sketches whose own maps
    are kept beside the means of their groups. runs: how the model is run, the fastest way that
    there is for it unless given. holding: what modes hold; unless given, instance norms, or, of a
    model that has none, whatever else takes statistics of a whole map, operation by operation.
    place: finds the edits and their cells; those of sketches unless given.

    Raises FeatvizError for layers whose geometry is not known, modes that hold nothing, a point
    outside, a set without edits, and NaN or infinity in a layer.
    """
    require_names(layers)
    layers = tuple(dict.fromkeys(layers))
    read = read or reader(model)
    if holding is None and not instance_norms(model):
        ways = record_map_statistics(model, read(sketches, 0, size)).ways
        if ways:
            holding, runs = WayHolding(model, ways), runs or WayRuns
    holding = holding or NormHolding(model)
    modes = _checked(modes, holding, layers)
    check_point(point, (size, size) if isinstance(size, int) else size)
    rows_of_base = _by_base(edits_of(sketches, most))
    geometries = placed(trace(model, layers, read(sketches, next(iter(rows_of_base)), size)))
    found = _Found(name, _point_cells(geometries, point), keep)
    edits = (
        edit
        for base_number, numbers in rows_of_base.items()
        for edit in place(
            sketches, [(each, base_number) for each in numbers], geometries, read, size, margin
        )
    )
    base, total = None, sum(map(len, rows_of_base.values()))
    run = (runs or runs_of)(model, layers)
    for edit in track(edits, f"{name}: leakage", total):
        if base is None or base.image is not edit.base_image:
            if base is not None:
                run.forget(base.image)
            base = _Base.of(edit.base_image, run, holding, modes)
        found.add_all(edit, base, run)
    if base is None or not found.rows:
        raise FeatvizError(f"all edits of {sketches.folder} equal their base at {size} px")
    sides = size if isinstance(size, int) else list(size)
    metadata = _metadata({"point": list(point), "margin": margin, "size": sides}, sketches, most)
    checkpoint = {
        "layers": list(layers),
        "modes": list(modes),
        "not_held": list(holding.not_held(geometries, base.statistics)),
        **_geometry_facts(geometries),
        **(details or {}),
    }
    return Leakage(
        LeakageTable(found.frame(sketches, modes), {**metadata, "checkpoints": {name: checkpoint}}),
        found.maps(sketches.groups, layers, {**metadata, "checkpoint": name, **checkpoint}),
        found.lacking(sketches, [number for each in rows_of_base.values() for number in each]),
    )


@dataclass(frozen=True, eq=False)
class _Base:
    """A base image, its norms' statistics and maps by name, the scale of each layer's changes.

    held: of every mode that holds the base's statistics, which. modes: in turn, the corners first,
    which the others are compared with.
    """

    image: Tensor
    statistics: Mapping[str, Statistics]
    maps: Mapping[str, Tensor]
    scales: Mapping[str, float]
    held: Mapping[str, Mapping[str, Statistics]]
    modes: Sequence[str]

    @classmethod
    def of(cls, image: Tensor, run: Runs, holding: Holding, modes: Sequence[str]) -> "_Base":
        statistics = run.statistics(image)
        maps, _ = run(image, {}, keep=True)
        held = {
            mode: holding.held(statistics, mode) for mode in modes if mode not in (FREE, STATISTICS)
        }
        scales = {layer: scale_of(layer, cells) for layer, cells in maps.items()}
        corners = [mode for mode in _CORNERS if mode in modes]
        others = holding.in_turn(statistics, [mode for mode in modes if mode not in _CORNERS])
        return cls(image, statistics, maps, scales, held, [*corners, *others])


def _metadata(
    settings: Mapping[str, Any], sketches: SketchSet | PhotoSet, most: int | None
) -> dict[str, Any]:
    """What is told of a measurement, whatever was measured."""
    return {
        VERSION_KEY: VERSION,
        "torch": torch.__version__,
        **settings,
        "sketches": sketches.folder.name,
        "sketches_fingerprint": fingerprint(sketches),
        "edits_a_group": "all" if most is None else most,
    }


def _checked(
    modes: Sequence[str] | None, holding: Holding, layers: Sequence[str]
) -> tuple[str, ...]:
    """The modes to measure, "free" among them; raises FeatvizError for one that holds nothing."""
    default = holding.default_modes(layers)
    given = default if modes is None else (FREE, *modes)
    if BOTH_ORDERS in given:
        given = (*freed_too(default), *(mode for mode in given if mode != BOTH_ORDERS))
    for mode in given:
        holding.check(mode)
    return tuple(dict.fromkeys(given))


def _by_base(pairs: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """The edits of each base, rows of the index."""
    rows_of_base: dict[int, list[int]] = {}
    for number, base_number in pairs:
        rows_of_base.setdefault(base_number, []).append(number)
    return rows_of_base


def _geometry_facts(geometries: Mapping[str, Geometry]) -> dict[str, Any]:
    """What the metadata tell of the layers' maps."""
    return {
        "map_sizes": {layer: list(each.map_size or ()) for layer, each in geometries.items()},
        "extents": {layer: list(each.extent or ()) for layer, each in geometries.items()},
    }


def _point_cells(geometries: Mapping[str, Geometry], point: Point) -> dict[str, Mask]:
    """For each layer a mask of the one cell that stands for the point."""
    cells = {}
    for layer, geometry in geometries.items():
        width, height = geometry.image_size
        pixel = np.zeros((height, width), dtype=bool)
        pixel[point[1], point[0]] = True
        cells[layer] = cells_of(geometry, pixel)
    return cells


class _OfEdit:
    """The maps of an edit and of its base, by layer, (1, C, H, W), and what they are compared by.

    before: the base's. scales: see `scale_of`.
    """

    def __init__(
        self, edit: PlacedEdit, before: Mapping[str, Tensor], scales: Mapping[str, float]
    ) -> None:
        self.edit, self.before, self.scales = edit, before, scales
        self.corners: dict[str, Mapping[str, Tensor]] = {}
        self._changes: dict[tuple[str, str], tuple[Change, tuple[float, ...]]] = {}
        self._places: dict[str, tuple[NDArray[np.intp], ...]] = {}
        self._eyes: dict[tuple[str, str], Tensor] = {}

    def change(self, layer: str, after: Tensor, point: Mask) -> tuple[Change, tuple[float, ...]]:
        """The map of changes, and its numbers; what two modes share is computed once."""
        same = [mode for mode, maps in self.corners.items() if maps[layer] is after]
        if same and (same[0], layer) in self._changes:
            return self._changes[same[0], layer]
        change = change_of(layer, after, self.before[layer], self.scales[layer])
        found = change, _numbers(change, self.edit.cells[layer], point)
        if same:
            self._changes[same[0], layer] = found
        return found

    def eyes(self, layer: str, after: Tensor) -> tuple[float, ...]:
        """How far the eyes are from those as they are, and with all held; NaN if not measured."""
        own = self._at_eyes(layer, after)
        return tuple(self._eyes_apart(layer, own, mode) for mode in (FREE, ALL))

    def _eyes_apart(self, layer: str, own: Tensor, mode: str) -> float:
        if mode not in self.corners:
            return math.nan
        if (mode, layer) not in self._eyes:
            self._eyes[mode, layer] = self._at_eyes(layer, self.corners[mode][layer])
        return _mean(change_of(layer, self._eyes[mode, layer], own, self.scales[layer]))

    def _at_eyes(self, layer: str, maps: Tensor) -> Tensor:
        """The vectors of the eyes in a row, (1, C, H, W) -> (1, C, 1, n), as a map of their own."""
        if layer not in self._places:
            self._places[layer] = np.nonzero(self.edit.cells[layer].eyes)
        rows, columns = self._places[layer]
        return maps[:, :, rows, columns][:, :, None]

    def shares(self, layer: str) -> tuple[float, ...]:
        """The statistics' part at the eyes, first and last, and out of the edited area."""
        content, statistics, edit = (self.corners[mode][layer] for mode in (ALL, STATISTICS, FREE))
        corners = Corners(self.before[layer], content, statistics, edit)
        cells = self.edit.cells[layer]
        regions = [corners.shares(each) for each in (cells.eyes, ~cells.area)]
        return tuple(part for each in regions for part in (each.first, each.last))


def _numbers(change: Change, cells: Cells, point: Mask) -> tuple[float, ...]:
    """The numbers of one row that are those of its map of changes, in the order of NUMBERS."""
    outside = change[~cells.reach]
    return (
        float(change[point][0]),
        _mean(change[cells.reach]),
        _mean(outside),
        _mean(outside == 0),
        _mean(cells.reach),
        _mean(change[cells.area]),
        _mean(change[~cells.area]),
        _mean(change[cells.eyes]),
        _mean(cells.reach[cells.eyes]),
    )


def _mean(values: Any) -> float:
    return float(values.mean()) if values.size else float("nan")


class _Found:
    """What was measured so far, one edit after the other."""

    def __init__(self, name: str, points: Mapping[str, Mask], keep: Collection[str]) -> None:
        self.rows: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self._name, self._points, self._keep = name, points, keep
        self._sums: dict[tuple[str, str, str], Change] = {}
        self._reach: dict[tuple[str, str], Mask] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._own: dict[tuple[str, str, str], NDArray[np.float32]] = {}
        self._own_reach: dict[tuple[str, str], Mask] = {}

    def add_all(self, edit: PlacedEdit, base: _Base, run: Runs) -> None:
        """Measure an edit in all modes."""
        of_edit = _OfEdit(edit, base.maps, base.scales)
        for mode in base.modes:
            if mode == FREE:
                after, own = run(edit.image, {}, keep=True)
            elif mode == STATISTICS:
                after, _ = run(base.image, own)
            else:
                after, _ = run(edit.image, base.held[mode], keep=mode == ALL)
            if mode in _CORNERS:
                of_edit.corners[mode] = after
            else:
                self._add(mode, of_edit, after)
        for mode, after in of_edit.corners.items():
            self._add(mode, of_edit, after)
        run.forget(edit.image)

    def _add(self, mode: str, of_edit: _OfEdit, after: Mapping[str, Tensor]) -> None:
        """Take the maps (1, C, H, W) of one edit in one mode, by layer."""
        edit = of_edit.edit
        known = mode == STATISTICS and len(of_edit.corners) == len(_CORNERS)
        for layer in of_edit.before:
            cells, point = edit.cells[layer], self._points[layer]
            change, numbers = of_edit.change(layer, after[layer], point)
            held, freed = of_edit.eyes(layer, after[layer])
            row = (
                *(self._name, edit.sketch, edit.group, edit.base, layer, mode),
                *numbers,
                held,
                math.nan if mode == STATISTICS else freed,
                *(of_edit.shares(layer) if known else (math.nan,) * 4),
                bool(cells.reach[point][0]),
            )
            self.rows.setdefault((edit.sketch, mode), []).append(row)
            self._add_map(mode, edit, layer, change)

    def _add_map(self, mode: str, edit: PlacedEdit, layer: str, change: Change) -> None:
        is_kept = edit.sketch in self._keep and mode in _CORNERS
        if mode not in _MAP_MODES and not is_kept:
            return
        key, place = (mode, edit.group, layer), (edit.group, layer)
        change, reached = shrink(change), shrink(edit.cells[layer].reach)
        if is_kept:
            self._own[mode, edit.sketch, layer] = change.astype(np.float32)
            self._own_reach[edit.sketch, layer] = reached
        if mode not in _MAP_MODES:
            return
        self._sums[key] = self._sums.get(key, 0) + change
        self._reach[place] = self._reach.get(place, np.zeros_like(reached)) | reached
        self._counts[key] += 1

    def lacking(self, sketches: SketchSet | PhotoSet, numbers: Sequence[int]) -> tuple[str, ...]:
        """The names of those of some rows of the index that were not measured."""
        measured = {sketch for sketch, _ in self.rows}
        names = sketches.index["sketch"].iloc[list(numbers)]
        return tuple(name for name in names if name not in measured)

    def frame(self, sketches: SketchSet | PhotoSet, modes: Sequence[str]) -> pd.DataFrame:
        """The rows, sketch by sketch in the order of the set, mode by mode."""
        order = {sketch: number for number, sketch in enumerate(sketches.index["sketch"])}
        keys = sorted(self.rows, key=lambda key: (order[key[0]], modes.index(key[1])))
        return pd.DataFrame(
            [row for key in keys for row in self.rows[key]], columns=list(LEAKAGE_COLUMNS)
        )

    def maps(
        self, groups: Sequence[str], layers: Sequence[str], metadata: dict[str, Any]
    ) -> LeakageMaps:
        """The means, mode by mode, group by group, layer by layer, and the maps that are kept."""
        modes = [mode for mode in _MAP_MODES if any(key[0] == mode for key in self._sums)]
        keys = [
            (mode, group, layer)
            for mode in modes
            for group in groups
            for layer in layers
            if (group, layer) in self._reach
        ]
        return LeakageMaps(
            {key: (self._sums[key] / self._counts[key]).astype(np.float32) for key in keys},
            {key[1:]: self._reach[key[1:]] for key in keys},
            {
                **metadata,
                "modes": modes,
                "edits": {key[1]: self._counts[key] for key in keys},
            },
            self._own,
            self._own_reach,
        )
