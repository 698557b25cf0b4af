"""The checkpoints that the page may choose from, loaded when they are first asked for."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from featviz.base.errors import FeatvizError
from featviz.editing.engine import LocalEditor
from featviz.editing.local import engine_of
from featviz.editing.plain import PlainEditor
from featviz.generators.checkpoint import distinct_names, makes_faces_alone
from featviz.generators.checkpoint_files import (
    LoadedGenerator,
    find_checkpoint,
    load_generator,
    shipped_checkpoints,
)
from featviz.generators.networks.architectures import WholeGenerator, described_architecture
from featviz.generators.weights import read_metadata, readable_architecture
from featviz.retrieval.database import is_database, open_database
from featviz.sketches.drawing import CANVAS
from featviz.studio.face_makers import (
    DrawnState,
    MadeFace,
    MakesFaces,
    fitting_size,
    network_faces,
    photo_faces,
)
from featviz.studio.problems import StudioError

_LOADED = 4

_T = TypeVar("_T")


@dataclass(frozen=True)
class CheckpointChoice:
    """A checkpoint or a data base of photos that can be chosen.

    generates: whether it makes a face of a sketch alone. size: of the sketches that it is shown.
    is_photos: whether it is a data base, which cannot be told to keep the rest.
    """

    name: str
    source: str
    variant: str
    width: int
    generates: bool
    shipped: bool
    layers: tuple[tuple[str, int], ...]
    size: int = CANVAS
    is_photos: bool = False

    def document(self) -> dict[str, Any]:
        """What the page is told."""
        return {
            "name": self.name,
            "variant": self.variant,
            "width": self.width,
            "generates": self.generates,
            "shipped": self.shipped,
            "keeps": not self.is_photos,
            "layers": [{"layer": name, "channels": channels} for name, channels in self.layers],
        }


def choices(sources: Sequence[str]) -> dict[str, CheckpointChoice]:
    """The checkpoints by name: those named when the server was started, then all shipped ones.

    Only these can be chosen from the page: no request names a file. Names are told apart as
    everywhere, see `distinct_names`. Raises FeatvizError for sources that cannot be read.
    """
    shipped = shipped_checkpoints()
    all_sources = list(dict.fromkeys([*sources, *shipped]))
    bases = [each for each in all_sources if each not in shipped and is_database(each)]
    files = [source for source in all_sources if source not in bases]
    found = dict(zip(files, distinct_names(files), strict=True))
    for source in bases:
        found[source] = open_database(Path(source)).name
    offered = {found[source]: source for source in all_sources}
    if len(offered) < len(all_sources):
        names = list(found.values())
        twice = next(name for name in names if names.count(name) > 1)
        raise FeatvizError(f"two of what the page is to offer are called '{twice}'; rename one")
    return {
        name: _photos(source, name) if source in bases else _choice(source, name)
        for name, source in offered.items()
    }


class Networks:
    """The loaded networks; a few are kept. Use from one thread."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.choices = choices(sources)
        self._makers: OrderedDict[str, MakesFaces] = OrderedDict()
        self._editors: OrderedDict[str, LocalEditor | PlainEditor] = OrderedDict()

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

    def require(self, name: str, kept: bool) -> None:
        """Raise StudioError unless there is such a checkpoint that makes faces, kept if asked."""
        choice = self.choice(name)
        if not choice.generates:
            raise StudioError("bad-request", f"checkpoint '{name}' makes no face of a sketch")
        if kept and choice.is_photos:
            raise StudioError(
                "bad-request", f"'{name}' is a data base of photos, which has no maps to keep"
            )

    def load(self, name: str) -> LoadedGenerator:
        """A checkpoint afresh; the message of an error names it, not its path."""
        if self.choice(name).is_photos:
            raise StudioError("bad-request", f"'{name}' is a data base of photos and no network")
        return self._opened(name, load_generator)

    def generate(
        self, name: str, drawn: DrawnState, loading: Callable[[str], None] = lambda _: None
    ) -> MadeFace:
        """The face of one state of a drawing.

        loading: called with the checkpoint's name before it is loaded, if it has to be.
        """
        make = self._kept_few(self._makers, name, self._maker, loading)
        with self.named(name):
            return make(drawn)

    def editor(
        self, name: str, loading: Callable[[str], None] = lambda _: None
    ) -> LocalEditor | PlainEditor:
        """What makes faces of edits: the engine, or where that knows no such network the plain way.

        loading: as in `generate`.
        """
        self.require(name, kept=True)
        return self._kept_few(self._editors, name, self._editor, loading)

    def _maker(self, name: str) -> MakesFaces:
        choice = self.choice(name)
        if choice.is_photos:
            return photo_faces(self._opened(name, lambda source: open_database(Path(source))))
        return network_faces(self._whole(name), choice.size)

    def _editor(self, name: str) -> LocalEditor | PlainEditor:
        network = self._whole(name)
        return engine_of(network) or PlainEditor(network)

    def _whole(self, name: str) -> WholeGenerator:
        generator = self.load(name).generator
        # Its file may have been replaced by another kind since the server started.
        if not isinstance(generator, WholeGenerator):
            raise StudioError("checkpoint", f"checkpoint '{name}' is no generator any more")
        return generator

    def _opened(self, name: str, how: Callable[[str], _T]) -> _T:
        """A checkpoint's file, or a data base; the message of an error names it, not its path."""
        source = self.choice(name).source
        try:
            return how(source)
        except (FeatvizError, OSError) as error:
            reason = str(error).replace(source, name)
            raise StudioError(
                "checkpoint", f"checkpoint '{name}' cannot be loaded: {' '.join(reason.split())}"
            ) from error

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Errors of a network name its checkpoint."""
        try:
            yield
        except StudioError:
            raise
        except FeatvizError as error:
            raise StudioError("checkpoint", f"checkpoint '{name}': {error}") from None

    def _kept_few(
        self,
        known: OrderedDict[str, _T],
        name: str,
        make: Callable[[str], _T],
        loading: Callable[[str], None],
    ) -> _T:
        """What is made of a checkpoint; the latest few are kept."""
        if name not in known:
            self.require(name, kept=False)
            loading(name)
            with self.named(name):
                known[name] = make(name)
            while len(known) > _LOADED:
                known.popitem(last=False)
        known.move_to_end(name)
        return known[name]


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
        size=fitting_size(int(metadata.get("sketch_size") or CANVAS), architecture),
    )


def _photos(source: str, name: str) -> CheckpointChoice:
    """A data base's."""
    return CheckpointChoice(
        name, _lasting(source), "retrieval", 0, True, False, layers=(), is_photos=True
    )
