import json
from pathlib import Path

import numpy as np
import pytest
import torch

from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.extraction import extract
from featviz.generators.checkpoint import distinct_names, open_checkpoint, open_checkpoints
from featviz.generators.checkpoint_files import (
    export_pix2pixhd,
    load_generator,
    save_network,
    shipped_checkpoints,
)
from featviz.generators.network_input import encode_drawing
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, build_generator
from featviz.sketches.drawing import read_svg, write_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image
from featviz.studio.networks import choices
from tests.extraction.small import arguments, write_checkpoint, write_sketches


def write(path: Path, channels: int = 3, seed: int = 0, **details: object) -> Path:
    torch.manual_seed(seed)
    generator = build_generator(
        GeneratorArchitecture(width=2, residual_blocks=0, input_channels=channels)
    )
    if path.suffix == ".pth":
        export_pix2pixhd(generator, path)
    else:
        save_network(generator, path, "generator", details, torch.float32)
    return path


@pytest.fixture
def bounded(tmp_path):
    conditions = {"boundaries": True, "appearance_channels": 0}
    return write(tmp_path / "bounded.safetensors", 4, conditions=conditions, sketch_size=64)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (("a/net.pth", "b/other.pth"), ("net", "other")),
        (("a/net.pth", "b/net.pth", "b/other.pth"), ("a-net", "b-net", "other")),
        (("a/x/net.pth", "b/x/net.pth", "b/y/net.pth"), ("a-x-net", "b-x-net", "y-net")),
        (("a/run/generator.safetensors", "b/run/generator.safetensors"), ("a-run", "b-run")),
        (("a/run/generator.safetensors", "a/run.pth"), ("run", "run.pth")),
        (("a/net.pth", "a/net.safetensors"), ("net.pth", "net.safetensors")),
        (("a/modified.pth", "modified"), ("a-modified", "modified")),
    ],
)
def test_checkpoints_of_one_name_are_told_apart_by_their_folders(
    tmp_path, monkeypatch, files, names
):
    monkeypatch.chdir(tmp_path)
    touch(*files)
    assert distinct_names(files) == names
    # The order, and how a file is written, make no difference.
    absolute = [file if "/" not in file else tmp_path / file for file in files]
    assert distinct_names(absolute[::-1]) == names[::-1]


def touch(*files):
    for file in (Path(file) for file in files if "/" in file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_a_name_with_its_folder_that_is_another_ones_is_told_apart_once_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ("a/x/net.pth", "b/x/net.pth", "c/a-x-net.pth")
    touch(*files)
    assert distinct_names(files) == (f"{tmp_path.name}-a-x-net", "b-x-net", "c-a-x-net")


def test_one_file_given_twice_and_no_checkpoint_are_refused(tmp_path):
    path = write(tmp_path / "net.safetensors")
    with pytest.raises(FeatvizError, match="is given twice"):
        distinct_names([path, tmp_path / "." / "net.safetensors"])
    with pytest.raises(FeatvizError, match="no checkpoint given; the shipped ones are"):
        open_checkpoints([])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["one"], "expected 2 names, one a checkpoint; got 1"),
        (["one", "one"], "two checkpoints are to be called 'one'"),
        (["one", "a/b"], "cannot call a checkpoint 'a/b'"),
        (["one", ".."], r"cannot call a checkpoint '\.\.'"),
        (["one", ""], "cannot call a checkpoint ''"),
        (["one", "\x1b[2J"], "cannot call a checkpoint"),
    ],
)
def test_names_that_no_two_tables_could_have_are_refused(names, words):
    with pytest.raises(FeatvizError, match=words):
        distinct_names(["baseline", "modified"], names)


def test_every_command_calls_two_checkpoints_of_one_name_the_same(tmp_path, pytestconfig):
    for folder in "ab":
        write(tmp_path / folder / "net.safetensors", seed=ord(folder))
    sources = [str(tmp_path / folder / "net.safetensors") for folder in "ab"]
    assert [checkpoint.name for checkpoint in open_checkpoints(sources)] == ["a-net", "b-net"]
    sketches = read_sketches(pytestconfig.rootpath / "sketches").of_groups("G8")
    measured = leakage_of_checkpoints(sources, sketches, ["L0"], [], (9, 9), 64, most=1)
    assert [name for name, _ in measured] == ["a-net", "b-net"]
    assert list(choices(sources)) == ["a-net", "b-net", *shipped_checkpoints()]
    set_of_64 = write_sketches(tmp_path / "set")
    main(arguments([*map(Path, sources)], set_of_64, tmp_path / "out"))
    named = arguments([*map(Path, sources)], set_of_64, tmp_path / "named")
    main([*named, "--name", "old", "new"])
    for folder, names in (("out", ("a-net", "b-net")), ("named", ("old", "new"))):
        tables = [read_features(tmp_path / folder / f"{name}.parquet") for name in names]
        assert [table.checkpoint for table in tables] == list(names)
        assert [t.metadata["digest"] for t in tables] == [load_generator(s).digest for s in sources]


def test_its_input_is_what_its_conditions_say_or_the_sketch_alone(bounded, tmp_path, pairs, rng):
    drawing = pairs.contour(0, 64)
    write_svg(drawing, tmp_path / "face.svg")
    checkpoint = open_checkpoint(bounded)
    expected = encode_drawing(drawing, boundaries=True)
    assert torch.equal(checkpoint.input(drawing), expected)
    written = encode_drawing(read_svg(tmp_path / "face.svg"), boundaries=True)
    assert torch.equal(checkpoint.read(tmp_path / "face.svg", 64), written)
    with pytest.raises(FeatvizError, match="needs the named parts of SVG drawings; got an image"):
        checkpoint.input(np.full((64, 64), 255, np.uint8))
    alone = open_checkpoint(write(tmp_path / "alone.safetensors"))
    sketch = rng.choice(np.array([0, 255], np.uint8), (64, 64))
    assert torch.equal(alone.input(sketch), encode_image(sketch))
    assert torch.equal(alone.input(drawing), expected[:3])


def test_its_provenance_tells_file_network_conditions_and_version(bounded):
    checkpoint = open_checkpoint(bounded)
    told = json.loads(json.dumps(checkpoint.provenance()))
    assert told["digest"] == load_generator(bounded).digest
    assert told["architecture"]["input_channels"] == 4
    assert told["conditions"] == {"boundaries": True, "appearance_channels": 0}
    assert told["featviz_version"]
    assert checkpoint.size == 64


def test_what_makes_no_faces_or_not_of_a_sketch_alone_is_refused_in_one_way(bounded, tmp_path):
    checkpoint = open_checkpoint(bounded)
    checkpoint.require_whole()
    with pytest.raises(FeatvizError, match=r"takes 4 channels; expected 3 \(or 1\), a sketch and"):
        checkpoint.require_sketch_alone()
    front_end = open_checkpoint(write_checkpoint(tmp_path / "front.safetensors"))
    for require in (front_end.require_whole, front_end.require_sketch_alone):
        with pytest.raises(FeatvizError, match="is a front end alone, which generates nothing"):
            require()
    assert choices([str(bounded)])["bounded"].generates is False


def test_checkpoints_are_loaded_one_at_a_time_and_each_time_they_are_gone_through(tmp_path):
    paths = [write_checkpoint(tmp_path / f"{n}.safetensors", n) for n in range(2)]
    checkpoints = open_checkpoints(paths)
    assert len(checkpoints) == 2
    first = [checkpoint.digest for checkpoint in checkpoints]
    write_checkpoint(paths[1], seed=5)
    second = [checkpoint.digest for checkpoint in checkpoints]
    assert first[0] == second[0]
    assert first[1] != second[1]


def some_images(count=2):
    return [np.full((64, 64), 255, np.uint8) for _ in range(count)]


def test_what_is_no_module_with_layers_is_told_what_to_give_instead(tmp_path):
    network = FrontEnd(GeneratorArchitecture(width=2)).eval()
    example = torch.zeros(1, 3, 64, 64)
    for model, words in (
        (
            load_generator(write(tmp_path / "net.safetensors")),
            r"LoadedGenerator .* its \.generator",
        ),
        (torch.jit.trace(network, example), "a scripted module .* give the nn.Module"),
        (torch.export.export(network, (example,)), "an exported program .* give the nn.Module"),
        ("modified", "expected a torch.nn.Module; got a str"),
    ):
        with pytest.raises(FeatvizError, match=words):
            extract(model, some_images(), ((9, 9),))


def test_pairs_of_images_and_labels_are_told_how_to_give_both():
    pairs = [(torch.zeros(3, 64, 64), label) for label in (0, 1, 1)]
    network = FrontEnd(GeneratorArchitecture(width=2)).eval()
    with pytest.raises(FeatvizError, match=r"a tuple \(Tensor, int\); expected the image alone"):
        extract(network, pairs, ((9, 9),), ("L0",))
    images, labels = (image for image, _ in pairs), [str(label) for _, label in pairs]
    table = extract(network, images, ((9, 9),), ("L0",), groups=labels)
    assert list(table.rows["group"]) == ["0", "1", "1"]
