"""Pictures of generated faces in rows and columns, and maps of what an edit changed in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from analyses.study import Sources
from featviz.base.errors import FeatvizError
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import draw_caption, draw_image, draw_sketch, wrap_caption
from featviz.generators.checkpoint_files import LoadedGenerator, load_generator
from featviz.generators.fast import FastGenerator
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.sketches.edits import Edit

SIDE, GAP, EDGE, LABELS = 0.95, 0.06, 0.12, 0.75
SHOWN = 128
"""Pixels of a shown image's side: noise compresses badly, and the figures are kept in git."""
CHANGE_LIMIT = 64.0
"""Grey levels at which the colours of a change map end."""
CHANGE_COLORS = "magma_r"
OUTLINE = "#009E73"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sketch:
    """A cell with a sketch (H, W) uint8. area: (H, W) bool, outlined; None outlines nothing."""

    pixels: Pixels
    area: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Face:
    """A cell with an image (H, W, 3) uint8."""

    pixels: Pixels


@dataclass(frozen=True, eq=False)
class Change:
    """A cell with the change between two images: `levels` (H, W), grey levels of 255.

    area: (H, W) bool, outlined; None outlines nothing. label: written below the map.
    """

    levels: NDArray[np.float64]
    area: NDArray[np.bool_] | None = None
    label: str = ""


Cell = Sketch | Face | Change | None


def gallery(
    rows: Mapping[str, Sequence[Cell]],
    text: str,
    titles: Sequence[str] = (),
    remark: str = "",
    shown: int = SHOWN,
) -> Figure:
    """Rows of cells with their names at the left and titles above, a caption at the foot.

    Change maps share one scale of colours, drawn at the right if there is one of them. remark: a
    sentence on what the maps say, put behind the caption. shown: pixels of an image's side.
    """
    columns = max(len(cells) for cells in rows.values())
    has_changes = any(isinstance(cell, Change) for cells in rows.values() for cell in cells)
    width = EDGE + LABELS + columns * (SIDE + GAP) + (0.55 if has_changes else 0.0) + GAP
    lines = wrap_caption(f"{text} {remark}".strip(), width)
    top = EDGE + (0.16 if titles else 0.0)
    tall = [SIDE + (0.13 if _labelled(cells) else 0.0) + GAP for cells in rows.values()]
    height = top + sum(tall) + EDGE + 0.135 * len(lines)
    figure = Figure(figsize=(width, height))
    y = height - top
    for column, title in enumerate(titles):
        x = EDGE + LABELS + column * (SIDE + GAP) + SIDE / 2
        figure.text(x / width, (y + 0.05) / height, title, ha="center", size=7)
    for (name, cells), needed in zip(rows.items(), tall, strict=True):
        middle = (y - SIDE / 2) / height
        figure.text(EDGE / width, middle, name, va="center", size=8, linespacing=1.3)
        for column, cell in enumerate(cells):
            x = EDGE + LABELS + column * (SIDE + GAP)
            if cell is not None:
                box = (x / width, (y - SIDE) / height, SIDE / width, SIDE / height)
                _draw(cell, figure.add_axes(box), shown)
        y -= needed
    if has_changes:
        _draw_scale(figure, (width - 0.55, height - top - SIDE, 0.09, SIDE))
    draw_caption(figure, lines)
    return figure


def change(image: Pixels, base: Pixels) -> NDArray[np.float64]:
    """Mean over channels of the absolute difference of two images (H, W, 3), grey levels."""
    return np.asarray(np.abs(image.astype(float) - base).mean(axis=2))


def edit_change(image: Pixels, base: Pixels, sketch: Pixels, base_sketch: Pixels) -> Change:
    """What an edit changed, with the edited area outlined and the change outside of it below."""
    levels = change(image, base)
    area = Edit(base_sketch, sketch).area
    label = f"in {levels[area].mean():.1f}, out {levels[~area].mean():.1f}"
    return Change(levels, area, label)


def held_out(sources: Sources, count: int) -> tuple[PairSet, list[int]]:
    """The held-out contours and `count` indices evenly spaced among them."""
    pairs = read_pairs(sources.landmarks).split("test")
    if len(pairs) < count:
        raise FeatvizError(
            f"{sources.landmarks} has {len(pairs)} faces in its test split; "
            f"expected at least {count}"
        )
    return pairs, np.linspace(0, len(pairs) - 1, count).astype(int).tolist()


def faces_of(checkpoint: LoadedGenerator, sketches: Sequence[Pixels]) -> list[Pixels]:
    """The image of each sketch, as `generate` makes it but for the rounding of sums."""
    generator = checkpoint.generator
    assert isinstance(generator, GlobalGenerator | LocalEnhancer)
    paint = FastGenerator(generator, torch.float32)
    return [paint(sketch) for sketch in sketches]


def load(names: Sequence[str]) -> dict[str, LoadedGenerator]:
    """Shipped generators by name."""
    return {name: load_generator(name) for name in names}


def _labelled(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, Change) and cell.label for cell in cells)


def _draw(cell: Sketch | Face | Change, ax: Axes, shown: int) -> None:
    match cell:
        case Sketch(pixels, area):
            draw_sketch(pixels, ax)
            _outline(area, ax)
        case Face(pixels):
            side = min(shown, pixels.shape[0])
            small = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
            draw_image(np.asarray(small), ax)
        case Change(levels, area, label):
            small = Image.fromarray(levels.astype(np.float32)).resize(
                (shown, shown), Image.Resampling.BOX
            )
            size = levels.shape[0]
            extent = (-0.5, size - 0.5, size - 0.5, -0.5)
            norm = Normalize(0, CHANGE_LIMIT)
            draw_image(np.asarray(small), ax, cmap=CHANGE_COLORS, norm=norm, extent=extent)
            _outline(area, ax)
            if label:
                ax.set_xlabel(label, size=6, labelpad=2)


def _outline(area: NDArray[np.bool_] | None, ax: Axes) -> None:
    if area is not None:
        ax.contour(area, [0.5], colors=OUTLINE, linewidths=0.6)


def _draw_scale(figure: Figure, box: tuple[float, float, float, float]) -> None:
    width, height = figure.get_size_inches()
    x, y, w, h = box
    ax = figure.add_axes((x / width, y / height, w / width, h / height))
    colors = ScalarMappable(Normalize(0, CHANGE_LIMIT), mpl.colormaps[CHANGE_COLORS])
    bar = figure.colorbar(colors, cax=ax, extend="max", extendfrac=0.06)
    bar.set_ticks([0, CHANGE_LIMIT / 2, CHANGE_LIMIT])
    bar.ax.tick_params(labelsize=6, length=2, pad=1)
    bar.set_label("change, grey levels", size=6, labelpad=2)
    bar.outline.set_linewidth(0.4)
