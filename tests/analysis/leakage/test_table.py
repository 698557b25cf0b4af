import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featviz.analysis.leakage import LeakageTable, join_leakage, read_leakage, write_leakage
from featviz.analysis.leakage.table import LEAKAGE_COLUMNS, NUMBERS
from featviz.base.errors import FeatvizError
from featviz.base.table import write_parquet

METADATA = {
    "point": [170, 250], "margin": 16.0, "size": 512, "edits_a_group": 3, "sketches": "sketches",
    "featviz_version": "0",
}  # fmt: skip


def rows(checkpoint="modified", eyes=0.25):
    keys = [
        (checkpoint, f"{group}/00{number}", group, f"{group}/001", layer, mode)
        for group in ("G8", "G9")
        for number in (2, 3)
        for mode in ("free", "all")
        for layer in ("L0", "image")
    ]
    values = dict.fromkeys(NUMBERS, 0.5) | {"eyes": eyes, "point_in_reach": False}
    return pd.DataFrame([(*key, *values.values()) for key in keys], columns=list(LEAKAGE_COLUMNS))


def table(checkpoint="modified", **changes):
    metadata = METADATA | {"checkpoints": {checkpoint: {"digest": "ab"}}} | changes
    return LeakageTable(rows(checkpoint), metadata)


def test_a_table_comes_back_from_a_file(tmp_path):
    write_leakage(table(), tmp_path / "a.parquet")
    found = read_leakage(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(found.rows, table().rows)
    assert found.metadata == table().metadata
    assert found.checkpoints == ("modified",)
    assert (found.groups, found.layers) == (("G8", "G9"), ("L0", "image"))
    assert found.modes == ("free", "all")
    assert len(found.values(group="G8", layer="L0", mode="all")) == 2


def test_tables_of_older_versions_are_read_without_what_they_lack(tmp_path):
    new = [column for column in LEAKAGE_COLUMNS if "_statistics_" in column or "_free_" in column]
    assert len(new) == 5
    older = pa.Table.from_pandas(rows().drop(columns=new), preserve_index=False)
    write_parquet(older, table().metadata, tmp_path / "a.parquet")
    found = read_leakage(tmp_path / "a.parquet")
    assert found.rows[new].isna().all(axis=None)
    assert (found.rows["eyes"] == 0.25).all()


def test_tables_of_several_checkpoints_join_if_measured_alike():
    both = join_leakage([table("modified"), table("baseline")])
    assert both.checkpoints == ("modified", "baseline")
    assert set(both.metadata["checkpoints"]) == {"modified", "baseline"}
    with pytest.raises(FeatvizError, match="'modified' is given more than once"):
        join_leakage([table(), table()])
    with pytest.raises(FeatvizError, match="with size 512 and 256"):
        join_leakage([table(), table("baseline", size=256)])
    with pytest.raises(FeatvizError, match="no leakage tables"):
        join_leakage([])


def test_what_is_no_leakage_table_is_told(tmp_path):
    with pytest.raises(FeatvizError, match="no such leakage table"):
        read_leakage(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(FeatvizError, match="not a readable parquet file"):
        read_leakage(tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pandas(rows()), tmp_path / "a.parquet")
    with pytest.raises(FeatvizError, match="no 'featviz' metadata"):
        read_leakage(tmp_path / "a.parquet")
    other = pa.table({"sketch": ["G8/002"]}, metadata={"featviz": "{}"})
    pq.write_table(other, tmp_path / "a.parquet")
    with pytest.raises(FeatvizError, match="missing column checkpoint, group"):
        read_leakage(tmp_path / "a.parquet")
    with pytest.raises(FeatvizError, match=r"missing: eyes$"):
        LeakageTable(rows().drop(columns="eyes"), {})
