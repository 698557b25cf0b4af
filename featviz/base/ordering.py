"""The order of names that hold numbers."""

import re


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts G2 before G10, numbers before words, whatever the case of the letters.

    Equal keys mean equal names, so the order never depends on the order before.
    """
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    key = [
        (0, int(part), "") if part[0] in "0123456789" else (1, 0, part.lower()) for part in parts
    ]
    return [*key, (-1, 0, name)]
