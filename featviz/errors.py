"""The one exception that means: the input is at fault, not the program."""


class FeatvizError(ValueError):
    """Input that cannot be used. The message is one line: what was given, expected, available.

    The command line prints it without a traceback and exits with 2.
    """
