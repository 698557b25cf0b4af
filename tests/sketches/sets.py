"""Small sets of sketches to read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import Drawing, Stroke, write_svg
from featviz.sketches.sketch_set import read_sketches


def drawing_of(*points: tuple[float, float], size: int = 64) -> Drawing:
    return Drawing((Stroke("line", np.array(points, dtype=float)),), size)


def indexed_set(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for k, (_, _, file) in enumerate(rows):
        write_svg(drawing_of((5, 5 + k), (50, 20)), folder / file)
    pd.DataFrame(rows, columns=["sketch", "group", "file"]).to_csv(
        folder / "index.csv", index=False
    )
    return folder


def png(folder: Path, name: str, image: np.ndarray, **options) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


def error_of(folder: Path, size: int = 64) -> str:
    with pytest.raises(FeatvizError) as error:
        list(read_sketches(folder, size).images())
    assert "\n" not in str(error.value)
    return str(error.value)
