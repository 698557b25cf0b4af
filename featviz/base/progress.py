"""A progress bar on stderr for people; nothing at all for pipes and logs."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

_T = TypeVar("_T")

_is_hidden: ContextVar[bool] = ContextVar("is_hidden", default=False)


@contextmanager
def progress_bar(*fields: str, is_passing: bool = False) -> Iterator["Progress | None"]:
    """A live bar on stderr, or None where nobody watches.

    fields: what to show behind the time, such as "{task.fields[losses]}". is_passing: it goes away
    when it is done, as that of a preparation that nobody will want to look back at.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if _is_hidden.get() or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *(TextColumn(field) for field in fields),
    )
    with Progress(*columns, console=console, transient=is_passing) as progress:
        yield progress


@contextmanager
def hidden_progress() -> Iterator[None]:
    """Show no bars of what the block does, such as one step of something that has a bar."""
    token = _is_hidden.set(True)
    try:
        yield
    finally:
        _is_hidden.reset(token)


def track(
    items: Iterable[_T], description: str, total: int | None = None, is_passing: bool = False
) -> Iterator[_T]:
    """Iterate over `items` and show how far it is and how long it will take."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(is_passing=is_passing) as progress:
        if progress is None:
            yield from items
        else:
            yield from progress.track(items, total=total, description=description)
