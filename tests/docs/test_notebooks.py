"""The notebooks run from top to bottom as they stand, and show what is in the files."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from tests.documents import assert_same_output
from tests.notebooks import code_cells, run_cells

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_order_and_shows_what_is_in_its_file(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_cells(path)
    promised = [cell["outputs"] for cell in code_cells(path)]
    kinds = set()
    for number, (mine, theirs) in enumerate(zip(promised, found, strict=True), 1):
        where = f"{path.name}: cell {number}"
        assert [one["output_type"] for one in mine] == [one["output_type"] for one in theirs]
        for one, other in zip(mine, theirs, strict=True):
            assert one.get("data", {}).keys() == other.get("data", {}).keys(), where
            texts = [("".join(each.get("text", ()))) for each in (one, other)]
            assert_same_output(*texts, where, rel=0.05)
            for kind, told in one.get("data", {}).items():
                kinds.add(kind)
                if kind == "image/png":
                    sizes = [picture(each["data"][kind]).size for each in (one, other)]
                    assert sizes[0] == sizes[1] and len(told) < 60_000, where
                    colours = picture(other["data"][kind]).convert("RGB").getcolors(1 << 20)
                    assert colours is not None and len(colours) > 1, where
                else:
                    assert_same_output("".join(told), "".join(other["data"][kind]), where, 0.05)
    assert kinds >= {"image/png", "text/html"}
    assert path.stat().st_size < 100_000


def picture(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_there_is_a_notebook():
    assert NOTEBOOKS
