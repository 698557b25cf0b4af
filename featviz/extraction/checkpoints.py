"""Checkpoints x sketches -> one feature table each, on disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from featviz.activations import Stage, find_layers, require_finite_weights
from featviz.appearances import find_appearances
from featviz.checkpoints import LoadedGenerator, load_generator, shipped_checkpoints
from featviz.conditioning import ConditionedSketches
from featviz.errors import FeatvizError
from featviz.extraction.reading import FRONT_END_LAYERS, extract
from featviz.points import PROBE_POINT, Point
from featviz.sketches import SketchSet
from featviz.tables import FeatureTable, write_features


def provenance(loaded: LoadedGenerator) -> dict[str, Any]:
    """What a feature table records of the checkpoint it comes from."""
    return {
        "checkpoint": loaded.name,
        "digest": loaded.digest,
        "variant": loaded.metadata.get("variant"),
        "architecture": loaded.metadata.get("architecture"),
        "step": loaded.metadata.get("step"),
    }


def extract_checkpoints(
    sources: Sequence[str | Path],
    sketches: SketchSet,
    out: Path,
    points: Sequence[Point] = (PROBE_POINT,),
    layers: Sequence[str] = FRONT_END_LAYERS,
    stage: Stage = "activation",
    variant: str | None = None,
) -> Iterator[tuple[Path, FeatureTable]]:
    """Extract from checkpoints one after the other; yield each table and the file it went to.

    A generator with conditions beside the sketch is given them: boundaries made from the drawings,
    and of each part's appearances the most common one.
    The file is `out`/NAME.parquet, NAME being the checkpoint's. Everything that can be told
    beforehand is told before the first file is written: checkpoints that cannot be read, layers
    they lack, names that would share a file. variant: see `load_generator`.
    """
    if not sources:
        names = ", ".join(shipped_checkpoints()) or "none"
        raise FeatvizError(f"no checkpoint given; the shipped ones are {names}")
    named: dict[str, str | Path] = {}
    for source in sources:
        loaded = load_generator(source, variant)
        find_layers(loaded.generator, layers, stage)
        require_finite_weights(loaded.generator, loaded.name)
        _with_conditions(sketches, loaded, source)
        if loaded.name in named:
            raise FeatvizError(
                f"checkpoints {named[loaded.name]} and {source} are both called '{loaded.name}', "
                f"so both would be written to {out / loaded.name}.parquet; extract them one by "
                "one with different --out"
            )
        named[loaded.name] = source
    for source in sources:
        loaded = load_generator(source, variant)
        table = extract(
            loaded.generator,
            _with_conditions(sketches, loaded, source),
            points,
            layers,
            stage,
            provenance=provenance(loaded),
        )
        path = out / f"{loaded.name}.parquet"
        write_features(table, path)
        yield path, table


def _with_conditions(
    sketches: SketchSet, loaded: LoadedGenerator, source: str | Path
) -> SketchSet | ConditionedSketches:
    conditions = loaded.conditions
    if not conditions.any:
        return sketches
    pixels = [file for file in sketches.index["file"] if not file.lower().endswith(".svg")]
    if pixels:
        raise FeatvizError(
            f"'{loaded.name}' needs the named parts of SVG drawings beside the sketch; sketch "
            f"{pixels[0]} is made of pixels"
        )
    appearance = None
    if conditions.appearance_channels:
        appearance = find_appearances(source).most_common()
    return ConditionedSketches(sketches, conditions, appearance)
