"""Generators that are given more than a sketch, from training to generated faces."""

import numpy as np
import pytest
import torch
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.extraction import Settings, extract_checkpoints
from featviz.extraction.rasters import read_rasters
from featviz.faces.instances import boundary_map, instance_map
from featviz.generators.checkpoint_files import load_generator
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.network_input import encode_drawing, read_generator_input
from featviz.generators.networks.conditions import Conditions
from featviz.sketches import sketch_set as sketches_module
from featviz.sketches.drawing import rasterize, read_svg, write_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.training.estimate import estimate_run
from featviz.training.loop import train
from featviz.training.presets import preset
from featviz.training.run import start_run
from tests.extraction.small import write_checkpoint


@pytest.fixture(scope="module")
def bounded(tmp_path_factory, pairs):
    """A run with boundaries."""
    folder = tmp_path_factory.mktemp("runs") / "bounded"
    config = preset(
        "demo",
        size=32,
        width=2,
        residual_blocks=1,
        discriminator_width=2,
        steps=2,
        boundaries=True,
    )
    train(config, pairs, folder)
    return folder


@pytest.fixture
def sketches(tmp_path, pairs):
    """Two drawings of 32 px, in one group."""
    for index in range(2):
        write_svg(pairs.contour(index, 32), tmp_path / "set" / "G1" / f"{index}.svg")
    return tmp_path / "set"


def test_without_conditions_a_drawing_is_three_equal_channels(pairs):
    assert Conditions().channels == 3
    assert not Conditions().any
    assert encode_drawing(pairs.contour(0, 32)).shape == (3, 32, 32)


def test_a_checkpoint_tells_its_conditions_and_an_old_one_has_none(bounded):
    assert load_generator(bounded).conditions == Conditions(boundaries=True)
    assert load_generator("modified").conditions == Conditions()


def test_networks_trained_with_boundaries_take_them_as_their_fourth_channel(bounded, pairs):
    generator = load_generator(bounded).generator
    assert generator.front_end.L0.conv.in_channels == 4
    encoded = encode_drawing(pairs.contour(0, 32), boundaries=True)
    assert torch.equal(encoded[:3], encode_drawing(pairs.contour(0, 32)))
    expected = boundary_map(instance_map(pairs.contour(0, 32)))
    assert np.array_equal(encoded[3].numpy(), expected)
    assert generate(generator, encoded).shape == (32, 32, 3)


def test_a_mere_sketch_is_never_spread_over_the_other_channels(bounded):
    with pytest.raises(FeatvizError, match="takes 4 channels; a sketch has 3"):
        generate(load_generator(bounded).generator, np.full((32, 32), 255, np.uint8))
    with pytest.raises(FeatvizError, match="takes 4 channels; expected 3"):
        FastGenerator(load_generator(bounded).generator)


def test_a_dry_run_counts_the_encoder_too(pairs):
    config = preset("demo", size=32, width=2, boundaries=True, appearance_channels=1)
    estimate = estimate_run(config, pairs, torch.device("cpu"))
    encoder = start_run(config, torch.device("cpu")).models.encoder
    assert estimate.parameters["encoder"] == sum(p.numel() for p in encoder.parameters())


def test_generate_makes_boundaries_of_drawings_and_refuses_pixels(
    bounded, sketches, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    main(["generate", str(bounded), "set/G1/0.svg"])
    face = np.asarray(Image.open("generated/0-bounded.png"))
    drawing = read_svg(sketches / "G1" / "0.svg")
    encoded = encode_drawing(drawing, boundaries=True)
    assert np.array_equal(face, generate(load_generator(bounded).generator, encoded))
    Image.new("L", (32, 32), 255).save("pixels.png")
    with pytest.raises(SystemExit):
        main(["generate", str(bounded), "pixels.png"])
    assert "pixels.png is made of pixels; expected an SVG drawing" in capsys.readouterr().err


def test_extraction_gives_such_a_generator_its_boundaries(bounded, sketches, tmp_path):
    (result,) = extract_checkpoints(
        [bounded], read_sketches(sketches, 32), tmp_path, Settings(((10, 12),))
    )
    table = read_features(result.path)
    encoded = encode_drawing(read_svg(sketches / "G1" / "1.svg"), boundaries=True)
    generator = load_generator(bounded).generator
    with torch.inference_mode():
        expected = generator.front_end.L0(encoded[None])[0, :, 12, 10]
    assert torch.equal(torch.from_numpy(table.vectors["L0"][1].copy()), expected)


def test_each_drawing_is_parsed_once_for_all_checkpoints_with_conditions_and_without(
    bounded, sketches, tmp_path, monkeypatch
):
    plain = write_checkpoint(tmp_path / "plain.safetensors")
    parsed = []
    read = sketches_module.read_svg
    monkeypatch.setattr(sketches_module, "read_svg", lambda path: parsed.append(path) or read(path))
    checkpoints = [bounded, plain]
    settings = Settings(((10, 12),), ("L0",))
    list(extract_checkpoints(checkpoints, read_sketches(sketches, 32), tmp_path / "o", settings))
    assert sorted(path.name for path in parsed) == ["0.svg", "1.svg"]
    # What was made of one reading is what each makes by itself.
    for checkpoint, name in ((bounded, "bounded"), (plain, "plain")):
        alone = extract_checkpoints(
            [checkpoint], read_sketches(sketches, 32), tmp_path / "alone", settings
        )
        vectors = [
            read_features(path).vectors["L0"]
            for path in (next(alone).path, tmp_path / "o" / f"{name}.parquet")
        ]
        assert np.array_equal(*vectors)


def test_rasters_too_large_for_the_memory_give_the_same_instances(sketches):
    drawings = read_sketches(sketches, 32)
    kept = read_rasters(drawings, with_instances=True)
    anew = read_rasters(drawings, with_instances=True, memory=0)
    assert anew.packed is None
    for one, other, number in zip(
        kept.with_instances(), anew.with_instances(), range(2), strict=True
    ):
        drawing = drawings.drawing(number)
        for found in (one, other):
            assert np.array_equal(found[0], rasterize(drawing))
            assert np.array_equal(found[1], instance_map(drawing))


def test_a_drawing_is_brought_to_the_size_of_the_faces(sketches):
    for conditions in (Conditions(), Conditions(boundaries=True)):
        assert read_generator_input(sketches / "G1" / "0.svg", 64, conditions).shape[-1] == 64


def test_extraction_refuses_pixels_before_it_writes_anything(bounded, sketches, tmp_path):
    Image.new("L", (32, 32), 255).save(sketches / "G1" / "9.png")
    drawings = read_sketches(sketches, 32)
    with pytest.raises(FeatvizError, match=r"needs the named parts .* G1/9.png is made of pixels"):
        list(extract_checkpoints([bounded], drawings, tmp_path / "out", Settings(((10, 12),))))
    assert not (tmp_path / "out").exists()
