import pytest
import torch

from featviz.editing.engine_layers import Scale, layers_of
from featviz.editing.rectangles import Rectangle

NETWORKS = {
    "baseline": {"downsamplings": 2},
    "enhancer": {"enhancers": 1, "width": 2, "downsamplings": 1},
    "no norm": {"variant": "no-norm", "norm": "none", "downsamplings": 2},
}
BOXES = [
    Rectangle(3, 9, 5, 16),
    Rectangle(0, 4, 0, 1),
    Rectangle(20, 24, 31, 32),
    Rectangle(0, 24, 0, 32),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("box", BOXES)
def test_cells_of_a_window_are_those_of_the_whole_map(make, rng, network, box):
    model = make(**NETWORKS[network]).double().to(memory_format=torch.channels_last)
    for layer in layers_of(model):
        channels = layer.weight.shape[0 if layer.kind == "transposed" else 1]
        coarser = {"transposed": 0.5, "convolution": layer.stride, "output": 1}[layer.kind]
        side = (int(24 * coarser), int(32 * coarser))
        maps = torch.from_numpy(rng.normal(size=(1, *side, channels))).permute(0, 3, 1, 2)
        factor, shift = (torch.from_numpy(rng.normal(size=layer.channels)) for _ in range(2))
        scale = Scale(factor.repeat(layer.steps) if layer.norm else None, shift.repeat(layer.steps))
        wide = layer.aligned(box)
        window = layer.window(wide)
        inside = window.cut(*side)
        found = layer.cells(layer.padded(inside.of(maps), window, inside), scale)
        expected = wide.of(layer.scaled(maps, scale))
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
