"""What is at fault with the input, in one line: the exception, the warning, and their words."""

import unicodedata


class FeatvizError(ValueError):
    """Input that cannot be used. The message is one line: what was given, expected, available.

    The command line prints it without a traceback and exits with 2.
    """


class FeatvizWarning(UserWarning):
    """Input that can be used, but not as its owner may expect. The message is one line.

    The command line prints it on stderr and goes on.
    """


def require_whole(settings: object, least: int, *names: str) -> None:
    """Raise FeatvizError unless these attributes are whole numbers of at least `least`."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FeatvizError(f"{name} must be a whole number, {least} or more; got {value!r}")


def one_line(error: object, length: int = 200) -> str:
    """The message of somebody else's error, fit for a message of ours."""
    return printable(" ".join(str(error).split()))[:length]


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
