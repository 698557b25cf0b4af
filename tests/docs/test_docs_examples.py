"""The page of worked examples runs as it stands and prints what it shows."""

from pathlib import Path

import pytest
from PIL import Image

from featviz import cli
from tests.documents import assert_same_output, run_document

DOCUMENT = Path(__file__).parents[2] / "docs" / "examples.md"


def test_the_examples_run_in_order_and_print_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as it is for whoever starts Python there
    outputs = run_document(DOCUMENT, {})
    assert sum(bool(output) for output in outputs) >= 9
    for name, panels in (("wheel.png", 4), ("steps.png", 6)):
        with Image.open(name) as picture:
            colours = picture.convert("RGB").getcolors(1 << 20)
        assert colours is not None and len(colours) > 10 * panels  # not blank
    # What the text says one may do with the table that was written.
    arguments = ["features/mine.parquet", "--point", "16", "10", "--layers", "bottom"]
    cli.main(["plot", *arguments, "--out", "again.png"])
    assert Path("again.png").is_file()


@pytest.mark.parametrize(
    ("promised", "printed"),
    [
        ("L0 0.00", "L0 0.001"),
        ("4 rows", "5 rows"),
        ("a 1.20%", "a 1.40%"),
        ("changed 0.5", "kept 0.5"),
        ("one\ntwo", "one"),
        ("1.5 2", "1.5"),
    ],
)
def test_output_that_differs_from_the_page_is_found(promised, printed):
    with pytest.raises(AssertionError):
        assert_same_output(promised, printed, "page:1", rel=0.05)
    assert_same_output(promised, promised + "\n", "page:1", rel=0.05)
    assert_same_output("L0  0.500", "L0 0.499", "page:1", rel=0.05)
