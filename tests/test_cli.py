"""The command line as a user meets it: bad input is one line and exit 2, with nothing written."""

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from featviz import cli
from featviz.base.feature_table import FeatureTable, read_features, write_features
from featviz.extraction import checkpoints as extraction
from featviz.extraction import extract
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.generators.weights import read_metadata
from featviz.sketches.drawing import write_svg
from featviz.sketches.sketch_set import read_sketches
from tests.forks import Forked

SKETCHES = Path(__file__).parent.parent / "sketches"
LAYERS = ["--layers", "L0", "L1"]
SET = ["--sketches", "set", *LAYERS]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder with an untrained checkpoint, two sketches and a feature table."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture("modified", width=2, residual_blocks=1))
    save_network(generator, Path("net.safetensors"), "generator", {"step": 0}, torch.float32)
    sketches = read_sketches(SKETCHES)
    for number, name in ((0, "001"), (40, "002")):
        (tmp_path / "set" / "A").mkdir(parents=True, exist_ok=True)
        write_svg(sketches.drawing(number), Path(f"set/A/{name}.svg"))
    return tmp_path


@pytest.fixture
def table(here):
    rng = np.random.default_rng(0)
    images = [rng.choice(np.array([0, 255], np.uint8), (32, 32)) for _ in range(12)]
    model = build_generator(GeneratorArchitecture(width=2, residual_blocks=0))
    table = extract(model, images, points=[(16, 16)], layers=["L0", "L1"], groups=["A", "B"] * 6)
    write_features(table, Path("table.parquet"))
    return table


def run(capsys, *arguments):
    """Run a command; return its exit code, stdout and stderr."""
    try:
        cli.main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    out, err = capsys.readouterr()
    return code, out, err


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_refused(capsys, here, arguments, *parts):
    before = files(here)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("featviz: error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert files(here) == before


def test_extract_writes_one_table_a_checkpoint(capsys, here):
    code, out, _ = run(capsys, "extract", "net.safetensors", *SET)
    assert code == 0
    assert "features/net.parquet" in out
    table = read_features(Path("features/net.parquet"))
    assert list(table.rows["sketch"]) == ["A/001", "A/002"]
    assert table.vectors["L1"].shape == (2, 4)


@pytest.mark.parametrize("options", [["pca"], ["tsne", "--perplexity", "3"]])
def test_plot_draws_a_table(capsys, here, table, options):
    arguments = ["plot", "table.parquet", "--out", "plot.png", "--method", *options]
    code, _, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert Image.open("plot.png").width > 500


def test_generate_draws_a_face_per_sketch(capsys, here):
    code, out, _ = run(capsys, "generate", "net.safetensors", "set/A/001.svg", "set/A/002.svg")
    assert code == 0
    assert out.split() == ["generated/001-net.png", "generated/002-net.png"]
    assert Image.open("generated/001-net.png").size == (512, 512)


def test_generate_reads_all_sketches_before_it_writes_the_first_face(capsys, here):
    Path("set/A/009.png").write_bytes(b"no image")
    arguments = ["generate", "net.safetensors", "set/A/001.svg", "set/A/009.png"]
    assert_refused(capsys, here, arguments, "set/A/009.png", "not a readable image")
    assert_refused(capsys, here, ["generate", "net.safetensors", "gone.svg"], "gone.svg")
    arguments = ["generate", "net.safetensors", "set/A/001.svg", "--size"]
    assert_refused(capsys, here, [*arguments, "0"], "at least 1 px; got 0")
    assert_refused(capsys, here, [*arguments, "16"], "16x16", "at least 32")


def test_generate_refuses_a_front_end_before_it_looks_at_sketches(capsys, here):
    cut = ["convert", "net.safetensors", "front.safetensors", "--front-end"]
    assert run(capsys, *cut)[0] == 0
    arguments = ["generate", "front.safetensors", "gone.svg"]
    assert_refused(capsys, here, arguments, "front end alone", "whole generator")


def test_convert_there_and_back_changes_no_weight(capsys, here):
    assert run(capsys, "convert", "net.safetensors", "net.pth")[0] == 0
    back = ["convert", "net.pth", "back.safetensors", "--variant", "modified"]
    assert run(capsys, *back)[0] == 0
    before, after = load_file("net.safetensors"), load_file("back.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_missing_checkpoint(capsys, here):
    assert_refused(capsys, here, ["extract", "nope", *SET], "'nope'", "shipped")


def test_a_truncated_checkpoint(capsys, here):
    whole = Path("net.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(whole[: len(whole) // 2])
    assert_refused(capsys, here, ["extract", "cut.safetensors", *SET], "cut.safetensors")


def test_a_pickle_that_would_run_code(capsys, here):
    class Evil:
        def __reduce__(self):
            return os.mkdir, ("ran",)

    torch.save({"model.1.weight": Evil()}, "evil.pth")
    assert_refused(capsys, here, ["extract", "evil.pth", *SET], "could run code")
    Path("evil2.pth").write_bytes(pickle.dumps(Evil()))
    assert_refused(capsys, here, ["extract", "evil2.pth", *SET], "evil2.pth")


def test_an_unknown_layer(capsys, here):
    arguments = ["extract", "net.safetensors", "--sketches", "set", "--layers", "L7"]
    assert_refused(capsys, here, arguments, "unknown layer 'L7'", "L0, L1, L2, L3, L4")


@pytest.mark.parametrize(
    ("point", "bound"), [(("512", "0"), "512"), (("-1", "5"), "(0, 0)"), (("3", "9999"), "512")]
)
def test_a_point_outside_the_image(capsys, here, point, bound):
    arguments = ["extract", "net.safetensors", "--point", *point, *SET]
    assert_refused(capsys, here, arguments, *point, "lies outside", bound)


def test_an_empty_sketch_set(capsys, here):
    Path("empty").mkdir()
    assert_refused(
        capsys, here, ["extract", "net.safetensors", "--sketches", "empty", *LAYERS], "empty"
    )
    assert_refused(
        capsys, here, ["extract", "net.safetensors", "--sketches", "gone", *LAYERS], "gone"
    )


def test_a_sketch_of_the_wrong_size(capsys, here):
    Image.new("L", (500, 512), 255).save("set/A/003.png")
    arguments = ["extract", "net.safetensors", *SET]
    assert_refused(capsys, here, arguments, "A/003.png is 500x512; expected 512x512")


def test_a_corrupt_sketch(capsys, here):
    Path("set/A/003.png").write_bytes(b"\x89PNG but not really")
    arguments = ["extract", "net.safetensors", *SET]
    assert_refused(capsys, here, arguments, "A/003.png", "not a readable image")


def test_weights_that_are_nan(capsys, here):
    tensors = load_file("net.safetensors")
    tensors["front_end.L1.conv.weight"][0, 0, 0, 0] = float("nan")
    metadata = {"featviz": json.dumps(read_metadata(Path("net.safetensors")))}
    save_file(tensors, "nan.safetensors", metadata)
    arguments = ["extract", "nan.safetensors", *SET]
    assert_refused(capsys, here, arguments, "front_end.L1.conv.weight")


def test_fewer_sketches_than_the_perplexity_needs(capsys, here, table):
    arguments = ["plot", "table.parquet", "--method", "tsne", "--perplexity", "15"]
    assert_refused(capsys, here, arguments, "perplexity", "12")


def test_constant_features(capsys, here, table):
    vectors = {layer: np.ones_like(values) for layer, values in table.vectors.items()}
    write_features(FeatureTable(table.rows, vectors, table.metadata), Path("flat.parquet"))
    for options in (["pca"], ["tsne", "--perplexity", "3"]):
        assert_refused(capsys, here, ["plot", "flat.parquet", "--method", *options], "L0")


def test_an_unknown_method_and_a_file_that_is_no_table(capsys, here, table):
    assert_refused(capsys, here, ["plot", "table.parquet", "--method", "lda"], "lda", "pca, tsne")
    assert_refused(capsys, here, ["plot", "net.safetensors"], "net.safetensors")
    assert_refused(capsys, here, ["plot", "gone.parquet"], "gone.parquet")


def test_photos_without_a_face(capsys, here):
    Path("photos").mkdir()
    Image.fromarray(skimage.data.coffee()).save("photos/coffee.png")
    assert_refused(capsys, here, ["faces", "import", "photos"], "coffee.png: no face found")


def test_training_without_pairs(capsys, here):
    assert_refused(capsys, here, ["train", "--out", "run", "--data", "nowhere"], "nowhere")
    arguments = ["train", "--out", "run", "--data", "nowhere", "--preset", "huge"]
    assert_refused(capsys, here, arguments, "'huge'", "demo, paper")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--seed", "-1"], "seed must be a whole number, 0 or more"),
        (["--size", "100"], "size must be a multiple of 16"),
        (["--size", "16"], "at least 32; got 16"),
        (["--save-every", "0"], "at least 1 step between saves"),
        (["--keep-every", "0"], "at least 1 step between kept generators; got 0"),
        (["--workers", "-1"], "no fewer than 0 workers"),
        (["--learning-rate", "nan"], "learning_rate must be positive"),
        (["--perceptual", "-3"], "perceptual must be 0 or more"),
        (["--l1", "nan"], "l1 must be 0 or more; got nan"),
        (["--perceptual-scale", "2"], "perceptual_scale must lie between 0 and 1"),
        (["--variant", "no-norm-first-9"], "leaves 9 layers"),
        (["--discriminator-scales", "10"], "images of 512 px are too small for 10 scales"),
        (["--threads", "0"], "at least 1 thread"),
        (["--vgg19", "vgg19.pth"], "whose weight is 0; give --perceptual too"),
    ],
)
def test_senseless_training_settings_make_no_run_folder(capsys, here, options, part):
    data = Path(__file__).parent.parent / "analyses" / "samples"
    assert_refused(capsys, here, ["train", "--out", "run", "--data", data, *options], part)


def test_a_full_disk_on_write(capsys, here, monkeypatch):
    def no_space(table, path):
        path.parent.mkdir(exist_ok=True)
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(extraction, "write_features", no_space)
    code, _, err = run(capsys, "extract", "net.safetensors", *SET)
    assert code == 2
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert not list(here.rglob("*.parquet"))


def featviz_on_a_full_disk(*words):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    cli.main(words)


def test_a_really_full_disk_leaves_nothing_half_written(here):
    """A limit on the size of files makes the system refuse writes, as a full disk does."""
    before = files(here)
    process = Forked(featviz_on_a_full_disk, "extract", "net.safetensors", *SET)
    assert process.wait() == 2
    assert process.stderr.read().strip().count("\n") == 0
    assert [f for f in files(here) if f not in before] in ([], ["features"])


@pytest.mark.parametrize("command", [[], *[[name] for name in cli.COMMANDS]])
def test_every_command_has_help(capsys, command):
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "usage: featviz" in out


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from featviz.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_the_module_runs_as_the_command_does():
    command = [sys.executable, "-m", "featviz", "assets", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "face-landmarks" in result.stdout
