import re
import shutil
from dataclasses import replace
from pathlib import Path

from featviz.analysis.evaluation.table import EVALUATION_COLUMNS, write_evaluation
from featviz.commands.evaluate import EvaluateCommand
from featviz.faces.pairs import write_pairs
from tests.analysis.evaluation.conftest import made_up_table

DOCUMENT = Path(__file__).parents[3] / "docs" / "evaluation.md"


def test_the_python_of_the_evaluation_page_runs(
    tmp_path, monkeypatch, capsys, held_out, checkpoint
):
    monkeypatch.chdir(tmp_path)
    write_evaluation(made_up_table(), Path("numbers.parquet"))
    shutil.copytree(held_out.folder / "photos", "data/faces/photos")
    write_pairs(replace(held_out, folder=Path("data/faces")))
    Path("runs/mine").mkdir(parents=True)
    shutil.copy(checkpoint, "runs/mine/generator.safetensors")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(DOCUMENT), "exec"), names)
    printed = capsys.readouterr().out
    assert "G8" in printed and "Quality on 6 held-out pairs" in printed


def test_the_page_tells_the_defaults_and_columns_that_there_are():
    text = DOCUMENT.read_text("utf-8")
    command = EvaluateCommand(())
    for option in ("count", "moved_count", "margin", "lpips_size", "seed"):
        row = next(line for line in text.splitlines() if f"`--{option.replace('_', '-')}`" in line)
        assert f"{getattr(command, option):g}" in row
    assert all(f"`{column}`" in text for column in EVALUATION_COLUMNS)
