"""Writing files so that a reader never meets half of one."""

import mmap
import os
import secrets
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featviz.base.errors import FeatvizError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

FRAME_FORMATS = (".csv", ".parquet")
"""How `write_frame` writes numbers."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the suffix, so writers that look at it work. On any error the
    temporary file is removed and whatever stood at `path` stays as it was. See `require_writable`
    for what it raises.
    """
    path = Path(path)
    require_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # Some writers make private files; a new file gets what the user's umask grants.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_file(path: Path, name: str) -> None:
    """Raise FeatvizError if something that is no file has this path: reading a pipe never ends."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # Whoever opens it says more.
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise FeatvizError(f"{name} is {kind}; expected a file")


def require_writable(path: Path) -> None:
    """Raise FeatvizError where no file can be: a folder has the path, or a file that of its folder.

    Commands ask before they work for hours, and `atomic_write` asks again.
    """
    path = Path(path)
    require_file(path, str(path))
    require_folder(path.parent)


def require_folder(path: Path) -> None:
    """Raise FeatvizError if a file stands where a folder is to be, there or above it."""
    path = Path(path)
    there = next((each for each in (path, *path.parents) if each.exists()), None)
    if there is not None and not there.is_dir():
        raise FeatvizError(f"{there} is a file; expected a folder, there or a new one")


def require_ending(path: Path, what: str, endings: Sequence[str]) -> None:
    """Raise FeatvizError unless a name ends in one of these, such as .csv, in any case.

    And unless a file can be there, see `require_writable`.
    """
    require_writable(path)
    if Path(path).suffix.lower() not in endings:
        raise FeatvizError(
            f"cannot write {what} to {path}: expected a name ending in {', '.join(endings)}"
        )


def require_text(path: Path) -> None:
    """Raise FeatvizError if a path is not in UTF-8, so that no table could hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise FeatvizError(
            f"the name of {shown(path)} is not UTF-8; rename it, or its folder"
        ) from None


def told_apart(
    names: Sequence[str], places: Sequence[Path], fixed: Sequence[bool] | None = None
) -> list[str]:
    """Names, those that are the same with as many of their folders in front as tell them apart.

    places: the folder that each name is of, absolute. fixed: which names stay as they are. What
    no folder tells apart is the same still.
    """
    told, folders = list(names), [list(place.parts[1:]) for place in places]
    while True:
        same = {name for name, count in Counter(told).items() if count > 1}
        longer = [
            number
            for number, name in enumerate(told)
            if name in same and folders[number] and not (fixed and fixed[number])
        ]
        if not longer:
            return told
        for number in longer:
            told[number] = f"{folders[number].pop()}-{told[number]}"


def shown(path: Path) -> str:
    """A path as text that can be written anywhere, whatever bytes it is made of."""
    return str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def write_frame(frame: "pd.DataFrame", path: Path) -> None:
    """Write rows as .csv or .parquet (see FRAME_FORMATS), complete or not at all."""
    path = Path(path)
    require_ending(path, "a table", FRAME_FORMATS)
    with atomic_write(path) as temporary:
        if path.suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def remove_unfinished(path: Path) -> None:
    """Remove what `atomic_write` of this path has left where it was killed.

    Only while nobody else writes it: a file that is being written looks the same.
    """
    for temporary in path.parent.glob(f".{path.stem}.????????.tmp{path.suffix}"):
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def let_go(array: "NDArray[Any]") -> None:
    """Give back the memory of what was read of an array that lies in a file; it is there again."""
    import numpy as np

    # Not of a private copy of the file, in which what was written would be lost.
    if isinstance(array, np.memmap) and array.mode in ("r", "r+"):
        mapped = getattr(array, "_mmap", None)
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
