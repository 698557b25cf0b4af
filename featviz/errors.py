"""The one exception that means: the input is at fault, not the program."""

import unicodedata


class FeatvizError(ValueError):
    """Input that cannot be used. The message is one line: what was given, expected, available.

    The command line prints it without a traceback and exits with 2.
    """


def require_whole(settings: object, least: int, *names: str) -> None:
    """Raise FeatvizError unless these attributes are whole numbers of at least `least`."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FeatvizError(f"{name} must be a whole number, {least} or more; got {value!r}")


def one_line(error: Exception, length: int = 200) -> str:
    """The message of somebody else's error, fit for a message of ours."""
    return printable(str(error))[:length]


def printable(text: str) -> str:
    """A text in one line that a terminal only shows: control characters are written out.

    ESC, for one, would let a name of somebody else's clear the screen or rename the window.
    """
    return "".join(
        character if _is_shown(character) else ascii(character)[1:-1]
        for character in " ".join(text.split())
    )


def _is_shown(character: str) -> bool:
    # Cc: control; Cf: unseen, some turn the direction of the text; Cs: halves of characters, which
    # stand for bytes that are no UTF-8; Zl, Zp: ends of lines. Joiners (Cf) belong to some scripts.
    return character in "\u200c\u200d" or (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
