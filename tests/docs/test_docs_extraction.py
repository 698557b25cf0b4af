import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "extraction.md"


def test_the_python_of_the_extraction_page_runs_in_order_and_prints_what_it_says(
    tmp_path, monkeypatch, capsys
):
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"print\(.*\)\s+# (.*)", "".join(blocks))
    assert promised == printed[: len(promised)]
    for line in re.findall(r"^\| (L\d) \| (\d+), (\d+) \| (\d+) px \|", text, re.MULTILINE):
        layer, column, row, pixels = line
        assert any(
            entry.startswith(f"{layer} ({column}, {row}) ({pixels}, {pixels})") for entry in printed
        )
    assert names["vectors"].shape == (2, 16)
    unexplained = [key for key in names["table"].metadata if f"`{key}`" not in text]
    assert unexplained == []
