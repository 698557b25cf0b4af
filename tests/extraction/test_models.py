"""`featviz extract MODEL --images FOLDER`: somebody else's network and photos, from the shell."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from featviz import cli
from featviz.base.feature_table import read_features
from tests.extraction.small import write_checkpoint, write_sketches

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, channels=3):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.relu = nn.ReLU()

    def forward(self, image, scale=1):
        x = self.first(image) * scale
        for block in self.blocks:
            x = self.relu(block(x))
        return {"image": x}

class Told(Net):
    def __init__(self):
        super().__init__()
        self.pretrained_cfg = None
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with code, weights and photos that are neither square nor drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    Path("shell_nets.py").write_text(CODE)
    random = np.random.default_rng(3)
    Path("photos").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(random.integers(0, 256, (10, 16, 3), np.uint8)).save(f"photos/{name}")
    import shell_nets

    torch.manual_seed(9)
    model = shell_nets.Net(6).eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, "net.pth")
    yield model
    sys.modules.pop("shell_nets", None)


WORDS = ["extract", "shell_nets:Net", "--weights", "net.pth", "--model-args", "width=6",
         "--images", "photos"]  # fmt: skip
READ = ["--point", "5", "7", "--layers", "blocks.*", "relu#2"]


def by_hooks(model, mean, std, folder="photos", **given):
    """layer -> vectors of the photos at the cell (5, 7), by plain hooks and plain arithmetic."""
    vectors = {"blocks.0": [], "blocks.1": [], "relu#2": []}
    seen = []
    modules = [*model.blocks, model.relu]
    handles = [m.register_forward_hook(lambda _, __, maps: seen.append(maps)) for m in modules]
    for path in sorted(Path(folder).rglob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(np.float32) / 255
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        image = (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        seen.clear()
        with torch.no_grad():
            model(image[None], **given)
        first, _, second, last = seen
        for name, maps in zip(vectors, (first, second, last), strict=True):
            vectors[name].append(maps[0, :, 7, 5].numpy())
    for handle in handles:
        handle.remove()
    return {name: np.stack(rows) for name, rows in vectors.items()}


def test_the_table_of_a_network_and_photos_is_what_plain_hooks_read(here, capsys):
    normalised = ["--mean", "0.4", "0.5", "0.6", "--std", "0.2", "0.25", "0.3"]
    cli.main([*WORDS, *normalised, *READ, "--input", "scale=3", "--name", "mine"])
    out, err = capsys.readouterr()
    layers = "blocks.0, blocks.1, relu#2"
    assert out == f"features/mine.parquet: 3 rows (3 sketches, 1 point), {layers}\n"
    assert "has its weights inside 'state_dict'" in err
    assert "has weights named with 'module.' in front" in err
    table = read_features(Path("features/mine.parquet"))
    expected = by_hooks(here, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), scale=3)
    assert table.layers == tuple(expected)
    for layer, vectors in expected.items():
        assert np.array_equal(table.vectors[layer], vectors)
    assert table.rows["sketch"].tolist() == ["a", "b", "c"]
    assert table.groups == ("photos",)
    told = table.metadata
    assert told["normalisation"] == {
        "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "told_by": "given",
    }  # fmt: skip
    assert (told["checkpoint"], told["source"], told["size"]) == (
        "mine", "shell_nets:Net", [16, 10],
    )  # fmt: skip
    assert (told["weights"], told["model_arguments"]) == ("net.pth", {"width": "6"})
    assert told["inputs"] == {"scale": "3"}
    manifest = json.loads(Path("features/manifest.json").read_text())["tables"]
    assert manifest["mine"]["digest"] == told["digest"]


def test_two_runs_of_one_name_are_told_apart_and_nothing_is_replaced_unasked(here, capsys):
    cli.main([*WORDS, *READ])
    before = Path("features/Net.parquet").read_bytes()
    with pytest.raises(SystemExit):
        cli.main([*WORDS, *READ, "--mean", "0", "--std", "1"])
    assert "--overwrite replaces it, --name or another --out" in capsys.readouterr().err
    assert Path("features/Net.parquet").read_bytes() == before
    cli.main([*WORDS, *READ, "--mean", "0", "--std", "1", "--name", "Net-raw"])
    raw = read_features(Path("features/Net-raw.parquet"))
    plain = read_features(Path("features/Net.parquet"))
    assert np.array_equal(raw.vectors["relu#2"], by_hooks(here, (0,) * 3, (1.0,) * 3)["relu#2"])
    expected = by_hooks(here, (0.5,) * 3, (0.5,) * 3)["relu#2"]
    assert np.array_equal(plain.vectors["relu#2"], expected)
    assert plain.metadata["normalisation"]["told_by"] == "by default, black -1 and white +1"
    cli.main([*WORDS, *READ, "--mean", "0", "--std", "1", "--overwrite"])
    again = read_features(Path("features/Net.parquet"))
    assert np.array_equal(again.vectors["relu#2"], raw.vectors["relu#2"])


def test_groups_come_from_a_column_and_photos_are_scaled_if_asked(here, capsys):
    Path("photos/index.csv").write_text("file,kind\nc.png,x\na.png,y\n")
    cli.main([*WORDS, "--point", "3", "2", "--layers", "all", "--group-column", "kind",
              "--resize", "8", "5"])  # fmt: skip
    table = read_features(Path("features/Net.parquet"))
    assert table.rows[["sketch", "group"]].values.tolist() == [["c", "x"], ["a", "y"]]
    assert table.metadata["size"] == [8, 5]
    assert table.layers == ("first", "blocks.0", "relu#1", "blocks.1", "relu#2")


def test_a_network_of_one_channel_is_given_the_luma_of_photos_and_sketches_alike(here):
    write_sketches(Path("drawn"), count=2)
    words = ["extract", "shell_nets:Net", "--model-args", "channels=1", "--random-weights", "4"]
    cli.main([*words, *READ, "--images", "photos", "--name", "photos"])
    cli.main([*words, *READ, "--sketches", "drawn", "--size", "64", "--name", "drawn"])
    torch.manual_seed(4)
    model = sys.modules["shell_nets"].Net(channels=1)
    for name, files in (("photos", "photos/*.png"), ("drawn", "drawn/*/*.png")):
        table = read_features(Path(f"features/{name}.parquet"))
        for number, path in enumerate(sorted(Path().glob(files))):
            grey = np.asarray(Image.open(path).convert("L")).astype(np.float32)
            with torch.no_grad():
                maps = model.first((torch.from_numpy(grey)[None, None] / 255 - 0.5) / 0.5)
                maps = model.blocks[0](maps)
            assert np.array_equal(table.vectors["blocks.0"][number], maps[0, :, 7, 5].numpy())


def test_a_network_that_is_told_no_weights_is_said_to_be_untrained(here, capsys):
    words = ["extract", "shell_nets:Net", *READ, "--images", "photos"]
    cli.main([*words, "--name", "drawn"])
    assert "is told no weights, and its code draws random numbers" in capsys.readouterr().err
    cli.main([*words, "--random-weights", "4", "--name", "seeded"])
    assert "no weights" not in capsys.readouterr().err
    told = [
        read_features(Path(f"features/{name}.parquet")).metadata for name in ("drawn", "seeded")
    ]
    assert [each["drawn_weights"] for each in told] == [True, False]


def test_the_normalisation_that_a_model_tells_is_taken_and_told(here, monkeypatch):
    class Small(nn.Sequential):
        pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}  # noqa: RUF012

    timm = type(sys)("timm")
    timm.is_model = lambda name: name == "small"
    timm.create_model = lambda name, pretrained: Small(nn.Conv2d(3, 4, 1))
    monkeypatch.setitem(sys.modules, "timm", timm)
    cli.main(["extract", "timm:small", "--random-weights", "1", "--images", "photos", "--point",
              "5", "7", "--layers", "0"])  # fmt: skip
    table = read_features(Path("features/small.parquet"))
    assert table.metadata["normalisation"]["told_by"] == "timm's pretrained_cfg"
    torch.manual_seed(1)
    first = nn.Conv2d(3, 4, 1)
    pixels = torch.from_numpy(np.array(Image.open("photos/a.png")).astype(np.float32) / 255)
    scaled = (pixels[7, 5] - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([0.5, 0.6, 0.7])
    expected = first(scaled[None, :, None, None]).flatten().detach().numpy()
    np.testing.assert_allclose(table.vectors["0"][0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*WORDS, "--point", "5", "7"], "with --layers, or all; `featviz layers shell_nets:Net`"),
        ([*WORDS, "--layers", "all"], "name a pixel to read at with --point X Y"),
        ([*WORDS, *READ[:3], "--layers", "firs"], "unknown layer 'firs'; this model has first"),
        ([*WORDS, "--point", "16", "7", "--layers", "all"], "(16, 7) lies outside the image of 16"),
        ([*WORDS, "--point", "cls", "--layers", "relu#2"], "layer 'relu#2' has no token cls; all"),
        ([*WORDS, *READ, "--output", "score"], "--output chooses an image for `featviz layers`"),
        ([*WORDS, *READ, "--mean", "0.5"], "--mean and --std go together"),
        ([*WORDS, *READ, "--ray"], "--ray, --workers, --variant and --skip-bad are for checkpoi"),
        ([*WORDS, *READ, "--name", "a/b"], "cannot call a checkpoint 'a/b'"),
        (["extract", "net.safetensors", *WORDS[1:], *READ], "give it in a call of its own"),
        (["extract", "net.safetensors", *WORDS[6:], *READ], "are for networks of anybody's"),
        (["extract", "net.safetensors", *WORDS[2:4], *READ], "is a checkpoint of featviz's, which"),
        ([*WORDS[:4], *WORDS[6:], *READ], "net.pth: its weights do not fit 'shell_nets:Net': 6 of"),
        ([*WORDS[:6], *READ], "name yours with --sketches FOLDER, or run this in featviz's"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(here, capsys, words, told):
    write_checkpoint(Path("net.safetensors"))
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    error = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    assert ended.value.code == 2
    assert len(error) == 1
    assert told in error[0]
    assert not Path("features").exists()
