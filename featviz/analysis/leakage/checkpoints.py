"""Checkpoints x sketches -> the leakage of each."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from featviz.analysis.leakage.edits import ReadInput, reader
from featviz.analysis.leakage.measure import Leakage, measure_leakage
from featviz.analysis.leakage.modes import BOTH_ORDERS, held_norms
from featviz.analysis.leakage.table import FREE, IMAGE
from featviz.base.errors import FeatvizError
from featviz.base.points import PROBE_POINT, Point
from featviz.generators.checkpoint import Checkpoint, open_checkpoints
from featviz.generators.checkpoint_files import LoadedGenerator
from featviz.probing.activations import find_layers
from featviz.probing.statistics import instance_norms
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import MARGIN, edits_of
from featviz.sketches.sketch_set import SketchSet


def leakage_of_checkpoints(
    sources: Sequence[str | Path],
    sketches: SketchSet,
    layers: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    point: Point = PROBE_POINT,
    size: int = CANVAS,
    margin: float = MARGIN,
    most: int | None = None,
    variant: str | None = None,
    keep: Collection[str] = (),
) -> Iterator[tuple[str, Leakage]]:
    """Measure checkpoints one after the other; yield each one's name and leakage.

    layers: those that its architecture names and, of a whole generator, "image", if not given.
    variant: see `load_generator`; all else: see `measure_leakage`. Checkpoints that cannot be read
    or lack a layer or mode are told of before the first is measured.
    """
    checkpoints = open_checkpoints(sources, variant)
    edits_of(sketches, most)
    for checkpoint in checkpoints:
        _check(checkpoint, layers, modes)
    for checkpoint in checkpoints:
        yield (
            checkpoint.name,
            measure_leakage(
                checkpoint.generator,
                sketches,
                layers or _default_layers(checkpoint),
                modes,
                name=checkpoint.name,
                point=point,
                size=size,
                margin=margin,
                most=most,
                read=_reader(checkpoint),
                details=checkpoint.provenance(),
                keep=keep,
            ),
        )


def _default_layers(loaded: LoadedGenerator) -> tuple[str, ...]:
    """The layers that a generator's architecture names, and its image if it makes one."""
    whole = (IMAGE,) if loaded.metadata["kind"] == "generator" else ()
    return (*loaded.architecture.layers, *whole)


def _check(
    checkpoint: Checkpoint, layers: Sequence[str] | None, modes: Sequence[str] | None
) -> None:
    try:
        inner = [layer for layer in layers or _default_layers(checkpoint) if layer != IMAGE]
        if inner:
            find_layers(checkpoint.generator, inner)
        if IMAGE in (layers or ()) and not checkpoint.is_whole:
            raise FeatvizError("a front end alone makes no image; leave out the layer 'image'")
        # What else may be held is found when a sketch has run.
        if instance_norms(checkpoint.generator):
            for mode in modes or (FREE,):
                if mode != BOTH_ORDERS:
                    held_norms(checkpoint.generator, mode)
    except FeatvizError as error:
        raise FeatvizError(f"{checkpoint.name}: {error}") from None
    _reader(checkpoint)


def _reader(checkpoint: Checkpoint) -> ReadInput:
    """A sketch as the checkpoint takes it: with the conditions that it was trained with."""
    if not checkpoint.conditions.any:
        return reader(checkpoint.generator)
    checkpoint.require_conditions()

    def read(sketches: SketchSet, number: int, size: int) -> Tensor:
        path = sketches.folder / sketches.index["file"].iloc[number]
        return checkpoint.read(path, size)[None]

    return read
