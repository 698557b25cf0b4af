"""Structure: what groups of activation vectors look like, measured on the vectors, not on a map."""

from featviz.analysis.separation.corrections import benjamini_hochberg, holm
from featviz.analysis.separation.distances import (
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
from featviz.analysis.separation.group_tests import GroupTest, energy_test, permanova, permdisp
from featviz.analysis.separation.permutation import (
    PermutationTest,
    permutation_test,
    sign_flip_test,
)
from featviz.analysis.separation.silhouettes import distinct_count, neighbour_purity, silhouettes

__all__ = [
    "METRICS",
    "GroupDistances",
    "GroupTest",
    "Metric",
    "PermutationTest",
    "activation_scale",
    "benjamini_hochberg",
    "distance_matrix",
    "distance_ratio",
    "distances_of_groups",
    "distinct_count",
    "energy_test",
    "group_distances",
    "holm",
    "mean_distances",
    "neighbour_purity",
    "permanova",
    "permdisp",
    "permutation_test",
    "sign_flip_test",
    "silhouettes",
    "summarize_distances",
]
