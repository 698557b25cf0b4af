"""Folders that appear complete or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featviz.errors import FeatvizError


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` when the block succeeds.

    On any error nothing is left. Raises FeatvizError for the current folder and if something other
    than an empty folder stands at `path`: files of an earlier export would be mixed with those of
    this one.
    """
    path = Path(path)
    if not path.name:
        raise FeatvizError(f"{path} cannot be replaced by a new folder; name one with --out")
    if path.is_dir() and any(path.iterdir()):
        raise FeatvizError(f"the folder {path} is not empty; remove it or name another with --out")
    if path.exists() and not path.is_dir():
        raise FeatvizError(f"{path} is a file; expected a new or empty folder for --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
