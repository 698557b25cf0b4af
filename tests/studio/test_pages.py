from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import featviz
from featviz.faces.mean_face import mean_face
from featviz.studio.pages import static_files


def test_the_mean_face_is_that_of_the_contours_the_shipped_weights_were_trained_on() -> None:
    table = pd.read_parquet(Path(featviz.__file__).parent / "pretrained" / "landmarks.parquet")
    train = table[table["split"] == "train"]["landmarks"].iloc[::25]
    some = mean_face(np.stack([np.reshape(points, (68, 2)) for points in train]))
    data = files("featviz.studio").joinpath("mean-face.png").read_bytes()
    shipped = np.asarray(Image.open(BytesIO(data))) / 255
    # A twenty-fifth of the faces is noisier than all of them, but the same face.
    assert np.corrcoef(some.ravel(), shipped.ravel())[0, 1] > 0.9
    assert np.abs(some.mean() - shipped.mean()) < 0.002


def test_only_files_of_known_kinds_are_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "icons").mkdir()
    for name in ("index.html", "app.js", "icons/a.svg", "notes.txt", ".hidden.js", "server.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.js").symlink_to(tmp_path / "app.js")
    table = static_files(tmp_path)
    assert set(table) == {
        "/",
        "/static/index.html",
        "/static/app.js",
        "/static/link.js",
        "/static/icons/a.svg",
    }
    assert table["/"] == tmp_path / "index.html"
