"""What whole generators make of the sketches."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featviz.base.assets import PRETRAINED
from featviz.base.progress import track
from featviz.generators.checkpoint import Checkpoint, open_checkpoint
from featviz.generators.checkpoint_files import shipped_checkpoints
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.generators.weights import read_metadata
from featviz.report.contents import ReportedGenerator
from featviz.report.pictures import face_picture
from featviz.report.sketches import SketchReader
from featviz.sketches.sketch_set import SketchSet

_FACE_SIDE = 128


def default_generators(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """The shipped generators that stand for the checkpoints of tables, by their metadata.

    A table of a shipped whole generator has itself; one of a shipped front end, which generates
    nothing, has the whole generator of the same variant. Anything else has none: what it makes of
    a sketch cannot be known from here.
    """
    shipped = {
        name: read_metadata(PRETRAINED / f"{name}.safetensors") for name in shipped_checkpoints()
    }
    found: dict[str, None] = {}
    for metadata in tables:
        name, variant = metadata.get("checkpoint"), metadata.get("variant")
        if name not in shipped:
            continue
        whole = name if shipped[name]["kind"] == "generator" else variant
        if whole in shipped and shipped[whole]["kind"] == "generator":
            found[str(whole)] = None
    return list(found)


def load_whole(source: str) -> Checkpoint:
    """Load a generator; raises FeatvizError if there is none or it is a front end alone."""
    checkpoint = open_checkpoint(source)
    checkpoint.require_whole()
    return checkpoint


def paint_sketches(
    source: str,
    sketches: SketchSet,
    names: Collection[str],
    read: SketchReader,
    called: str | None = None,
) -> ReportedGenerator:
    """The faces that one generator makes of the sketches called `names`, which the set has.

    called: what the generator is called; by its file if not given. Raises FeatvizError as
    `load_whole`, and for a generator that cannot take the sketches.
    """
    checkpoint = load_whole(source)
    called = called or checkpoint.name
    index = sketches.index[sketches.index["sketch"].isin(names)]
    paint = _painter(checkpoint, read)
    faces = {}
    for name, file in track(
        list(index[["sketch", "file"]].itertuples(index=False)), f"faces by {called}"
    ):
        faces[name] = face_picture(paint(sketches.folder / file), _FACE_SIDE)
    return ReportedGenerator(called, faces)


def _painter(checkpoint: Checkpoint, read: SketchReader) -> Callable[[Path], NDArray[np.uint8]]:
    """From a sketch file to the face (H, W, 3) that `generate` makes of it, or within a level."""
    size, generator = checkpoint.size, checkpoint.generator
    if checkpoint.conditions.any or not isinstance(generator, GlobalGenerator | LocalEnhancer):
        return lambda path: generate(generator, checkpoint.read(path, size))
    # Only the order of sums differs; bfloat16 would be faster on some processors, and show others.
    fast = FastGenerator(generator, torch.float32)
    return lambda path: fast(read(path, size))
