"""The page on other programs runs as it stands, on two groups of the sketches."""

import io
import re
import shlex
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from featviz.sketches.sketch_set import read_sketches
from tests.documents import blocks, run_document

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "interop.md"
GROUPS = ("G3", "G6")


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """The folder in which the page has run."""
    folder = tmp_path_factory.mktemp("interop")
    index = pd.read_csv(ROOT / "sketches" / "index.csv", keep_default_na=False)
    for group in GROUPS:
        shutil.copytree(ROOT / "sketches" / group, folder / "sketches" / group)
    index[index["group"].isin(GROUPS)].to_csv(folder / "sketches" / "index.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_document(DOCUMENT, {})  # compares what is printed with the page
    return folder


def atlas_commands() -> list[list[str]]:
    """The calls of Embedding Atlas on the page, as words."""
    code = "".join(code for kind, _, code, _ in blocks(DOCUMENT) if kind == "sh")
    lines = code.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("embedding-atlas ")]


@pytest.mark.parametrize("words", atlas_commands(), ids=lambda words: words[0])
def test_embedding_atlas_is_given_the_columns_it_is_told_of(here, words):
    file, options = words[0], dict(zip(words[1::2], words[2::2], strict=True))
    assert {"--x", "--y", "--query"} <= set(options)
    data = pd.read_parquet(here / file)  # what the query calls data
    found = duckdb.sql(options["--query"]).df()
    assert len(found) == len(data) / 2 == 21
    for axis in (options["--x"], options["--y"]):
        assert np.isfinite(found[axis].to_numpy(np.float64)).all()
    if "--image" not in options:
        return
    sketches = read_sketches(here / "sketches")
    for sketch, content in zip(found["sketch"], found[options["--image"]], strict=True):
        with Image.open(io.BytesIO(bytes(content))) as picture:
            pixels = np.asarray(picture)
        original = Image.fromarray(sketches.image(sketches.number(sketch)))
        assert np.array_equal(pixels, np.asarray(original.resize((128, 128))))


def test_two_maps_of_the_page_are_the_commands_tested_here():
    assert len(atlas_commands()) == 2


def test_the_projector_folder_is_as_the_page_lists_it(here):
    text = (here / "projector" / "projector_config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, ProjectorConfig())
    assert len(config.embeddings) == 4
    listed = re.findall(r"^    (projector/\S+)", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) == 4
    assert all((here / name).is_file() for name in listed)


def test_the_text_table_has_the_columns_the_page_names(here):
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    (names,) = re.findall(r"the columns `(.*?), \.\.\.`", text)
    columns = list(pd.read_csv(here / "text" / "paper-modified" / "L0.csv").columns)
    assert columns[: len(names.split(", "))] == names.split(", ")
