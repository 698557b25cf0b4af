"""Groups analysed as one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable


def regroup(table: FeatureTable, merge: Mapping[str, str]) -> FeatureTable:
    """Count the sketches of some groups as those of others: {"G11": "G8"} makes G11 part of G8.

    Order and vectors stay. Raises FeatvizError if a group is not there, or is merged and merged
    into at once (chains have no order).
    """
    for source, target in merge.items():
        for name in (source, target):
            if name not in table.groups:
                raise FeatvizError(
                    f"cannot merge {source} into {target}: unknown group '{name}'; "
                    f"this table has {', '.join(table.groups)}"
                )
        if target in merge:
            raise FeatvizError(
                f"cannot merge {source} into {target}, which is merged into {merge[target]}"
            )
    groups = table.rows["group"].map(lambda name: merge.get(name, name))
    return replace(table, rows=table.rows.assign(group=groups))


def parse_merge(pairs: Sequence[str]) -> dict[str, str]:
    """Read `G11=G8 G10=G9` as typed; raises FeatvizError for anything else."""
    merge: dict[str, str] = {}
    for pair in pairs:
        source, sign, target = pair.partition("=")
        if not (source and sign and target):
            raise FeatvizError(f"expected GROUP=GROUP, such as G11=G8; got '{pair}'")
        if source in merge:
            raise FeatvizError(f"group {source} is merged twice, into {merge[source]} and {target}")
        merge[source] = target
    return merge
