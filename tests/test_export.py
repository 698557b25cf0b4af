"""Exports are read back by the programs they are for, or as those document it."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from torch import manual_seed
from werkzeug.test import Client

from featviz import cli
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, TablePart, write_features
from featviz.export import export_features
from featviz.export import sprites as sprite_module
from featviz.export.sprites import sprite_sheet, thumbnail
from featviz.extraction import extract
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.sketches.sketch_set import SketchSet, read_sketches

SKETCHES = Path(__file__).parent.parent / "sketches"
LAYERS = ("L0", "L1")


@pytest.fixture(scope="module")
def sketches() -> SketchSet:
    """Eyes of many sizes, and doodles, which have no base."""
    return read_sketches(SKETCHES).of_groups("G6", "G7")


@pytest.fixture(scope="module")
def table(sketches: SketchSet) -> FeatureTable:
    manual_seed(0)
    front_end = FrontEnd(GeneratorArchitecture("modified", width=4))
    return extract(front_end, sketches, layers=LAYERS, provenance={"checkpoint": "net"})


def vectors_at(path: Path) -> NDArray[np.float32]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return np.array([line.split("\t") for line in lines], dtype=np.float32)


def test_arrays_and_their_rows_come_back_as_they_were(table, sketches, tmp_path):
    export_features({"net": table}, "npy", tmp_path / "out", sketches)
    rows = pd.read_csv(tmp_path / "out/net/rows.csv", dtype=str, keep_default_na=False)
    for layer in LAYERS:
        array = np.load(tmp_path / f"out/net/{layer}.npy", allow_pickle=False)
        assert array.dtype == np.float32
        assert np.array_equal(array, table.vectors[layer])
    for column in ("sketch", "group", "base", "edited_part"):
        assert rows[column].tolist() == sketches.index[column].tolist()
    assert json.loads((tmp_path / "out/net/metadata.json").read_text()) == table.metadata


def test_rsatoolbox_computes_the_distances_of_the_vectors_from_the_arrays(table, tmp_path):
    import rsatoolbox

    export_features({"net": table}, "npy", tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out/net/rows.csv")
    data = rsatoolbox.data.Dataset(
        np.load(tmp_path / "out/net/L1.npy"),
        descriptors={"layer": "L1"},
        obs_descriptors={name: rows[name].to_list() for name in ("sketch", "group")},
    )
    distances = rsatoolbox.rdm.calc_rdm(data, method="euclidean", descriptor="sketch")
    order = [list(table.rows["sketch"]).index(s) for s in distances.pattern_descriptors["sketch"]]
    vectors = table.vectors["L1"][order].astype(np.float64)
    squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    found = distances.get_matrices()[0]
    # rsatoolbox's "euclidean" is the squared distance a channel.
    assert found == pytest.approx(squared / vectors.shape[1], rel=1e-4, abs=1e-8)
    assert set(data.subset_obs("group", "G7").obs_descriptors["group"]) == {"G7"}


def test_text_tables_hold_the_same_float32_for_pandas_and_for_duckdb(table, sketches, tmp_path):
    export_features({"net": table}, "csv", tmp_path / "out", sketches)
    path = tmp_path / "out/net/L1.csv"
    frame = pd.read_csv(path)
    channels = [column for column in frame if column.startswith("channel_")]
    assert np.array_equal(frame[channels].to_numpy(np.float32), table.vectors["L1"])
    assert frame["group"].tolist() == table.rows["group"].tolist()
    ((mean,),) = duckdb.sql(f"SELECT avg(channel_3) FROM '{path}'").fetchall()
    assert mean == pytest.approx(float(table.vectors["L1"][:, 3].mean()), rel=1e-5)


@pytest.fixture(scope="module")
def log_folder(table, sketches, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "out"
    other = FeatureTable(
        table.rows[::-1].reset_index(drop=True),
        {layer: vectors[::-1].copy() for layer, vectors in table.vectors.items()},
        table.metadata,
    )
    export_features({"net": table, "backwards": other}, "projector", folder, sketches)
    return folder


def test_tensorboards_own_message_type_reads_the_config(log_folder, table):
    text = (log_folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, ProjectorConfig())
    assert [entry.tensor_name for entry in config.embeddings] == [
        "net L0",
        "net L1",
        "backwards L0",
        "backwards L1",
    ]
    for entry in config.embeddings:
        vectors = vectors_at(log_folder / entry.tensor_path)
        expected = table.vectors[entry.tensor_name.split()[1]]
        assert list(entry.tensor_shape) == list(expected.shape)
        if entry.tensor_name.startswith("backwards"):
            expected = expected[::-1]
        assert np.array_equal(vectors, expected)


@pytest.mark.parametrize("name", ["net L1", "backwards L0"])
def test_the_projector_serves_vectors_labels_and_sprite(log_folder, table, name):
    plugin = ProjectorPlugin(base_plugin.TBContext(logdir=str(log_folder)))
    apps = plugin.get_plugin_apps()

    def get(route: str, **query: str) -> bytes:
        response = Client(apps[route]).get(route, query_string={"run": ".", **query})
        assert response.status_code == 200, response.data
        return response.data

    assert json.loads(get("/runs")) == ["."]
    order = slice(None, None, -1 if name.startswith("backwards") else 1)
    expected = table.vectors[name.split()[1]][order]
    served = np.frombuffer(get("/tensor", name=name), np.float32).reshape(expected.shape)
    assert np.array_equal(served, expected)
    lines = [line.split("\t") for line in get("/metadata", name=name).decode().splitlines()]
    assert lines[0][:2] == ["sketch", "group"]
    assert [line[0] for line in lines[1:]] == table.rows["sketch"].tolist()[order]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert get("/sprite_image", name=name).startswith(b"\x89PNG")


def test_each_tile_of_the_sprite_is_its_rows_sketch_made_smaller(log_folder, sketches):
    text = (log_folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, ProjectorConfig())
    for entry in config.embeddings:
        width, height = entry.sprite.single_image_dim
        assert width == height == 64
        with Image.open(log_folder / entry.sprite.image_path) as file:
            sheet = np.asarray(file.convert("L"), dtype=int)
        assert sheet.shape == (5 * 64, 5 * 64)  # square, for 21 sketches
        lines = (log_folder / entry.metadata_path).read_text(encoding="utf-8").splitlines()
        ids = [line.split("\t")[0] for line in lines[1:]]
        for place in range(25):
            row, column = divmod(place, 5)
            tile = sheet[64 * row : 64 * (row + 1), 64 * column : 64 * (column + 1)]
            if place >= len(ids):
                assert (tile == 255).all()
                continue
            number = list(sketches.index["sketch"]).index(ids[place])
            # Ink of the 8x8 px that a pixel of the tile stands for; a straight line leaves 16.
            ink = (sketches.image(number) == 0).reshape(64, 8, 64, 8).sum(axis=(1, 3))
            expected = 255 - np.minimum(255, ink / 16 * 255)
            assert np.abs(tile - expected).max() <= 4


def test_a_thumbnail_as_large_as_the_sketch_is_the_sketch(sketches):
    image = sketches.image(0)
    assert np.array_equal(np.asarray(thumbnail(image, 512)), image)


def test_many_sketches_get_smaller_tiles_so_that_the_sheet_stays_within_the_limit(monkeypatch):
    monkeypatch.setattr(sprite_module, "_LARGEST_SHEET", 128)
    rng = np.random.default_rng(0)
    images = [rng.choice(np.array([0, 255], np.uint8), (32, 32)) for _ in range(17)]
    sheet, tile = sprite_sheet(images, len(images))
    assert (sheet.size, tile) == ((5 * 25, 5 * 25), 25)
    with pytest.raises(FeatvizError, match=r"257 sketches do not fit .* at most 256"):
        sprite_sheet([], 257)


def test_without_sketches_the_projector_has_no_sprite(table, tmp_path):
    export_features({"net": table}, "projector", tmp_path / "out")
    text = (tmp_path / "out/projector_config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, ProjectorConfig())
    assert len(config.embeddings) == 2
    assert not any(entry.HasField("sprite") for entry in config.embeddings)
    assert not (tmp_path / "out/net/sprite.png").exists()


def test_odd_names_and_dead_layers_survive_the_projector(tmp_path):
    rows = pd.DataFrame(
        {"sketch": ['tab\there "ä"', "b"], "group": ["x\ny", "z"], "point_x": 1, "point_y": 2}
    )
    table = FeatureTable(rows, {"0": np.zeros((2, 3), np.float32)}, {})
    export_features({"my net é": table}, "projector", tmp_path / "out")
    plugin = ProjectorPlugin(base_plugin.TBContext(logdir=str(tmp_path / "out")))
    apps = plugin.get_plugin_apps()
    query = {"run": ".", "name": "my net é 0"}
    tensor = Client(apps["/tensor"]).get("/tensor", query_string=query).data
    assert tensor == bytes(2 * 3 * 4)
    labels = Client(apps["/metadata"]).get("/metadata", query_string=query).text
    assert labels.splitlines()[1].split("\t")[:2] == ['tab here "ä"', "x y"]


def test_a_failing_export_leaves_nothing_behind(table, tmp_path, tmp_path_factory):
    unwritable = FeatureTable(table.rows, table.vectors, {"bad": float("nan")})
    with pytest.raises(ValueError, match="JSON compliant"):
        export_features({"net": table, "later": unwritable}, "npy", tmp_path / "out")
    folder = tmp_path_factory.mktemp("set")
    (folder / "A").mkdir()
    (folder / "A/1.png").write_bytes(b"no picture")
    rows = pd.DataFrame({"sketch": ["A/1"], "group": "A", "point_x": 1, "point_y": 2})
    one = FeatureTable(rows, {"0": np.ones((1, 3), np.float32)}, {})
    with pytest.raises(FeatvizError, match="not a readable image"):
        export_features({"net": one}, "projector", tmp_path / "out", read_sketches(folder))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a/b", "..", "a:b", ""])
def test_names_that_make_no_file_names_are_refused(table, tmp_path, name):
    with pytest.raises(FeatvizError, match="cannot be the name of a file"):
        export_features({name: table}, "npy", tmp_path / "out")


class TestCommand:
    @pytest.fixture
    def here(self, table, tmp_path, monkeypatch) -> Path:
        monkeypatch.chdir(tmp_path)
        write_features(table, Path("net.parquet"))
        return tmp_path

    def run(self, capsys, *arguments: str) -> tuple[int, str, str]:
        try:
            cli.main(["export", *arguments])
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    def refused(self, capsys, here: Path, *arguments: str) -> str:
        before = sorted(here.rglob("*"))
        code, _, err = self.run(capsys, *arguments)
        assert code == 2
        assert err.startswith("featviz: error: ")
        assert err.count("\n") == 1
        assert sorted(here.rglob("*")) == before
        return err

    def test_it_writes_the_layers_asked_for_and_says_where(self, here, capsys):
        arguments = ["net.parquet", "--to", "projector", "--out", "log", "--layers", "L1"]
        code, out, _ = self.run(capsys, *arguments, "--sketches", str(SKETCHES))
        assert code == 0
        assert out.splitlines()[-1] == "tensorboard --logdir log"
        assert sorted(path.name for path in Path("log/net").iterdir()) == [
            "L1.tsv",
            "metadata.tsv",
            "sprite.png",
        ]

    def test_a_table_in_parts_is_called_as_its_folder(self, table, here, capsys):
        whole = table.select(layers=["L0"])
        for number, groups in enumerate(("G6", "G7")):
            part = TablePart(number, 2)
            write_features(whole.select(groups=[groups]), Path("v1.5") / part.file, part)
        assert self.run(capsys, "v1.5", "--out", "arrays")[0] == 0
        assert np.array_equal(np.load("arrays/v1.5/L0.npy"), whole.vectors["L0"])
        # As docs/interop.md has it, without an export:
        frame = pd.read_parquet("v1.5")
        assert np.array_equal(np.stack(frame["L0"]), whole.vectors["L0"])
        ((rows,),) = duckdb.sql("SELECT count(*) FROM 'v1.5/*.parquet'").fetchall()
        assert rows == len(whole)

    def test_a_second_export_into_the_same_folder_is_refused(self, here, capsys):
        assert self.run(capsys, "net.parquet", "--out", "arrays")[0] == 0
        assert "arrays is not empty" in self.refused(capsys, here, "net.parquet", "--out", "arrays")

    def test_sketches_that_are_not_in_the_set_are_named(self, here, capsys, tmp_path_factory):
        other = tmp_path_factory.mktemp("other")
        (other / "A").mkdir()
        Image.new("L", (512, 512), 255).save(other / "A" / "one.png")
        arguments = ["net.parquet", "--to", "projector", "--out", "log", "--sketches", str(other)]
        error = self.refused(capsys, here, *arguments)
        assert "21 of the 21 sketches of net are not in" in error
        assert "'G6/001'" in error
        assert "it has A/one" in error

    def test_one_of_several_points_has_to_be_chosen(self, table, here, capsys):
        twice = FeatureTable(
            pd.concat([table.rows, table.rows.assign(point_x=9)], ignore_index=True),
            {layer: np.concatenate([v, v + 1]) for layer, v in table.vectors.items()},
            {},
        )
        write_features(twice, Path("two.parquet"))
        error = self.refused(capsys, here, "two.parquet", "--out", "arrays")
        assert "2 points, (170, 250), (9, 250)" in error
        assert "--point" in error
        arguments = ["two.parquet", "--out", "arrays", "--point", "9", "250"]
        assert self.run(capsys, *arguments)[0] == 0
        assert np.array_equal(np.load("arrays/two/L0.npy"), table.vectors["L0"] + 1)

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (["--out", "arrays"], "at least one feature table"),
            (["none.parquet", "--out", "arrays"], "none.parquet: no such feature table"),
            (["net.parquet", "net.parquet", "--out", "arrays"], "two feature tables are called"),
            (["net.parquet", "--out", "net.parquet"], "net.parquet is a file"),
            (["net.parquet", "--out", "."], "cannot be replaced by a new folder"),
            (["net.parquet", "--out", "arrays", "--layers", "L9"], "unknown layer 'L9'"),
            (["net.parquet", "--out", "arrays", "--sketches", "no"], "no does not exist"),
        ],
    )
    def test_bad_input_is_one_line(self, here, capsys, arguments, part):
        assert part in self.refused(capsys, here, *arguments)
