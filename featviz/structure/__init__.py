"""Structure: what groups of activation vectors look like, measured on the vectors, not on a map."""

from featviz.structure.corrections import benjamini_hochberg, holm
from featviz.structure.distances import (
    METRICS,
    GroupDistances,
    Metric,
    activation_scale,
    distance_matrix,
    distance_ratio,
    distances_of_groups,
    group_distances,
    mean_distances,
    summarize_distances,
)
from featviz.structure.permutation import PermutationTest, permutation_test, sign_flip_test

__all__ = [
    "METRICS",
    "GroupDistances",
    "Metric",
    "PermutationTest",
    "activation_scale",
    "benjamini_hochberg",
    "distance_matrix",
    "distance_ratio",
    "distances_of_groups",
    "group_distances",
    "holm",
    "mean_distances",
    "permutation_test",
    "sign_flip_test",
    "summarize_distances",
]
