"""Sketch sets: labelled groups of sketches in a folder.

Two layouts are read:

    FOLDER/index.csv            columns sketch, group, file and, optionally, base, edited_part
    FOLDER/G1/001.png ...       no index: a folder a group, an image a sketch; one called `base`
                                is the unedited sketch that the others of its group come from

Images are SVG drawings (see `featviz.drawing`) or PNG and JPEG files with dark lines on white.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from featviz.drawing import CANVAS, INK, PAPER, Drawing, rasterize, read_svg
from featviz.errors import FeatvizError, one_line
from featviz.ordering import natural_key

INDEX = "index.csv"
BASE = "base"
"""What the unedited sketch of a group is called, without its suffix, if there is no index."""
REQUIRED_COLUMNS = ("sketch", "group", "file")
OPTIONAL_COLUMNS = ("base", "edited_part")
PIXEL_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (".svg", *PIXEL_SUFFIXES)

_MID_GREY = 128
_MOST_INK = 0.5


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

    def image(self, number: int) -> NDArray[np.uint8]:
        """Pixels of sketch `number` (a row of the index): (size, size) uint8, paper 255, ink 0.

        Grey and coloured pixels become ink if they are darker than mid grey; what is transparent
        lies on white paper. Raises FeatvizError if the file is missing, corrupt, of another size
        or not dark lines on light paper. A sketch without any ink is allowed.
        """
        file = self.index["file"].iloc[number]
        return read_sketch(self.folder / file, self.size, name=f"sketch {file}")

    def drawing(self, number: int) -> Drawing:
        """The strokes of sketch `number`; raises FeatvizError if it is not an SVG drawing."""
        file = self.index["file"].iloc[number]
        return read_drawing(self.folder / file, self.size, name=f"sketch {file}")

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The images in the order of the index, read one at a time."""
        for number in range(len(self)):
            yield self.image(number)


def read_sketch(path: Path, size: int = CANVAS, name: str | None = None) -> NDArray[np.uint8]:
    """Pixels of one file, as `SketchSet.image` gives them; errors call it `name`."""
    path = Path(path)
    name = name or f"sketch {path}"
    if path.suffix.lower() == ".svg":
        image = rasterize(_read_drawing(path, name, size))
    elif path.suffix.lower() in PIXEL_SUFFIXES:
        image = _read_pixels(path, name, size)
    else:
        raise FeatvizError(f"{name} is of an unknown kind; expected {', '.join(SUFFIXES)}")
    return require_paper(image, name)


def require_paper(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The image of a sketch; raises FeatvizError, naming it, for one that is mostly ink."""
    ink = float((image == INK).mean())
    if ink > _MOST_INK:
        raise FeatvizError(f"{name} is {ink:.0%} ink; expected dark lines on white paper")
    return image


def read_drawing(path: Path, size: int | None = None, name: str | None = None) -> Drawing:
    """The strokes of one SVG file, of any size unless it is given; errors call it `name`."""
    name = name or f"sketch {path}"
    if path.suffix.lower() != ".svg":
        raise FeatvizError(
            f"{name} is made of pixels; expected an SVG drawing, which has strokes and named parts"
        )
    return read_svg(path) if size is None else _read_drawing(path, name, size)


def read_sketches(folder: Path, size: int = CANVAS) -> SketchSet:
    """Read a sketch set, with or without an index; images are read later.

    Without an index the groups are the folders and the sketches their images, both in natural
    order (G1, G2, ..., G10); the id of G8/003.png is "G8/003"; G8/base.png, if there is one, is
    the base of all of G8. Raises FeatvizError if there is no sketch, if a file lies outside the
    folder or is of another kind, and if two sketches share an id. A file that is missing is an
    error when its image is asked for, as one that is corrupt.
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise FeatvizError(f"{folder} {state}; expected a folder of sketches")
    if size < 1:
        raise FeatvizError(f"the size of sketches must be at least 1 px; got {size}")
    path = folder / INDEX
    index = _read_index(path) if path.is_file() else _list_groups(folder)
    if len(index) == 0:
        raise FeatvizError(
            f"{folder} holds no sketches; expected {INDEX} or folders of {', '.join(SUFFIXES)}"
        )
    _check(folder, index)
    return SketchSet(folder, index, size)


def _read_index(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise FeatvizError(f"{path} is not a table: {one_line(error)}") from None
    if missing := [column for column in REQUIRED_COLUMNS if column not in table]:
        raise FeatvizError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    for column in OPTIONAL_COLUMNS:
        if column not in table:
            table[column] = ""
    # A row that is too short leaves missing values, whatever the reader is told about empty text.
    return table[[*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]].fillna("")


def _list_groups(folder: Path) -> pd.DataFrame:
    stray = [path for path in _visible(folder) if path.suffix.lower() in SUFFIXES]
    if stray:
        raise FeatvizError(
            f"{stray[0]} is in no group; expected {folder}/GROUP/{stray[0].name} or an {INDEX}"
        )
    rows = []
    for group in _visible(folder):
        if not group.is_dir():
            continue
        paths = _visible(group)
        base = f"{group.name}/{BASE}" if BASE in {path.stem for path in paths} else ""
        rows += [
            (f"{group.name}/{path.stem}", group.name, f"{group.name}/{path.name}", base, "")
            for path in paths
        ]
    return pd.DataFrame(rows, columns=[*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS], dtype=str)


def _visible(folder: Path) -> list[Path]:
    """What is in a folder in natural order; not the files that systems hide."""
    paths = [path for path in folder.iterdir() if not path.name.startswith((".", "Thumbs.db"))]
    return sorted(paths, key=lambda path: natural_key(path.name))


def _check(folder: Path, index: pd.DataFrame) -> None:
    for column in REQUIRED_COLUMNS:
        if (empty := index[column] == "").any():
            row = int(np.flatnonzero(empty)[0]) + 1
            raise FeatvizError(f"{folder / INDEX}: sketch {row} has an empty '{column}'")
    if (again := index["sketch"].duplicated()).any():
        raise FeatvizError(f"{folder} has two sketches named '{index['sketch'][again].iloc[0]}'")
    inside, sketches = folder.resolve(), set(index["sketch"])
    for sketch, file, base in index[["sketch", "file", "base"]].itertuples(index=False):
        path = folder / file
        if path.suffix.lower() not in SUFFIXES:
            raise FeatvizError(f"sketch {file} is no drawing; expected {', '.join(SUFFIXES)}")
        if not path.resolve().is_relative_to(inside):
            raise FeatvizError(f"sketch {file} lies outside {folder}; expected a path inside it")
        if base and base not in sketches:
            raise FeatvizError(f"the base '{base}' of sketch '{sketch}' is not a sketch of the set")


def _read_drawing(path: Path, name: str, size: int) -> Drawing:
    drawing = read_svg(path)
    _check_size(name, (drawing.size, drawing.size), size)
    return drawing


def _read_pixels(path: Path, name: str, size: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as file:
            # The size comes first: it keeps an enormous file from being decoded.
            _check_size(name, file.size, size)
            luminance = _luminance_on_white(file)
    except FeatvizError:
        raise
    except FileNotFoundError:
        raise FeatvizError(f"{name} does not exist") from None
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise FeatvizError(f"{name} is not a readable image ({one_line(error)})") from None
    return np.where(luminance < _MID_GREY, np.uint8(INK), np.uint8(PAPER))


def _luminance_on_white(image: Image.Image) -> NDArray[np.float64]:
    if image.mode.startswith("I"):
        # 16-bit grey; Pillow would clip it, not scale it.
        return np.asarray(image, dtype=np.float64) / 257
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return np.asarray(paper.convert("L"), dtype=np.float64)


def _check_size(name: str, given: tuple[int, int], size: int) -> None:
    width, height = given
    if (width, height) != (size, size):
        raise FeatvizError(
            f"{name} is {width}x{height}; expected {size}x{size} (resize it, or pass --size)"
        )
