"""The reach of an edit layer by layer, traced and measured, as a picture."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from featviz.figures.labels import shortened, text_width
from featviz.figures.style import GREY, plain_text
from featviz.probing.certificate import Certificate, LayerReach

_MOST = 48
_LONGEST = 2.2
"""Inches that a layer's name may take."""
_BOUNDED, _UNBOUNDED, _MEASURED = "#56B4E9", "#F0C9A8", "#000000"


def telling_layers(layers: Sequence[LayerReach], most: int = _MOST) -> list[LayerReach]:
    """Of consecutive layers that an edit reaches equally far the first; at most so many, spread.

    Padding is left out: it shows cells again that it does not compute.
    """
    told: list[LayerReach] = []
    for layer in layers:
        if layer.reach is None or "Pad" in layer.kind:
            continue
        if not told or _seen(told[-1]) != _seen(layer):
            told.append(layer)
    if len(told) <= most:
        return told
    return [told[round(number * (len(told) - 1) / (most - 1))] for number in range(most)]


def _seen(layer: LayerReach) -> tuple[object, ...]:
    return layer.reach, layer.measured, bool(layer.ways)


@plain_text()
def certificate_figure(certificate: Certificate, name: str) -> Figure:
    """Layers down, pixels across: how far an edit may reach, and how far edits did.

    Call it inside `figures.style.style`. Layers whose places are not known are left out.
    """
    rows = [*telling_layers(certificate.layers), certificate.output]
    rows = [row for row in rows if row.reach is not None]
    names = [shortened(row.layer, _LONGEST, 7) for row in rows]
    left = 0.2 + max((text_width(name, 7) for name in names), default=0.0)
    wide, tall, above, below = 4.6, max(0.16 * len(rows), 0.3), 0.42, 0.82
    width, height = left + wide + 0.2, above + tall + below
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((left / width, below / height, wide / width, tall / height))
    furthest = float(max(certificate.image_size))
    for number, row in enumerate(rows):
        assert row.reach is not None
        if row.ways:
            ax.barh(number, furthest, 0.8, color=_UNBOUNDED)
        ax.barh(number, min(max(row.reach), furthest), 0.8, color=_BOUNDED)
        if row.measured is not None:
            ax.plot(max(row.measured), number, "o", color=_MEASURED, markersize=3)
    ax.set(xlim=(0, furthest), ylim=(len(rows) - 0.4, -0.6), xlabel="pixels from the edit")
    ax.set_yticks(range(len(rows)), names)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#E6E6E6", linewidth=0.5)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    size = "x".join(map(str, certificate.image_size))
    title = shortened(f"{name}, {size}: {certificate.output.verdict}", width - 0.3, 9)
    figure.text(0.1 / width, 1 - 0.2 / height, title, va="center", fontsize=9, color=GREY)
    figure.legend(
        [
            Patch(color=_BOUNDED),
            Patch(color=_UNBOUNDED),
            Line2D([], [], marker="o", color=_MEASURED, linestyle="", markersize=3),
        ],
        ["traced, by windows alone", "everything: statistics, attention", "furthest change seen"],
        loc="lower center",
        ncols=3,
        frameon=False,
        fontsize=7,
    )
    return figure
