"""Geometries of the layers of small models."""

import torch

from featviz.probing.activations import record_activations
from featviz.probing.receptive_field import trace_geometry


def geometry(model, layer, size=(16, 16), channels=1):
    return trace_geometry(model, [layer], size, channels)[layer]


def geometries_as_reached(network, layers, size):
    """Geometries of layers, by name, whose rows are those that single rows of pixels change.

    network: in float64, of three channels.
    """
    geometries = trace_geometry(network, layers, (size, size))
    base = torch.randn(1, 3, size, size, dtype=torch.float64)
    rows = base.repeat(size, 1, 1, 1)
    for row in range(size):
        rows[row, :, row] += 1e-3 * torch.randn(3, size)
    with torch.no_grad(), record_activations(network, layers) as found:
        network(torch.cat([base, rows]))
    for layer, geometry in geometries.items():
        changed = (found[layer][1:] != found[layer][:1]).any(dim=1).any(dim=2)
        cells = changed.shape[1]
        assert geometry.map_size == (cells, cells)
        for cell in range(cells):
            seen = changed[:, cell].nonzero().flatten()
            assert (geometry.y.low[cell], geometry.y.high[cell]) == (seen.min(), seen.max()), layer
    return geometries
