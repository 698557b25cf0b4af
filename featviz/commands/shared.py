"""What several commands share: settings, sketches, edits, threads, and how they speak."""

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from tyro.conf import FlagCreatePairsOff

from featviz.base.errors import FeatvizError, printable

_Settings = TypeVar("_Settings")

SKETCHES = Path("sketches")
"""The sketch set of featviz's repository, where a command is called in that."""

Edits = int | Literal["all"]
"""At most so many edits of a group, evenly spaced."""

RENAMED: dict[str, dict[str, str]] = {
    "claims": {"--edits-per-group": "--edits", "--json": "--out", "--markdown": "--out"},
    "leakage": {"--edits-per-group": "--edits"},
}
"""Options by their old words, which still work in this version, and what they are called now."""


def none_given(settings: type[_Settings], **defaults: object) -> _Settings:
    """The default of a command's field that holds a dataclass of settings, none of which is given.

    Each of them is an option then, with its own name, kind and help, that may be left out: it is
    None, or of a flag False, unless `defaults` says what else. A flag has no --no-...: it could not
    be told from one that is left out.
    """
    kinds = get_type_hints(settings, include_extras=True)
    flags = {name for name, kind in kinds.items() if kind is bool}
    kinds |= dict.fromkeys(flags, Annotated[bool, FlagCreatePairsOff])
    settled = dict.fromkeys(flags, False) | defaults
    options = [
        (name, kind, settled[name]) if name in settled else (name, kind | None, None)
        for name, kind in kinds.items()
    ]
    left_out = make_dataclass(
        settings.__name__,
        options,
        bases=(settings,),
        namespace={"__doc__": settings.__doc__},
        frozen=True,
        # As the settings have them; each that is made anew takes time.
        eq=False,
        repr=False,
    )
    nothing: _Settings = left_out()
    return nothing


def given(settings: object) -> dict[str, Any]:
    """By name those of a command's settings that are given; see `none_given`."""
    found = vars(settings).items()
    return {name: value for name, value in found if value is not None and value is not False}


def say(*lines: object) -> None:
    """Print lines of text; names of others cannot command the terminal."""
    print(*(printable(str(line)) for line in lines), sep="\n", flush=True)


def plain_table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str]
) -> str:
    """Rows below titles, columns of `numbers` flush right, as wide as they have to be.

    Lines are not broken: names of layers are what people copy.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title in numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=10_000, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def remark(line: object) -> None:
    """Print a line on stderr: what the user should know and the next program should not read."""
    print(printable(str(line)), file=sys.stderr, flush=True)


def with_present_words(arguments: Sequence[str]) -> list[str]:
    """Arguments with the options of old versions as they are called now, and a line on each."""
    renamed = RENAMED.get(arguments[0], {}) if arguments else {}
    present = []
    for argument in arguments:
        word, equals, value = argument.partition("=")
        if (new := renamed.get(word.replace("_", "-"))) is not None:
            remark(f"featviz: warning: {word} is called {new} now")
            argument = new + equals + value
        present.append(argument)
    return present


def require_sketches(folder: Path, instead: str = "") -> None:
    """Raise FeatvizError for the default folder of sketches where there is none.

    instead: what else can be done, as the end of a sentence.
    """
    if folder == SKETCHES and not SKETCHES.exists():
        raise FeatvizError(
            f"there is no folder '{SKETCHES}' here; name yours with --sketches FOLDER, or run this "
            f"in featviz's repository, whose folder of that name holds the study's groups{instead}"
        )


def most_edits(edits: Edits) -> int | None:
    """How many edits a group at most, None for all; raises FeatvizError below 1."""
    if edits == "all":
        return None
    if edits < 1:
        raise FeatvizError(f"expected at least 1 edit a group, or all; got {edits}")
    return edits


def use_threads(count: int | None) -> None:
    """Let PyTorch compute on so many threads, if it is told; raises FeatvizError below 1."""
    if count is None:
        return
    if count < 1:
        raise FeatvizError(f"expected at least 1 thread; got {count}")
    import torch

    torch.set_num_threads(count)
