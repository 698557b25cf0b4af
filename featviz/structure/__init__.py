"""Structure: what groups of activation vectors look like, measured on the vectors, not on a map."""

from featviz.structure.distances import group_distances

__all__ = ["group_distances"]
