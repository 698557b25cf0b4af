"""One rule for sketches at a size, in every command: drawings fit, pixels must have it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from featviz import cli, extract
from featviz.base.feature_table import read_features
from featviz.generators.checkpoint_files import load_generator, save_network
from featviz.generators.generation import generate
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.drawing import Drawing, Stroke, rasterize, read_svg, write_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.studio import importing

SHIPPED = Path(__file__).parents[2] / "sketches"
SIZE = 128
POINT = ("--point", "42", "62")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An untrained generator, and three mouths as drawings of 512 px and as pixels of those."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture("modified", width=2, residual_blocks=1))
    save_network(generator, Path("net.safetensors"), "generator", {"step": 0}, torch.float32)
    shipped = read_sketches(SHIPPED)
    for number in range(3):
        name = f"G8/00{number + 1}"
        drawing = shipped.drawing(shipped.number(name))
        write_svg(drawing, Path(f"svg/{name}.svg"))
        path = Path(f"png/{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rasterize(drawing)).save(path)
    for kind in ("svg", "png"):
        rows = [(f"G8/00{n}", "G8", f"G8/00{n}.{kind}", "G8/001", "mouth") for n in (1, 2, 3)]
        columns = ["sketch", "group", "file", "base", "edited_part"]
        pd.DataFrame(rows, columns=columns).to_csv(f"{kind}/index.csv", index=False)
    return tmp_path


def command(name: str, kind: str, size: int) -> list[str]:
    end = ["net.safetensors", "--sketches", kind, "--size", str(size)]
    layer = ["--layers", "L0", *POINT]
    return {
        "extract": ["extract", *end, *layer, "--out", f"features-{kind}"],
        "leakage": ["leakage", *end, *layer],
        "evaluate": ["evaluate", *end, "--measures", "locality"],
        "generate": ["generate", end[0], f"{kind}/G8/002.{kind}", *end[3:]],
    }[name]


@pytest.mark.parametrize("name", ["extract", "leakage", "evaluate", "generate"])
def test_drawings_fit_the_size_and_pixels_of_another_are_refused(name: str, here, capsys) -> None:
    cli.main(command(name, "svg", SIZE))
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        cli.main(command(name, "png", SIZE))
    assert leaving.value.code == 2
    error = capsys.readouterr().err
    assert ".png is 512x512; expected 128x128 (resize it, or pass --size 512; only SVG" in error
    assert error.count("\n") == 1


def fitted(name: str) -> np.ndarray:
    return rasterize(read_svg(Path("svg") / name).scaled(SIZE))


def test_the_drawings_that_networks_are_given_are_scaled_ones(here) -> None:
    cli.main(command("extract", "svg", SIZE))
    cli.main(command("generate", "svg", SIZE))
    images = [fitted(f"G8/00{number}.svg") for number in (1, 2, 3)]
    network = load_generator("net.safetensors").generator
    expected = extract(network, images, points=[(42, 62)], layers=["L0"]).vectors["L0"]
    table = read_features(Path("features-svg/net.parquet"))
    np.testing.assert_allclose(table.vectors["L0"], expected, atol=1e-6)
    face = np.asarray(Image.open(Path("generated") / "002-net.png"))
    np.testing.assert_array_equal(face, generate(network, images[1]))


def test_a_table_of_drawings_at_another_size_is_exported_with_them(here) -> None:
    cli.main(command("extract", "svg", SIZE))
    table = "features-svg/net.parquet"
    cli.main(["export", table, "--to", "projector", "--sketches", "svg", "--out", "log"])
    with Image.open(next(Path("log").rglob("*.png"))) as sprite:
        tile = np.asarray(sprite.convert("L"))[: sprite.height // 2, : sprite.width // 2]
    # The first of a sheet of 2 x 2: darker where the sketch has ink.
    side = tile.shape[0]
    expected = Image.fromarray(fitted("G8/001.svg")).resize((side, side), Image.Resampling.BOX)
    assert np.corrcoef(tile.ravel(), np.asarray(expected).ravel())[0, 1] > 0.9


def test_drawings_of_another_size_are_imported_as_the_drawing_page_draws(tmp_path) -> None:
    small = Drawing((Stroke("mouth", np.array([[8.0, 30.0], [20.0, 40.0]])),), 64)
    write_svg(small, tmp_path / "G" / "a.svg")
    (content,) = importing._read(tmp_path)
    assert content.strokes is not None
    # Eight times as large: the edges of the canvas, half a pixel away, lie on each other.
    assert content.strokes[0]["points"] == [67.5, 243.5, 163.5, 323.5]
    assert content.original == (tmp_path / "G" / "a.svg").read_bytes()
