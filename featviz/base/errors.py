"""The exception and the warning that mean: the input is at fault, not the program."""

import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_NAMED = 5


class FeatvizError(ValueError):
    """Input that cannot be used. The message is one line: what was given, expected, available.

    The command line prints it without a traceback and exits with 2.
    """


class FeatvizWarning(UserWarning):
    """Input that is used, though it may not be what was meant.

    what: its name. remark: what is odd about it, the same text for all that are odd in that way.
    """

    def __init__(self, what: str, remark: str) -> None:
        super().__init__(what, remark)
        self.what, self.remark = what, remark

    def __str__(self) -> str:
        return f"{self.what} {self.remark}"


@contextmanager
def printed_warnings() -> Iterator[None]:
    """Inside the `with`, a remark is one line on stderr at once, and one in the end for all others.

    Warnings of other libraries stay as they are, but for Pillow's on files that it repairs.
    """
    others: dict[str, list[str]] = {}
    first: dict[str, str] = {}

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not isinstance(message, FeatvizWarning):
            show_others(message, category, filename, lineno, file, line)
        elif message.remark not in first:
            first[message.remark] = message.what
            _print(str(message))
        elif message.what not in (first[message.remark], *others.get(message.remark, ())):
            others.setdefault(message.remark, []).append(message.what)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=FeatvizWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")
        show_others, warnings.showwarning = warnings.showwarning, show
        try:
            yield
        finally:
            for remark, names in others.items():
                told = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
                _print(f"{len(names)} more ({told}): each {remark}")


def _print(warning: str) -> None:
    print(f"featviz: warning: {one_line(warning, 2000)}", file=sys.stderr, flush=True)


@contextmanager
def ending_in_one_line(program: str) -> Iterator[None]:
    """Inside, what is wrong with the input ends the program with 2 and a line on stderr."""
    try:
        yield
    except (FeatvizError, OSError) as error:
        # A full disk, a read-only folder: the user's to mend, not a defect to trace.
        print(f"{program}: error: {one_line(error, 2000)}", file=sys.stderr)
        sys.exit(2)


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Tell of imports inside that fail what needs them, and which extra of featviz has them."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").startswith("featviz"):
            raise
        why = "" if isinstance(error, ModuleNotFoundError) else f" ({one_line(error)})"
        raise FeatvizError(
            f"{what} needs {error.name or 'more'}{why}; pip install 'featviz[{extra}]'"
        ) from None


def require_whole(settings: object, least: int, *names: str) -> None:
    """Raise FeatvizError unless these attributes are whole numbers of at least `least`."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FeatvizError(f"{name} must be a whole number, {least} or more; got {value!r}")


def one_line(error: object, length: int = 200) -> str:
    """The message of somebody else's error, fit for a message of ours."""
    return printable(" ".join(str(error).split()))[:length]


def reason(error: BaseException) -> str:
    """What somebody else's error says, with its kind where the text alone says nothing.

    The text of a KeyError is the key, and that of an EOFError is often empty.
    """
    text = one_line(error)
    if text and not isinstance(error, LookupError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    r"""Text that moves no cursor and rings no bell: control characters become `\x1b` and so on.

    Names of groups, sketches and files come from others, and a terminal obeys what it is sent.
    Line ends and tabs stay; so does every letter of every script. Unseen characters that turn the
    direction of a line, and bytes of a file name that are no text, are written out too.
    """
    return "".join(
        character if _is_shown(character) else ascii(character)[1:-1] for character in text
    )


def _is_shown(character: str) -> bool:
    # Cc: control; Cf: unseen; Cs: halves of characters, which stand for bytes that are no UTF-8;
    # Zl, Zp: ends of lines. The joiners of some scripts are unseen, too.
    return character in "\n\t\u200c\u200d" or (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
