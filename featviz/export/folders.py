"""Folders that appear complete or not at all."""

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featviz.base.errors import FeatvizError
from featviz.base.files import require_folder


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` when the block succeeds.

    On any error nothing is left, and what a killed process has left of `path` goes, too. Raises
    FeatvizError for the current folder and if something other than an empty folder stands at
    `path`: files of an earlier export would be mixed with those of this one.
    """
    path = Path(path)
    if not path.name:
        raise FeatvizError(f"{path} cannot be replaced by a new folder; name one")
    if path.is_dir() and any(path.iterdir()):
        raise FeatvizError(f"the folder {path} is not empty; remove it or name another")
    if path.exists() and not path.is_dir():
        raise FeatvizError(f"{path} is a file; expected a new or empty folder")
    require_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary, lock = _make_locked(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _make_locked(path: Path) -> tuple[Path, int | None]:
    """A temporary folder that stays locked while this process lives, and its lock."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        temporary.mkdir()
        lock = _lock(temporary)
        # Somebody who tidies up may have taken it for abandoned before it was locked.
        if temporary.is_dir():
            return temporary, lock
        if lock is not None:
            os.close(lock)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary folders of `path` whose process is dead: nobody has them locked."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp")
    for folder in list(path.parent.iterdir()):
        if not name.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """An open lock of a folder; None if another process has it, or if it cannot be locked."""
    if sys.platform == "win32":
        return None
    from fcntl import LOCK_EX, LOCK_NB, flock

    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        flock(opened, LOCK_EX | LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
