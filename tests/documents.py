"""Running what a page of the documentation says: its Python, its commands, its printed output."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from featviz import cli

_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def run_document(path: Path, names: dict[str, Any]) -> list[str]:
    """Run the Python and shell blocks of a page in order, in the current folder.

    Python blocks share `names`; of shell blocks the lines that call featviz are run. A block of
    kind `text` is what the block before it prints, see `assert_same_output`; `text rel=0.2` widens
    the tolerance. Returns what each block printed.
    """
    outputs: list[str] = []
    for kind, more, code, line in blocks(path):
        if kind == "text":
            rel = float(more.removeprefix("rel=") or 0.05)
            assert_same_output(code, outputs[-1], f"{path.name}:{line + 1}", rel)
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if kind == "python":
                exec(compile("\n" * line + code, str(path), "exec"), names)
            elif kind == "sh":
                run_commands(code)
        outputs.append(printed.getvalue())
    return outputs


def blocks(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Kind, the rest of that line, content and first line of every fenced block."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+) ?(.*?)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield match[1], match[2], match[3], text[: match.start(3)].count("\n")


def run_commands(code: str) -> None:
    """Run the lines that call featviz, with the file patterns filled in as a shell does."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] != "featviz":
            continue
        filled: list[str] = []
        for word in words[1:]:
            # A pattern that no file has stays as it is, in a shell too.
            filled += (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]
        cli.main(filled)


def assert_same_output(promised: str, printed: str, where: str, rel: float) -> None:
    """Words, whole numbers and zeros exactly, other numbers within a tolerance.

    Spaces do not count, so that a table may be wider by a digit.
    """
    shown = f"{where} promises\n{promised}\nand this is printed\n{printed}"
    wanted, given = (_NUMBER.split(text) for text in (promised, printed))
    assert ["".join(text.split()) for text in wanted] == [
        "".join(text.split()) for text in given
    ], shown
    numbers = zip(_NUMBER.findall(promised), _NUMBER.findall(printed), strict=True)
    for expected, found in numbers:
        if expected.lstrip("-").isdigit() or float(expected) == 0:
            assert float(found) == float(expected), shown
        else:
            assert float(found) == pytest.approx(float(expected), rel=rel), shown
