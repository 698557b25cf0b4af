"""`python -m analyses.leakage`: the figures and the tables of docs/leakage.md.

Tables of `featviz leakage` that are there and fit (same weights, same edits) are used again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure

from analyses.pictures import MADE
from analyses.study import ROOT
from featviz.analysis.evaluation.table import ALL_GROUPS
from featviz.analysis.leakage import (
    LeakageMaps,
    LeakageTable,
    default_modes,
    four_corners,
    freed_too,
    join_leakage,
    read_leakage,
    read_maps,
    summarize,
    write_leakage,
    write_maps,
)
from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.analysis.leakage.decomposition import both_orders
from featviz.analysis.leakage.map_rows import TITLES, rows_of_edit
from featviz.analysis.leakage.plots import MapRow, maps_figure, paths_figure
from featviz.analysis.leakage.summary import change_number, percent, share_cells
from featviz.analysis.leakage.table import ALL, ALL_BUT, FREE, IMAGE, STATISTICS
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.files import atomic_write
from featviz.commands.shared import Edits, most_edits
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.edits import edits_of, read_edits
from featviz.sketches.sketch_set import SketchSet, read_sketches

WHOLE = ("baseline", "modified", "no-norm", "augmented")
FRONT_ENDS = ("paper-baseline", "paper-modified")
KINDS = {"G8": "mouth", "G9": "nose", "G10": "mouth", "G11": "nose"}
"""The groups that edit mouth or nose, away from the eyes; claim C13 is about them."""
SHOWN = "baseline"
"""The checkpoint whose maps of one edit of each kind are drawn."""
FRONT_END = ("L0", "L1", "L2", "L3", "L4")
LAYERS = (*FRONT_END, "R8", IMAGE)
"""R8 is the last residual block: what convolutions carried to the eyes before the back end."""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Options:
    """Measure the leakage of the shipped checkpoints; write figures and the page's tables."""

    edits: Edits = 3
    """At most so many edits of a group, evenly spaced."""
    tables: Path = ROOT / "leakage" / "mouth-and-nose"
    """Folder of the leakage tables and maps."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    out: Path = ROOT / MADE
    """Folder the figures go to."""
    page: Path = ROOT / "docs" / "leakage.md"
    """The page whose tables are written anew."""

    @property
    def most(self) -> int | None:
        """At most so many edits of a group; None for all."""
        return most_edits(self.edits)


def measured(options: Options, sketches: SketchSet, name: str) -> tuple[LeakageTable, LeakageMaps]:
    """The table and the maps of a checkpoint, from their files if these weights and edits' are."""
    loaded = load_generator(name)
    layers: tuple[str, ...] = LAYERS
    modes = freed_too(default_modes(loaded.generator, FRONT_END))
    if name in FRONT_ENDS:
        layers, modes = FRONT_END, tuple(TITLES)
    index = sketches.index["sketch"]
    kept = {str(index.iloc[row]) for row, _ in edits_of(sketches, options.most) if name == SHOWN}
    path, maps_path = (options.tables / f"{name}{end}" for end in (".parquet", "-maps.npz"))
    if path.is_file() and maps_path.is_file():
        table, maps = read_leakage(path), read_maps(maps_path)
        known = table.metadata["checkpoints"].get(name, {})
        fits = (
            known.get("digest") == loaded.digest
            and table.metadata["edits_a_group"] == options.edits
            and (table.layers, table.modes) == (layers, modes)
            and set(table.groups) == set(sketches.groups)
            and kept <= {sketch for sketch, _ in maps.edit_reach}
        )
        if fits:
            return table, maps
    (_, leakage), *_ = leakage_of_checkpoints(
        [name], sketches, layers, modes, most=options.most, keep=kept
    )
    write_leakage(leakage.table, path)
    write_maps(leakage.maps, maps_path)
    return read_leakage(path), read_maps(maps_path)


def representatives(table: LeakageTable) -> dict[str, str]:
    """Of each kind the edit that is shown: that of the middle share of statistics.

    At the eyes of the image, of one checkpoint; of two in the middle the one of less share.
    """
    apart = table.values(layer=IMAGE, mode=STATISTICS)
    shares = (apart["eyes_statistics_first"] + apart["eyes_statistics_last"]) / 2
    ordered = apart.assign(kind=apart["group"].map(KINDS)).loc[shares.sort_values().index]
    return {
        str(kind): str(of_kind["sketch"].iloc[(len(of_kind) - 1) // 2])
        for kind, of_kind in ordered.groupby("kind")
    }


def draw_maps(
    table: LeakageTable, maps: LeakageMaps, shown: Mapping[str, str], sketches: SketchSet
) -> Figure:
    """Where one edit of each kind changes what, at three corners.

    shown: by kind the sketch.
    """
    rows: list[MapRow] = []
    bases = {}
    row_of = {sketch: row for row, sketch in enumerate(sketches.index["sketch"])}
    for kind, sketch in shown.items():
        bases[sketch] = str(table.values(sketch=sketch)["base"].iloc[0])
        (edit,) = read_edits(sketches, [(row_of[sketch], row_of[bases[sketch]])])
        rows += rows_of_edit(table, maps, sketch, kind, table.layers, edit)
    told = " and ".join(f"{sketch} against {base}" for sketch, base in bases.items())
    text = (
        f"Relative change at every position of {table.checkpoints[0]} by one edit of each kind "
        f"({told}; blue: added, orange: taken away): of the edits of its kind that were measured "
        "that of the middle share of statistics at the eyes. Green: what convolutions reach from "
        "the changed pixels. Out: mean change out of reach. Held: the edit, every instance norm "
        "uses the mean and variance of the base. Alone: the base with those of the edit. Light "
        "blue is exactly 0, to the last bit; 1 is a typical vector of the layer, at the image "
        "from black to white."
    )
    return maps_figure(rows, text)


def draw_paths(found: pd.DataFrame, edits: int) -> Figure:
    """How much of the change at the eyes is left when statistics are held."""
    text = (
        f"Change at the eyes by {edits} edits of mouth and nose ({', '.join(KINDS)}); means over "
        "groups. Above: layer by layer, as the network is and with the statistics of all its "
        "instance norms held at the base's; the image is measured from black to white, so no line "
        "leads to it. Below: what the statistics of some norms make at the eyes of the image: what "
        "is gone when they alone are held (blue), and what they make when they alone are free "
        "(orange); the line is the change as it is. Most of what one layer's make by themselves is "
        "not gone when it is held: it is redundant, each later norm sends it again."
    )
    return paths_figure(found, WHOLE, text)


def tables(table: LeakageTable) -> str:
    """The measured part of the page, in Markdown."""
    found = summarize(table)
    digests = ", ".join(
        f"`{name}` ({facts['digest'][:8]})" for name, facts in table.metadata["checkpoints"].items()
    )
    edits = len(table.rows["sketch"].drop_duplicates())
    head = (
        f"Of {digests}; {edits} edits of {', '.join(KINDS)} (mouth and nose), means over "
        f"groups, point {tuple(table.metadata['point'])}, {table.metadata['size']} px, "
        f"featviz {table.metadata['featviz_version']}."
    )
    of_kinds, of_groups = four_corners(table, KINDS), four_corners(table)
    parts = [_by_layer(found, of_groups), _by_kind(of_kinds), _by_part(found), _by_group(found)]
    return "\n\n".join([head, *parts])


def _by_layer(found: pd.DataFrame, corners: pd.DataFrame) -> str:
    """One row for every checkpoint and layer."""
    lines = [
        [
            *("checkpoint", "layer", "reach", "in reach", "out of reach", "exactly 0 out of reach"),
            *("at the point", "eyes", "all held: eyes", "by statistics", "statistics' share"),
        ]
    ]
    overall = found[found["group"] == ALL_GROUPS]
    at_eyes = corners[(corners["kind"] == ALL_GROUPS) & (corners["region"] == "eyes")]
    keys = zip(at_eyes["checkpoint"], at_eyes["layer"], strict=True)
    shares = dict(zip(keys, at_eyes["share"], strict=True))
    for (name, layer), rows in overall.groupby(["checkpoint", "layer"], sort=False):
        of = {row["mode"]: row for _, row in rows.iterrows()}
        free, held = of[FREE], of[ALL]
        lines.append(
            [
                str(name),
                str(layer),
                percent(free["reach_share"]),
                change_number(free["inside_reach"]),
                change_number(free["outside_reach"]),
                percent(free["zero_share_outside"]),
                change_number(free["at_point"]),
                change_number(free["eyes"]),
                change_number(held["eyes"]),
                change_number(held["eyes_by_statistics"]),
                _share(shares[str(name), str(layer)]),
            ]
        )
    return _markdown("Layer by layer:", lines)


def _share(value: float) -> str:
    """A share with two digits, 0 and 1 only if they are exact; "-" if there is no change."""
    return "-" if np.isnan(value) else f"{value:.0f}" if value in (0, 1) else f"{value:.2f}"


def _by_kind(corners: pd.DataFrame) -> str:
    """At the image: the four corners and the shares of mouth and nose edits."""
    lines = [
        [
            *("checkpoint", "edits of", "where", "edit", "content alone", "statistics alone"),
            *("first", "last", "statistics' share", "mostly statistics"),
        ]
    ]
    rows = corners[(corners["layer"] == IMAGE) & (corners["kind"] != ALL_GROUPS)]
    for _, row in rows.iterrows():
        levels = (f"{255 * row[corner]:.2f}" for corner in ("edit", "content", "statistics"))
        mostly = f"{row['mostly']} of {row['edits']}"
        place = (row["checkpoint"], row["kind"], row["region"])
        lines.append([*place, *levels, *share_cells(row), mostly])
    return _markdown(
        "The four corners of the image, grey levels of 255, at the eyes and outside of the edited "
        "area (the fourth, the base, is 0); the statistics' signed share of the change, before the "
        "content changes (first), after it (last), and Shapley's mean of both ± its standard error "
        "over edits. The rest to 1 is the content's, of the convolutions:",
        lines,
    )


def _by_part(found: pd.DataFrame) -> str:
    """At the image: one row for whose statistics are held or free, one column a checkpoint."""
    rows = found[(found["group"] == ALL_GROUPS) & (found["layer"] == IMAGE)]
    names = list(rows["checkpoint"].drop_duplicates())
    of = {
        name: {str(row["mode"]): row for _, row in rows[rows["checkpoint"] == name].iterrows()}
        for name in names
    }
    modes = [mode for mode in dict.fromkeys(rows["mode"]) if not mode.startswith(ALL_BUT)]
    lines = [["statistics of", *names]]
    for mode in modes:
        if mode in (FREE, STATISTICS):
            continue
        cells = []
        for name in names:
            orders = both_orders(of[name], mode) if mode in of[name] else None
            told = orders and " / ".join(f"{255 * value:.2f}" for value in orders)
            cells.append(told or "no norm")
        lines.append([mode, *cells])
    lines.append(["eyes, as it is", *(f"{255 * of[name][FREE]['eyes']:.2f}" for name in names)])
    for label, column in (("inside the edited area", "inside_area"), ("outside", "outside_area")):
        for mode, told in ((FREE, "as it is"), (ALL, "all held")):
            values = [f"{255 * of[name][mode][column]:.2f}" for name in names]
            lines.append([f"{label}, {told}", *values])
    return _markdown(
        "What the statistics of some norms make at the eyes of the image, grey levels of 255, in "
        "both orders: what is gone if they alone are held / what they make if they alone are free; "
        "and the change as it is:",
        lines,
    )


def _by_group(found: pd.DataFrame) -> str:
    """At the image: the eyes' change of every group, free and with all held."""
    rows = found[(found["group"] != ALL_GROUPS) & (found["layer"] == IMAGE)]
    names = list(rows["checkpoint"].drop_duplicates())
    place = {(r["checkpoint"], r["group"], r["mode"]): r for _, r in rows.iterrows()}
    lines = [["group", "eyes in reach", *names]]
    for group in dict.fromkeys(rows["group"]):
        cells = []
        for name in names:
            free, held = (float(place[name, group, m]["eyes"]) for m in (FREE, ALL))
            gone = float(place[name, group, ALL]["eyes_by_statistics"])
            cells.append(f"{255 * free:.2f}: {255 * held:.2f} + {255 * gone:.2f}")
        reach = percent(float(place[names[0], group, FREE]["eyes_in_reach"]))
        lines.append([str(group), reach, *cells])
    return _markdown(
        "Group by group, change at the eyes of the image, grey levels. As it is: left with all "
        "statistics held + what they had made (they add up as vectors, not as lengths):",
        lines,
    )


def _markdown(title: str, lines: Sequence[Sequence[str]]) -> str:
    head, *body = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([title, "", head, "|" + "---|" * len(lines[0]), *body])


def rewrite(page: str, text: str) -> str:
    """The page with the text between its two marks replaced; raises FeatvizError without them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise FeatvizError(f"the page has no place for tables; expected {BEGIN} and {END}")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page)


def main(arguments: list[str] | None = None) -> None:
    """Measure, draw, write; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.leakage", args=arguments)
    with ending_in_one_line("analyses.leakage"):
        sketches = read_sketches(options.sketches)
        page = options.page.read_text(encoding="utf-8")
        rewrite(page, "")
        away = sketches.of_groups(*KINDS)
        measures = {name: measured(options, away, name) for name in WHOLE + FRONT_ENDS}
        table = join_leakage(table for table, _ in measures.values())
        shown = representatives(measures[SHOWN][0])
        with style():
            figures = {
                "leakage-maps": draw_maps(*measures[SHOWN], shown, away),
                "leakage-paths": draw_paths(summarize(table), table.rows["sketch"].nunique()),
            }
        for name, figure in figures.items():
            save_figure(figure, options.out / f"{name}.png")
            print(options.out / f"{name}.png")
        with atomic_write(options.page) as temporary:
            temporary.write_text(rewrite(page, tables(table)), encoding="utf-8")
        print(options.page)


if __name__ == "__main__":
    main()
