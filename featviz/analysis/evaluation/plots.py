"""Pictures of evaluations: functions (table, ax) -> ax, and one figure of all parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from featviz.analysis.evaluation.local import SEAM_MEASURE
from featviz.analysis.evaluation.locality import EYES_MEASURE, RATIO_MEASURE
from featviz.analysis.evaluation.table import ALL_GROUPS, EvaluationTable
from featviz.figures.labels import shortened
from featviz.figures.style import GREY, LINE, STYLE, draw_caption, plain_text, wrap_caption

# Okabe and Ito's colours without their yellow, too light for lines; markers serve whoever sees
# no colour at all.
_LOOKS = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#000000", "v"),
    ("#E69F00", "P"),
    ("#56B4E9", "X"),
)
_QUALITY = {
    "lpips": "LPIPS ↓",
    "ssim": "SSIM ↑",
    "psnr": "PSNR, dB ↑",
    "kernel distance": "kernel distance ↓",
}
"""Titles, with an arrow to where better is."""
_LABELS = 3.1
"""Inches for the names of all groups below an axis."""
_WAYS = 1.75
"""Inches for the names of all ways below an axis."""
_MOVES = {
    "shift": "contour shifted by (px at 512)",
    "rotation": "contour turned by (degrees)",
}


@dataclass(frozen=True)
class Look:
    """How a checkpoint is drawn."""

    color: str
    marker: str


def looks(table: EvaluationTable) -> dict[str, Look]:
    """A look for every checkpoint; they repeat after seven."""
    names = table.checkpoints
    return {name: Look(*_LOOKS[number % len(_LOOKS)]) for number, name in enumerate(names)}


def draw_quality(table: EvaluationTable, ax: Axes, measure: str) -> Axes:
    """One measure of every checkpoint, a line each, the first one on top, +- standard error."""
    for number, (name, look) in enumerate(looks(table).items()):
        found = table.estimate(checkpoint=name, part="quality", measure=measure)
        _dot(ax, (found.value, number), look, xerr=found.standard_error)
    ax.set(ylim=(len(table.checkpoints) - 0.5, -0.5), yticks=[], xlabel=_QUALITY[measure])
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.margins(x=0.15)
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.5)
    return ax


def draw_locality(table: EvaluationTable, ax: Axes, measure: str) -> Axes:
    """One measure of edit locality by group, checkpoints side by side, +- standard error.

    The mean over groups stands at the right. Groups without the measure get a dash.
    """
    of_part = table.values(part="locality", measure=measure)
    groups = [group for group in of_part["group"].drop_duplicates() if group != ALL_GROUPS]
    places = [*groups, ALL_GROUPS]
    _side_by_side(
        table, ax, [{"part": "locality", "measure": measure, "group": group} for group in places]
    )
    missing = of_part.groupby("group")["value"].apply(lambda values: values.isna().all())
    for place, group in enumerate(places):
        if missing[group]:
            ax.annotate(
                "–", (place, 0), (0, 3), textcoords="offset points", ha="center", color=GREY
            )
    ax.axvline(len(groups) - 0.5, color="#BBBBBB", linewidth=0.6)
    ax.set_xticks(range(len(places)), _tick_labels(groups))
    return ax


def draw_robustness(table: EvaluationTable, ax: Axes, measure: str, move: str) -> Axes:
    """One measure over how far contours were moved, a curve a checkpoint, +- standard error."""
    for name, look in looks(table).items():
        curve = table.values(checkpoint=name, part="robustness", measure=measure, move=move)
        ax.errorbar(
            curve["amount"],
            curve["value"],
            yerr=curve["standard_error"],
            color=look.color,
            marker=look.marker,
            markersize=3.5,
            linewidth=1.0,
            elinewidth=0.7,
        )
    amounts = table.values(part="robustness", move=move, measure=measure)["amount"]
    ax.set(xlabel=_MOVES[move], ylabel=_QUALITY[measure].rstrip(" ↓↑"), xticks=sorted(set(amounts)))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(color="#E6E6E6", linewidth=0.5)
    return ax


def draw_local(table: EvaluationTable, ax: Axes, measure: str) -> Axes:
    """One measure of local editing by way, checkpoints side by side, +- standard error."""
    of_part = table.values(part="local", measure=measure, group=ALL_GROUPS)
    ways = list(of_part["way"].drop_duplicates())
    of_all = {"part": "local", "measure": measure, "group": ALL_GROUPS}
    _side_by_side(table, ax, [{**of_all, "way": way} for way in ways])
    size = STYLE["xtick.labelsize"]
    labels = [
        "\n".join(shortened(word, _WAYS / len(ways), size) for word in way.split()) for way in ways
    ]
    ax.set_xticks(range(len(ways)), labels)
    return ax


def _side_by_side(table: EvaluationTable, ax: Axes, places: list[dict[str, str]]) -> None:
    """At each place, given by what a row there has, the value of every checkpoint; from 0 up."""
    styles = looks(table)
    for number, (name, look) in enumerate(styles.items()):
        offset = 0.6 * ((number + 0.5) / len(styles) - 0.5)
        for place, conditions in enumerate(places):
            found = table.estimate(checkpoint=name, **conditions)
            if not np.isnan(found.value):
                _dot(ax, (place + offset, found.value), look, yerr=found.standard_error)
    ax.set(xlim=(-0.5, len(places) - 0.5))
    ax.set_ylim(0, ax.get_ylim()[1])
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.5)


@plain_text()
def evaluation_figure(table: EvaluationTable) -> Figure:
    """All parts that were measured, one row of panels each, one legend, one caption."""
    width, left, right, gap, between = 7.4, 0.5, 0.14, 0.6, 0.66
    parts = [part for part in _ROWS if part in table.parts]
    flat = 0.35 + 0.17 * len(table.checkpoints)
    heights = [flat if part == "quality" else 1.55 for part in parts]
    text = wrap_caption(_caption(table), width)
    foot = 0.5 + 0.3 + LINE * len(text)
    height = 0.3 + sum(heights) + between * (len(parts) - 1) + foot
    figure = Figure(figsize=(width, height))
    top = height - 0.3
    for part, tall in zip(parts, heights, strict=True):
        draw, columns = _ROWS[part]
        wide = (width - left - right - gap * (columns - 1)) / columns
        axes = [
            figure.add_axes(
                (
                    (left + i * (wide + gap)) / width,
                    (top - tall) / height,
                    wide / width,
                    tall / height,
                )
            )
            for i in range(columns)
        ]
        draw(table, axes)
        top -= tall + between
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            color=look.color,
            marker=look.marker,
            markersize=5,
            label=shortened(name, 2.0, STYLE["legend.fontsize"]),
        )
        for name, look in looks(table).items()
    ]
    figure.legend(
        handles=handles,
        ncols=min(len(handles), 6),
        loc="lower left",
        bbox_to_anchor=(0.12 / width, (0.12 + LINE * len(text)) / height),
        frameon=False,
        borderpad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    draw_caption(figure, text)
    return figure


def _quality_row(table: EvaluationTable, axes: list[Axes]) -> None:
    for ax, measure in zip(axes, _QUALITY, strict=True):
        draw_quality(table, ax, measure)
    axes[0].set_title("Quality", loc="left", fontweight="bold")


def _locality_row(table: EvaluationTable, axes: list[Axes]) -> None:
    draw_locality(table, axes[0], RATIO_MEASURE)
    axes[0].set_ylabel("change outside / inside")
    axes[0].set_title("Edit locality", loc="left", fontweight="bold")
    draw_locality(table, axes[1], EYES_MEASURE)
    axes[1].set_ylabel("change at eyes, grey levels")


def _robustness_row(table: EvaluationTable, axes: list[Axes]) -> None:
    draw_robustness(table, axes[0], "lpips", "shift")
    draw_robustness(table, axes[1], "lpips", "rotation")
    limits = np.array([ax.get_ylim() for ax in axes[:2]])
    for ax in axes[:2]:
        ax.set_ylim(limits.min(), limits.max())
    draw_robustness(table, axes[2], "kernel distance", "shift")
    axes[0].set_title("Shift robustness", loc="left", fontweight="bold")


def _local_row(table: EvaluationTable, axes: list[Axes]) -> None:
    titles = ("change inside, grey levels", "change outside, grey levels", "seam against free")
    for ax, measure, title in zip(axes, ("inside", "outside", SEAM_MEASURE), titles, strict=True):
        draw_local(table, ax, measure)
        ax.set_ylabel(title)
    axes[0].set_title("Local editing", loc="left", fontweight="bold")


_ROWS: dict[str, tuple[Callable[[EvaluationTable, list[Axes]], None], int]] = {
    "quality": (_quality_row, 4),
    "locality": (_locality_row, 2),
    "robustness": (_robustness_row, 3),
    "local": (_local_row, 3),
}
"""How the panels of a part are drawn, and how many they are."""


def _caption(table: EvaluationTable) -> str:
    """What the figure shows and how it was measured, in sentences."""
    facts = table.metadata
    sentences = []
    if "data" in facts:
        data, lpips = facts["data"], facts["lpips"]
        sentences.append(
            f"{data['pairs']} held-out pairs of {data['folder']}; LPIPS of VGG16 at "
            f"{lpips['size']} px or less; kernel distance: unbiased squared MMD, cubic kernel, on "
            "mean VGG16 relu5_3."
        )
    if "locality" in table.parts:
        sentences.append(
            f"Edit locality: mean absolute change outside over inside the edited area (edit and "
            f"{facts['sketches']['margin']:g} px around, at 512), and change at unedited eyes; a "
            "dash where the eyes are edited."
        )
    if "local" in table.parts:
        sentences.append(
            "Local editing: the same edits free, with the statistics of norms held at the base's, "
            "and with what each layer computed of the base kept outside of the edited area "
            f"(edit and {facts['sketches']['margin']:g} px around, at 512); seam: gradient across "
            "the area's border against the free face's."
        )
    if "robustness" in table.parts:
        sentences.append(
            f"Shift robustness: the contours of {facts['data']['moved_pairs']} of the pairs move, "
            "the photos do not."
        )
    digests = ", ".join(
        f"{name} ({fact['digest'][:8]})" for name, fact in facts["checkpoints"].items()
    )
    told = "Arrows point to better; bars" if "quality" in table.parts else "Bars"
    return " ".join([*sentences, f"{told} are one standard error. Checkpoints: {digests}."])


def _tick_labels(groups: list[str]) -> list[str]:
    size = STYLE["xtick.labelsize"]
    return [*(shortened(group, _LABELS / (len(groups) + 1), size) for group in groups), "mean"]


def _dot(ax: Axes, at: tuple[float, float], look: Look, **errors: float) -> None:
    shown: dict[str, Any] = {axis: error for axis, error in errors.items() if np.isfinite(error)}
    ax.errorbar(
        *at,
        color=look.color,
        marker=look.marker,
        markersize=4,
        elinewidth=0.8,
        linestyle="",
        # A value of 0 lies on the edge and is whole all the same.
        clip_on=False,
        **shown,
    )
