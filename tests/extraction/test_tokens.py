"""Tokens as maps: vectors of transformers at points, against what the networks give themselves."""

import numpy as np
import pytest
import torch

import featviz
from featviz.base.errors import FeatvizError
from featviz.commands.layers import _table
from featviz.probing.layers import survey_layers

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8}
POINTS = [(0, 0), (13, 8), (39, 7), (22, 23)]


def vit():
    import transformers

    config = transformers.ViTConfig(**SIZE, intermediate_size=32, image_size=(24, 40))
    return transformers.ViTModel(config)


def dino_with_registers():
    import transformers

    config = transformers.Dinov2WithRegistersConfig(**SIZE, mlp_ratio=2, num_register_tokens=4,
                                                    image_size=40)  # fmt: skip
    return transformers.Dinov2WithRegistersModel(config)


def swin():
    import transformers

    config = transformers.SwinConfig(image_size=(24, 40), patch_size=2, embed_dim=8, depths=[2, 2],
                                     num_heads=[2, 2], window_size=4)  # fmt: skip
    return transformers.SwinModel(config)


# Blocks, how many tokens stand for no cell, and pixels of a cell behind each of them.
NETWORKS = {
    vit: (["layers.0", "layers.1"], 1, [8, 8]),
    dino_with_registers: (["encoder.layer.0", "encoder.layer.1"], 5, [8, 8]),
    swin: (["encoder.layers.0.downsample", "encoder.layers.1.blocks.1"], 0, [4, 4]),
}


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_vectors_at_points_are_the_hidden_states_of_the_tokens_that_stand_for_them(make, rng):
    layers, others, pixels = NETWORKS[make]
    torch.manual_seed(0)
    model = make().eval()
    images = [torch.from_numpy(rng.normal(size=(3, 24, 40))).float() for _ in range(2)]
    table = featviz.extract(model, images, points=POINTS, layers=layers)
    for layer, side, state in zip(layers, pixels, (1, 2), strict=True):
        columns = 40 // side
        expected = []
        for image in images:
            with torch.no_grad():
                states = model(image[None], output_hidden_states=True).hidden_states
            tokens = [others + (y // side) * columns + x // side for x, y in POINTS]
            expected.append(states[state][0, tokens].numpy())
        assert np.array_equal(table.vectors[layer], np.concatenate(expected))
        assert table.metadata["arrangements"][layer] == {
            "kind": "NLC", "before": others, "behind": 0,
        }  # fmt: skip
        assert table.metadata["positions"][layer] == [[x // side, y // side] for x, y in POINTS]


def test_maps_with_their_channels_last_are_read_at_their_rows_and_columns(rng):
    import transformers

    torch.manual_seed(0)
    config = transformers.ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2)
    model = transformers.ConvNextModel(config).eval()
    layer = "encoder.stages.0.layers.0.pwconv1"
    image = torch.from_numpy(rng.normal(size=(3, 24, 40))).float()
    table = featviz.extract(model, [image], points=POINTS, layers=[layer])
    seen = []
    model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        model(image[None])
    (maps,) = seen
    assert maps.shape == (1, 6, 10, 32)
    expected = np.stack([maps[0, y // 4, x // 4].numpy() for x, y in POINTS])
    assert np.array_equal(table.vectors[layer], expected)
    (found,) = [each for each in survey_layers(model, (40, 24)) if each.name == layer]
    assert _table((found,)).splitlines()[1].split()[2:4] == ["10x6", "32"]


def test_all_of_a_transformer_are_its_tokens_and_what_has_no_places_is_told(rng):
    model = vit().eval()
    images = [torch.from_numpy(rng.normal(size=(3, 24, 40))).float()]
    with pytest.warns(featviz.base.errors.FeatvizWarning, match="leaves out 3 of its layers"):
        table = featviz.extract(model, images, points=[(13, 8)], layers="all")
    assert {"embeddings", "layers.0.attention", "layernorm"} <= set(table.vectors)
    left_out = table.metadata["left_out"]
    assert set(left_out) == {"pooler", "pooler.dense", "pooler.activation"}
    with pytest.raises(FeatvizError, match="'pooler' gives no maps: it holds statistics of the wh"):
        featviz.extract(model, images, points=[(13, 8)], layers=["pooler"])


def test_a_class_token_has_no_place_and_is_told_where_it_is_asked_for(rng):
    images = [torch.from_numpy(rng.normal(size=(3, 24, 40))).float()]
    told = r"\(5, 0\) is not on the map of layer 'layers.0', which has 5x3 cells and 1 tokens that"
    with pytest.raises(FeatvizError, match=told):
        featviz.extract(vit(), images, points=[(13, 8)], layers=["layers.0"],
                        positions={"layers.0": [(5, 0)]})  # fmt: skip
    with pytest.raises(FeatvizError, match=r"\(40, 0\) lies outside the image of 40x24"):
        featviz.extract(vit(), images, points=[(40, 0)], layers=["layers.0"])


def test_class_and_register_tokens_are_read_by_name_and_refused_where_there_are_none(rng):
    images = [torch.from_numpy(rng.normal(size=(3, 24, 40))).float() for _ in range(2)]
    torch.manual_seed(0)
    model = dino_with_registers().eval()
    points, layer = ["cls", (13, 8), "register-4"], "encoder.layer.1"
    table = featviz.extract(model, images, points=points, layers=[layer])
    with torch.no_grad():
        states = [
            model(image[None], output_hidden_states=True).hidden_states[2] for image in images
        ]
    # The class token, four registers, and then three rows of five patches.
    expected = np.concatenate([state[0, [0, 5 + 5 + 1, 4]].numpy() for state in states])
    assert np.array_equal(table.vectors[layer], expected)
    assert table.points == ((-1, 0), (13, 8), (-1, 4))
    assert table.metadata["positions"][layer] == [[-1, 0], [1, 1], [-1, 4]]
    assert np.array_equal(table.select(points=["cls"]).vectors[layer], expected[::3])
    for asked, make, told in (
        ("register-5", dino_with_registers, "no token register-5; there are cls, register-1, reg"),
        ("register-1", vit, "'layers.0' has no token register-1; there are cls"),
        ("cls", swin, "'encoder.layers.0.downsample' has no token cls; all that it gives has a p"),
        ("class", vit, "point 'class' is unknown; expected a pixel, x and y, or of a transformer"),
    ):
        with pytest.raises(FeatvizError, match=told):
            featviz.extract(make().eval(), images, points=[asked], layers=[NETWORKS[make][0][0]])
