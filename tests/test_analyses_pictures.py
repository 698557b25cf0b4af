import io

import numpy as np
import pytest
from PIL import Image

from analyses import pictures
from analyses.pictures import LARGEST, compare, difference, main, picture, update


def drawing(seed: int, size: tuple[int, int] = (900, 600)) -> Image.Image:
    """Random patches: neither flat nor noise."""
    small = np.random.default_rng(seed).integers(0, 256, (30, 45, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def test_a_picture_is_small_and_looks_as_the_figure_does(monkeypatch) -> None:
    assert len(picture(drawing(0))) <= LARGEST
    # Noise does not fit even badly compressed, so it must be made smaller.
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "LARGEST", 20_000)
        content = picture(Image.fromarray(noise))
    assert len(content) <= 20_000
    with Image.open(io.BytesIO(content)) as small:
        assert small.format == "WEBP"
        assert small.width < 400
    with Image.open(io.BytesIO(picture(drawing(0)))) as small:
        assert difference(drawing(0), small) < 4


def test_the_difference_is_0_for_equal_and_large_for_unrelated_pictures() -> None:
    assert difference(drawing(0), drawing(0)) == 0
    assert difference(drawing(0), drawing(1)) > 50
    assert difference(drawing(0), drawing(0, (600, 600))) == 255


def test_made_figures_are_compared_and_change_the_tracked_ones_only_if_asked(tmp_path) -> None:
    made, shown = tmp_path / "made", tmp_path / "shown"
    made.mkdir()
    drawing(0).save(made / "figure-1.png")
    assert update(made, shown) == [shown / "figure-1.webp"]
    before = (shown / "figure-1.webp").read_bytes()
    drawing(1).save(made / "figure-1.png")
    drawing(1).save(made / "figure-2.png")
    (line,) = compare(made, shown)
    assert float(line.removeprefix("figure-1: ")) > 50
    assert (shown / "figure-1.webp").read_bytes() == before


def test_a_folder_without_figures_is_refused_in_one_line(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--made", str(tmp_path)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
