"""Figures as such: their style, captions and files, and pictures of sketches on axes.

Every figure is made without pyplot, so nothing global changes, and is saved without dates, so the
same input gives the same bytes on one machine.
"""

import operator
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import Rectangle
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.base.files import atomic_write, require_writable
from featviz.figures.labels import text_width

GREY = "#555555"
ADDED, REMOVED = (0, 90, 156), (200, 78, 0)
"""Of an edit, ink that was put in and ink that was taken out; red, green, blue of 255."""
_DPI = 200

_FONT = "DejaVu Sans"
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts for letters that the first one lacks; those that are installed are asked in turn."""

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "featviz",
    "text.parse_math": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save inside this context; see `plain_text` too, which it includes."""
    with mpl.rc_context({**STYLE, "font.family": _families()}):
        yield


@contextmanager
def plain_text() -> Iterator[None]:
    """Take what is written inside as it stands: two dollar signs in a name are no mathematics."""
    with mpl.rc_context({"text.parse_math": False}):
        yield


@cache
def _families() -> list[str]:
    installed = set(fontManager.get_font_names())
    return [_FONT, *(name for name in _OTHER_SCRIPTS if name in installed)]


LINE = 0.135
"""Inches a line of a caption takes."""


def wrap_caption(text: str, width: float) -> list[str]:
    """Break a caption into lines that fit a figure `width` inches wide."""
    lines: list[str] = []
    room = width - 0.24
    for word in (part for whole in text.split() for part in _broken(whole, room)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, 7) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _broken(word: str, room: float) -> Iterator[str]:
    """A word in pieces that fit, as many letters each as do."""
    while text_width(word, 7) > room:
        most = max(bisect_right(range(len(word)), room, key=lambda n: text_width(word[:n], 7)), 2)
        yield word[: most - 1]
        word = word[most - 1 :]
    yield word


def draw_caption(figure: Figure, lines: Sequence[str]) -> None:
    """Put the lines of a caption at the foot of a figure."""
    width, height = figure.get_size_inches()
    for i, line in enumerate(reversed(lines)):
        y = (0.07 + LINE * i) / height
        figure.text(0.12 / width, y, line, fontsize=7, color=GREY, va="bottom")


def draw_image(image: NDArray[Any], ax: Axes, **options: Any) -> Axes:
    """Show an image, (H, W) grey or (H, W, 3), row 0 on top, with a thin frame and no ticks."""
    limits = {} if "norm" in options else {"vmin": 0, "vmax": 255}
    ax.imshow(image, **{"cmap": "gray", **limits, **options})
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color="#BBBBBB", linewidth=0.5)
    return ax


def draw_sketch(sketch: NDArray[np.uint8], ax: Axes) -> Axes:
    """Show a sketch (H, W) uint8 that is larger than its axes, with lines that nowhere break.

    A pixel of the picture is as dark as the share of it that ink covers, after every line has
    become a pixel of the sketch wider: lines of 2 px would fade.
    """
    height, width = sketch.shape
    bolder = np.pad(sketch, ((1, 0), (1, 0)), mode="edge")
    bolder = sliding_window_view(bolder, (2, 2)).min(axis=(2, 3))
    # What the axes will take in the file, if that is less than the sketch has.
    pixels = np.asarray(ax.bbox.size) / ax.figure.dpi * _DPI
    shown = np.clip(np.rint(pixels).astype(int), 1, (width, height))
    small = Image.fromarray(bolder).resize((int(shown[0]), int(shown[1])), Image.Resampling.BOX)
    return draw_image(np.asarray(small), ax, extent=(-0.5, width - 0.5, height - 0.5, -0.5))


def draw_receptive_fields(
    sketch: NDArray[np.uint8],
    boxes: Mapping[str, tuple[int, int, int, int]],
    point: tuple[int, int],
    ax: Axes,
    *,
    around: int | None = None,
) -> Axes:
    """Outline the convolutional receptive field of each layer on a sketch (H, W).

    boxes: label -> (left, top, right, bottom), pixels, both ends included. around: show only this
    many pixels to each side of the point, pixel by pixel. Where edges coincide the line of the
    larger box is broader and shows on both sides of the smaller one's.
    """
    draw_image(sketch, ax, interpolation="nearest" if around else None)
    colors = mpl.colormaps["plasma"](np.linspace(0.0, 0.85, len(boxes)))
    thin, step = (1.3, 1.5) if around else (0.6, 0.5)
    sharing = _boxes_inside_that_share_an_edge(list(boxes.values()))
    for (label, (left, top, right, bottom)), color, below in zip(
        boxes.items(), colors, sharing, strict=True
    ):
        corner, size = (left - 0.5, top - 0.5), (right - left + 1, bottom - top + 1)
        outline = Rectangle(corner, *size, fill=False, color=color, label=label)
        outline.set(linewidth=thin + step * below, zorder=3 - 0.01 * below, joinstyle="miter")
        ax.add_patch(outline)
    width = 1.4 if around else 0.7
    ax.plot(*point, "+", color="#009E73", markersize=9 if around else 4, markeredgewidth=width)
    if around:
        ax.set(
            xlim=(point[0] - around - 0.5, point[0] + around + 0.5),
            ylim=(point[1] + around + 0.5, point[1] - around - 0.5),
        )
    return ax


def _boxes_inside_that_share_an_edge(boxes: Sequence[tuple[int, int, int, int]]) -> list[int]:
    """For each box how many smaller ones, one inside the other, have their line on its own."""
    counts: dict[tuple[int, int, int, int], int] = {}
    for box in sorted(boxes, key=lambda box: (box[2] - box[0], box[3] - box[1])):
        under = [n for other, n in counts.items() if any(map(operator.eq, box, other))]
        counts[box] = max(under, default=-1) + 1
    return [counts[box] for box in boxes]


def figure_format(path: Path) -> str:
    """The format a figure's name asks for, "png", "pdf" or "svg".

    Raises FeatvizError for another, and where no file can be, see `require_writable`.
    """
    require_writable(path)
    suffix = Path(path).suffix.removeprefix(".")
    if suffix not in _UNDATED:
        raise FeatvizError(
            f"cannot write a figure to {path}: expected a name ending in "
            f"{', '.join('.' + name for name in _UNDATED)}"
        )
    return suffix


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as .png, .pdf or .svg, complete or not at all, without a date.

    Warns if no installed font has some of its letters, which then are drawn as boxes.
    """
    metadata = _UNDATED[figure_format(path)]
    with (
        style(),
        atomic_write(Path(path)) as temporary,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.filterwarnings("always", message=_MISSING_GLYPH)
        figure.savefig(temporary, dpi=_DPI, metadata=metadata)
    missing: dict[str, None] = {}
    for warning in caught:
        if glyph := re.match(_MISSING_GLYPH, str(warning.message)):
            missing[chr(int(glyph[1]))] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if missing:
        letters = "".join(missing)
        more = "..." if len(letters) > 20 else ""
        remark = (
            f"has letters that no installed font has, drawn as boxes: {letters[:20]}{more}; "
            f"install one that has them, such as {_OTHER_SCRIPTS[0]}"
        )
        warnings.warn(FeatvizWarning(str(path), remark), stacklevel=2)


_MISSING_GLYPH = r"Glyph (\d+) .*missing from (?:current )?font"


_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
