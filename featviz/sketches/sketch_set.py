"""Sketch sets: labelled groups of sketches in a folder.

Two layouts are read:

    FOLDER/index.csv            columns sketch, group, file and, optionally, base, edited_part
    FOLDER/G1/001.png ...       no index: a folder a group, an image a sketch; one called `base`
                                is the unedited sketch that the others of its group come from

Images are SVG drawings (see `sketches.drawing`) or PNG and JPEG files with dark lines on white.
Drawings fit any size: they are scaled, and rasterised there with lines of 2 px. Pixels are never
resized, which would blur or break lines: they must have the size that is asked for.
"""

import csv
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError, FeatvizWarning, one_line
from featviz.base.files import require_file, require_text
from featviz.base.ordering import natural_key
from featviz.sketches.drawing import CANVAS, INK, PAPER, Drawing, rasterize, read_svg
from featviz.sketches.images import holds_one_colour, read_image

INDEX = "index.csv"
BASE = "base"
"""What the unedited sketch of a group is called, without its suffix, if there is no index."""
REQUIRED_COLUMNS = ("sketch", "group", "file")
OPTIONAL_COLUMNS = ("base", "edited_part")
_PIXEL_SUFFIXES = (".png", ".jpg", ".jpeg")
_SUFFIXES = (".svg", *_PIXEL_SUFFIXES)
_LARGEST_SIZE = 8192
"""Pixels of a side of the largest canvas."""

_MID_GREY = 128
_MOST_INK = 0.5
_DARK, _LIGHT = 64, 192
_MOST_GREY = 0.1
"""More of the pixels between dark and light than smooth edges of lines: shades, as of a photo."""


@dataclass(frozen=True, eq=False)
class SketchSet:
    """Sketches of `size` x `size` pixels; an image is read when it is asked for.

    index: one row a sketch, all columns str: sketch (unique id, such as "G8/003"), group,
    file (path relative to `folder`), base (id of the unedited sketch this one was made from, its
    own id if it is the unedited one, "" if there is none), edited_part (the names of the parts
    that differ from the base, separated by spaces; "" if none or unknown).
    """

    folder: Path
    index: pd.DataFrame
    size: int = CANVAS

    def __len__(self) -> int:
        return len(self.index)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups in order of first appearance."""
        return tuple(self.index["group"].drop_duplicates())

    def of_groups(self, *groups: str) -> Self:
        """The sketches of some groups, in the same order."""
        if unknown := [group for group in groups if group not in self.groups]:
            raise FeatvizError(f"unknown group '{unknown[0]}'; there are {', '.join(self.groups)}")
        rows = self.index[self.index["group"].isin(groups)].reset_index(drop=True)
        return replace(self, index=rows)

    def number(self, sketch: str) -> int:
        """The row of the index of the sketch with this id; raises FeatvizError if there is none."""
        numbers = np.flatnonzero(self.index["sketch"] == sketch)
        if len(numbers) == 0:
            first = ", ".join(self.index["sketch"].iloc[:3])
            raise FeatvizError(f"no sketch '{sketch}' in {self.folder}; there are {first}, ...")
        return int(numbers[0])

    def at(self, size: int) -> Self:
        """The same sketches on a canvas of another size, which only drawings fit.

        Raises FeatvizError for a size that no canvas has.
        """
        _check_size(size)
        return replace(self, size=size)

    def path(self, number: int) -> Path:
        """The file of sketch `number` (a row of the index)."""
        return self.folder / str(self.index["file"].iloc[number])

    def image(self, number: int) -> NDArray[np.uint8]:
        """Pixels of sketch `number` (a row of the index): (size, size) uint8, paper 255, ink 0.

        A drawing is scaled to the size of the set, its lines stay 2 px wide; a file of pixels must
        have that size. It is read as `read_image` says, and its pixels become ink if they are
        darker than mid grey. Raises FeatvizError if the file is missing, corrupt, of another size
        or not dark lines on light paper. A sketch without any ink is allowed; one whose lines
        leave no ink, and pixels with shades as of a photo, are a FeatvizWarning.
        """
        file = self.index["file"].iloc[number]
        return read_sketch(self.path(number), self.size, name=f"sketch {file}")

    def drawing(self, number: int) -> Drawing:
        """The strokes of sketch `number`; raises FeatvizError if it is not an SVG drawing."""
        file = self.index["file"].iloc[number]
        return read_drawing(self.path(number), self.size, name=f"sketch {file}")

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The images in the order of the index, read one at a time."""
        for number in range(len(self)):
            yield self.image(number)


def read_sketch(path: Path, size: int = CANVAS, name: str | None = None) -> NDArray[np.uint8]:
    """Pixels of one file, as `SketchSet.image` gives them; errors call it `name`."""
    path = Path(path)
    name = name or f"sketch {path}"
    if path.suffix.lower() == ".svg":
        drawing = read_drawing(path, size, name)
        image = rasterize(drawing)
        if drawing.strokes and not (image == INK).any():
            _warn(name, "has lines, but none of them on its canvas")
    elif path.suffix.lower() in _PIXEL_SUFFIXES:
        image = _read_pixels(path, size, name)
    else:
        raise FeatvizError(f"{name} is of an unknown kind; expected {', '.join(_SUFFIXES)}")
    return require_paper(image, name)


def require_paper(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The image of a sketch; raises FeatvizError, naming it, for one that is mostly ink."""
    ink = float((image == INK).mean())
    if ink > _MOST_INK:
        raise FeatvizError(f"{name} is {ink:.0%} ink; expected dark lines on white paper")
    return image


def read_drawing(path: Path, size: int | None = None, name: str | None = None) -> Drawing:
    """The strokes of one SVG file, scaled to a size if one is given; errors call it `name`."""
    path = Path(path)
    name = name or f"sketch {path}"
    if path.suffix.lower() != ".svg":
        raise FeatvizError(
            f"{name} is made of pixels; expected an SVG drawing, which has strokes and named parts"
        )
    require_file(path, name)
    drawing = read_svg(path)
    if size in (None, drawing.size):
        return drawing
    return drawing.scaled(_check_size(size))


def read_sketches(folder: Path, size: int = CANVAS) -> SketchSet:
    """Read a sketch set, with or without an index; images are read later, at this size.

    Without an index the groups are the folders and the sketches their images, both in natural
    order (G1, G2, ..., G10); the id of G8/003.png is "G8/003"; G8/base.png, if there is one, is
    the base of all of G8. Raises FeatvizError if there is no sketch, if a file lies outside the
    folder or is of another kind, and if two sketches share an id. A file that is missing is an
    error when its image is asked for, as one that is corrupt.
    """
    folder = Path(folder)
    require_set(folder, "sketches")
    _check_size(size)
    path = folder / INDEX
    index = _read_index(path) if path.is_file() else _list_groups(folder)
    if len(index) == 0:
        raise FeatvizError(
            f"{folder} holds no sketches; expected {INDEX} or folders of {', '.join(_SUFFIXES)}"
        )
    _check(folder, index)
    return SketchSet(folder, index, size)


def require_set(folder: Path, what: str) -> None:
    """Raise FeatvizError unless there is the folder, of sketches or what else they are."""
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise FeatvizError(f"{folder} {state}; expected a folder of {what}")


def _read_index(path: Path) -> pd.DataFrame:
    rows = read_rows(path, REQUIRED_COLUMNS)
    # What a short row leaves out is empty, and so is an optional column that is not there.
    columns = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]
    return pd.DataFrame(
        [[row.get(column, "") for column in columns] for row in rows], columns=columns, dtype=str
    )


def read_rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of an index, by the names of their columns; raises FeatvizError if one lacks."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            numbered = [
                (lines.line_num, fields)
                for fields in lines
                if len(fields) > 1 or "".join(fields).strip()
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FeatvizError(f"{path} is not a table: {one_line(error)}") from None
    if not header:
        raise FeatvizError(f"{path} is not a table: its first line names no columns")
    if again := [column for column in header if header.count(column) > 1]:
        raise FeatvizError(f"{path} has two columns '{again[0]}'")
    if missing := [column for column in required if column not in header]:
        raise FeatvizError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(header)}"
        )
    for line, fields in numbered:
        if len(fields) > len(header):
            raise FeatvizError(
                f"{path}, line {line}, has {len(fields)} fields, but there are {len(header)} "
                "columns; a field that holds a comma stands in quotes"
            )
    return [dict(zip(header, fields, strict=False)) for _, fields in numbered]


def _list_groups(folder: Path) -> pd.DataFrame:
    stray = [path for path in visible(folder) if path.suffix.lower() in _SUFFIXES]
    if stray:
        raise FeatvizError(
            f"{stray[0]} is in no group; expected {folder}/GROUP/{stray[0].name} or an {INDEX}"
        )
    rows = []
    for group in visible(folder):
        if not group.is_dir():
            continue
        paths = visible(group)
        base = f"{group.name}/{BASE}" if BASE in {path.stem for path in paths} else ""
        rows += [
            (f"{group.name}/{path.stem}", group.name, f"{group.name}/{path.name}", base, "")
            for path in paths
        ]
    return pd.DataFrame(rows, columns=[*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS], dtype=str)


def visible(folder: Path) -> list[Path]:
    """What is in a folder in natural order; not the files that systems hide."""
    paths = [path for path in folder.iterdir() if not path.name.startswith((".", "Thumbs.db"))]
    for path in paths:
        require_text(path)
    return sorted(paths, key=lambda path: natural_key(path.name))


def _check(folder: Path, index: pd.DataFrame) -> None:
    for column in REQUIRED_COLUMNS:
        if (empty := index[column] == "").any():
            row = int(np.flatnonzero(empty)[0]) + 1
            raise FeatvizError(f"{folder / INDEX}: sketch {row} has an empty '{column}'")
    if (again := index["sketch"].duplicated()).any():
        raise FeatvizError(f"{folder} has two sketches named '{index['sketch'][again].iloc[0]}'")
    sketches = set(index["sketch"])
    for sketch, file, base in index[["sketch", "file", "base"]].itertuples(index=False):
        path = folder / file
        if path.suffix.lower() not in _SUFFIXES:
            raise FeatvizError(f"sketch {file} is no drawing; expected {', '.join(_SUFFIXES)}")
        require_inside(folder, file, "sketch")
        if base and base not in sketches:
            raise FeatvizError(f"the base '{base}' of sketch '{sketch}' is not a sketch of the set")


def require_inside(folder: Path, file: str, what: str) -> None:
    """Raise FeatvizError for a file of an index that lies outside of its folder."""
    try:
        is_inside = (folder / file).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        # A loop of links, a name that is too long, a zero byte.
        raise FeatvizError(f"{what} {file!r} cannot be found ({one_line(error)})") from None
    if not is_inside:
        raise FeatvizError(f"{what} {file} lies outside {folder}; expected a path inside it")


def _read_pixels(path: Path, size: int, name: str) -> NDArray[np.uint8]:
    grey = np.asarray(Image.fromarray(read_image(path, name, "sketch", size)).convert("L"))
    is_ink = grey < _MID_GREY
    if ((grey > _DARK) & (grey < _LIGHT)).mean() > _MOST_GREY:
        _warn(
            name,
            f"has shades, as a photo: more than {_MOST_GREY:.0%} of its pixels are neither dark "
            "nor light, and become paper or ink at mid grey",
        )
    elif not is_ink.any() and not holds_one_colour(path, name, "sketch"):
        _warn(
            name,
            "is taken for blank: nothing in it is darker than mid grey on white paper; expected "
            "dark lines (transparent parts are white)",
        )
    return np.where(is_ink, np.uint8(INK), np.uint8(PAPER))


def _warn(name: str, remark: str) -> None:
    warnings.warn(FeatvizWarning(name, remark), stacklevel=3)


def _check_size(size: int) -> int:
    if not 1 <= size <= _LARGEST_SIZE:
        raise FeatvizError(
            f"the size of sketches must be at least 1 px and at most {_LARGEST_SIZE}; got {size}"
        )
    return size
