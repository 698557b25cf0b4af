"""`python -m analyses.leakage`: the figures and the tables of docs/leakage.md.

Tables of `featviz leakage` that are there and fit (same weights, same edits) are used again.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    join_leakage,
    read_leakage,
    read_maps,
    summarize,
    write_leakage,
    write_maps,
)
from featviz.analysis.leakage.checkpoints import leakage_of_checkpoints
from featviz.analysis.leakage.plots import MapRow, maps_figure, paths_figure
from featviz.analysis.leakage.summary import change_number, percent
from featviz.analysis.leakage.table import ALL, FREE, IMAGE
from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.commands.shared import Edits, most_edits
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.edits import Edit, edits_of, read_edits
from featviz.sketches.sketch_set import SketchSet, read_sketches

WHOLE = ("baseline", "modified", "no-norm", "augmented")
FRONT_ENDS = ("paper-baseline", "paper-modified")
AWAY_FROM_EYES = ("G8", "G9", "G10", "G11")
"""The groups that edit mouth or nose; claim C13 is about them."""
SHOWN, SHOWN_GROUP = ("baseline", "modified"), "G8"
"""The checkpoints whose maps of one edit are drawn, and the group that the edit is of."""
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


def measured(
    options: Options, sketches: SketchSet, name: str, shown: str
) -> tuple[LeakageTable, LeakageMaps]:
    """The table and the maps of a checkpoint, from their files if these weights and edits' are.

    shown: the edit whose own maps are wanted.
    """
    loaded = load_generator(name)
    layers: tuple[str, ...] = LAYERS
    modes = default_modes(loaded.generator, FRONT_END)
    if name in FRONT_ENDS:
        layers, modes = FRONT_END, (FREE, ALL)
    path, maps_path = (options.tables / f"{name}{end}" for end in (".parquet", "-maps.npz"))
    if path.is_file() and maps_path.is_file():
        table, maps = read_leakage(path), read_maps(maps_path)
        known = table.metadata["checkpoints"].get(name, {})
        fits = (
            known.get("digest") == loaded.digest
            and table.metadata["edits_a_group"] == options.edits
            and (table.layers, table.modes) == (layers, modes)
            and set(table.groups) == set(sketches.groups)
            and any(sketch == shown for sketch, _ in maps.edit_reach)
        )
        if fits:
            return table, maps
    (_, leakage), *_ = leakage_of_checkpoints(
        [name], sketches, layers, modes, most=options.most, keep=[shown]
    )
    write_leakage(leakage.table, path)
    write_maps(leakage.maps, maps_path)
    return read_leakage(path), read_maps(maps_path)


def shown_edit(sketches: SketchSet, most: int | None) -> Edit:
    """The edit whose maps are drawn: of those that are measured of a group, the middle one."""
    part = sketches.of_groups(SHOWN_GROUP)
    pairs = edits_of(part, most)
    (edit,) = read_edits(part, [pairs[len(pairs) // 2]])
    return edit


def draw_maps(
    found: Mapping[str, tuple[LeakageTable, LeakageMaps]], edit: Edit, sketch: str, base: str
) -> Figure:
    """Where one edit of the mouth changes what, by some checkpoints, free and held."""
    rows = []
    for name, (table, maps) in found.items():
        reach = {layer: maps.edit_reach[sketch, layer] for layer in table.layers}
        for mode, title in ((FREE, name), (ALL, f"{name},\nall held")):
            changes = {layer: maps.edit_changes[mode, sketch, layer] for layer in table.layers}
            of_edit = table.values(sketch=sketch, mode=mode)
            outside = dict(zip(of_edit["layer"], of_edit["outside_reach"], strict=True))
            rows.append(MapRow(title, changes, reach, outside))
    text = (
        f"Relative change at every position by one edit of the mouth ({sketch} against "
        f"{base}; blue: added, orange: taken away). Green: what convolutions reach from "
        "the changed pixels. Out: mean change out of reach. Held: every instance norm uses the "
        "mean and variance of the base sketch. Light blue is exactly 0, to the last bit; 1 is a "
        "typical vector of the layer, at the image from black to white."
    )
    return maps_figure(rows, edit.edited, edit.base, text)


def draw_paths(found: pd.DataFrame, edits: int) -> Figure:
    """How much of the change at the eyes is left when statistics are held."""
    text = (
        f"Change at the eyes by {edits} edits of mouth and nose ({', '.join(AWAY_FROM_EYES)}); "
        "means over groups. Above: layer by layer, as the network is and with the statistics of "
        "all its instance norms held at the base's; the image is measured from black to white, so "
        "no line leads to it. Below: at the image, with the statistics of some norms held, what is "
        "left of the change (orange) and what these statistics had made of it (blue); the line is "
        "the network as it is. The two add up as vectors, not as lengths."
    )
    return paths_figure(found, WHOLE, text)


def tables(found: pd.DataFrame, table: LeakageTable) -> str:
    """The measured part of the page, in Markdown."""
    digests = ", ".join(
        f"`{name}` ({facts['digest'][:8]})" for name, facts in table.metadata["checkpoints"].items()
    )
    edits = len(table.rows["sketch"].drop_duplicates())
    head = (
        f"Of {digests}; {edits} edits of {', '.join(AWAY_FROM_EYES)} (mouth and nose), means over "
        f"groups, point {tuple(table.metadata['point'])}, {table.metadata['size']} px, "
        f"featviz {table.metadata['featviz_version']}."
    )
    return "\n\n".join([head, _by_layer(found), _by_mode(found), _by_group(found)])


def _by_layer(found: pd.DataFrame) -> str:
    """One row for every checkpoint and layer."""
    lines = [
        [
            *("checkpoint", "layer", "reach", "in reach", "out of reach", "exactly 0 out of reach"),
            *("at the point", "eyes", "all held: eyes", "by statistics", "through statistics"),
        ]
    ]
    overall = found[found["group"] == ALL_GROUPS]
    for (name, layer), rows in overall.groupby(["checkpoint", "layer"], sort=False):
        of = {row["mode"]: row for _, row in rows.iterrows()}
        free, held = of[FREE], of.get(ALL)
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
                *_parts(held),
            ]
        )
    return _markdown("Layer by layer:", lines)


def _parts(held: pd.Series | None) -> list[str]:
    """The last cells of a row: what is left with all held, and what the statistics had made."""
    if held is None:
        return ["no norm", "no norm", "-"]
    parts = [change_number(held[column]) for column in ("eyes", "eyes_by_statistics")]
    return [*parts, percent(held["through_statistics"])]


def _by_mode(found: pd.DataFrame) -> str:
    """At the image: one row for whose statistics are held, one column a checkpoint."""
    rows = found[(found["group"] == ALL_GROUPS) & (found["layer"] == IMAGE)]
    names = list(rows["checkpoint"].drop_duplicates())
    place = rows.set_index(["mode", "checkpoint"])
    lines = [["held", *names]]
    for mode in dict.fromkeys(rows["mode"]):
        cells = []
        for name in names:
            if (mode, name) not in place.index:
                cells.append("no norm")
                continue
            row = place.loc[(mode, name)]
            gone = "" if mode == FREE else f" + {255 * row['eyes_by_statistics']:.2f}"
            cells.append(f"{255 * row['eyes']:.2f}{gone}")
        lines.append(["nothing" if mode == FREE else str(mode), *cells])
    for label, column in (("inside the edited area", "inside_area"), ("outside", "outside_area")):
        for mode, told in ((FREE, "nothing held"), (ALL, "all held")):
            values = [f"{255 * place.loc[(mode, name)][column]:.2f}" for name in names]
            lines.append([f"{label}, {told}", *values])
    return _markdown(
        "At the image, grey levels of 255: change at the eyes, what is left of it + what the held "
        "statistics had made; and the change inside and outside of the edited area:",
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
    try:
        sketches = read_sketches(options.sketches)
        page = options.page.read_text(encoding="utf-8")
        rewrite(page, "")
        away = sketches.of_groups(*AWAY_FROM_EYES)
        edit = shown_edit(away, options.most)
        part = away.of_groups(SHOWN_GROUP).index["sketch"]
        shown, base = (str(part.iloc[row]) for row in (edit.number, edit.base_number))
        measures = {name: measured(options, away, name, shown) for name in WHOLE + FRONT_ENDS}
        table = join_leakage(table for table, _ in measures.values())
        found = summarize(table)
        with style():
            figures = {
                "leakage-maps": draw_maps(
                    {name: measures[name] for name in SHOWN}, edit, shown, base
                ),
                "leakage-paths": draw_paths(found, table.rows["sketch"].nunique()),
            }
        for name, figure in figures.items():
            save_figure(figure, options.out / f"{name}.png")
            print(options.out / f"{name}.png")
        with atomic_write(options.page) as temporary:
            temporary.write_text(rewrite(page, tables(found, table)), encoding="utf-8")
        print(options.page)
    except (FeatvizError, OSError) as error:
        print(f"analyses.leakage: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
