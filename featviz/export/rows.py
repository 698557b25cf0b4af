"""What is exported of a feature table: one point, and what is known of each sketch."""

from dataclasses import dataclass

import pandas as pd

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.sketches.sketch_set import OPTIONAL_COLUMNS, SketchSet


@dataclass(frozen=True, eq=False)
class Labelled:
    """A feature table of one point whose rows are joined with its sketch set, if there is one.

    name: what the export calls it. table: its rows have the columns base and edited_part too if
    `sketches` has them. numbers: row i of the table shows sketch `numbers[i]` of `sketches`; None
    if there is no sketch set.
    """

    name: str
    table: FeatureTable
    sketches: SketchSet | None = None
    numbers: tuple[int, ...] | None = None


def label_rows(name: str, table: FeatureTable, sketches: SketchSet | None = None) -> Labelled:
    """Join a table with the sketch set it was extracted from.

    Raises FeatvizError, which calls the table `name`, if it holds no or several points, or a
    sketch that is not in the set.
    """
    if len(table.points) != 1:
        given = ", ".join(f"({x}, {y})" for x, y in table.points) or "none"
        raise FeatvizError(
            f"{name} holds {len(table.points)} points, {given}; an export takes one, choose it "
            "with --point X Y or `table.select(points=[...])`"
        )
    if sketches is None:
        return Labelled(name, table)
    number_of = {sketch: number for number, sketch in enumerate(sketches.index["sketch"])}
    if missing := [sketch for sketch in table.rows["sketch"] if sketch not in number_of]:
        made_from = table.metadata.get("sketches")
        origin = f"; {name} was made from a set called '{made_from}'" if made_from else ""
        raise FeatvizError(
            f"{len(missing)} of the {len(table)} sketches of {name} are not in {sketches.folder}, "
            f"such as '{missing[0]}'; it has {sketches.index['sketch'].iloc[0]}, ...{origin}"
        )
    numbers = tuple(number_of[sketch] for sketch in table.rows["sketch"])
    extra = sketches.index.iloc[list(numbers)].reset_index(drop=True)[list(OPTIONAL_COLUMNS)]
    known = [column for column in extra if (extra[column] != "").any()]
    rows = table.rows.drop(columns=known, errors="ignore").reset_index(drop=True)
    rows = pd.concat([rows, extra[known]], axis=1)
    return Labelled(name, FeatureTable(rows, table.vectors, table.metadata), sketches, numbers)
