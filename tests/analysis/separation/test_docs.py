import re
from pathlib import Path

import numpy as np

from featviz.analysis.separation.table import STRUCTURE_COLUMNS
from featviz.analysis.trajectory import TrajectoryTable
from featviz.analysis.trajectory.measure import TRAJECTORY_MEASURES
from featviz.base.feature_table import write_features
from featviz.commands.structure import StructureCommand

from .test_measure import feature_table, measure_structure

DOCUMENT = Path(__file__).parents[3] / "docs" / "structure.md"


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys, rng) -> None:
    monkeypatch.chdir(tmp_path)
    layers = {"L0": np.ones((20, 3)), "L2": rng.normal(size=(20, 4))}
    table = feature_table([name for name in ("G1", "G8", "G11", "G9") for _ in range(5)], layers)
    write_features(table, Path("features/modified.parquet"))
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(DOCUMENT), "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "L0: all vectors are identical"
    assert re.fullmatch(r"L2: F \d+\.\d\d, R2 0\.\d{3}, p [01]\.\d{3}", second)


def test_the_page_tells_the_measures_columns_and_defaults_that_there_are(rng) -> None:
    text = DOCUMENT.read_text("utf-8")
    measured = measure_structure(
        [feature_table("aabb", {"L0": rng.normal(size=(4, 3))})], permutations=9
    )
    for name in {
        *STRUCTURE_COLUMNS,
        *TrajectoryTable.columns,
        *TRAJECTORY_MEASURES,
        *measured.rows["measure"],
    }:
        assert f"`{name}`" in text, name
    for option in ("permutations", "seed"):
        row = next(line for line in text.splitlines() if f"`--{option}`" in line)
        assert f"{getattr(StructureCommand(()), option)}" in row


def test_the_pages_with_numbers_are_what_the_command_prints() -> None:
    for name, merged in (("structure-paper.md", False), ("structure-paper-merged.md", True)):
        text = (DOCUMENT.parent / name).read_text("utf-8")
        for checkpoint in ("paper-baseline", "paper-modified"):
            assert f"**{checkpoint}** (" in text
        assert ("G11 counted as G8, G10 counted as G9" in text) == merged
        assert ("| G11 " in text) != merged
