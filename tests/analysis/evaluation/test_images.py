import dataclasses

import numpy as np
import pytest
import torch

from featviz.analysis.evaluation.images import load_whole_generator, painter
from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.checkpoint_files import (
    convert,
    export_pix2pixhd,
    load_generator,
    save_network,
)
from featviz.generators.generation import generate
from featviz.generators.network_input import encode_drawing
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator


def test_a_painter_makes_what_generate_makes(checkpoint, rng):
    paint = painter(load_whole_generator(checkpoint))
    assert paint.size == 64
    sketch = rng.choice(np.array([0, 255], np.uint8), (64, 64))
    image = paint(sketch)
    assert image.shape == (1, 3, 64, 64)
    pixels = ((image[0].cpu().permute(1, 2, 0) + 1) * 127.5).round().numpy()
    wanted = generate(load_generator(checkpoint).generator, sketch)
    assert np.abs(pixels - wanted).max() <= 1


def test_the_size_is_the_checkpoints_512_or_the_given_one(checkpoint, tmp_path):
    loaded = load_whole_generator(checkpoint)
    assert painter(loaded, 96).size == 96
    with pytest.raises(FeatvizError, match="multiples of 16; got 100"):
        painter(loaded, 100)
    with pytest.raises(FeatvizError, match="at least 32 px and multiples of 16; got 16"):
        painter(loaded, 16)
    export_pix2pixhd(loaded.generator, tmp_path / "net.pth")
    assert painter(load_whole_generator(tmp_path / "net.pth", "modified")).size == 512


def test_front_ends_and_generators_of_other_inputs_are_refused(checkpoint, tmp_path):
    convert(checkpoint, tmp_path / "front.safetensors", front_end=True)
    with pytest.raises(FeatvizError, match="a front end alone, which generates nothing"):
        load_whole_generator(tmp_path / "front.safetensors")
    architecture = GeneratorArchitecture(width=2, residual_blocks=0, input_channels=5)
    network = build_generator(architecture)
    details = {"architecture": dataclasses.asdict(architecture)}
    save_network(network, tmp_path / "five.safetensors", "generator", details, torch.float32)
    with pytest.raises(FeatvizError, match=r"takes 5 channels; expected 3 \(or 1\)"):
        load_whole_generator(tmp_path / "five.safetensors")


def test_a_painter_gives_a_generator_with_boundaries_those_of_the_drawing(tmp_path, pairs):
    network = build_generator(GeneratorArchitecture(width=2, residual_blocks=0, input_channels=4))
    details = {"conditions": {"boundaries": True, "appearance_channels": 0}}
    save_network(network, tmp_path / "four.safetensors", "generator", details, torch.float32)
    paint = painter(open_checkpoint(tmp_path / "four.safetensors"), 64)
    drawing = pairs.contour(0, 64)
    with torch.inference_mode():
        expected = network.eval()(encode_drawing(drawing, boundaries=True)[None])
    torch.testing.assert_close(paint(drawing).cpu(), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(FeatvizError, match="needs the named parts of SVG drawings"):
        paint(np.full((64, 64), 255, np.uint8))


def test_a_generator_that_gives_nan_is_refused(checkpoint):
    loaded = load_whole_generator(checkpoint)
    with torch.no_grad():
        next(loaded.generator.parameters()).fill_(torch.nan)
    with pytest.raises(FeatvizError, match="NaN or infinity"):
        painter(loaded)(np.full((64, 64), 255, np.uint8))
