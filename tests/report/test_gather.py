"""From files to contents: strangers' tables, what is missing, what is wrong."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features, write_features
from featviz.report import Contents, ReportRequest, gather
from featviz.report.faces import default_generators
from tests.report.conftest import LAYERS, TAKEN, Study
from tests.report.test_maps import table_of


def write(path: Path, vectors: dict[str, np.ndarray], groups: list[str], **metadata: str) -> Path:
    table = table_of(vectors, groups)
    table.metadata.update(metadata)
    write_features(table, path)
    return path


def strange(path: Path, name: str = "mine") -> Path:
    """A table of somebody's own module: odd groups, odd layers, no size, no geometry."""
    rng = np.random.default_rng(0)
    vectors = {"encoder.block 1": rng.normal(size=(8, 3)), "<b>": rng.normal(size=(8, 1))}
    return write(path, vectors, ["", "", "cats & dogs", "cats & dogs", *"αααα"], checkpoint=name)


def test_everything_is_gathered(contents: Contents) -> None:
    assert len(contents.sketches) == sum(TAKEN.values())
    assert [sketch.group for sketch in contents.sketches] == [
        group for group, count in TAKEN.items() for _ in range(count)
    ]
    assert [panel.layer for panel in contents.rows[1].panels] == list(LAYERS)
    assert list(contents.captions) == ["pca", "tsne"]
    assert len(contents.generators[0].faces) == len(contents.sketches)
    assert contents.notes == {}


def test_a_strangers_table_needs_nothing_else(tmp_path: Path) -> None:
    contents = gather(ReportRequest([strange(tmp_path / "a.parquet")]))
    assert len(contents.sketches) == 8
    assert set(contents.notes) == {"sketches", "claims", "leakage"}
    assert "--sketches" in contents.notes["sketches"]


def test_a_method_that_maps_nothing_is_left_out_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"L": np.eye(4)}, list("AABB"))
    contents = gather(ReportRequest([path]))
    assert list(contents.captions) == ["pca"]
    assert "t-SNE" in contents.notes["methods"]


def test_a_table_that_cannot_be_mapped_at_all_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"L": np.ones((4, 2))}, list("AABB"))
    with pytest.raises(FeatvizError, match=r"no layer can be mapped.*constant"):
        gather(ReportRequest([path]))


def test_sketches_of_other_names_are_said_and_the_page_works_without(
    study: Study, tmp_path: Path
) -> None:
    contents = gather(ReportRequest([strange(tmp_path / "a.parquet")], sketches=study.sketches))
    assert "has none of the tables' 8 sketches, such as" in contents.notes["sketches"]
    assert not any(sketch.picture for sketch in contents.sketches)


def test_sketches_that_the_set_lacks_are_counted(study: Study, tmp_path: Path) -> None:
    table = read_features(study.features[0]).select(groups=["G8"])
    rows = table.rows.assign(sketch=[*table.rows["sketch"][:-1], "G8/new"])
    write_features(dataclasses.replace(table, rows=rows), tmp_path / "a.parquet")
    contents = gather(
        ReportRequest([tmp_path / "a.parquet"], sketches=study.sketches, generators=())
    )
    assert "has 4 of the tables' 5 sketches" in contents.notes["sketches"]
    assert sum(bool(sketch.picture) for sketch in contents.sketches) == 4


def test_tables_may_hold_different_sketches(study: Study, tmp_path: Path) -> None:
    other = read_features(study.features[1]).select(groups=["G5", "G8"])
    write_features(other, tmp_path / "b.parquet")
    contents = gather(ReportRequest([study.features[0], tmp_path / "b.parquet"], generators=()))
    assert len(contents.sketches) == sum(TAKEN.values())
    places = contents.rows[1].panels[0].maps["pca"].x
    assert np.isfinite(places).sum() == TAKEN["G5"] + TAKEN["G8"]


def test_the_study_has_the_whole_generators_of_its_front_ends() -> None:
    tables = [
        {"checkpoint": "paper-modified", "variant": "modified"},
        {"checkpoint": "paper-baseline", "variant": "baseline"},
        {"checkpoint": "augmented", "variant": "modified"},
        {"checkpoint": "mine", "variant": "modified"},
        {},
    ]
    assert default_generators(tables) == ["modified", "baseline", "augmented"]


def test_strangers_have_no_generator_and_are_told(study: Study) -> None:
    contents = gather(ReportRequest(study.features, sketches=study.sketches))
    assert contents.generators == []
    assert "--generators NAME" in contents.notes["faces"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ()}, "at least one feature table"),
        ({"methods": ("pcaa",)}, "unknown method 'pcaa'; there are pca, tsne"),
        ({"methods": ()}, "at least one method"),
        ({"layers": ("L9",)}, "unknown layer 'L9'"),
        ({"point": (1, 1)}, "unknown point"),
        ({"sketches": Path("nowhere")}, "nowhere does not exist"),
        ({"generators": ("paper-modified",)}, "front end alone"),
        ({"generators": ("nobody",)}, "nobody"),
        ({"claims": Path("nothing.json")}, "featviz claims"),
        ({"leakage": Path("nowhere")}, "holds no leakage maps"),
        ({"columns": Path("nothing.csv")}, "nothing.csv"),
        ({"select": Path("nothing.json")}, "nothing.json"),
        ({"kept": True}, "kept by whole generators"),
        ({"kept": True, "sketches": None}, "edits are of sketches"),
    ],
)
def test_what_is_asked_for_and_cannot_be_had_is_an_error(
    study: Study, change: dict[str, object], message: str
) -> None:
    request = ReportRequest(
        study.features, methods=("pca",), sketches=study.sketches, generators=()
    )
    with pytest.raises(FeatvizError, match=message):
        gather(dataclasses.replace(request, **change))


def test_one_checkpoint_twice_is_an_error(study: Study) -> None:
    with pytest.raises(FeatvizError, match="given more than once"):
        gather(ReportRequest([study.features[0], study.features[0]]))


def test_a_sketch_in_two_groups_is_an_error(study: Study, tmp_path: Path) -> None:
    table = read_features(study.features[1])
    rows = table.rows.assign(group="other")
    write_features(dataclasses.replace(table, rows=rows), tmp_path / "b.parquet")
    with pytest.raises(FeatvizError, match="is in group 'G1' of one table and in 'other'"):
        gather(ReportRequest([study.features[0], tmp_path / "b.parquet"]))


def test_tables_of_sketches_of_two_sizes_are_refused(tmp_path: Path) -> None:
    """A point or a receptive field of one would be drawn into sketches of the other."""
    paths = []
    for name, size in (("large", 64), ("small", (32, 32)), ("unknown", None)):
        table = table_of({"L": np.random.default_rng(0).normal(size=(4, 3))}, list("AABB"))
        table.metadata.update(checkpoint=name, size=size)
        paths.append(tmp_path / f"{name}.parquet")
        write_features(table, paths[-1])
    request = ReportRequest(paths, methods=("pca",))
    with pytest.raises(FeatvizError, match="large 64x64, small 32x32"):
        gather(request)
    known = gather(dataclasses.replace(request, features=paths[1:]))
    assert known.size == (32, 32)


def test_several_points_must_be_chosen_from(tmp_path: Path) -> None:
    table = table_of({"L": np.random.default_rng(0).normal(size=(8, 3))}, list("AAAABBBB"))
    rows = table.rows.assign(sketch=list("abcdabcd"), point_x=[1] * 4 + [2] * 4, group="A")
    write_features(FeatureTable(rows, table.vectors, table.metadata), tmp_path / "a.parquet")
    with pytest.raises(FeatvizError, match=r"choose one with --point: 1 4, 2 4"):
        gather(ReportRequest([tmp_path / "a.parquet"]))
    assert gather(ReportRequest([tmp_path / "a.parquet"], point=(2, 4))).rows[0].point == (2, 4)
