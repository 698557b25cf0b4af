"""How long a local edit takes beside a whole forward; target: a twelfth, at 10 and at 48 filters.

python -m benchmarks.local_edits [--checkpoints baseline modified] [--widths 48] [--threads 2]

Edits of the mouth and the nose, groups G8 to G11 of the sketch set, at 512x512: the whole forwards
of a few, then their local edits, in turns. There are two whole forwards: the drawing page's, in the
type that is faster here, and the plain generator's, as it is without any of featviz's engines. Wall
time counts; the ratio of the processor's own time is told because others that load the machine do
not change it as much.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import torch
import tyro
from torch import nn

from benchmarks.machine import describe_machine, seconds
from featviz.editing.engine import LocalEditor, PreparedBase
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.generators import (
    Generator,
    GeneratorArchitecture,
    build_generator,
)
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import MARGIN, Edit, Pixels, edits_of, read_edits
from featviz.sketches.sketch_set import SketchSet, read_sketches

FASTER, PREPARING, SLOWEST = 12.0, 1.3, 1.1
"""Targets: whole / local, preparing / whole, and local / whole of an edit of any size."""


@dataclass(frozen=True)
class LocalEdits:
    """Measure local edits and whole forwards in turns."""

    checkpoints: tuple[str, ...] = ("baseline", "modified")
    """Shipped checkpoints or runs."""
    widths: tuple[int, ...] = (48,)
    """Filters of generators of random weights."""
    groups: tuple[str, ...] = ("G8", "G9", "G10", "G11")
    """Groups whose edits are made."""
    most: int = 6
    """Edits of a group."""
    turns: int = 3
    """How often each is measured."""
    shares: tuple[float, ...] = (0.5, 1, 3, 6, 12, 25, 50, 75, 100)
    """Percent of the canvas, of edits of growing squares."""
    size: int = 512
    """Pixels of a side."""
    threads: int = 2
    """CPU threads."""
    sketches: Path = Path("sketches")
    """Folder of the sketch set."""


@dataclass(frozen=True)
class Times:
    """Of each measurement seconds of wall time, and of the processor's time."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take(self, run: Callable[[], object]) -> None:
        """Measure one call."""
        begun = time.process_time()
        self.wall.append(seconds(run))
        self.processor.append(time.process_time() - begun)

    @property
    def milliseconds(self) -> float:
        """Median wall time."""
        return 1000 * statistics.median(self.wall)

    def over(self, other: "Times") -> tuple[float, float]:
        """Ratios of medians, of wall time and of the processor's."""
        return (
            statistics.median(self.wall) / statistics.median(other.wall),
            statistics.median(self.processor) / statistics.median(other.processor),
        )


def main(settings: LocalEdits) -> None:
    torch.set_num_threads(settings.threads)
    print(describe_machine(("torch",)))
    print(f"threads    {settings.threads}, sketches of {settings.size} px")
    sketches = read_sketches(settings.sketches)
    edits = list(edits_to_make(sketches, settings))
    for name in settings.checkpoints:
        measure(name, open_checkpoint(name).generator, edits, settings)
    for width in settings.widths:
        torch.manual_seed(0)
        generator = build_generator(GeneratorArchitecture(width=width))
        measure(f"{width} filters", generator, edits, settings)


def edits_to_make(sketches: SketchSet, settings: LocalEdits) -> Iterator[Edit]:
    groups = sketches.index["group"]
    pairs = [
        pair
        for pair in edits_of(sketches, settings.most)
        if groups.iloc[pair[0]] in settings.groups
    ]
    for edit in read_edits(sketches, pairs, settings.size):
        if edit.changed.any():
            yield edit


def measure(name: str, generator: nn.Module, edits: Sequence[Edit], settings: LocalEdits) -> None:
    assert isinstance(generator, Generator)
    generator.eval().requires_grad_(False)
    whole = fastest(generator, edits[0].base)
    editor = LocalEditor(generator)
    editor.prepare(edits[0].base)
    preparing, forward, local, plain = Times(), Times(), Times(), Times()
    for _ in range(settings.turns):
        for _, of_base in groupby(edits, lambda edit: edit.base_number):
            turn = list(of_base)
            plain.take(lambda turn=turn: generate(generator, turn[0].edited))  # type: ignore[misc]
            for edit in turn:
                forward.take(lambda edit=edit: whole(edit.edited))  # type: ignore[misc]
            preparing.take(lambda turn=turn: prepare(editor, turn[0].base))  # type: ignore[misc]
            base = prepare(editor, turn[0].base)
            for edit in turn:
                local.take(lambda edit=edit, base=base: editor.edit(base, edit.edited))  # type: ignore[misc]
    ratio, by_processor = forward.over(local)
    over_plain, over_plain_by_processor = plain.over(local)
    share = 100 * statistics.median(edit.area.mean() for edit in edits)
    print(
        f"\n{name}, {len(edits)} edits, {share:.1f} % of the canvas edited (median)\n"
        f"  whole forward {forward.milliseconds:8.1f} ms (plain generator "
        f"{plain.milliseconds:.1f} ms)\n"
        f"  local edit    {local.milliseconds:8.1f} ms: {ratio:.1f} times faster (processor's time "
        f"{by_processor:.1f}); target {FASTER:.0f}: {verdict(ratio >= FASTER)}\n"
        f"                             {over_plain:.1f} times faster than the plain generator "
        f"({over_plain_by_processor:.1f}); target {FASTER:.0f}: {verdict(over_plain >= FASTER)}"
    )
    cost, by_processor = preparing.over(forward)
    print(
        f"  preparing     {preparing.milliseconds:8.1f} ms: {cost:.2f} forwards (processor's time "
        f"{by_processor:.2f}); target {PREPARING}: {verdict(cost <= PREPARING)}"
    )
    tell_memory(generator, editor, base, edits)
    tell_curve(editor, base, whole, settings)


def prepare(editor: LocalEditor, sketch: Pixels) -> PreparedBase:
    """A base and its face."""
    base = editor.prepare(sketch)
    _ = base.face
    return base


def fastest(generator: Generator, sketch: Pixels) -> FastGenerator:
    """The drawing page's generator in the type that takes less long on this machine."""
    found: list[tuple[float, torch.dtype, FastGenerator]] = []
    for dtype in (torch.float32, torch.bfloat16):
        fast = FastGenerator(generator, dtype)
        fast(sketch)
        found.append((seconds(lambda fast=fast: fast(sketch)), dtype, fast))  # type: ignore[misc]
    _, dtype, fast = min(found, key=lambda each: each[0])
    print(f"\nwhole forwards are in {dtype}, the faster here")
    return fast


def tell_memory(
    generator: Generator, editor: LocalEditor, base: PreparedBase, edits: Sequence[Edit]
) -> None:
    """What a base takes, and what half of it costs in exactness."""
    edit = edits[-1]
    rounding = LocalEditor(generator, cache=torch.bfloat16)
    rounded = rounding.prepare(edit.base)
    exact_face, rounded_face = editor.edit(base, edit.edited), rounding.edit(rounded, edit.edited)
    error = (exact_face.image - rounded_face.image)[..., torch.from_numpy(exact_face.area)].abs()
    print(
        f"  a base takes  {base.nbytes / 1e6:8.1f} MB; maps in bfloat16 {rounded.nbytes / 1e6:.1f} "
        f"MB, which moves an edited area by {127.5 * float(error.mean()):.3f} grey levels, at most "
        f"{127.5 * float(error.max()):.1f}"
    )


def tell_curve(
    editor: LocalEditor, base: PreparedBase, whole: FastGenerator, settings: LocalEdits
) -> None:
    """Ratios against the share of the canvas that is edited."""
    print("  edited share  whole / local (processor's time)")
    slowest = 0.0
    for share in settings.shares:
        edited = square_edit(base.sketch, share / 100)
        forward, local = Times(), Times()
        for _ in range(max(3, settings.turns)):
            forward.take(lambda edited=edited: whole(edited))  # type: ignore[misc]
            local.take(lambda edited=edited: editor.edit(base, edited))  # type: ignore[misc]
        found = editor.edit(base, edited)
        ratio, by_processor = forward.over(local)
        slowest = max(slowest, 1 / ratio)
        remark = ", every cell computed" if found.whole else ""
        print(f"  {100 * found.area.mean():10.1f} %  {ratio:13.1f} ({by_processor:.1f}){remark}")
    print(
        f"  slowest       {slowest:8.2f} forwards; target {SLOWEST}: {verdict(slowest <= SLOWEST)}"
    )


def square_edit(base: Pixels, share: float) -> Pixels:
    """A base with the ink inverted in a square in the middle, whose area is about a share."""
    height, width = base.shape
    side = width if share >= 1 else max(1, round(width * share**0.5 - 2 * MARGIN * width / CANVAS))
    top, left = (height - side) // 2, (width - side) // 2
    edited = base.copy()
    edited[top : top + side, left : left + side] = (
        255 - edited[top : top + side, left : left + side]
    )
    return edited


def verdict(met: bool) -> str:
    return "met" if met else "missed"


if __name__ == "__main__":
    main(tyro.cli(LocalEdits, description=__doc__))
