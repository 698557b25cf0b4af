"""Trajectories: how the features of the same sketches change while a generator is trained."""

from featviz.analysis.trajectory.edits import EditPairs, edits_out_of_reach
from featviz.analysis.trajectory.measure import (
    TRAJECTORY_MEASURES,
    TrajectoryTable,
    measure_trajectory,
    run_name,
)
from featviz.analysis.trajectory.verdicts import judge_steps, verdicts_table

__all__ = [
    "TRAJECTORY_MEASURES",
    "EditPairs",
    "TrajectoryTable",
    "edits_out_of_reach",
    "judge_steps",
    "measure_trajectory",
    "run_name",
    "verdicts_table",
]
