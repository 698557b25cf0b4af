import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "engine.md"


def test_the_python_of_the_engine_page_runs_and_prints_what_it_says(capsys):
    text = DOCUMENT.read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)\s+# (.*)", text)
