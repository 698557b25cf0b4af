"""`python -m analyses.seeds`: do the claims hang on one training run? docs/seeds.md.

Claims come judged, one file a training seed; what is told here is how far they agree: every part's
statistic as an interval over seeds, beside its threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from tyro.conf import Positional

from featviz.analysis.claims.claim import ClaimPart, Claims, read_claims
from featviz.analysis.claims.judging import claim_number
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.figures.style import save_figure, style

SIGNS = {"holds": "holds", "does not hold": "**no**", "cannot be judged": "?"}
COLORS = {"holds": "#0072B2", "does not hold": "#D55E00", "cannot be judged": "#888888"}
CONFIDENCE = 0.95
_ACROSS = 5


@dataclass(frozen=True)
class Options:
    """Compare the claims of runs that differ in their seed, and print one table."""

    claims: Positional[tuple[Path, ...]]
    """What `featviz claims --out FILE.json` wrote, one file a seed; columns are named by it."""
    out: Path | None = None
    """Also draw the statistics of the parts that decide: a .png, .pdf or .svg."""


def read_seeds(paths: Sequence[Path]) -> dict[str, Claims]:
    """The claims of each seed, by the file's name; FeatvizError for fewer than two seeds."""
    if len({path.stem for path in paths}) < max(len(paths), 2):
        raise FeatvizError(
            f"expected claims of at least two seeds, in files of different names; given "
            f"{', '.join(map(str, paths)) or 'none'}"
        )
    return {path.stem: read_claims(path) for path in paths}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's confidence interval of the mean of a few values, low and high; NaN of one alone."""
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1) * stats.sem(found)
    return float(found.mean() - half), float(found.mean() + half)


def _parts(seeds: Mapping[str, Claims]) -> list[tuple[str, list[ClaimPart]]]:
    """Claim by claim and part by part, that part in every seed; parts nobody has are left out."""
    first, *_ = seeds.values()
    rows = []
    for claim in first.claims:
        for part in claim.parts:
            name = part.definition.part
            of_seeds = [claims[claim.name].part(name) for claims in seeds.values()]
            if any(one.finding.value is not None for one in of_seeds):
                rows.append((claim.name, of_seeds))
    return rows


def _values(parts: Sequence[ClaimPart]) -> list[float]:
    return [part.finding.value for part in parts if part.finding.value is not None]


def seeds_table(seeds: Mapping[str, Claims]) -> str:
    """Markdown: a row a part of a claim, a column a seed, the mean over seeds with its interval."""
    lines = [
        f"| claim | part | asked for | {' | '.join(seeds)} | mean over seeds |",
        f"|---|---|--:|{'--:|' * (len(seeds) + 1)}",
    ]
    told = ""
    for name, parts in _parts(seeds):
        if name != told:
            verdicts = [f"**{claims[name].verdict}**" for claims in seeds.values()]
            lines.append(f"| **{name}** | | | {' | '.join(verdicts)} | |")
            told = name
        definition = parts[0].definition
        cells = [
            f"{'-' if (value := part.finding.value) is None else claim_number(value)} "
            f"{SIGNS[part.verdict]}"
            for part in parts
        ]
        values = _values(parts)
        mean, bounds = claim_number(float(np.mean(values))), interval(values)
        if not np.isnan(bounds).any() and bounds[0] < bounds[1]:
            mean += f" ({claim_number(bounds[0])} to {claim_number(bounds[1])})"
        shown = definition.part if definition.decides else f"({definition.part})"
        sign = ">=" if definition.bound == "at least" else "<="
        lines.append(
            f"| | {shown} | {sign} {definition.threshold:g} | {' | '.join(cells)} | {mean} |"
        )
    return "\n".join(lines)


def seeds_figure(seeds: Mapping[str, Claims]) -> Figure:
    """Small multiples, a deciding part each: the seeds, their interval, the threshold."""
    import seaborn as sns

    rows = [
        (claim, parts)
        for claim, parts in _parts(seeds)
        if parts[0].definition.decides and parts[0].definition.sample
    ]
    if not rows:
        raise FeatvizError("no deciding part of these claims was measured")
    down = -(-len(rows) // _ACROSS)
    figure = Figure(figsize=(8.4, 0.82 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, _ACROSS, squeeze=False).ravel()
    for ax, (claim, parts) in zip(axes, rows, strict=False):
        frame = pd.DataFrame(
            {
                "value": _values(parts),
                "verdict": [p.verdict for p in parts if p.finding.value is not None],
            }
        )
        low, high = interval(frame["value"].tolist())
        ax.plot([low, high], [0, 0], "#BBBBBB", linewidth=5, solid_capstyle="butt", zorder=0)
        sns.stripplot(
            frame, x="value", y=0, hue="verdict", palette=COLORS, orient="h",
            jitter=False, size=5, legend=False, ax=ax,
        )  # fmt: skip
        _mark_threshold(ax, parts[0])
        ax.set_title(f"{claim} {parts[0].definition.part}", loc="left", fontsize=8, pad=2)
    for ax in axes[len(rows) :]:
        ax.set_axis_off()
    marks = [
        axes[0].plot([], [], "o", color=color, markersize=5, label=verdict)[0]
        for verdict, color in COLORS.items()
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _mark_threshold(ax: Axes, part: ClaimPart) -> None:
    """The threshold as a line, with the side shaded on which the claim holds."""
    threshold = part.definition.threshold
    ax.axvline(threshold, color="black", linewidth=0.8, linestyle="--")
    ax.margins(x=0.15)
    left, right = ax.get_xlim()
    upwards = part.definition.bound == "at least"
    ax.axvspan(threshold, right if upwards else left, color="#0072B2", alpha=0.08, linewidth=0)
    ax.set(xlim=(left, right), ylim=(-0.5, 0.5), yticks=[], xlabel="", ylabel="")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.seeds", args=arguments)
    with ending_in_one_line("analyses.seeds"):
        seeds = read_seeds(options.claims)
        print(seeds_table(seeds))
        if options.out is not None:
            with style():
                save_figure(seeds_figure(seeds), options.out)


if __name__ == "__main__":
    main()
