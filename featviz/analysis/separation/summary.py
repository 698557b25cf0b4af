"""A structure table as text that is also Markdown: for the terminal and for pages."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from featviz.analysis.separation.table import ALL_GROUPS, TESTS, StructureTable

_OVERALL = (
    ("distinct", "", "distinct"),
    ("relative within", "euclidean", "within / scale"),
    ("ratio", "euclidean", "within / between"),
    ("ratio", "cosine", "the same, cosine"),
    ("silhouette", "euclidean", "silhouette"),
    ("purity", "euclidean", "purity"),
)
_TEST_NAMES = {"permanova": "PERMANOVA F", "permdisp": "PERMDISP F", "energy": "energy"}


def structure_summary(table: StructureTable) -> str:
    """The main numbers: of each checkpoint a table of layers and one of groups x layers."""
    parts = []
    for name in table.checkpoints:
        rows = table.rows[table.rows["checkpoint"] == name]
        digest = table.metadata["checkpoints"][name]
        step = rows["step"].iloc[0]
        facts = [str(rows["variant"].iloc[0])] if rows["variant"].iloc[0] else []
        facts += [] if pd.isna(step) else [f"step {step}"]
        facts += [f"sha256 {digest[:8]}"] if digest else []
        title = f"**{name}**" + (f" ({', '.join(facts)})" if facts else "")
        parts += [title, markdown(_layer_lines(rows)), markdown(_group_lines(table, rows))]
    parts.append(_legend(table))
    return "\n\n".join(parts)


def _layer_lines(rows: pd.DataFrame) -> list[list[str]]:
    tests = [name for name in TESTS if (rows["measure"] == name).any()]
    heads = [f"{_TEST_NAMES[name]} (p)" for name in tests]
    lines = [["layer", *(title for _, _, title in _OVERALL), *heads]]
    overall = rows[rows["group"] == ALL_GROUPS]
    for layer in dict.fromkeys(overall["layer"]):
        of_layer: Any = overall[overall["layer"] == layer].set_index(["measure", "metric"])
        cells = [str(layer)]
        for measure, metric, _ in _OVERALL:
            value = float(of_layer.at[(measure, metric), "value"])
            whole = measure == "distinct"
            cells.append(f"{value:.0f}" if whole else _distance_number(value))
        for name in tests:
            row = of_layer.loc[(name, "euclidean")]
            cell = _distance_number(float(row["value"]))
            cells.append(cell if cell == "-" else f"{cell} ({_p(float(row['p_holm']))})")
        lines.append(cells)
    return lines


def _group_lines(table: StructureTable, rows: pd.DataFrame) -> list[list[str]]:
    layers = list(dict.fromkeys(rows["layer"]))
    lines = [["group", "sketches", *(f"{layer} ratio (distinct)" for layer in layers)]]
    indexed: Any = rows.set_index(["group", "layer", "measure", "metric"])
    for group in table.groups:
        if group not in indexed.index:
            continue
        count = int(indexed.at[(group, layers[0], "distinct", ""), "count"])
        cells = [group, str(count)]
        for layer in layers:
            ratio = float(indexed.at[(group, layer, "ratio", "euclidean"), "value"])
            distinct = float(indexed.at[(group, layer, "distinct", ""), "value"])
            cells.append(f"{_distance_number(ratio)} ({distinct:.0f})")
        lines.append(cells)
    return lines


def _legend(table: StructureTable) -> str:
    merge = table.metadata["merge"]
    merged = ", ".join(f"{source} counted as {target}" for source, target in merge.items())
    count = int(table.rows["p_value"].notna().sum())
    tests = (
        f"p from {table.metadata['permutations']} permutations, seed {table.metadata['seed']}, "
        f"corrected for all {count} tests of this table (Holm). "
        if count
        else ""
    )
    # Neither drawn at random nor tried one and all does a test give a smaller p.
    least = count / (table.metadata["permutations"] + 1)
    if least > 0.05:
        tests += (
            f"So few permutations for so many tests leave no corrected p below {min(least, 1):.2g} "
            "at best (--permutations). "
        )
    return (
        "distinct: different vectors; scale: root mean square distance to the mean; within, "
        "between: mean Euclidean distance in a group, between groups; purity: nearest neighbours "
        f"of the same group. {tests}{f'{merged}. ' if merged else ''}-: nothing to measure."
    )


def _distance_number(value: float) -> str:
    """Three digits; only what is exactly 0 reads as 0, and - where there is none."""
    if math.isnan(value):
        return "-"
    if value == 0 or math.isinf(value):
        return "0" if value == 0 else "inf"
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".removesuffix(".")


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.1g}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table in even columns: the first to the left, others right."""
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )
