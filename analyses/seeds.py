"""`python -m analyses.seeds`: do the claims hang on one training run? The table of docs/claims.md.

Feature tables come in pairs, baseline and modified, one pair a training seed; each pair is judged
by itself with the claims' own thresholds.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from tyro.conf import Positional

from analyses.study import ROOT
from featviz.analysis.claims import Claims, judge
from featviz.analysis.claims.judging import NO_IMAGES, TABLE_ROLES, claim_number
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features
from featviz.base.progress import track
from featviz.sketches.sketch_set import read_sketches

SIGNS = {"holds": "holds", "does not hold": "**no**", "cannot be judged": "?"}


@dataclass(frozen=True)
class Options:
    """Judge C1 to C9 on pairs of runs that differ in their seed, and print one table."""

    features: Positional[tuple[Path, ...]]
    """Feature tables named after variant and seed, such as baseline-0.parquet and
    modified-0.parquet."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set: tells which sketch is whose base."""
    permutations: int = 9999
    """Permutations of each test."""


def judge_pairs(
    pairs: Mapping[str, Mapping[str, FeatureTable]], bases: Mapping[str, str], permutations: int
) -> dict[str, Claims]:
    """The claims of every pair, by the pair's name."""
    return {
        name: judge(pair, bases=bases, permutations=permutations)
        for name, pair in track(list(pairs.items()), "judging pairs")
    }


def pair_up(paths: Sequence[Path]) -> dict[str, dict[str, FeatureTable]]:
    """Tables by the rest of their name and by variant; raises FeatvizError for one left alone."""
    pairs: dict[str, dict[str, FeatureTable]] = {}
    for path in paths:
        table = read_features(path)
        variant = str(table.metadata.get("variant"))
        if variant not in TABLE_ROLES or variant not in path.stem:
            raise FeatvizError(
                f"{path} is of variant {variant}; expected tables of {' and '.join(TABLE_ROLES)} "
                "with the variant in their names"
            )
        name = path.stem.replace(variant, "").strip("-_ ") or "0"
        if variant in pairs.setdefault(name, {}):
            raise FeatvizError(f"two tables of {variant} {name}; {path} is the second")
        pairs[name][variant] = table
    for name, pair in pairs.items():
        if missing := [role for role in TABLE_ROLES if role not in pair]:
            raise FeatvizError(f"pair {name} has no table of {missing[0]}")
    if not pairs:
        raise FeatvizError("no feature tables given; expected pairs of baseline and modified")
    return pairs


def seeds_table(judged: Mapping[str, Claims]) -> str:
    """Markdown: a row a part of a claim, a column a pair, statistic and verdict in each cell."""
    first = next(iter(judged.values()))
    lines = [
        f"| claim | part | asked for | {' | '.join(f'seed {name}' for name in judged)} |",
        f"|---|---|--:|{'--:|' * len(judged)}",
    ]
    for claim in first.claims:
        if all(part.why == NO_IMAGES for part in claim.parts):
            continue
        verdicts = [f"**{claims[claim.name].verdict}**" for claims in judged.values()]
        lines.append(f"| **{claim.name}** | | | {' | '.join(verdicts)} |")
        for part in claim.parts:
            definition = part.definition
            cells = []
            for claims in judged.values():
                found = claims[claim.name].part(definition.part)
                value = found.finding.value
                shown = "-" if value is None else claim_number(value)
                cells.append(f"{shown} {SIGNS[found.verdict]}")
            name = definition.part if definition.decides else f"({definition.part})"
            sign = ">=" if definition.bound == "at least" else "<="
            lines.append(f"| | {name} | {sign} {definition.threshold:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.seeds", args=arguments)
    try:
        index = read_sketches(options.sketches).index
        bases = dict(zip(index["sketch"], index["base"], strict=True))
        print(seeds_table(judge_pairs(pair_up(options.features), bases, options.permutations)))
    except (FeatvizError, OSError) as error:
        print(f"analyses.seeds: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
