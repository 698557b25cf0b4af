"""`python -m analyses.correction`: follow a bad drawing, or correct it? docs/correction.md.

Outlines of held-out contours are bent: how near to what was meant does a correction bring them? And
held-out contours are drawn worse and worse: of the faces that generators make of them, as drawn and
corrected: how far are they from photos, and how well do they follow what was drawn, inside
and along the outline?
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from featviz.analysis.claims.deformation import deform
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.estimates import mean_estimate
from featviz.analysis.evaluation.local import Perception, landmark_distances
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.base.assets import PRETRAINED
from featviz.base.errors import ending_in_one_line
from featviz.base.files import require_writable
from featviz.base.progress import track
from featviz.faces.augmentation import bend_outline
from featviz.faces.contours import contours
from featviz.faces.correction import PARTS, CorrectedBy, Correction
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.fast import FastGenerator
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.sketches.drawing import CANVAS, Drawing, rasterize
from featviz.sketches.polylines import lengths_along, points_at
from featviz.sketches.tensors import encode_image

WAYS: Mapping[str, Correction | None] = {
    "as drawn": None,
    "outline 0.5": Correction({"outline": 0.5}),
    "outline 1": Correction({"outline": 1}),
    "all parts 1": Correction(dict.fromkeys(PARTS, 1)),
    "all by neighbours": Correction(dict.fromkeys(PARTS, 1), "neighbours"),
}
BENDS = (0, 6, 12, 25)
_OUTLINE = "face-shape"
_LPIPS_SIZE = 256
_LOOKS = {
    "as drawn": ("#000000", "o"),
    "outline 0.5": ("#56B4E9", "^"),
    "outline 1": ("#0072B2", "s"),
    "all parts 1": ("#D55E00", "D"),
    "all by neighbours": ("#CC79A7", "X"),
}
_PANELS = {
    "kernel distance": "kernel distance to photos",
    "inner": "inner parts off what was drawn (px)",
    "outline": "outline off what was meant (px)",
}


@dataclass(frozen=True)
class Options:
    """Measure bad drawings and their faces, as drawn and corrected, and print tables."""

    generators: tuple[str, ...] = ("baseline", "modified", "augmented")
    """Shipped generators by name, or files; none measures drawings alone."""
    contours: int = 50
    """How many contours of the shipped landmarks have their outline bent."""
    data: Path = Path("data/faces")
    """Folder of pairs whose held-out contours are drawn."""
    faces: int = 60
    """How many."""
    amounts: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """How badly they are drawn, from 0 to 1, rising."""
    out: Path | None = None
    """Also write the rows: a .csv."""
    plot: Path | None = None
    """Also draw them: a .png, .pdf or .svg."""


def bent_table(count: int, seed: int = 0) -> str:
    """Markdown: mean distance of outlines to the ones that were meant, px at 512.

    Each point to the nearest of the other line, either way. Outlines are off by smooth noise, with
    a standard deviation of so many pixels in each coordinate.
    """
    faces = read_pairs(PRETRAINED).split("test").landmarks[:count]
    ways = {way: Correction({"outline": 1}, way) for way in get_args(CorrectedBy)}
    lines = [f"| off by | as drawn | {' | '.join(ways)} |", f"|--:|--:|{'--:|' * len(ways)}"]
    for pixels in BENDS:
        random = np.random.default_rng(seed)
        found: dict[str, list[float]] = {way: [] for way in ("as drawn", *ways)}
        for meant in track(faces, f"bending outlines by {pixels} px"):
            moved = bend_outline(meant, CANVAS, pixels, random)
            drawn, goal = contours(moved), contours(meant)
            found["as drawn"].append(_apart(drawn, goal))
            for way, correction in ways.items():
                found[way].append(_apart(correction(drawn), goal))
        lines.append(f"| {pixels} | {' | '.join(f'{np.mean(x):.1f}' for x in found.values())} |")
    return "\n".join(lines)


def _apart(first: Drawing, second: Drawing) -> float:
    lines = [_line(drawing) for drawing in (first, second)]
    apart = np.linalg.norm(lines[0][:, None] - lines[1], axis=2)
    return float((apart.min(axis=0).mean() + apart.min(axis=1).mean()) / 2)


def _line(drawing: Drawing) -> NDArray[np.float64]:
    """Points of an outline, about a pixel apart."""
    points = np.concatenate([stroke.points for stroke in drawing.part(_OUTLINE)])
    return points_at(points, np.arange(0, lengths_along(points)[-1]))


def measure(
    name: str,
    paint: FastGenerator,
    pairs: PairSet,
    perception: Perception,
    amounts: Sequence[float],
) -> Iterator[dict[str, object]]:
    """A row for each amount and way: means over faces, with their standard errors.

    kernel distance: of the faces to the photos, in LPIPS' descriptors. inner: landmarks found in
    the face to the lines of the inner parts as they were drawn, bad as they are; outline: to the
    outline before it was drawn badly; px at 512. found: share of the faces that dlib found.
    """
    photos = np.stack([_described(perception, pairs.photo(k, 512)) for k in range(len(pairs))])
    landmarks = pairs.landmarks * (512 / pairs.size)
    for amount in track(amounts, f"deforming with {name}"):
        for way, correction in WAYS.items():
            seen, inner, outline = [], [], []
            for meant in landmarks:
                drawn = contours(deform(meant, amount))
                given = correction(drawn) if correction else drawn
                face = paint(rasterize(given))
                seen.append(_described(perception, face))
                told = drawn.with_part(_OUTLINE, contours(meant).part(_OUTLINE))
                found = _off(face, told)
                inner.append(found["elsewhere"])
                outline.append(found["edited"])
            row: dict[str, object] = {"generator": name, "deformed": amount, "way": way}
            row["found"] = float(np.isfinite(inner).mean())
            estimates = {
                "kernel distance": kernel_distance(np.stack(seen), photos),
                "inner": mean_estimate(inner),
                "outline": mean_estimate(outline),
            }
            for measure_name, estimate in estimates.items():
                row |= {
                    measure_name: estimate.value,
                    f"{measure_name} error": estimate.standard_error,
                }
            yield row


def _described(perception: Perception, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return perception.described(encode_image(pixels)[None])


def _off(face: NDArray[np.uint8], told: Drawing) -> dict[str, float]:
    """Landmarks of a face to the lines of a drawing, the outline called the edited part."""
    return landmark_distances(encode_image(face)[None], told.with_part(_OUTLINE, ()), told)


def correction_table(rows: pd.DataFrame) -> str:
    """Markdown: the drawing as it was meant and the worst, and how much of the rise is left."""
    lines = [
        "| generator | corrected | kernel distance, 0 % | 100 % | rise | inner, 100 % | outline, "
        "100 % | found |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, of_name in rows.groupby("generator", sort=False):
        for way, of_way in of_name.groupby("way", sort=False):
            first, last = of_way.iloc[0], of_way.iloc[-1]
            drawn = of_name[of_name["way"] == "as drawn"]
            usual = drawn["kernel distance"].iloc[-1] - drawn["kernel distance"].iloc[0]
            rise = last["kernel distance"] - drawn["kernel distance"].iloc[0]
            cells = [
                *(_told(row, "kernel distance", 4) for row in (first, last)),
                f"{rise / usual:.0%}",
                _told(last, "inner", 1),
                _told(last, "outline", 1),
                f"{last['found']:.0%}",
            ]
            lines.append(f"| {name} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(row: "pd.Series[float]", measure_name: str, digits: int) -> str:
    return f"{row[measure_name]:.{digits}f} ± {row[f'{measure_name} error']:.{digits}f}"


def correction_figure(rows: pd.DataFrame) -> Figure:
    """Small multiples: generators down, measures across, a line for each way over deformation."""
    names = list(dict.fromkeys(rows["generator"]))
    figure = Figure(figsize=(9.4, 2.3 * len(names) + 0.4), layout="constrained")
    axes = figure.subplots(len(names), len(_PANELS), sharex=True, sharey="col", squeeze=False)
    for across, name in zip(axes, names, strict=True):
        for ax, (measure_name, title) in zip(across, _PANELS.items(), strict=True):
            for way, of_way in rows[rows["generator"] == name].groupby("way", sort=False):
                color, marker = _LOOKS[str(way)]
                ax.errorbar(
                    100 * of_way["deformed"], of_way[measure_name], of_way[f"{measure_name} error"],
                    color=color, marker=marker, markersize=4, linewidth=1, label=way,
                )  # fmt: skip
            if ax in axes[0]:
                ax.set_title(title, loc="left")
            if ax in axes[-1]:
                ax.set_xlabel("deformed (%)")
        across[0].set_ylabel(name)
    for ax in axes.flat:
        ax.set_ylim(bottom=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.correction", args=arguments)
    with ending_in_one_line("analyses.correction"):
        print(bent_table(options.contours))
        rows = pd.DataFrame(_measured(options))
        if rows.empty:
            return
        print()
        print(correction_table(rows))
        if options.out is not None:
            rows.to_csv(options.out, index=False)
        if options.plot is not None:
            with style():
                save_figure(correction_figure(rows), options.plot)


def _measured(options: Options) -> Iterator[dict[str, object]]:
    for path in filter(None, (options.out, options.plot)):
        require_writable(path)
    checkpoints = [open_checkpoint(name) for name in options.generators]
    for checkpoint in checkpoints:
        checkpoint.require_whole()
    if not checkpoints:
        return
    pairs, _ = choose_pairs(read_pairs(options.data), options.faces, 0)
    perception = Perception(load_lpips(), _LPIPS_SIZE)
    for checkpoint in checkpoints:
        generator = checkpoint.generator
        assert isinstance(generator, GlobalGenerator | LocalEnhancer)
        paint = FastGenerator(generator, torch.float32)
        yield from measure(checkpoint.name, paint, pairs, perception, options.amounts)


if __name__ == "__main__":
    main()
