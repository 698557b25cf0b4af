"""Edits x layers x modes -> how much changed where."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.drawing import CANVAS
from featviz.errors import FeatvizError
from featviz.evaluation.locality import MARGIN, edits_of
from featviz.leakage.change import Change, change_of, scale_of
from featviz.leakage.edits import Edit, Read, read_edits, reader
from featviz.leakage.maps import LeakageMaps, shrink
from featviz.leakage.modes import default_modes, held_norms
from featviz.leakage.reach import Mask, cells_of
from featviz.leakage.single import holding, reading, trace
from featviz.leakage.statistics import record_statistics
from featviz.leakage.table import ALL, COLUMNS, FREE, LeakageTable
from featviz.points import PROBE_POINT, Point, check_point
from featviz.progress import track
from featviz.receptive_field import Geometry
from featviz.sketches import SketchSet

MAP_MODES = (FREE, ALL)
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
    read: Read | None = None,
    details: Mapping[str, Any] | None = None,
) -> Leakage:
    """Measure what every edit of a sketch set changes, in each layer and mode.

    model: takes (1, C, H, W) and runs in evaluation mode where its weights are. layers: as in
    `record_activations`; "image" is the model's output. modes: see `held_norms`; "free" is always
    among them; `default_modes` if not given. point: pixel (x, y) of sketches of `size`. margin:
    pixels at 512 around an edit that belong to its area. most: at most so many edits a group,
    evenly spaced. read: how a sketch becomes the model's input; as a sketch alone if not given.
    name, details: what the metadata tell of the checkpoint.

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
    rows_of_base: dict[int, list[int]] = {}
    for number, base_number in edits_of(sketches, most):
        rows_of_base.setdefault(base_number, []).append(number)

    geometries = trace(model, layers, read(sketches, next(iter(rows_of_base)), size))
    points = _point_cells(geometries, point)
    rows: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    means = _MeanMaps()
    free: dict[tuple[str, str], Tensor] = {}
    loaded = None
    steps = [(base, mode) for base in rows_of_base for mode in modes]
    for base_number, mode in track(steps, f"{name}: leakage"):
        if loaded != base_number:
            loaded, base = base_number, read(sketches, base_number, size)
            numbers = rows_of_base[base_number]
            edits = list(read_edits(sketches, numbers, base_number, geometries, read, size, margin))
            statistics = record_statistics(model, base)
            free = {}
        with reading(model, layers) as activations, holding(model, statistics, mode):
            # The base in every mode, so that a held network is compared with itself.
            before = activations(base)
            scales = {layer: scale_of(layer, before[layer]) for layer in layers}
            for edit in edits:
                after = activations(edit.image)
                for layer in layers:
                    change = change_of(layer, after[layer], before[layer], scales[layer])
                    eyes = _at(edit.cells[layer].eyes, after[layer])
                    # "free" is the first mode; the others are compared with it.
                    free_eyes = free.setdefault((edit.sketch, layer), eyes)
                    by_statistics = _mean(change_of(layer, free_eyes, eyes, scales[layer]))
                    row = (name, edit.sketch, edit.group, edit.base, layer, mode)
                    row += _numbers(change, edit, layer, points[layer], by_statistics)
                    rows.setdefault((edit.sketch, modes.index(mode)), []).append(row)
                    if mode in MAP_MODES:
                        means.add(mode, edit, layer, change)

    order = {sketch: number for number, sketch in enumerate(sketches.index["sketch"])}
    keys = sorted(rows, key=lambda key: (order[key[0]], key[1]))
    measured = {key[0] for key in rows}
    if not measured:
        raise FeatvizError(f"all edits of {sketches.folder} equal their base at {size} px")
    checkpoint = {
        "layers": list(layers),
        "modes": list(modes),
        "map_sizes": {layer: list(geometries[layer].map_size or ()) for layer in layers},
        "extents": {layer: list(geometries[layer].extent or ()) for layer in layers},
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
    return Leakage(
        LeakageTable(
            pd.DataFrame([row for key in keys for row in rows[key]], columns=list(COLUMNS)),
            {**common, "checkpoints": {name: checkpoint}},
        ),
        means.maps(sketches.groups, layers, {**common, "checkpoint": name, **checkpoint}),
        tuple(sketch for sketch in wanted if sketch not in measured),
    )


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
    change: Change, edit: Edit, layer: str, point: Mask, by_statistics: float
) -> tuple[Any, ...]:
    """The numbers of one row, in the order of COLUMNS."""
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


class _MeanMaps:
    """Sums of small maps, one edit after the other."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], Change] = {}
        self._reach: dict[tuple[str, str], Mask] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, mode: str, edit: Edit, layer: str, change: Change) -> None:
        """Take one edit's map of one layer and mode."""
        key, place = (mode, edit.group, layer), (edit.group, layer)
        self._sums[key] = self._sums.get(key, 0) + shrink(change)
        reached = shrink(edit.cells[layer].reach)
        self._reach[place] = self._reach.get(place, np.zeros_like(reached)) | reached
        self._counts[key] += 1

    def maps(
        self, groups: Sequence[str], layers: Sequence[str], metadata: dict[str, Any]
    ) -> LeakageMaps:
        """The means, mode by mode, group by group, layer by layer."""
        modes = [mode for mode in MAP_MODES if any(key[0] == mode for key in self._sums)]
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
        )
