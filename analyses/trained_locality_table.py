"""Locality and what it costs, way by way, as a table in Markdown and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.zoo_table import LEAST_FOUND, draw_front
from featviz.analysis.evaluation.ways import FREE_WAY, Way
from featviz.base.table import ColumnKind, Table
from featviz.figures.labels import draw_labels
from featviz.figures.style import LINE, draw_caption, wrap_caption

KEPT, KEPT_TRUNK = Way("layers", "base"), Way("trunk", "base")
WAYS = (FREE_WAY, KEPT, KEPT_TRUNK)
"""As the generator is; everything kept outside of the edited area; only the trunk."""
CALLED = {FREE_WAY.name: "free", KEPT.name: "kept", KEPT_TRUNK.name: "trunk kept"}
MEASURES = {
    "lpips": "LPIPS",
    "kernel": "kernel distance",
    "inside": "inside",
    "outside": "outside",
    "ratio": "outside / inside",
    "drawn": "of drawn edits",
    "seam": "seam",
    "followed": "part off, px",
    "found": "faces found",
}
"""Columns of the table, and what they are called on the page."""
TOLD_APART = ("lpips", "kernel", "ratio", "drawn", "followed")
"""Measures of which the page tells every seed's."""
COLORS = {"start": "#888888", "norm": "#0072B2", "locality": "#D55E00", "kept": "#009E73"}
"""By what makes an edit local."""


@dataclass(frozen=True, eq=False)
class Tradeoff(Table):
    """One row a run, seed and way to make edits: measures, and their standard errors over faces.

    lpips: of unedited held-out faces to their photos. All others are of edits: kernel: distance of
    edited faces to photos. inside, outside: change, grey levels. ratio: of these, drawn: of those
    of the sketch set's edits. seam: gradient across the edited area's border, as against the free
    face. followed: between landmarks of the edited part, found in the face, and its lines as drawn,
    px at 512, in those faces in which a face is found.
    """

    noun: ClassVar[str] = "comparison of ways to locality"
    command: ClassVar[str] = "python -m analyses.trained_locality"
    columns: ClassVar[dict[str, ColumnKind]] = {
        "run": "text",
        "seed": "whole",
        "way": "text",
        "digest": "text",
        **{name: "number" for each in MEASURES for name in (each, f"{each} error")},
    }
    key: ClassVar[tuple[str, ...]] = ("run", "seed", "way")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".json")


def over_seeds(table: Tradeoff) -> pd.DataFrame:
    """Run by run and way by way, in the order of the table: means over seeds, and how many."""
    rows: list[dict[str, Any]] = []
    for (run, way), seeds in table.rows.groupby(["run", "way"], sort=False):
        means = seeds[[name for name in table.columns if name.removesuffix(" error") in MEASURES]]
        rows.append({"run": run, "way": way, "seeds": len(seeds), **means.mean()})
    return pd.DataFrame(rows)


def tradeoff_table(table: Tradeoff, wanted: Sequence[tuple[str, int]]) -> str:
    """Markdown: one line a run and way; which of the wanted runs there are."""
    told, have = table.metadata, set(zip(table.rows["run"], table.rows["seed"], strict=True))
    lacking = [f"`{run}` {seed}" for run, seed in wanted if (run, seed) not in have]
    lines = [
        f"Runs of {told['steps']} steps from the same start; not trained, by name and seed: "
        f"{', '.join(lacking) or 'none'}. Judged on {told['pairs']} held-out faces and one edit of "
        f"each, and on {told['drawn']} drawn edits of mouth and nose; LPIPS and kernel distance at "
        f"{told['lpips_size']} px. Means over seeds, in brackets each seed's; of one seed ± twice "
        "the standard error over faces.",
        "",
        f"| run | edits | {' | '.join(MEASURES.values())} |",
        f"|---|---|{'--:|' * len(MEASURES)}",
    ]
    for (run, way), seeds in table.rows.groupby(["run", "way"], sort=False):
        cells = [_cell(seeds, name) for name in MEASURES]
        lines.append(f"| `{run}` | {CALLED[str(way)]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(seeds: pd.DataFrame, name: str) -> str:
    seeds = seeds.dropna(subset=name)
    values = seeds[name].tolist()
    if not values:
        return "-"
    mean = f"{np.mean(values):.3g}"
    if name not in TOLD_APART:
        return mean
    if len(values) > 1:
        return f"{mean} ({', '.join(f'{value:.3g}' for value in values)})"
    return f"{mean} ± {2 * seeds[f'{name} error'].iloc[0]:.2g}"


def tradeoff_figure(table: Tradeoff) -> Figure:
    """Realism of faces, and how near edited parts are to their lines, against leakage."""
    text = (
        "One mark a run and way, the mean over seeds, which are the small dots; bars: twice the "
        "standard error over faces. Grey: the start. Orange, joined: trained on with the loss on "
        "locality, by its weight. Blue: trained on with another norm. Green: weight 0, its edits "
        "kept local at inference, in every layer or in the trunk alone. Grey line: what nothing "
        "else beats in both. Where a face is found in less than half of the images there is no "
        "mark."
    )
    width, height = 9.6, 3.6
    lines = wrap_caption(text, width)
    foot = LINE * len(lines)
    figure = Figure(figsize=(width, height + foot))
    means = _shown(over_seeds(table))
    # A run whose mean has no mark has no dots.
    keys = means.set_index(["run", "way"]).index
    seeds = table.rows[table.rows.set_index(["run", "way"]).index.isin(keys)]
    for number, (name, label) in enumerate(
        (
            ("lpips", "LPIPS of unedited faces to photos (more real above)"),
            ("kernel", "kernel distance of edited faces to photos (more real above)"),
            ("followed", "edited part off its lines, px (nearer above)"),
        )
    ):
        left, low = 0.06 + 0.333 * number, (foot + 0.5) / (height + foot)
        ax = figure.add_axes((left, low, 0.265, (height - 0.65) / (height + foot)))
        _draw_against(ax, seeds, means, name)
        ax.set(xlabel="change outside / inside of edits")
        ax.set_ylabel(label, size=7)
    draw_caption(figure, lines)
    return figure


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    """What has faces; of kept edits those of weight 0, where those of the others lie too."""
    is_shown = (rows["way"] == FREE_WAY.name) | (rows["run"] == "locality-0")
    return rows[is_shown & (rows["found"] >= LEAST_FOUND)]


def _draw_against(ax: Axes, seeds: pd.DataFrame, rows: pd.DataFrame, name: str) -> None:
    dots = seeds[["ratio", name]].to_numpy(dtype=np.float64)
    ax.scatter(
        dots[:, 0], dots[:, 1], s=5, c=[_color(row) for _, row in seeds.iterrows()], linewidths=0
    )
    points = rows[["ratio", name]].to_numpy(dtype=np.float64)
    errors = 2 * rows[["ratio error", f"{name} error"]].to_numpy(dtype=np.float64)
    colors = [_color(row) for _, row in rows.iterrows()]
    for (across, up), color, (wide, tall) in zip(points, colors, errors, strict=True):
        ax.errorbar(
            across, up, tall, wide, "o", color=color, markersize=4, elinewidth=0.6, alpha=0.8
        )
    is_weight = rows["run"].str.startswith("locality") & (rows["way"] == FREE_WAY.name)
    ax.plot(*points[is_weight.to_numpy()].T, color=COLORS["locality"], linewidth=0.8, alpha=0.6)
    draw_front(ax, points)
    draw_labels(ax, points, [_label(row) for _, row in rows.iterrows()], dots)


def _color(row: pd.Series) -> str:
    return COLORS["kept" if row["way"] != FREE_WAY.name else str(row["run"]).partition("-")[0]]


def _label(row: pd.Series) -> str:
    if row["way"] != FREE_WAY.name:
        return CALLED[row["way"]]
    return str(row["run"]).partition("-")[2] or str(row["run"])
