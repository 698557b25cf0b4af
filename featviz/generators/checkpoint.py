"""Checkpoints in use: what they are called, what they are given, what results tell of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from featviz.base.assets import PRETRAINED
from featviz.base.errors import FeatvizError
from featviz.base.files import told_apart
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.generators.appearances import Vectors, find_appearances
from featviz.generators.checkpoint_files import (
    LoadedGenerator,
    checkpoint_name,
    find_checkpoint,
    load_generator,
    shipped_checkpoints,
)
from featviz.generators.network_input import generator_input, read_generator_input
from featviz.generators.networks.conditions import SKETCH_CHANNELS
from featviz.sketches.drawing import CANVAS, Drawing, rasterize
from featviz.sketches.tensors import Image, encode_image, input_channels


@dataclass(frozen=True, eq=False)
class Checkpoint(LoadedGenerator):
    """A generator in use. source: as it was given; what a run has beside it is found from there."""

    source: str | Path

    @property
    def size(self) -> int:
        """Pixels of a side of the sketches it was trained on, 512 if it does not tell."""
        return int(self.metadata.get("sketch_size") or CANVAS)

    @property
    def is_whole(self) -> bool:
        """Whether it makes images; a front end alone does not."""
        return bool(self.metadata["kind"] == "generator")

    def require_whole(self) -> None:
        """Raise FeatvizError for a front end alone."""
        if not self.is_whole:
            raise FeatvizError(
                f"'{self.source}' is a front end alone, which generates nothing; expected a whole "
                "generator"
            )

    def require_sketch_alone(self) -> None:
        """Raise FeatvizError unless it makes images of a sketch and nothing else.

        The rule wherever images of edited sketches are compared pixel by pixel: boundaries and
        appearances follow the drawing, so what they change could not be told from what the edit
        of the sketch changes.
        """
        self.require_whole()
        if not makes_faces_alone(self.metadata, channels := input_channels(self.generator)):
            raise FeatvizError(
                f"'{self.source}' takes {channels} channels; expected {SKETCH_CHANNELS} (or 1), a "
                "sketch and nothing else, to tell what an edit changes"
            )

    def require_conditions(self) -> None:
        """Raise FeatvizError if it cannot be told, or is not there, what it is given besides."""
        _ = self.appearance

    @cached_property
    def appearance(self) -> Vectors | None:
        """The most common look of every part, for a generator that is told one.

        Raises FeatvizError if its run's appearances are not beside it.
        """
        if not self.conditions.appearance_channels:
            return None
        return find_appearances(self.source).most_common()

    def input(self, sketch: Image | Drawing) -> Tensor:
        """What the network is given of a sketch: float32 (C, H, W), its conditions included.

        Raises FeatvizError where it needs the named parts of a drawing and there are none.
        """
        conditions = self.conditions
        if conditions.any:
            if not isinstance(sketch, Drawing):
                raise FeatvizError(
                    f"'{self.name}' needs the named parts of SVG drawings; got an image"
                )
            return generator_input(sketch, conditions, self.appearance)
        image = rasterize(sketch) if isinstance(sketch, Drawing) else sketch
        return encode_image(image, input_channels(self.generator))

    def read(self, path: Path, size: int, appearance: Vectors | None = None) -> Tensor:
        """The same of one sketch file at a size; the most common appearance unless it is given."""
        appearance = self.appearance if appearance is None else appearance
        given = read_generator_input(path, size, self.conditions, appearance)
        return encode_image(given, input_channels(self.generator))

    def provenance(self) -> dict[str, Any]:
        """What results record of the checkpoint that they come from."""
        return {
            "source": str(self.source),
            "digest": self.digest,
            "variant": self.metadata.get("variant"),
            "architecture": self.metadata.get("architecture"),
            "conditions": asdict(self.conditions),
            "step": self.metadata.get("step"),
            "trained_on": (self.metadata.get("data") or {}).get("fingerprint"),
            VERSION_KEY: VERSION,
        }


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoints by distinct names, each of which is loaded when its turn comes and then let go.

    So memory does not grow with their number, however often they are gone through.
    """

    sources: tuple[str | Path, ...]
    names: tuple[str, ...]
    variant: str | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Checkpoint]:
        for source, name in zip(self.sources, self.names, strict=True):
            yield open_checkpoint(source, self.variant, name)


def open_checkpoint(
    source: str | Path, variant: str | None = None, name: str | None = None
) -> Checkpoint:
    """Load one checkpoint, see `load_generator`; its file tells its name unless that is given."""
    loaded = load_generator(source, variant)
    return Checkpoint(name or loaded.name, loaded.generator, loaded.metadata, loaded.digest, source)


def open_checkpoints(sources: Sequence[str | Path], variant: str | None = None) -> Checkpoints:
    """Checkpoints by distinct names: see `distinct_names`. Nothing is loaded yet."""
    return Checkpoints(tuple(sources), distinct_names(sources), variant)


def distinct_names(
    sources: Sequence[str | Path], names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """What each checkpoint is called: by its file, or by its run's folder.

    Those of one name have as many of their folders before it as tell them apart: `a-latest_net_G`
    and `b-latest_net_G`. A shipped one keeps its own. names: instead, one for each, in order.
    Raises FeatvizError for no checkpoint, one that is not there or given twice, and for names that
    are too few or many, the same, or no names of files.
    """
    if not sources:
        shipped = ", ".join(shipped_checkpoints()) or "none"
        raise FeatvizError(f"no checkpoint given; the shipped ones are {shipped}")
    files = [find_checkpoint(source).resolve() for source in sources]
    for number, file in enumerate(files):
        if file in files[:number]:
            raise FeatvizError(f"checkpoint '{sources[number]}' is given twice")
    if names is not None:
        return given_names(names, len(sources))
    called = [checkpoint_name(file) for file in files]
    # A run's name is that of its folder, so its place is the folder around that.
    places = [file.parents[_is_run(file)] for file in files]
    here = Counter(zip(places, called, strict=True))
    called = [
        file.name if here[place, name] > 1 and not _is_run(file) else name
        for file, place, name in zip(files, places, called, strict=True)
    ]
    own = [file.parent == PRETRAINED.resolve() for file in files]
    called = told_apart(called, places, own)
    if same := [name for name in called if called.count(name) > 1]:
        raise FeatvizError(f"two checkpoints are called '{min(same)}'; name them with --name")
    return tuple(called)


def _is_run(file: Path) -> bool:
    return file.name == "generator.safetensors"


def given_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Names that the user gives; raises FeatvizError unless they are `count` different files'."""
    if len(names) != count:
        raise FeatvizError(f"expected {count} names, one a checkpoint; got {len(names)}")
    for number, name in enumerate(names):
        if not name or name.startswith(".") or Path(name).name != name or not name.isprintable():
            raise FeatvizError(f"cannot call a checkpoint {name!r}; its tables are files of it")
        if name in names[:number]:
            raise FeatvizError(f"two checkpoints are to be called '{name}'")
    return tuple(names)


def makes_faces_alone(metadata: Mapping[str, Any], channels: int) -> bool:
    """Whether a checkpoint, by its description and input channels, needs nothing but a sketch."""
    return metadata.get("kind") == "generator" and channels in (1, SKETCH_CHANNELS)
