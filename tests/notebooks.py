"""Running a notebook as Python runs a file, and what it shows.

Its cells are plain Python in one namespace, so no kernel is needed: no process, no sockets, and no
packages but featviz's own. `python -m tests.notebooks FILE...` writes the outputs anew.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cells(path: Path) -> list[list[dict[str, Any]]]:
    """The outputs of each code cell, in the current folder, from top to bottom."""
    names: dict[str, Any] = {}
    return [
        _run("".join(cell["source"]), f"{path.name}, cell {number}", names)
        for number, cell in enumerate(code_cells(path), 1)
    ]


def _run(code: str, where: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree, last = ast.parse(code), None
    if isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    printed, shown = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            shown = eval(compile(last, where, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if shown is not None:
        data = _data(shown)
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return outputs


def _data(shown: Any) -> dict[str, Any]:
    """What a notebook would show of the last value of a cell."""
    if hasattr(shown, "_repr_html_"):
        return {"text/html": shown._repr_html_().splitlines(keepends=True)}
    if hasattr(shown, "_repr_png_"):
        return {"image/png": base64.b64encode(shown._repr_png_()).decode()}
    return {"text/plain": repr(shown).splitlines(keepends=True)}


def write_outputs(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path, here = path.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            outputs = iter(run_cells(path))
        finally:
            os.chdir(here)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = next(outputs)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_outputs(Path(name))
