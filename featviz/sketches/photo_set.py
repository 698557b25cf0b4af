"""Photos as they come: a folder of images of any one size, in one group or in many.

Three layouts are read:

    FOLDER/index.csv            column file and, optionally, sketch (a name), base (the name of the
                                photo that this one is an edit of) and one that groups
    FOLDER/a.jpg ...            no index: one group, called as the folder
    FOLDER/G1/a.jpg ...         no index: a folder a group

Without a column `base` the others of a group are edits of the one called `base`, or of its first.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.sketches.images import read_image
from featviz.sketches.sketch_set import (
    BASE,
    INDEX,
    read_rows,
    require_inside,
    require_set,
    visible,
)

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos of one size; each is read when it is asked for.

    index: one row a photo, all columns str: sketch (a unique name), group, file (path relative to
    `folder`), base (the name of the photo that it is an edit of, its own if of none). size: (width,
    height) that they are scaled to; None leaves them as they are.
    """

    folder: Path
    index: pd.DataFrame
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups in order of first appearance."""
        return tuple(self.index["group"].drop_duplicates())

    def path(self, number: int) -> Path:
        """The file of photo `number` (a row of the index)."""
        return self.folder / str(self.index["file"].iloc[number])

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The photos in the order of the index, (H, W, 3) uint8, see `read_scaled_photo`.

        Raises FeatvizError for files that cannot be read, and for different sizes where none is
        asked for.
        """
        first: tuple[str, tuple[int, ...]] | None = None
        for file in self.index["file"]:
            pixels = read_scaled_photo(self.folder / file, self.size, f"photo {file}")
            first = first or (file, pixels.shape)
            if pixels.shape != first[1]:
                (height, width, _), (h, w, _) = pixels.shape, first[1]
                raise FeatvizError(
                    f"photo {file} is {width}x{height}; expected {w}x{h} as {first[0]} is "
                    "(--resize WIDTH HEIGHT makes all alike)"
                )
            yield pixels


def read_scaled_photo(
    path: Path, size: tuple[int, int] | None = None, name: str | None = None
) -> NDArray[np.uint8]:
    """One photo as `read_image` reads it, (H, W, 3) uint8; errors call it `name`.

    size: (width, height) to scale it to, averaged where that makes it smaller.
    """
    pixels = read_image(path, name or f"photo {path}", "photo")
    if size is None:
        return pixels
    return np.asarray(PIL.Image.fromarray(pixels).resize(size, PIL.Image.Resampling.BICUBIC))


def read_photos(
    folder: Path,
    size: tuple[int, int] | None = None,
    group_column: str | None = None,
    base: str | None = None,
) -> PhotoSet:
    """The photos of a folder; they are read later.

    size: (width, height) to scale them to. group_column: of the index, whose values are the
    groups; "group" if there is one. base: the name, without folders, of the photo in each group
    that its others are edits of; see above if not given. Raises FeatvizError if there is no photo,
    no such column, index or base, a file lies outside of the folder, or two photos have one name.
    """
    folder = Path(folder)
    require_set(folder, "photos")
    require_size(size)
    path = folder / INDEX
    if path.is_file():
        rows = _of_index(path, group_column)
    elif group_column is not None:
        raise FeatvizError(f"{folder} has no {INDEX}, whose column '{group_column}' would group it")
    else:
        rows = _of_folder(folder)
    index = pd.DataFrame(rows, columns=["sketch", "group", "file", "base"], dtype=str)
    if len(index) == 0:
        raise FeatvizError(f"{folder} holds no photos; expected {', '.join(_SUFFIXES)}")
    for file in index["file"]:
        require_inside(folder, file, "photo")
    if (again := index["sketch"].duplicated()).any():
        raise FeatvizError(f"{folder} has two photos named '{index['sketch'][again].iloc[0]}'")
    if base is not None or not index["base"].any():
        index["base"] = _bases(folder, index, base)
    if others := sorted(set(index["base"]) - {"", *index["sketch"]}):
        raise FeatvizError(f"{path}: the base '{others[0]}' is no photo of it")
    return PhotoSet(folder, index, size)


def require_size(size: tuple[int, int] | None) -> None:
    """Raise FeatvizError for a (width, height) to scale to that no image has."""
    if size is not None and min(size) < 1:
        raise FeatvizError(f"expected a size of at least 1 px; got {size[0]}x{size[1]}")


def _bases(folder: Path, index: pd.DataFrame, name: str | None) -> pd.Series:
    """For each photo the base of its group."""
    bases = {}
    for group, sketches in index.groupby("group", sort=False)["sketch"]:
        called = [each for each in sketches if Path(each).name == (name or BASE)]
        if name is not None and len(called) != 1:
            raise FeatvizError(
                f"{folder}: group '{group}' has {len(called) or 'no'} photos called '{name}'; "
                f"there are {', '.join(sketches[:5])}"
            )
        bases[group] = called[0] if called else sketches.iloc[0]
    return index["group"].map(bases)


def _of_index(path: Path, group_column: str | None) -> list[tuple[str, str, str, str]]:
    rows = read_rows(path, ("file", *([group_column] if group_column else [])))
    column = group_column or "group"
    return [
        (
            row.get("sketch") or _name(row["file"]),
            row.get(column, path.parent.name),
            row["file"],
            row.get("base", ""),
        )
        for row in rows
    ]


def _of_folder(folder: Path) -> list[tuple[str, str, str, str]]:
    folder_name = folder.resolve().name
    there = visible(folder)
    photos = [path for path in there if path.is_file()]
    nested = [path for place in there if place.is_dir() for path in visible(place)]
    if others := [path for path in (*photos, *nested) if path.suffix.lower() not in _SUFFIXES]:
        remark = f"holds {len(others)} that are no photos, such as {others[0].name}; left out"
        warnings.warn(FeatvizWarning(str(folder), remark), stacklevel=3)
    photos, nested = ([path for path in paths if path not in others] for paths in (photos, nested))
    if photos and nested:
        raise FeatvizError(
            f"{folder} holds photos by themselves ({photos[0].name}) and in folders "
            f"({nested[0].parent.name}); expected all in folders, which are groups, or none, or an "
            f"{INDEX}"
        )
    return [
        (_name(file := str(path.relative_to(folder))), _group(path, folder, folder_name), file, "")
        for path in (*photos, *nested)
    ]


def _name(file: str) -> str:
    return str(Path(file).with_suffix(""))


def _group(path: Path, folder: Path, name: str) -> str:
    return name if path.parent == folder else path.parent.name
