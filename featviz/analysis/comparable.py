"""Feature tables side by side: what they are called, and that they can be compared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.files import told_apart


def tell_apart(tables: Sequence[FeatureTable], paths: Sequence[Path]) -> list[FeatureTable]:
    """The tables of these files, with checkpoints of one name called differently.

    In one folder they are called as the files of their tables. Where two folders have the same
    name, it is the folder's and theirs, for all of these folders: `old-net` and `new-net`; the
    steps of a run stay one run. Raises FeatvizError for a file that is given twice.
    """
    files = [path.resolve() for path in paths]
    for number, file in enumerate(files):
        if file in files[:number]:
            raise FeatvizError(f"the feature table {paths[number]} is given more than once")
    here = Counter((file.parent, t.checkpoint) for file, t in zip(files, tables, strict=True))
    called = [
        file.stem if here[file.parent, table.checkpoint] > 1 else table.checkpoint
        for file, table in zip(files, tables, strict=True)
    ]
    folders = sorted({f.parent for f, n in zip(files, called, strict=True) if called.count(n) > 1})
    before = told_apart([folder.name for folder in folders], [folder.parent for folder in folders])
    labels = dict(zip(folders, before, strict=True))
    names = [
        f"{labels[file.parent]}-{name}" if file.parent in labels else name
        for file, name in zip(files, called, strict=True)
    ]
    return [
        table
        if table.checkpoint == name
        else replace(table, metadata={**table.metadata, "checkpoint": name})
        for table, name in zip(tables, names, strict=True)
    ]


def checkpoint_names(tables: Sequence[FeatureTable]) -> list[str]:
    """What the checkpoints of tables of one point each are called.

    Raises FeatvizError for none, two of one name, or a table of several points.
    """
    if not tables:
        raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
    names = [table.checkpoint for table in tables]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FeatvizError(f"'{twice[0]}' is given more than once")
    for table, name in zip(tables, names, strict=True):
        require_one_point(table, name)
    return names


def require_one_point(table: FeatureTable, name: str) -> None:
    """Raise FeatvizError unless all vectors of a table were read at one point."""
    if len(table.points) != 1:
        given = ", ".join(f"({x}, {y})" for x, y in table.points) or "none"
        raise FeatvizError(
            f"the feature table of '{name}' holds {len(table.points)} points: {given}; expected "
            "one (choose it with --point)"
        )


def require_same_sketches(tables: Sequence[FeatureTable], names: Sequence[str]) -> None:
    """Raise FeatvizError unless all hold the same sketches in one order, read at the same place."""
    first = tables[0].rows["sketch"].to_list()
    for table, name in zip(tables[1:], names[1:], strict=True):
        require_same_place(tables[0], table, f"'{names[0]}'", f"'{name}'")
    for table, name in zip(tables[1:], names[1:], strict=True):
        sketches = table.rows["sketch"].to_list()
        if sketches == first:
            continue
        odd = sorted(set(sketches) ^ set(first))
        what = f"such as '{odd[0]}', that only one of them has" if odd else "in another order"
        raise FeatvizError(
            f"the feature tables of '{names[0]}' and '{name}' hold {len(first)} and "
            f"{len(sketches)} sketches, {what}; expected the same (extract both from one set)"
        )


def require_same_place(
    first: FeatureTable, second: FeatureTable, first_name: str, second_name: str
) -> None:
    """Raise FeatvizError unless two tables were read at the same points and in the same stage.

    A stage that a table does not tell is taken to be the other's.
    """
    if set(first.points) != set(second.points):
        places = [" ".join(f"({x}, {y})" for x, y in table.points) for table in (first, second)]
        raise FeatvizError(
            f"the feature tables of {first_name} and {second_name} were read at other points: "
            f"{places[0] or 'none'} and {places[1] or 'none'}; expected the same"
        )
    stages = [table.metadata.get("stage") for table in (first, second)]
    if all(stages) and stages[0] != stages[1]:
        raise FeatvizError(
            f"the feature tables of {first_name} and {second_name} hold other stages: "
            f"{stages[0]} and {stages[1]}; expected the same"
        )
