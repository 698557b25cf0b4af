"""One writer a table: who comes second waits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from featviz.base.files import require_folder

_PATIENCE = 1.0


@contextmanager
def table_lock(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a table's path while the block runs; yield whether it is held.

    wait: until others let it go, which is said if it takes long; otherwise False is yielded at once
    if they hold it. The system
    lets go of a lock when its holder ends in any way, so one that was killed blocks nobody.
    """
    lock = FileLock(lock_file(path))
    is_new = not path.parent.exists()
    require_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=_PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            yield False
            return
        print(f"another call writes {path}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield True
    finally:
        # Removed while it is held: who waits for it notices and makes a new one.
        with suppress(OSError):
            lock_file(path).unlink()
        lock.release()
        if is_new:
            # Nothing may have come of the work; a folder that holds anything stays.
            with suppress(OSError):
                path.parent.rmdir()


def lock_file(path: Path) -> Path:
    """The hidden file beside a table whose lock stands for the table."""
    return path.with_name(f".{path.name}.lock")
