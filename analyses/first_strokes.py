"""`python -m analyses.first_strokes`: faces of sketches that are not finished yet.

Sketches are revealed stroke by stroke, in the order they were drawn in; of each share of their
strokes: how far are the faces that generators make of them from photos? What was measured is
kept beside the table, so a call that was stopped goes on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analyses.faces import Cell, Face, Sketch, gallery
from analyses.pictures import MADE
from analyses.study import ROOT
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.local import Perception
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.files import atomic_write, require_writable
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table
from featviz.commands.shared import plain_table, say, use_threads
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import Checkpoint, open_checkpoints
from featviz.generators.fast import FastGenerator
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.sketches.drawing import CANVAS, Drawing, rasterize
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import encode_image

SHARES = tuple(number / 10 for number in range(11))
HALF, TARGET = 0.5, 1.5
"""At this share of the strokes at most so many times the distance of the finished sketch."""
_STEPS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
_LOOKS = (("#000000", "o"), ("#D55E00", "s"), ("#0072B2", "D"), ("#009E73", "^"), ("#CC79A7", "v"))


@dataclass(frozen=True, eq=False)
class Revealed(Table):
    """One row a generator and share of strokes. digest: of the generator.

    distinct: how many of the sheets differ, as edits of one sketch begin with the same strokes.
    distance: kernel distance of its faces to photos, and its standard error. ratio: that over the
    distance of the finished sketches' faces.
    """

    noun: ClassVar[str] = "table of unfinished sketches"
    command: ClassVar[str] = "python -m analyses.first_strokes"
    columns: ClassVar[dict[str, ColumnKind]] = {
        **dict.fromkeys(("generator", "digest"), "text"),
        "distinct": "whole",
        **dict.fromkeys(("share", "distance", "error", "ratio"), "number"),
    }
    key: ClassVar[tuple[str, ...]] = ("generator", "share")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".json")


@dataclass(frozen=True)
class Options:
    """Reveal sketches stroke by stroke, judge the faces, write a table, a figure and a picture."""

    generators: tuple[str, ...] = ("modified",)
    """Shipped generators by name, files or folders of runs."""
    data: Path = Path("data/faces")
    """Folder of pairs whose photos the faces are compared with; see `featviz faces`."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    count: int = 200
    """How many of its sketches, evenly chosen; as many photos are, of both splits."""
    shares: tuple[float, ...] = SHARES
    """Shares of their strokes, rising from 0 or more to 1."""
    shown: str = "G8/001"
    """The sketch of the picture."""
    lpips_size: int = 256
    """Larger images are averaged down to this side for the kernel distance."""
    kept: Path = ROOT / MADE / "first-strokes"
    """Folder of what was measured: a later call takes it up."""
    table: Path = ROOT / MADE / "first-strokes.csv"
    """A .csv or .json."""
    figure: Path = ROOT / MADE / "first-strokes.png"
    """The curves."""
    picture: Path = ROOT / MADE / "first-strokes-faces.png"
    """One sketch, revealed, and its faces."""
    threads: int = 1
    """CPU threads."""


def revealed(drawing: Drawing, share: float) -> Drawing:
    """The first strokes of a drawing, so many of them that they are `share` of all, 0 to 1.

    A number that lies halfway between two is rounded up.
    """
    count = math.floor(share * len(drawing.strokes) + 0.5)
    return replace(drawing, strokes=drawing.strokes[:count])


def require_shares(shares: Sequence[float]) -> None:
    """Raise FeatvizError unless shares rise from 0 or more and end with 1."""
    rising = all(one < other for one, other in pairwise(shares))
    if not shares or not rising or shares[0] < 0 or shares[-1] != 1:
        told = ", ".join(f"{share:g}" for share in shares)
        raise FeatvizError(f"shares rise from 0 or more and end with 1; got {told or 'none'}")


def painter_of(checkpoint: Checkpoint) -> FastGenerator:
    """A generator that is ready; raises FeatvizError for one that makes no faces of sketches."""
    checkpoint.require_whole()
    generator = checkpoint.generator
    if not isinstance(generator, GlobalGenerator | LocalEnhancer):
        raise FeatvizError(f"'{checkpoint.name}' is no global generator, which this measures")
    return FastGenerator(generator, torch.float32)


def described(
    perception: Perception, images: Sequence[Any], paint: Any, kept: Path, description: str
) -> NDArray[np.float32]:
    """Descriptors (n, 512) of what `paint` makes of each image; those of a file that is there.

    Images that are one and the same object are painted once.
    """
    if kept.is_file():
        found: NDArray[np.float32] = np.load(kept)
        return found
    known: dict[int, NDArray[np.float32]] = {}
    for image in track(images, description):
        if id(image) not in known:
            known[id(image)] = perception.described(encode_image(paint(image))[None])
    descriptors = np.stack([known[id(image)] for image in images])
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(kept) as temporary, temporary.open("wb") as file:
        np.save(file, descriptors)
    return descriptors


def measured(
    options: Options, checkpoints: Sequence[Checkpoint], sketches: SketchSet, pairs: PairSet
) -> Iterator[Revealed]:
    """The table, again with each generator."""
    perception = Perception(load_lpips(), options.lpips_size)
    numbers, photos = (_evenly(len(each), options.count) for each in (sketches, pairs))
    drawings = [sketches.drawing(number) for number in numbers]
    setting = f"{options.count}-{options.lpips_size}"
    real = described(
        perception, photos, lambda number: pairs.photo(number, CANVAS),
        options.kept / f"photos-{pairs.fingerprint()}-{setting}.npy", "photos",
    )  # fmt: skip
    metadata = {
        VERSION_KEY: VERSION,
        "sketches": options.count,
        "lpips_size": options.lpips_size,
        "data": pairs.fingerprint(),
    }
    rows: list[dict[str, Any]] = []
    for checkpoint in checkpoints:
        paint, found, distinct = painter_of(checkpoint), {}, {}
        for share in options.shares:
            sheets = _rasters(drawings, share)
            distinct[share] = len(set(map(id, sheets)))
            seen = described(
                perception, sheets, paint,
                options.kept / f"{checkpoint.digest[:16]}-{share}-{setting}.npy",
                f"{checkpoint.name}, {share:.0%} of the strokes",
            )  # fmt: skip
            found[share] = kernel_distance(seen, real)
        rows += [
            {
                "generator": checkpoint.name,
                "digest": checkpoint.digest,
                "share": share,
                "distinct": distinct[share],
                "distance": estimate.value,
                "error": estimate.standard_error,
                "ratio": estimate.value / found[1.0].value,
            }
            for share, estimate in found.items()
        ]
        yield Revealed(pd.DataFrame(rows), metadata)


def _evenly(there: int, count: int) -> list[int]:
    if not 2 <= count <= there:
        raise FeatvizError(f"{there} sketches or photos to choose from; got a count of {count}")
    return [round(number) for number in np.linspace(0, there - 1, count).tolist()]


def _rasters(drawings: Sequence[Drawing], share: float) -> list[NDArray[np.uint8]]:
    """Pixels of each drawing revealed so far; the same pixels are the same object."""
    pixels = [rasterize(revealed(drawing, share)) for drawing in drawings]
    first: dict[bytes, NDArray[np.uint8]] = {}
    return [first.setdefault(each.tobytes(), each) for each in pixels]


def curves(table: Revealed) -> Figure:
    """Distance to photos over what is drawn, and the same over that of the finished sketch."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True)
    for name, (color, marker) in zip(table.names("generator"), _LOOKS * 9, strict=False):
        rows = table.values(generator=name)
        # Of a blank sheet a network makes one even colour, which is no face.
        rows = rows[rows["share"] > 0]
        looks: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4, "linewidth": 1}
        share = 100 * rows["share"]
        axes[0].errorbar(share, rows["distance"], rows["error"], label=name, **looks)
        axes[1].plot(share, rows["ratio"], **looks)
    axes[1].plot(
        [100 * HALF] * 2,
        [0, TARGET],
        color="#555555",
        linewidth=4,
        alpha=0.4,
        solid_capstyle="butt",
    )
    axes[1].annotate(
        f"target: {TARGET:g} times", (100 * HALF, 0), (4, 4), textcoords="offset points",
        color="#555555", size=7,
    )  # fmt: skip
    titles = ("kernel distance to photos", "times that of the finished sketch")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
        ax.set_xlabel("strokes drawn (%)")
        ax.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=len(_LOOKS), frameon=False)
    return figure


def faces_figure(drawing: Drawing, paints: Mapping[str, FastGenerator], label: str) -> Figure:
    """One sketch revealed from left to right, and what each generator makes of it."""
    sheets = [rasterize(revealed(drawing, share)) for share in _STEPS]
    rows: dict[str, list[Cell]] = {"sketch": [Sketch(sheet) for sheet in sheets]}
    for name, paint in paints.items():
        rows[name] = [Face(paint(sheet)) for sheet in sheets]
    text = f"{label} revealed in the order of its {len(drawing.strokes)} strokes."
    return gallery(rows, text, [f"{share:.0%}" for share in _STEPS])


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, draw; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.first_strokes", args=arguments)
    with ending_in_one_line("analyses.first_strokes"):
        use_threads(options.threads)
        Revealed.check_ending(options.table)
        require_shares(options.shares)
        for path in (options.table, options.figure, options.picture):
            require_writable(path)
        sketches = read_sketches(options.sketches)
        shown = sketches.drawing(sketches.number(options.shown))
        checkpoints = list(open_checkpoints(options.generators))
        pairs = read_pairs(options.data)
        for table in measured(options, checkpoints, sketches, pairs):
            table.write(options.table)
        titles = ["strokes", *table.names("generator")]
        say(plain_table(titles, _lines(table), titles))
        paints = {each.name: painter_of(each) for each in checkpoints}
        with style():
            save_figure(curves(table), options.figure)
            picture = faces_figure(shown, paints, options.shown)
            save_figure(picture, options.picture)
        say(options.table, options.figure, options.picture)


def _lines(table: Revealed) -> Iterator[list[str]]:
    """Shares down, generators across: the distance, its error, and the ratio."""
    for share in table.names("share"):
        rows = table.values(share=share).itertuples()
        told = [f"{row.distance:.4f} ± {row.error:.4f} ({row.ratio:.1f})" for row in rows]
        yield [f"{share:.0%}", *told]


if __name__ == "__main__":
    main()
