from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.seeds import main, pair_up
from featviz.analysis.claims import STUDY
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, write_features
from featviz.sketches.sketch_set import read_sketches

SKETCHES = Path("sketches")


def write_table(path: Path, variant: str, local: bool) -> None:
    """Vectors of the study's sketches: one a unit of unchanged groups if local, else all differ."""
    index = read_sketches(SKETCHES).index
    rng = np.random.default_rng(len(path.stem))
    centres = {unit: rng.normal(size=16) for unit in map(STUDY.unit_of, index["group"])}
    noise = rng.normal(size=(len(index), 16))
    unchanged = index["group"].isin(STUDY.unchanged).to_numpy()
    noise[unchanged & local] = 0
    vectors = np.array([centres[STUDY.unit_of(group)] for group in index["group"]]) + noise
    rows = index[["sketch", "group"]].assign(point_x=170, point_y=250)
    layers = {layer: vectors.astype(np.float32) for layer in STUDY.layers}
    write_features(FeatureTable(pd.DataFrame(rows), layers, {"variant": variant}), path)


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.parquet" for name in ("modified-0", "baseline-0")]
    paths += [tmp_path / f"{name}.parquet" for name in ("baseline-1", "modified-1")]
    for path in paths:
        # The second pair's modified network is no better than its baseline.
        write_table(path, path.stem[:-2], local=path.stem == "modified-0")
    return paths


def test_every_pair_has_a_column_with_verdicts_of_its_own(
    tables: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*map(str, tables), "--permutations", "99"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("| seed 0 | seed 1 |")
    rows = {tuple(cell.strip() for cell in line.split("|")[1:3]): line for line in lines[2:]}
    first, second = (cell.strip() for cell in rows["**C1**", ""].split("|")[4:6])
    assert (first, second) == ("**holds**", "**does not hold**")
    # The largest group of unchanged eyes has 26 sketches.
    assert rows["", "identical"].split("|")[4:6] == [" 1 holds ", " 26 **no** "]


def test_a_table_without_its_partner_is_refused(tables: list[Path]) -> None:
    with pytest.raises(FeatvizError, match=r"pair 1 has no table of modified"):
        pair_up(tables[:3])


def test_no_tables_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
