"""What `featviz leakage` costs beside a checkout of before, and how far the numbers are apart.

python -m benchmarks.leakage --before DIR [--checkpoints baseline modified] [--edits 3] [--exact]

DIR is a checkout of an older commit (git worktree add DIR c0b785b makes that of one whose every
mode was a forward of its own). Both measure the same edits in the same modes, in turns, each
in a process of its own with one thread; the processor's time counts, user and system, because
others that load the machine do not change it as much. Then the call as it is documented, with all
that it measures today.

--exact also measures by plain forwards in float64, in three to four times the older one's time, and
tells how far the numbers of both are from those: what is left of a difference is whose rounding.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro

from benchmarks.machine import children_time, describe_machine
from featviz.analysis.leakage import LeakageTable, measure_leakage, read_leakage
from featviz.analysis.leakage.table import FREE, NUMBERS
from featviz.commands.shared import Edits, most_edits
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.sketch_set import read_sketches

FASTER, APART = 5.0, 1e-6
"""Targets: before / now, and the difference of numbers, of a column's largest."""

HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class LeakageCost:
    """Measure leakage here and in a checkout of before, in turns."""

    before: Path
    """Checkout of the older commit."""
    checkpoints: tuple[str, ...] = ("baseline", "modified")
    """Shipped checkpoints or runs."""
    edits: Edits = 3
    """At most so many edits of a group, or all."""
    exact: bool = False
    """Measure in float64, too."""
    sketches: Path = HERE / "sketches"
    """Folder of the sketch set."""


def main(settings: LeakageCost) -> None:
    print(describe_machine(("torch",)))
    total = {"before": 0.0, "now": 0.0, "documented": 0.0}
    with TemporaryDirectory() as folder:
        for name in settings.checkpoints:
            # Both know this word for --edits.
            common = ["--edits-per-group", str(settings.edits)]
            common += ["--sketches", str(settings.sketches.resolve())]
            outs = {side: Path(folder) / side for side in total}
            cost = {"before": measured(settings.before, name, common, outs["before"])}
            modes = [mode for mode in table_of(outs["before"], name).modes if mode != FREE]
            cost["now"] = measured(HERE, name, [*common, "--hold", *modes], outs["now"])
            cost["documented"] = measured(HERE, name, common, outs["documented"])
            total = {side: total[side] + cost[side] for side in total}
            tell(name, cost, len(modes) + 1, len(table_of(outs["documented"], name).modes))
            tables = {side: table_of(outs[side], name) for side in outs}
            for side in ("now", "documented"):
                tell_difference(side, "before", tables[side], tables["before"])
            if settings.exact:
                exact = exact_table(settings, name, tables["before"])
                for side in ("before", "now", "documented"):
                    tell_difference(side, "float64", tables[side], exact)
    ratio = total["before"] / total["documented"]
    print(
        f"\nall: {total['before']:.1f} s before, {total['now']:.1f} s now in the same modes "
        f"({total['before'] / total['now']:.1f} times less), {total['documented']:.1f} s the "
        f"documented call: {ratio:.1f} times less; target {FASTER:.0f}: "
        f"{'met' if ratio >= FASTER else 'missed'}"
    )


def measured(checkout: Path, name: str, options: list[str], out: Path) -> float:
    """Seconds of the processor's time of one call in a checkout."""
    command = [sys.executable, "-m", "featviz", "leakage", name, "--threads", "1", *options]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    begun = children_time()
    subprocess.run(
        [*command, "--out", str(out)],
        cwd=checkout,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return children_time() - begun


def table_of(folder: Path, name: str) -> LeakageTable:
    return read_leakage(folder / f"{name}.parquet")


def tell(name: str, cost: dict[str, float], modes: int, modes_now: int) -> None:
    print(
        f"\n{name}\n  before      {cost['before']:8.1f} s, {modes} modes\n"
        f"  now         {cost['now']:8.1f} s, the same modes: "
        f"{cost['before'] / cost['now']:.1f} times less\n"
        f"  documented  {cost['documented']:8.1f} s, {modes_now} modes: "
        f"{cost['before'] / cost['documented']:.1f} times less"
    )


def exact_table(settings: LeakageCost, name: str, like: LeakageTable) -> LeakageTable:
    """The same edits and modes by plain forwards in float64, which rounds a billionth as much."""
    torch.set_num_threads(1)
    model = load_generator(name).generator.double()
    sketches, most = read_sketches(settings.sketches), most_edits(settings.edits)
    return measure_leakage(model, sketches, like.layers, like.modes, most=most).table


def tell_difference(side: str, other: str, now: LeakageTable, before: LeakageTable) -> None:
    """The largest difference of any number of both tables, relative to its column's largest."""
    key = ["sketch", "layer", "mode"]
    both = before.rows.merge(now.rows, on=key, suffixes=("", "_now"), validate="one_to_one")
    assert len(both) == len(before.rows)
    worst = (0.0, "", "")
    for number in NUMBERS:
        old, new = (both[each].to_numpy() for each in (number, f"{number}_now"))
        if np.isnan(old).all() or np.isnan(new).all():
            continue
        assert (np.isnan(old) == np.isnan(new)).all(), number
        apart = np.abs(old - new) / (np.nanmax(np.abs(old)) or 1.0)
        row = int(np.nanargmax(apart))
        place = " ".join(str(word) for word in both[key].iloc[row])
        worst = max(worst, (float(apart[row]), number, place))
    apart, column, place = worst
    print(
        f"  {side} and {other}: apart by {apart:.1e} of the column's largest, {column} of {place}; "
        f"target {APART:.0e}: {'met' if apart <= APART else 'missed'}"
    )


if __name__ == "__main__":
    main(tyro.cli(LeakageCost, description=__doc__))
