"""Vectors at points, against what timm's own networks give as their intermediate maps."""

import numpy as np
import pytest
import torch

import featviz
from tests.timm_alone import import_timm

POINTS = [(0, 0), (13, 8), (39, 7), (22, 23)]
SMALL = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
WINDOWS = {"img_size": (32, 48), "patch_size": 2, "embed_dim": 8, "depths": (2, 2),
           "num_heads": (1, 2), "window_size": 4}  # fmt: skip

# By name what timm is given, and of each layer the number of its map and the pixels of a cell.
NETWORKS = {
    "vit_tiny_patch16_224": (SMALL, {"blocks.0": (0, 8), "blocks.1": (1, 8)}),
    "vit_small_patch14_reg4_dinov2": (SMALL, {"blocks.0": (0, 8), "blocks.1": (1, 8)}),
    "swin_tiny_patch4_window7_224": (WINDOWS, {"layers.0": (0, 2), "layers.1": (1, 4)}),
    "convnext_atto": (
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 16)},
        {"stages.0": (0, 4), "stages.1": (1, 8)},
    ),
    "resnet10t": (
        {"channels": (4, 8, 8, 16), "stem_width": 4},
        {"act1": (0, 2), "layer1": (1, 4), "layer3": (3, 16)},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_vectors_are_those_of_timms_intermediate_maps_to_the_last_bit(name, rng, monkeypatch):
    given, layers = NETWORKS[name]
    torch.manual_seed(0)
    model = import_timm(monkeypatch).create_model(name, num_classes=0, **given).eval()
    images = [torch.from_numpy(rng.normal(size=(3, 32, 48))).float() for _ in range(2)]
    table = featviz.extract(model, images, points=POINTS, layers=list(layers))
    with torch.inference_mode():
        found = [model.forward_intermediates(each[None], intermediates_only=True)
                 for each in images]  # fmt: skip
    for layer, (number, side) in layers.items():
        cells = np.array(table.metadata["positions"][layer])
        away = cells - np.array(POINTS) // side
        # Patches hold their point; the windows of a ResNet lie around one near to it.
        assert (np.abs(away) <= name.startswith("resnet")).all()
        expected = [maps[number][0, :, y, x].numpy() for maps in found for x, y in cells]
        assert np.array_equal(table.vectors[layer], np.stack(expected)), layer
