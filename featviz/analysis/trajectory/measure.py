"""Feature tables of several steps -> one table of numbers over steps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from featviz.analysis.comparable import checkpoint_names, require_same_sketches
from featviz.analysis.separation.groups import regroup
from featviz.analysis.separation.measure import measure_structure
from featviz.analysis.trajectory.edits import EditPairs
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.table import ALL_GROUPS, ColumnKind, Table

_LEAKAGE = "leakage"
_STRUCTURE = (("ratio", "euclidean"), ("relative within", "euclidean"), ("distinct", ""))
TRAJECTORY_MEASURES = (*(measure for measure, _ in _STRUCTURE), _LEAKAGE)


@dataclass(frozen=True, eq=False)
class TrajectoryTable(Table):
    """Numbers over training steps.

    rows: steps in order within each run and layer; measure: ratio (within / between, Euclidean),
    relative within (within / scale), distinct, leakage. value: NaN where there is nothing to
    measure; count: the sketches, or the edits, behind it.
    metadata: sketches, point: how many, and where they were read, in pixels; files of version
    0.1.0 do not tell.
    """

    noun: ClassVar[str] = "trajectory"
    command: ClassVar[str] = "featviz trajectory --save-table"
    columns: ClassVar[Mapping[str, ColumnKind]] = {
        "run": "text",
        "variant": "text",
        "step": "whole",
        "checkpoint": "text",
        "layer": "text",
        "measure": "text",
        "value": "number",
        "count": "whole",
    }
    key: ClassVar[tuple[str, ...]] = ("run", "step", "layer", "measure")
    needs_metadata: ClassVar[bool] = False

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs, in order."""
        return self.names("run")

    @property
    def measures(self) -> tuple[str, ...]:
        """Those of TRAJECTORY_MEASURES that were measured anywhere."""
        known = self.rows.loc[self.rows["value"].notna(), "measure"].unique()
        return tuple(measure for measure in TRAJECTORY_MEASURES if measure in known)

    def curve(self, run: str, layer: str, measure: str) -> pd.DataFrame:
        """The rows of one curve, in order of steps."""
        return self.values(run=run, layer=layer, measure=measure)


def run_name(checkpoint: str, step: int) -> str:
    """A checkpoint's name without its step: `modified-000500` at step 500 is of run `modified`.

    A name that is nothing but its step is of `run`.
    """
    return re.sub(rf"[-_ ]?(step[-_ ]?)?(?<![0-9])0*{step}$", "", checkpoint) or "run"


def measure_trajectory(
    tables: Sequence[FeatureTable],
    layers: Sequence[str] | None = None,
    *,
    edits: EditPairs | None = None,
    merge: Mapping[str, str] | None = None,
) -> TrajectoryTable:
    """Measure structure and leakage at every step of one or more runs.

    tables: of the same sketches at one point, in any order; their metadata tells the step, and
    the checkpoints' names the runs, see `run_name`. edits: of each layer the pairs (sketch, base)
    whose change counts as leakage, see `edits_out_of_reach`; without them there is no leakage.
    merge: see `regroup`.

    Leakage: the mean length of the difference of the vectors of sketch and base, relative to the
    root mean square length of all vectors of the layer; the mean over groups of the mean over
    their edits. 0 means equal to the last bit.

    Raises FeatvizError for no table, one that does not tell its step, the same step of a run
    twice, a run with one step only, tables of other sketches, and as `measure_structure` does.
    """
    chosen = [table.select(layers=layers) for table in tables]
    names = checkpoint_names(chosen)
    require_same_sketches(chosen, names)
    steps = [_step(table, name) for table, name in zip(chosen, names, strict=True)]
    runs = [run_name(name, step) for name, step in zip(names, steps, strict=True)]
    _require_runs(runs, steps, names)
    structure = measure_structure(chosen, merge=merge, permutations=0).rows
    structure = structure[structure["group"] == ALL_GROUPS]
    parts = []
    for measure, metric in _STRUCTURE:
        of_measure = (structure["measure"] == measure) & (structure["metric"] == metric)
        parts.append(structure[of_measure])
    leakages = [
        {
            "checkpoint": name,
            "variant": str(table.metadata.get("variant") or ""),
            "layer": layer,
            "measure": _LEAKAGE,
            **_leakage(regroup(table, merge or {}), layer, edits),
        }
        for name, table in zip(names, chosen, strict=True)
        for layer in table.layers
    ]
    rows = pd.concat([*parts, pd.DataFrame(leakages)], ignore_index=True)
    rows["run"] = rows["checkpoint"].map(dict(zip(names, runs, strict=True)))
    rows["step"] = rows["checkpoint"].map(dict(zip(names, steps, strict=True)))
    order = {name: i for i, name in enumerate(dict.fromkeys(runs))}
    rows = rows.iloc[np.lexsort((rows["step"], rows["run"].map(order)))]
    rows = rows[list(TrajectoryTable.columns)].reset_index(drop=True)
    told = {"sketches": len(chosen[0]), "point": list(chosen[0].points[0])}
    return TrajectoryTable(rows, told)


def _step(table: FeatureTable, name: str) -> int:
    step = table.metadata.get("step")
    if not isinstance(step, int):
        raise FeatvizError(
            f"the feature table of '{name}' does not tell a training step; a trajectory takes "
            "those of a run's kept generators (`featviz train --keep-every`)"
        )
    return step


def _require_runs(runs: Sequence[str], steps: Sequence[int], names: Sequence[str]) -> None:
    of: dict[tuple[str, int], str] = {}
    for run, step, name in zip(runs, steps, names, strict=True):
        if (run, step) in of:
            raise FeatvizError(
                f"step {step} of run '{run}' is given twice: {of[run, step]} and {name}"
            )
        of[run, step] = name
    for run in dict.fromkeys(runs):
        if runs.count(run) < 2:
            (step,) = (known for name, known in of if name == run)
            raise FeatvizError(f"run '{run}' is given at step {step} only; a curve takes 2 or more")


def _leakage(table: FeatureTable, layer: str, edits: EditPairs | None) -> dict[str, float | int]:
    row_of = {name: row for row, name in enumerate(table.rows["sketch"])}
    pairs = [(row_of[a], row_of[b]) for a, b in (edits or {}).get(layer, ())]
    vectors = np.asarray(table.vectors[layer], dtype=np.float64)
    size = float(np.sqrt((vectors**2).sum(axis=1).mean()))
    if not pairs or size == 0:
        return {"value": float("nan"), "count": len(pairs)}
    first, second = np.array(pairs).T
    changes = np.linalg.norm(vectors[first] - vectors[second], axis=1) / size
    groups = table.rows["group"].to_numpy()[first]
    value = np.mean([changes[groups == name].mean() for name in dict.fromkeys(groups)])
    return {"value": float(value), "count": len(pairs)}
