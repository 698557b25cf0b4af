import re
from pathlib import Path
from typing import get_args

from featviz.analysis.claims.claim import Verdict
from featviz.analysis.claims.definitions import DEFINITIONS, SAYS
from featviz.commands.claims import ClaimsCommand

DOCUMENT = Path(__file__).parents[3] / "docs" / "claims.md"


def sections():
    """The text of each claim's section, on one line."""
    parts = re.split(r"^###? ", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    found = {part.split(":")[0]: " ".join(part.split()) for part in parts}
    return {name: found[name] for name in SAYS}


def test_every_claim_has_a_section_with_its_parts_and_their_thresholds():
    for name, text in sections().items():
        for one in (one for one in DEFINITIONS if one.claim == name):
            title = f"**{one.part}**" if one.decides else f"**({one.part})**"
            assert title in text, (name, one.part)
            assert re.search(rf"(?<![\d.]){one.threshold:g}(?![\d])", text), (name, one.part)


def test_the_page_tells_the_defaults_that_there_are():
    text, command = DOCUMENT.read_text("utf-8"), ClaimsCommand()
    for option in ("data", "count", "sketches", "edits", "permutations", "seed"):
        row = next(line for line in text.splitlines() if f"`--{option.replace('_', '-')}`" in line)
        assert re.search(rf"\b{getattr(command, option)}\b", row), option


def test_the_python_of_the_page_runs_and_shows_what_it_says(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    exec(compile(block, str(DOCUMENT), "exec"), {})
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "holds"
    assert second == "holds differ: 1 is at least 1"
    assert third == "no feature table of a crossed set of sketches: --crossed FILE"


def test_the_shipped_checkpoints_table_has_every_part_and_a_verdict():
    lines = (DOCUMENT.parent / "claims-shipped.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line][2:]
    assert len({len(row) for row in rows}) == 1
    assert [row[0].strip("*") for row in rows if row[0]] == list(SAYS)
    assert [row[1].strip("()") for row in rows if not row[0]] == [one.part for one in DEFINITIONS]
    verdicts = [re.split(r"\*\* \(|: ", row[-1])[0].strip("*") for row in rows]
    assert set(verdicts) <= set(get_args(Verdict))
