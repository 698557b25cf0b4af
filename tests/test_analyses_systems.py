import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from analyses import systems as module
from analyses.systems import SYSTEMS, main
from featviz.faces.pairs import write_pairs


def test_systems_are_trained_alike_judged_and_drawn_and_none_is_made_twice(
    pairs, tmp_path: Path, pytestconfig, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    data = tmp_path / "faces"
    data.mkdir()
    (data / "photos").symlink_to(pairs.folder / "photos")
    write_pairs(replace(pairs, folder=data, splits=("train", "test") * 3))
    # CRN alone needs VGG19, which takes most of the time; its training is tested where it is.
    monkeypatch.setattr(module, "SYSTEMS", {n: SYSTEMS[n] for n in ("unet", "retrieval")})
    runs, table, figure = tmp_path / "runs", tmp_path / "t.csv", tmp_path / "f.png"
    words = ["--runs", runs, "--data", data, "--table", table, "--figure", figure]
    words += ["--sketches", pytestconfig.rootpath / "sketches", "--size", 256, "--steps", 1]
    words += ["--width", 2, "--pairs", 3, "--edits", 1, "--lpips-size", 32]
    main([str(word) for word in words])
    rows = pd.read_csv(table).set_index("system")
    assert list(rows.index) == ["pix2pix", "retrieval"]
    assert (rows[["lpips", "inside", "seconds", "megabytes"]] > 0).all(axis=None)
    # Untrained, it makes no face; retrieval's are photos.
    assert rows.loc["pix2pix", "found"] == 0 and rows.loc["retrieval", "found"] > 0.6
    # By what its photos and arrays take.
    files = [*(runs / "retrieval").iterdir(), *(data / "photos" / n for n in pairs.names[::2])]
    size = sum(path.stat().st_size for path in files) / 1e6
    assert rows.loc["retrieval", "megabytes"] == pytest.approx(size)
    config = json.loads((runs / "unet" / "config.json").read_text())
    assert (config["generator"], config["steps"], config["size"]) == ("unet", 1, 256)
    with Image.open(figure) as picture:
        assert picture.width > picture.height > 500

    def refuse(*_, **__):
        raise AssertionError("made before")

    monkeypatch.setattr(module, "train", refuse)
    main([str(word) for word in words])
    again = pd.read_csv(table).set_index("system")
    assert again["lpips"].tolist() == rows["lpips"].tolist()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path / "gone")])
    assert capsys.readouterr().err.count("\n") == 1
