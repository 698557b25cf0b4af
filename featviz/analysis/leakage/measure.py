"""Edits x layers x modes -> how much changed where."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.analysis.leakage.change import Change, change_of, scale_of
from featviz.analysis.leakage.edits import PlacedEdit, ReadInput, place_edits, reader
from featviz.analysis.leakage.maps import LeakageMaps, shrink
from featviz.analysis.leakage.modes import default_modes, held_norms
from featviz.analysis.leakage.single import holding, not_held, placed, reading, trace
from featviz.analysis.leakage.table import ALL, FREE, LEAKAGE_COLUMNS, LeakageTable
from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT, Point, check_point
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import Geometry
from featviz.probing.statistics import record_statistics
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import MARGIN, Mask, edits_of
from featviz.sketches.sketch_set import SketchSet

_MAP_MODES = (FREE, ALL)
"""The modes whose maps are kept."""


@dataclass(frozen=True, eq=False)
class Leakage:
    """A leakage table, its maps, and the names of the edits that equal their base."""

    table: LeakageTable
    maps: LeakageMaps
    unchanged: tuple[str, ...]


def measure_leakage(
    model: nn.Module,
    sketches: SketchSet,
    layers: Sequence[str],
    modes: Sequence[str] | None = None,
    *,
    name: str = "model",
    point: Point = PROBE_POINT,
    size: int = CANVAS,
    margin: float = MARGIN,
    most: int | None = None,
    read: ReadInput | None = None,
    details: Mapping[str, Any] | None = None,
    keep: Collection[str] = (),
) -> Leakage:
    """Measure what every edit of a sketch set changes, in each layer and mode.

    model: takes (1, C, H, W) and runs in evaluation mode where its weights are. layers: as in
    `record_activations`; "image" is the model's output. modes: see `held_norms`; "free" is always
    among them; `default_modes` if not given. point: pixel (x, y) of sketches of `size`. margin:
    pixels at 512 around an edit that belong to its area. most: at most so many edits a group,
    evenly spaced. read: how a sketch becomes the model's input; as a sketch alone if not given.
    name, details: what the metadata tell of the checkpoint. keep: sketches whose own maps are kept
    beside the means of their groups.

    Raises FeatvizError for layers whose geometry is not known, modes that hold nothing, a point
    outside, a set without edits, and NaN or infinity in a layer.
    """
    layers = tuple(dict.fromkeys(layers))
    given = default_modes(model, layers) if modes is None else (FREE, *modes)
    modes = tuple(dict.fromkeys(given))
    for mode in modes:
        held_norms(model, mode)
    check_point(point, (size, size))
    read = read or reader(model)
    rows_of_base = _by_base(edits_of(sketches, most))
    geometries = placed(trace(model, layers, read(sketches, next(iter(rows_of_base)), size)))
    found = _Found(name, _point_cells(geometries, point), keep)
    loaded = None
    steps = [(base, mode) for base in rows_of_base for mode in modes]
    for base_number, mode in track(steps, f"{name}: leakage"):
        if loaded != base_number:
            loaded, base = base_number, read(sketches, base_number, size)
            pairs = [(number, base_number) for number in rows_of_base[base_number]]
            edits = list(place_edits(sketches, pairs, geometries, read, size, margin))
            statistics = record_statistics(model, base)
            found.free_eyes.clear()
        with reading(model, layers) as activations, holding(model, statistics, mode):
            # The base in every mode, so that a held network is compared with itself.
            before = activations(base)
            scales = {layer: scale_of(layer, before[layer]) for layer in layers}
            for edit in edits:
                found.add(mode, edit, before, activations(edit.image), scales)
    if not found.rows:
        raise FeatvizError(f"all edits of {sketches.folder} equal their base at {size} px")
    checkpoint = {
        "layers": list(layers),
        "modes": list(modes),
        "not_held": list(not_held(model, layers, base, statistics)),
        **_geometry_facts(geometries),
        **(details or {}),
    }
    common = {
        VERSION_KEY: VERSION,
        "torch": torch.__version__,
        "point": list(point),
        "margin": margin,
        "size": size,
        "sketches": sketches.folder.name,
        "sketches_fingerprint": fingerprint(sketches),
        "edits_a_group": "all" if most is None else most,
    }
    wanted = [sketches.index["sketch"].iloc[n] for group in rows_of_base.values() for n in group]
    measured = {sketch for sketch, _ in found.rows}
    return Leakage(
        LeakageTable(found.frame(sketches, modes), {**common, "checkpoints": {name: checkpoint}}),
        found.maps(sketches.groups, layers, {**common, "checkpoint": name, **checkpoint}),
        tuple(sketch for sketch in wanted if sketch not in measured),
    )


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


def _at(cells: Mask, activation: Tensor) -> Tensor:
    """The vectors of some cells in a row, (1, C, H, W) -> (1, C, 1, n), as a map of their own."""
    return activation[:, :, torch.from_numpy(cells).to(activation.device)][:, :, None]


def _numbers(
    change: Change, edit: PlacedEdit, layer: str, point: Mask, by_statistics: float
) -> tuple[Any, ...]:
    """The numbers of one row, in the order of LEAKAGE_COLUMNS."""
    cells = edit.cells[layer]
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
        by_statistics,
        bool(cells.reach[point][0]),
    )


def _mean(values: Any) -> float:
    return float(values.mean()) if values.size else float("nan")


class _Found:
    """What was measured so far, one edit after the other."""

    def __init__(self, name: str, points: Mapping[str, Mask], keep: Collection[str]) -> None:
        self.rows: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.free_eyes: dict[tuple[str, str], Tensor] = {}
        self._name, self._points, self._keep = name, points, keep
        self._sums: dict[tuple[str, str, str], Change] = {}
        self._reach: dict[tuple[str, str], Mask] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._own: dict[tuple[str, str, str], NDArray[np.float32]] = {}
        self._own_reach: dict[tuple[str, str], Mask] = {}

    def add(
        self,
        mode: str,
        edit: PlacedEdit,
        before: Mapping[str, Tensor],
        after: Mapping[str, Tensor],
        scales: Mapping[str, float],
    ) -> None:
        """Take the maps (1, C, H, W) of one edit and of its base, by layer, in one mode."""
        for layer, scale in scales.items():
            change = change_of(layer, after[layer], before[layer], scale)
            eyes = _at(edit.cells[layer].eyes, after[layer])
            # "free" is the first mode; the others are compared with it.
            free_eyes = self.free_eyes.setdefault((edit.sketch, layer), eyes)
            by_statistics = _mean(change_of(layer, free_eyes, eyes, scale))
            row = (self._name, edit.sketch, edit.group, edit.base, layer, mode)
            row += _numbers(change, edit, layer, self._points[layer], by_statistics)
            self.rows.setdefault((edit.sketch, mode), []).append(row)
            if mode in _MAP_MODES:
                self._add_map(mode, edit, layer, shrink(change))

    def _add_map(self, mode: str, edit: PlacedEdit, layer: str, change: Change) -> None:
        key, place = (mode, edit.group, layer), (edit.group, layer)
        reached = shrink(edit.cells[layer].reach)
        self._sums[key] = self._sums.get(key, 0) + change
        self._reach[place] = self._reach.get(place, np.zeros_like(reached)) | reached
        self._counts[key] += 1
        if edit.sketch in self._keep:
            self._own[mode, edit.sketch, layer] = change.astype(np.float32)
            self._own_reach[edit.sketch, layer] = reached

    def frame(self, sketches: SketchSet, modes: Sequence[str]) -> pd.DataFrame:
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
