"""Photos as they come: a folder of images of any one size, in one group or in many.

Three layouts are read:

    FOLDER/index.csv            column file and, optionally, sketch (a name) and one that groups
    FOLDER/a.jpg ...            no index: one group, called as the folder
    FOLDER/G1/a.jpg ...         no index: a folder a group
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
from featviz.sketches.sketch_set import INDEX, read_rows, require_inside, visible

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos of one size; each is read when it is asked for.

    index: one row a photo, all columns str: sketch (a unique name), group, file (path relative to
    `folder`). size: (width, height) that they are scaled to; None leaves them as they are.
    """

    folder: Path
    index: pd.DataFrame
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The photos in the order of the index, (H, W, 3) uint8, as `read_image` reads them.

        Scaled ones are averaged where that makes them smaller. Raises FeatvizError for files that
        cannot be read, and for different sizes where none is asked for.
        """
        first: tuple[str, tuple[int, ...]] | None = None
        for file in self.index["file"]:
            pixels = read_image(self.folder / file, f"photo {file}", "photo")
            if self.size is not None:
                resized = PIL.Image.fromarray(pixels).resize(
                    self.size, PIL.Image.Resampling.BICUBIC
                )
                pixels = np.asarray(resized)
            first = first or (file, pixels.shape)
            if pixels.shape != first[1]:
                (height, width, _), (h, w, _) = pixels.shape, first[1]
                raise FeatvizError(
                    f"photo {file} is {width}x{height}; expected {w}x{h} as {first[0]} is "
                    "(--resize WIDTH HEIGHT makes all alike)"
                )
            yield pixels


def read_photos(
    folder: Path, size: tuple[int, int] | None = None, group_column: str | None = None
) -> PhotoSet:
    """The photos of a folder; they are read later.

    size: (width, height) to scale them to. group_column: of the index, whose values are the
    groups; "group" if there is one. Raises FeatvizError if there is no photo, no such column or
    index, a file lies outside of the folder, or two photos have one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise FeatvizError(f"{folder} {state}; expected a folder of photos")
    if size is not None and min(size) < 1:
        raise FeatvizError(f"expected a size of at least 1 px; got {size[0]}x{size[1]}")
    path = folder / INDEX
    if path.is_file():
        rows = _of_index(path, group_column)
    elif group_column is not None:
        raise FeatvizError(f"{folder} has no {INDEX}, whose column '{group_column}' would group it")
    else:
        rows = _of_folder(folder)
    index = pd.DataFrame(rows, columns=["sketch", "group", "file"], dtype=str)
    if len(index) == 0:
        raise FeatvizError(f"{folder} holds no photos; expected {', '.join(_SUFFIXES)}")
    for file in index["file"]:
        require_inside(folder, file, "photo")
    if (again := index["sketch"].duplicated()).any():
        raise FeatvizError(f"{folder} has two photos named '{index['sketch'][again].iloc[0]}'")
    return PhotoSet(folder, index, size)


def _of_index(path: Path, group_column: str | None) -> list[tuple[str, str, str]]:
    rows = read_rows(path, ("file", *([group_column] if group_column else [])))
    column = group_column or "group"
    return [
        (row.get("sketch") or _name(row["file"]), row.get(column, path.parent.name), row["file"])
        for row in rows
    ]


def _of_folder(folder: Path) -> list[tuple[str, str, str]]:
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
        (_name(file := str(path.relative_to(folder))), _group(path, folder, folder_name), file)
        for path in (*photos, *nested)
    ]


def _name(file: str) -> str:
    return str(Path(file).with_suffix(""))


def _group(path: Path, folder: Path, name: str) -> str:
    return name if path.parent == folder else path.parent.name
