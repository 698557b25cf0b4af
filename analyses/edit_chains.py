"""`python -m analyses.edit_chains`: many edits one after the other, and back; what drifts.

Mouths of G8 and noses of G11 stem from one base. Each edit of the chain replaces one of the two
in the sketch before, and starts from the face made of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from analyses.study import ROOT
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.progress import track
from featviz.editing import Base, LocalEdit, edit, record_base
from featviz.generators.checkpoint_files import LoadedGenerator, load_generator
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.edits import Mask, Pixels, absolute_change
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import encode_image

SOURCES = (("G8", "mouth"), ("G11", "nose"))
"""The groups whose drawings the chain takes parts of, in turn, and which part."""
BASE = "G8/001"


@dataclass(frozen=True)
class Options:
    """Edit a face again and again, free and kept, go back, and tell what drifted."""

    checkpoints: tuple[str, ...] = ("baseline", "modified")
    """Shipped generators by name, or files."""
    edits: int = 20
    """How many edits there are before the way back."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Faces (1, 3, H, W) of a chain of edits and its way back, each started from the one before.

    base: of the base sketch. steps: of every sketch there and back; the last is the base's again.
    jump: of one edit from the farthest sketch to the base's. reach: the pixels that any of the
    edits may change, (H, W) bool.
    """

    base: Tensor
    steps: tuple[Tensor, ...]
    jump: Tensor
    reach: Mask


def chain(sketches: SketchSet, edits: int) -> list[Pixels]:
    """The base and `edits` sketches, each of which differs from the one before in one part."""
    drawing = sketches.drawing(list(sketches.index["sketch"]).index(BASE))
    parts = []
    for group, part in SOURCES:
        rows = sketches.index[(sketches.index["group"] == group) & (sketches.index["base"] == BASE)]
        numbers = [n for n in rows.index if sketches.index["sketch"].iloc[n] != BASE]
        wanted = -(-edits // len(SOURCES))
        if len(numbers) < wanted:
            raise FeatvizError(f"{group} has {len(numbers)} edits of {BASE}; expected {wanted}")
        parts.append([(part, sketches.drawing(number).part(part)) for number in numbers])
    drawings: list[Drawing] = [drawing]
    for step in range(edits):
        part, strokes = parts[step % len(parts)][step // len(parts)]
        drawings.append(drawings[-1].with_part(part, strokes))
    return [rasterize(each) for each in drawings]


def run_kept(loaded: LoadedGenerator, drawn: Sequence[Pixels]) -> Chain:
    """Make every edit of a chain and of its way back, the rest kept."""
    network = loaded.generator
    base = record_base(network, encode_image(drawn[0])[None])
    start: Base | LocalEdit = base
    images, reach, jump = [], np.zeros_like(drawn[0], dtype=bool), base.image
    way = [*drawn[1:], *drawn[-2::-1]]
    for number, sketch in enumerate(track(way, f"{loaded.name}: edits"), 1):
        start = edit(network, start, sketch)
        images.append(start.image)
        reach |= start.reach
        if number == len(drawn) - 1:
            jumped = edit(network, start, drawn[0])
            jump, reach = jumped.image, reach | jumped.reach
    return Chain(base.image, tuple(images), jump, reach)


def run_from_base(loaded: LoadedGenerator, drawn: Sequence[Pixels], reach: Mask) -> Chain:
    """The same with each edit started from the base: what is kept is the base's in all of them.

    A face then depends on its sketch and the base's alone; the way back shows the same faces.
    """
    network = loaded.generator
    base = record_base(network, encode_image(drawn[0])[None])
    first, *faces = [
        edit(network, base, sketch).image
        for sketch in track(drawn, f"{loaded.name}: edits of one base")
    ]
    return Chain(base.image, (*faces, *faces[-2::-1], first), first, reach)


def run_free(loaded: LoadedGenerator, drawn: Sequence[Pixels], reach: Mask) -> Chain:
    """The same as the generator is: a face depends on its sketch alone."""
    with torch.no_grad():
        first, *faces = [loaded.generator(encode_image(sketch)[None]) for sketch in drawn]
    return Chain(first, (*faces, *faces[-2::-1], first), first, reach)


def drift(chain: Chain) -> list[str]:
    """Mean and largest change against the base's face, grey levels, as the table's columns say."""
    far = len(chain.steps) // 2 - 1
    changes = [absolute_change(image, chain.base) for image in (*chain.steps, chain.jump)]
    untouched = np.stack([change[~chain.reach] for change in changes])
    touched = [changes[number][chain.reach] for number in (far, -2, -1)]
    return [_mean_and_most(each) for each in (untouched, *touched)]


def _mean_and_most(change: NDArray[np.float64]) -> str:
    return f"{change.mean():.4g} ({change.max():.4g})"


HEAD = ("checkpoint", "way", "untouched", "touched: farthest", "back by steps", "back at once")


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells below HEAD, as Markdown."""
    head, *body = ["| " + " | ".join(cells) + " |" for cells in (HEAD, *lines)]
    return "\n".join([head, "|" + "---|" * len(HEAD), *body])


def main(arguments: list[str] | None = None) -> None:
    """Run the chains, print the table; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.edit_chains", args=arguments)
    with ending_in_one_line("analyses.edit_chains"):
        drawn = chain(read_sketches(options.sketches), options.edits)
        lines, share = [], 0.0
        for name in options.checkpoints:
            loaded = load_generator(name)
            kept = run_kept(loaded, drawn)
            free = run_free(loaded, drawn, kept.reach)
            of_base = run_from_base(loaded, drawn, kept.reach)
            lines += [
                [name, "free", *drift(free)],
                [name, "kept, each from the one before", *drift(kept)],
                [name, "kept, each from the base", *drift(of_base)],
            ]
            share = float(kept.reach.mean())
        print(
            f"{options.edits} edits of {BASE}, {' and '.join(part for _, part in SOURCES)} in "
            "turn, and back; change against the base's face in grey levels of 255, mean (most). "
            f"Touched: the {share:.1%} of the pixels that the edits reach.\n\n{table(lines)}"
        )


if __name__ == "__main__":
    main()
