"""The geometry of one layer of a small model."""

from featviz.probing.receptive_field import trace_geometry


def geometry(model, layer, size=(16, 16), channels=1):
    return trace_geometry(model, [layer], size, channels)[layer]
