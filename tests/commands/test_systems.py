"""Generators of other kinds than pix2pixHD's, wherever a command takes a checkpoint."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.editing.plain import PlainEditor
from featviz.generators.checkpoint_files import export_pix2pix, load_generator, save_network
from featviz.generators.generation import generate
from featviz.generators.networks.architectures import build
from featviz.generators.networks.crn import CrnArchitecture
from featviz.generators.networks.unet import UnetArchitecture
from featviz.probing.activations import record_activations
from featviz.sketches.sketch_set import read_sketch
from featviz.sketches.tensors import encode_image
from featviz.studio.face_makers import DrawnState, shown_face
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache

SIZE = 64


@pytest.fixture(scope="module")
def few(tmp_path_factory, pytestconfig):
    """A base of the repository's sketches and two edits of it, a set of their own."""
    source, folder = pytestconfig.rootpath / "sketches", tmp_path_factory.mktemp("sets")
    index = pd.read_csv(source / "index.csv", dtype=str, keep_default_na=False)
    index = index[index["sketch"].str.fullmatch(r"G8/00[123]")]
    (folder / "G8").mkdir()
    for file in index["file"]:
        (folder / file).write_bytes((source / file).read_bytes())
    index.to_csv(folder / "index.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    unet, crn = build(UnetArchitecture(6, 2)), build(CrnArchitecture(5, 2))
    paths = {"unet": folder / "unet.pth", "crn": folder / "crn.safetensors"}
    export_pix2pix(unet, paths["unet"])
    save_network(crn, paths["crn"], "generator", {"sketch_size": SIZE}, torch.float32)
    return paths


@pytest.mark.parametrize(
    ("kind", "layers", "named"),
    [("unet", ["L0", "L1", "L2", "L3", "L4"], "U4"), ("crn", ["M0", "M1", "M2", "M3", "M4"], "M3")],
)
def test_every_command_that_takes_a_checkpoint_takes_it(
    tmp_path, few, checkpoints, capsys, kind, layers, named
):
    checkpoint, name = str(checkpoints[kind]), checkpoints[kind].stem
    sketches = [few / "G8" / f"00{number}.svg" for number in (1, 2, 3)]
    generator = load_generator(checkpoint).generator
    pictures = [read_sketch(path, SIZE) for path in sketches]
    expected = [generate(generator, picture) for picture in pictures]

    def featviz(*words):
        main([str(word) for word in words])
        return capsys.readouterr().out

    featviz("generate", checkpoint, *sketches, "--size", SIZE, "--out", tmp_path)
    for path, image in zip(sketches, expected, strict=True):
        with Image.open(tmp_path / f"{path.stem}-{name}.png") as made:
            assert np.array_equal(np.asarray(made), image)

    point = ("--point", 30, 21)
    of_set = ("--sketches", few, "--size", SIZE)
    featviz("extract", checkpoint, *of_set, *point, "--out", tmp_path)
    assert list(read_features(tmp_path / f"{name}.parquet").layers) == layers
    featviz(
        *("extract", checkpoint, *of_set, *point, "--layers", named, "output"),
        *("--engine", "dense", "--out", tmp_path / "named"),
    )
    table = read_features(tmp_path / "named" / f"{name}.parquet")
    with torch.no_grad(), record_activations(generator, [named, "output"]) as found:
        for number, picture in enumerate(pictures):
            generator(encode_image(picture)[None])
            # A cell of the layer named covers two pixels by two.
            for layer, cell in ((named, (10, 15)), ("output", (21, 30))):
                vector = found[layer][0, :, *cell].numpy()
                np.testing.assert_array_equal(table.vectors[layer][number], vector)

    assert "image" in featviz("leakage", checkpoint, *of_set, *point, "--out", tmp_path / "leak")
    if kind == "crn":
        with pytest.raises(SystemExit):  # for edits that reach everything
            featviz("certify", checkpoint, "--size", SIZE, SIZE)
        assert "unbounded: through group norm in 10 places" in capsys.readouterr().out
    else:
        assert "\nbounded: an edit reaches 189 px" in featviz(
            "certify", checkpoint, "--size", 64, 64
        )
    featviz("edit", checkpoint, *sketches, "--size", SIZE, "--out", tmp_path / "edit")
    with Image.open(tmp_path / "edit" / f"001-{name}.png") as made:
        assert np.array_equal(np.asarray(made), expected[0])
    featviz("evaluate", checkpoint, "--measures", "locality", *of_set, "--out", tmp_path / "e.csv")
    assert name in (tmp_path / "e.csv").read_text()


def test_the_drawing_page_offers_it_and_keeps_the_rest_the_plain_way(checkpoints, shipped):
    networks = Networks([str(path) for path in checkpoints.values()])
    strokes = [(each.part, tuple(each.points.ravel())) for each in shipped.drawing(0).strokes]
    drawn = DrawnState(strokes, RasterCache())
    for name, path in checkpoints.items():
        choice = networks.choice(name)
        architecture = load_generator(path).architecture
        assert choice.generates
        assert choice.layers == tuple(zip(architecture.layers, architecture.channels, strict=True))
        expected = generate(load_generator(path).generator, drawn.pixels(choice.size))
        assert np.array_equal(networks.generate(name, drawn).face, shown_face(expected))
        assert isinstance(networks.editor(name), PlainEditor)
