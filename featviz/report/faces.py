"""What whole generators make of the sketches."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from featviz.appearances import find_appearances
from featviz.checkpoints import (
    PRETRAINED,
    LoadedGenerator,
    load_generator,
    read_metadata,
    shipped_checkpoints,
)
from featviz.conditioning import read_generator_input
from featviz.drawing import CANVAS
from featviz.errors import FeatvizError
from featviz.generation import generate
from featviz.progress import track
from featviz.report.contents import Generator
from featviz.report.pictures import face_picture
from featviz.sketches import SketchSet

FACE_SIDE = 128


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


def load_whole(source: str) -> LoadedGenerator:
    """Load a generator; raises FeatvizError if there is none or it is a front end alone."""
    loaded = load_generator(source)
    if loaded.metadata["kind"] == "front-end":
        raise FeatvizError(
            f"'{source}' is a front end alone, which generates nothing; expected a whole "
            "generator, or no --generators"
        )
    return loaded


def generate_faces(source: str, sketches: SketchSet, names: Collection[str]) -> Generator:
    """The faces that one generator makes of the sketches called `names`, which the set has.

    Raises FeatvizError as `load_whole`, and for a generator that cannot take the sketches.
    """
    loaded = load_whole(source)
    index = sketches.index[sketches.index["sketch"].isin(names)]
    size = loaded.metadata.get("sketch_size") or CANVAS
    appearance = None
    if loaded.conditions.appearance_channels:
        appearance = find_appearances(source).most_common()
    faces = {}
    for name, file in track(
        list(index[["sketch", "file"]].itertuples(index=False)), f"faces by {loaded.name}"
    ):
        image = read_generator_input(sketches.folder / file, size, loaded.conditions, appearance)
        faces[name] = face_picture(generate(loaded.generator, image), FACE_SIDE)
    return Generator(loaded.name, faces)
