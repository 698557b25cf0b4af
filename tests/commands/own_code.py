"""Somebody's own networks, in a module where the command is called."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importable(name: str, code: str, folder: Path, monkeypatch) -> Iterator[str]:
    """Inside the `with`, `code` is the module `name` of the current folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / f"{name}.py").write_text(code)
    yield name
    sys.modules.pop(name, None)
