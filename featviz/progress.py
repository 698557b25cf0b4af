"""A progress bar on stderr for people; nothing at all for pipes and logs."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


@contextmanager
def progress_bar(*fields: str) -> Iterator["Progress | None"]:
    """A live bar on stderr, or None where nobody watches.

    fields: what to show behind the time, such as "{task.fields[losses]}".
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
    if not console.is_terminal:
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
    with Progress(*columns, console=console) as progress:
        yield progress


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items` and show how far it is and how long it will take."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar() as progress:
        if progress is None:
            yield from items
        else:
            yield from progress.track(items, total=total, description=description)
