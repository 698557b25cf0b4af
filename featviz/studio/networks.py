"""The checkpoints that the page may choose from, loaded when they are first asked for."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.editing.engine import LocalEditor
from featviz.generators.checkpoint import distinct_names, makes_faces_alone
from featviz.generators.checkpoint_files import (
    LoadedGenerator,
    find_checkpoint,
    load_generator,
    shipped_checkpoints,
)
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.architectures import WholeGenerator, described_architecture
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.generators.weights import read_metadata, readable_architecture
from featviz.sketches.drawing import CANVAS, PAPER
from featviz.studio.problems import StudioError

_LOADED = 4

_T = TypeVar("_T")
_MakesFaces = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class CheckpointChoice:
    """A checkpoint that can be chosen. generates: whether it makes a face of a sketch alone."""

    name: str
    source: str
    variant: str
    width: int
    generates: bool
    shipped: bool
    layers: tuple[tuple[str, int], ...]

    def document(self) -> dict[str, Any]:
        """What the page is told."""
        return {
            "name": self.name,
            "variant": self.variant,
            "width": self.width,
            "generates": self.generates,
            "shipped": self.shipped,
            "layers": [{"layer": name, "channels": channels} for name, channels in self.layers],
        }


def choices(sources: Sequence[str]) -> dict[str, CheckpointChoice]:
    """The checkpoints by name: those named when the server was started, then all shipped ones.

    Only these can be chosen from the page: no request names a file. Names are told apart as
    everywhere, see `distinct_names`. Raises FeatvizError for sources that cannot be read.
    """
    all_sources = list(dict.fromkeys([*sources, *shipped_checkpoints()]))
    names = distinct_names(all_sources)
    return {name: _choice(source, name) for source, name in zip(all_sources, names, strict=True)}


class Networks:
    """The loaded networks; a few are kept. Use from one thread."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.choices = choices(sources)
        self._fast: OrderedDict[str, _MakesFaces] = OrderedDict()
        self._editors: OrderedDict[str, LocalEditor] = OrderedDict()

    @property
    def generating(self) -> tuple[str, ...]:
        """The names of those that make faces."""
        return tuple(name for name, choice in self.choices.items() if choice.generates)

    def names_of(self, sources: Sequence[str]) -> tuple[str, ...]:
        """The names of checkpoints given by name or path; raises FeatvizError for front ends."""
        of_source = {choice.source: name for name, choice in self.choices.items()}
        names = tuple(dict.fromkeys(of_source[_lasting(source)] for source in sources))
        for name in names:
            if not self.choices[name].generates:
                raise FeatvizError(
                    f"'{name}' makes no face of a sketch alone; expected whole generators such as "
                    f"{', '.join(self.generating)}"
                )
        return names

    def choice(self, name: str) -> CheckpointChoice:
        """The checkpoint of that name; raises StudioError if it cannot be chosen."""
        if name not in self.choices:
            known = ", ".join(self.choices)
            raise StudioError("bad-request", f"unknown checkpoint; there are {known}")
        return self.choices[name]

    def load(self, name: str) -> LoadedGenerator:
        """A checkpoint afresh; the message of an error names it, not its path."""
        choice = self.choice(name)
        try:
            return load_generator(choice.source)
        except (FeatvizError, OSError) as error:
            reason = str(error).replace(str(choice.source), name)
            raise StudioError(
                "checkpoint", f"checkpoint '{name}' cannot be loaded: {' '.join(reason.split())}"
            ) from error

    def generate(
        self,
        name: str,
        picture: NDArray[np.uint8],
        loading: Callable[[str], None] = lambda _: None,
    ) -> NDArray[np.uint8]:
        """The face (512, 512, 3) of a picture (512, 512).

        loading: called with the checkpoint's name before it is loaded, if it has to be.
        """
        fast = self._kept_few(self._fast, name, _make_fast, loading)
        with self.named(name):
            return fast(picture)

    def editor(self, name: str, loading: Callable[[str], None] = lambda _: None) -> LocalEditor:
        """What makes faces of edits; loading: as in `generate`."""
        return self._kept_few(self._editors, name, LocalEditor, loading)

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Errors of a network name its checkpoint."""
        try:
            yield
        except FeatvizError as error:
            raise StudioError("checkpoint", f"checkpoint '{name}': {error}") from None

    def _kept_few(
        self,
        known: OrderedDict[str, _T],
        name: str,
        make: Callable[[Any], _T],
        loading: Callable[[str], None],
    ) -> _T:
        """What is made of a checkpoint's generator; the latest few are kept."""
        if name not in known:
            if not self.choice(name).generates:
                raise StudioError("bad-request", f"checkpoint '{name}' makes no face of a sketch")
            loading(name)
            generator = self.load(name).generator
            # Its file may have been replaced by another kind since the server started.
            if not isinstance(generator, WholeGenerator):
                raise StudioError("checkpoint", f"checkpoint '{name}' is no generator any more")
            with self.named(name):
                known[name] = make(generator)
            while len(known) > _LOADED:
                known.popitem(last=False)
        known.move_to_end(name)
        return known[name]


def _make_fast(generator: WholeGenerator) -> _MakesFaces:
    fast: _MakesFaces = partial(generate, generator)
    if isinstance(generator, GlobalGenerator | LocalEnhancer):
        fast = FastGenerator(generator, _fastest_type())
    # The first forward sets things up; it must not count as the first face's time.
    fast(np.full((CANVAS, CANVAS), PAPER, np.uint8))
    return fast


def _fastest_type() -> torch.dtype:
    """bfloat16 where the processor computes in it; elsewhere it takes many times longer."""
    knows = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if knows() else torch.float32


def _lasting(source: str) -> str:
    """A source that means the same file wherever the process goes."""
    return source if source in shipped_checkpoints() else str(Path(source).absolute())


def _choice(source: str, name: str) -> CheckpointChoice:
    path = find_checkpoint(source)
    if path.suffix == ".safetensors":
        metadata = read_metadata(path)
    else:
        # A .pth tells what it is only when it is read.
        metadata = load_generator(source).metadata
    with readable_architecture(path):
        architecture = described_architecture(metadata["architecture"])
    return CheckpointChoice(
        name=name,
        source=_lasting(source),
        variant=str(metadata.get("variant") or ""),
        width=architecture.width,
        generates=makes_faces_alone(metadata, architecture.input_channels),
        shipped=source in shipped_checkpoints(),
        layers=tuple(zip(architecture.layers, architecture.channels, strict=True)),
    )
