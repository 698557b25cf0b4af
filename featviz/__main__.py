"""`python -m featviz` and the `featviz` command."""

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it in one line, at any moment.

    Exit status 130 and 143, as shells have it. What was being written is removed on the way out.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from featviz.cli import main as run

        run()
    except KeyboardInterrupt:
        _stop(signal.SIGINT)
    except _Terminated:
        _stop(signal.SIGTERM)


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: nothing that handles errors may handle it."""


def _terminate(_: int, __: FrameType | None) -> None:
    raise _Terminated


def _stop(number: signal.Signals) -> None:
    # Whoever is impatient presses the keys again; that must not end in a traceback either.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    print("stopped", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
