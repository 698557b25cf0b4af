"""Checkpoints x sketches -> the leakage of each."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from featviz.activations import find_layers, require_finite_weights
from featviz.appearances import find_appearances
from featviz.checkpoints import LoadedGenerator, load_generator, shipped_checkpoints
from featviz.conditioning import read_generator_input
from featviz.drawing import CANVAS
from featviz.edits import MARGIN, edits_of
from featviz.encoding import encode_image
from featviz.errors import FeatvizError
from featviz.leakage.edits import Read, reader
from featviz.leakage.measure import Leakage, measure_leakage
from featviz.leakage.modes import held_norms
from featviz.leakage.table import FREE, IMAGE
from featviz.networks.generators import GeneratorArchitecture
from featviz.points import PROBE_POINT, Point
from featviz.sketches import SketchSet


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

    layers: all of the front end and, of a whole generator, "image", if not given. variant: see
    `load_generator`; all else: see `measure_leakage`. Checkpoints that cannot be read, that share
    a name or lack a layer or mode are told of before the first is measured.
    """
    if not sources:
        names = ", ".join(shipped_checkpoints()) or "none"
        raise FeatvizError(f"no checkpoint given; the shipped ones are {names}")
    edits_of(sketches, most)
    named: dict[str, str | Path] = {}
    for source in sources:
        loaded = load_generator(source, variant)
        _check(loaded, source, layers, modes)
        if loaded.name in named:
            raise FeatvizError(
                f"checkpoints {named[loaded.name]} and {source} are both called '{loaded.name}'; "
                "measure them one by one"
            )
        named[loaded.name] = source
    for source in sources:
        loaded = load_generator(source, variant)
        details = {
            "digest": loaded.digest,
            "variant": loaded.metadata.get("variant"),
            "architecture": loaded.metadata.get("architecture"),
            "step": loaded.metadata.get("step"),
        }
        yield (
            loaded.name,
            measure_leakage(
                loaded.generator,
                sketches,
                layers or default_layers(loaded),
                modes,
                name=loaded.name,
                point=point,
                size=size,
                margin=margin,
                most=most,
                read=_reader(loaded, source),
                details=details,
                keep=keep,
            ),
        )


def default_layers(loaded: LoadedGenerator) -> tuple[str, ...]:
    """All of a generator's front end, L0, L1, ..., and its image if it makes one."""
    architecture = loaded.generator.architecture
    assert isinstance(architecture, GeneratorArchitecture)
    front_end = range(architecture.downsamplings + 1)
    whole = (IMAGE,) if loaded.metadata["kind"] == "generator" else ()
    return (*(f"L{number}" for number in front_end), *whole)


def _check(
    loaded: LoadedGenerator,
    source: str | Path,
    layers: Sequence[str] | None,
    modes: Sequence[str] | None,
) -> None:
    require_finite_weights(loaded.generator, loaded.name)
    try:
        inner = [layer for layer in layers or default_layers(loaded) if layer != IMAGE]
        if inner:
            find_layers(loaded.generator, inner)
        if IMAGE in (layers or ()) and loaded.metadata["kind"] != "generator":
            raise FeatvizError("a front end alone makes no image; leave out the layer 'image'")
        for mode in modes or (FREE,):
            held_norms(loaded.generator, mode)
    except FeatvizError as error:
        raise FeatvizError(f"{loaded.name}: {error}") from None
    _reader(loaded, source)


def _reader(loaded: LoadedGenerator, source: str | Path) -> Read:
    """A sketch as the checkpoint takes it: with the conditions that it was trained with."""
    conditions = loaded.conditions
    if not conditions.any:
        return reader(loaded.generator)
    appearance = None
    if conditions.appearance_channels:
        appearance = find_appearances(source).most_common()

    def read(sketches: SketchSet, number: int, size: int) -> Tensor:
        path = sketches.folder / sketches.index["file"].iloc[number]
        given = read_generator_input(path, size, conditions, appearance)
        return encode_image(given, conditions.channels)[None]

    return read
