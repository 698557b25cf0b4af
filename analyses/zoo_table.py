"""What was measured of a zoo of norms, as a table in Markdown and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analyses.leakage import KINDS
from analyses.seeds import interval
from featviz.base.table import ColumnKind, Table
from featviz.figures.labels import draw_labels
from featviz.figures.style import draw_caption, wrap_caption

MEASURES = {
    "inside": "inside",
    "outside": "outside",
    "ratio": "outside / inside",
    "eyes": "eyes",
    "share": "statistics' share",
    "lpips": "LPIPS",
    "early": "a quarter in",
    "kernel": "kernel distance",
    "followed": "off the contour, px",
    "found": "faces found",
}
"""Columns of the table, and what they are called on the page."""
LEAST_FOUND = 0.5
"""A norm in fewer of whose faces a face is found has none to speak of: nothing beats nothing."""
COLORS = {True: "#D55E00", False: "#0072B2"}
"""By whether a generator takes statistics of whole maps."""


@dataclass(frozen=True, eq=False)
class Zoo(Table):
    """One row a run: what it is, and what was measured of it, see `MEASURES`.

    digest: of the generator. ways: how often it takes statistics of a whole map. inside, outside,
    eyes: change by edits of mouth and nose there, grey levels. share: the statistics' part in the
    change outside. early: LPIPS after a quarter of the steps. followed: between a landmark of the
    contour and the same one found in the face, px at 512.
    """

    noun: ClassVar[str] = "zoo"
    command: ClassVar[str] = "python -m analyses.zoo"
    columns: ClassVar[dict[str, ColumnKind]] = {
        "norm": "text",
        "seed": "whole",
        "digest": "text",
        "ways": "whole",
        **dict.fromkeys(MEASURES, "number"),
    }
    key: ClassVar[tuple[str, ...]] = ("norm", "seed")
    endings: ClassVar[tuple[str, ...]] = (".csv", ".json")


def summary(zoo: Zoo) -> pd.DataFrame:
    """Norm by norm, in the order of the table: mean, low and high of each measure, and its seeds.

    low and high: the interval of the mean over seeds, NaN of less than three, of which it says
    nothing.
    """
    rows = []
    for norm, runs in zoo.rows.groupby("norm", sort=False):
        row: dict[str, Any] = {"norm": norm, "seeds": len(runs), "ways": int(runs["ways"].max())}
        for name in MEASURES:
            values = runs[name].dropna().tolist()
            low, high = interval(values) if len(values) > 2 else (np.nan, np.nan)
            row |= {name: runs[name].mean(), f"{name} low": low, f"{name} high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def zoo_table(zoo: Zoo, wanted: Sequence[tuple[str, int]]) -> str:
    """Markdown: one line a norm, the most local first; which of the wanted runs there are."""
    found = summary(zoo).sort_values("ratio")
    lines = [
        f"| norm | seeds | whole maps | {' | '.join(MEASURES.values())} |",
        f"|---|--:|--:|{'--:|' * len(MEASURES)}",
    ]
    for _, row in found.iterrows():
        cells = [_cell(row[name], row[f"{name} high"]) for name in MEASURES]
        lines.append(f"| `{row['norm']}` | {row['seeds']} | {row['ways']} | {' | '.join(cells)} |")
    have = set(zip(zoo.rows["norm"], zoo.rows["seed"], strict=True))
    lacking = [f"`{norm}` {seed}" for norm, seed in wanted if (norm, seed) not in have]
    steps, judging = zoo.metadata["recipe"]["steps"], zoo.metadata["judging"]
    return "\n".join(
        [
            f"{len(have)} runs of {len(wanted)}, of {steps} steps; not trained: "
            f"{', '.join(lacking) or 'none'}. Each judged on {judging['pairs']} held-out faces "
            f"({judging['early']} a quarter in; LPIPS at {judging['lpips_size']} px) and "
            f"{judging['edits']} edits of each of {', '.join(KINDS)} ({judging['held']} with "
            "statistics held). Mean over seeds; of three, ± half of Student's 95 % interval.",
            "",
            *lines,
        ]
    )


def _cell(mean: float, high: float) -> str:
    told = "-" if np.isnan(mean) else f"{mean:.3g}"
    return told if np.isnan(high) or high == mean else f"{told} ± {high - mean:.2g}"


def best(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of points (n, 2), less is better in both: which of them no other one beats, (n,) bool."""
    beaten = [((points <= p).all(axis=1) & (points < p).any(axis=1)).any() for p in points]
    return ~np.array(beaten, dtype=bool)


def draw_front(ax: Axes, points: NDArray[np.float64]) -> None:
    """A grey line along the best of points (n, 2), and axes whose upper left corner is the best."""
    front = points[best(points)]
    front = front[front[:, 0].argsort()]
    ax.step(*front.T, where="post", color="#999999", linewidth=1.4, zorder=0)
    ax.set_xlim(left=0)
    ax.invert_yaxis()
    ax.margins(0.08)


def zoo_figure(zoo: Zoo) -> Figure:
    """Realism, and how the face follows its contour, against what edits change elsewhere."""
    found = summary(zoo)
    text = (
        "One mark a norm: mean over seeds, which are the small dots, and Student's 95 % interval "
        "where there are three; hollow of one seed. Edits of mouth and nose. Blue: no statistics "
        "of whole maps are taken. Grey line: those that no other one beats in both. Norms in less "
        "than half of whose images a face is found have no mark."
    )
    width, height = 7.2, 3.6
    lines = wrap_caption(text, width)
    figure = Figure(figsize=(width, height + 0.135 * len(lines)))
    for number, (name, label) in enumerate(
        (
            ("lpips", "LPIPS to the photo (more real above)"),
            ("followed", "off the contour, px (nearer above)"),
        )
    ):
        box = (0.08 + 0.5 * number, 0.135 * len(lines) / (height + 0.5) + 0.13, 0.41, 0.74)
        _draw_against(figure.add_axes(box), zoo, found, name)
        figure.axes[-1].set(xlabel="change outside / inside of edits", ylabel=label)
    draw_caption(figure, lines)
    return figure


def _draw_against(ax: Axes, zoo: Zoo, found: pd.DataFrame, name: str) -> None:
    is_face = found["found"] >= LEAST_FOUND
    found = found[is_face & found[[name, "ratio"]].notna().all(axis=1)]
    for _, row in found.iterrows():
        color = COLORS[row["ways"] > 0]
        for line in _interval_lines(row, name):
            ax.plot(*line.T, color=color, linewidth=0.7, alpha=0.5)
        face = color if row["seeds"] > 1 else "white"
        ax.plot(row["ratio"], row[name], "o", color=color, markerfacecolor=face, markersize=5)
    several = zoo.rows[zoo.rows["norm"].isin(found.loc[found["seeds"] > 1, "norm"])]
    colors = [COLORS[ways > 0] for ways in several["ways"]]
    ax.scatter(several["ratio"], several[name], s=4, c=colors, alpha=0.6, linewidths=0)
    points = found[["ratio", name]].to_numpy(dtype=np.float64)
    draw_front(ax, points)
    lines = [line for _, row in found.iterrows() for line in _interval_lines(row, name)]
    obstacles = np.concatenate([several[["ratio", name]].to_numpy(dtype=np.float64), *lines])
    draw_labels(ax, points, found["norm"].tolist(), obstacles)


def _interval_lines(row: pd.Series, name: str) -> list[NDArray[np.float64]]:
    """Points along the intervals across and up of a norm of several seeds, (n, 2) each."""
    if np.isnan(row["ratio low"]):
        return []
    across = np.linspace(row["ratio low"], row["ratio high"], 40)
    up = np.linspace(row[f"{name} low"], row[f"{name} high"], 40)
    at = np.ones(40)
    return [np.stack([across, at * row[name]], 1), np.stack([at * row["ratio"], up], 1)]
