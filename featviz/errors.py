"""The one exception that means: the input is at fault, not the program."""


class FeatvizError(ValueError):
    """Input that cannot be used. The message is one line: what was given, expected, available.

    The command line prints it without a traceback and exits with 2.
    """


class FeatvizWarning(UserWarning):
    """Input that can be used, but not quite as it is. The command line prints it as one line."""


def require_whole(settings: object, least: int, *names: str) -> None:
    """Raise FeatvizError unless these attributes are whole numbers of at least `least`."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FeatvizError(f"{name} must be a whole number, {least} or more; got {value!r}")


def one_line(error: Exception, length: int = 200) -> str:
    """The message of somebody else's error, fit for a message of ours."""
    return " ".join(str(error).split())[:length]
