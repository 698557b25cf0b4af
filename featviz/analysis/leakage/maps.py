"""Leakage maps: what the edits of a group changed at every position, small enough to ship.

The file is a compressed .npz without pickles. Its arrays are called

    change|MODE|GROUP|LAYER   float16 (h, w), mean over the group's edits of the relative change
    reach|GROUP|LAYER         uint8 (h, w), 1 where the convolutions of any edit reach
    edit-change|MODE|SKETCH|LAYER, edit-reach|SKETCH|LAYER    the same of single edits, if kept
    metadata                  JSON text: checkpoint, digest, modes, groups, layers, edits (GROUP ->
                              how many), point and `map_sizes` (LAYER -> width, height before
                              they were made smaller)

h and w are those of the layer's map, divided by the least power of 2 that makes them 128 or less:
changes are averaged, reach is 1 if any cell is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.foreign import parse_json, parsing, told_of

_MOST_CELLS = 128
"""The longest side of a map in a file."""

_LEAST = float(np.finfo(np.float16).smallest_subnormal)
_SEPARATOR = "|"
_MOST_BYTES = 2**22


@dataclass
class _Metadata:
    checkpoint: str | None = None


_Change = NDArray[np.float32]
_Reach = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LeakageMaps:
    """Mean leakage maps of one checkpoint.

    changes: (mode, group, layer) -> (h, w) float32, mean relative change over the group's edits,
    exactly 0 where no edit changed anything. reach: (group, layer) -> (h, w) bool, the union of
    the edits' convolutional reach. metadata: as in the file, see the module. edit_changes,
    edit_reach: the same of the single edits that were to be kept, by sketch instead of group.
    """

    changes: Mapping[tuple[str, str, str], _Change]
    reach: Mapping[tuple[str, str], _Reach]
    metadata: dict[str, Any]
    edit_changes: Mapping[tuple[str, str, str], _Change] = field(default_factory=dict)
    edit_reach: Mapping[tuple[str, str], _Reach] = field(default_factory=dict)

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that have maps, "free" first."""
        return tuple(dict.fromkeys(mode for mode, _, _ in self.changes))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in order."""
        return tuple(dict.fromkeys(group for _, group, _ in self.changes))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, from the first to the image."""
        return tuple(dict.fromkeys(layer for _, _, layer in self.changes))


def shrink(values: NDArray[Any]) -> NDArray[Any]:
    """Halve a map (H, W) until its sides are at most 128: means of numbers, any of booleans.

    A side that cannot be halved evenly is filled up with its last cells.
    """
    while max(values.shape) > _MOST_CELLS:
        padded = np.pad(values, [(0, side % 2) for side in values.shape], mode="edge")
        height, width = padded.shape
        cells = padded.reshape(height // 2, 2, width // 2, 2)
        pool = np.any if values.dtype == bool else np.mean
        values = np.asarray(pool(cells, axis=(1, 3)))
    return values


def write_maps(maps: LeakageMaps, path: Path) -> None:
    """Write maps as .npz, complete or not at all; what is not 0 is not 0 in the file either."""
    arrays: dict[str, Any] = {"metadata": np.array(json.dumps(maps.metadata))}
    for kind, changes in (("change", maps.changes), ("edit-change", maps.edit_changes)):
        for key, change in changes.items():
            # Half precision would turn what is tiny into "nothing", which is another finding.
            kept = np.where(change == 0, 0, np.maximum(change, _LEAST)).astype(np.float16)
            arrays[_SEPARATOR.join((kind, *key))] = kept
    for kind, reached in (("reach", maps.reach), ("edit-reach", maps.edit_reach)):
        for place, reach in reached.items():
            arrays[_SEPARATOR.join((kind, *place))] = reach.astype(np.uint8)
    with atomic_write(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_maps(path: Path) -> LeakageMaps:
    """Read maps; raises FeatvizError if the file is missing or holds something else."""
    path = Path(path)
    if not path.is_file():
        raise FeatvizError(f"{path}: no such leakage maps; `featviz leakage` writes them")
    changes: dict[str, dict[tuple[str, str, str], _Change]] = {"change": {}, "edit-change": {}}
    reached: dict[str, dict[tuple[str, str], _Reach]] = {"reach": {}, "edit-reach": {}}
    with told_of(path), parsing("no leakage maps"), np.load(path, allow_pickle=False) as file:
        for entry in file.zip.infolist():
            # Before it is unpacked: a few bytes may become many.
            if entry.file_size > _MOST_BYTES:
                raise FeatvizError(f"'{entry.filename}' is of {entry.file_size} bytes; no map is")
        text = str(file["metadata"])
        parse_json(text, _Metadata)
        for name in file.files:
            match name.split(_SEPARATOR):
                case ["change" | "edit-change" as kind, mode, what, layer]:
                    changes[kind][mode, what, layer] = _map(name, file[name]).astype(np.float32)
                case ["reach" | "edit-reach" as kind, what, layer]:
                    reached[kind][what, layer] = _map(name, file[name]).astype(bool)
        for found, reach in zip(changes.values(), reached.values(), strict=True):
            for (_, what, layer), change in found.items():
                if (what, layer) in reach and reach[what, layer].shape != change.shape:
                    raise FeatvizError(f"the maps of {what} at {layer} are of different sizes")
        metadata = parse_json(text, dict[str, Any])
    return LeakageMaps(
        changes["change"],
        reached["reach"],
        metadata,
        changes["edit-change"],
        reached["edit-reach"],
    )


def _map(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "buif" or values.ndim != 2:
        raise FeatvizError(f"'{name}' is {values.dtype} {values.shape}; expected numbers (h, w)")
    if min(values.shape) == 0 or max(values.shape) > _MOST_CELLS:
        raise FeatvizError(f"'{name}' has sides {values.shape}; expected 1 to {_MOST_CELLS}")
    return values
