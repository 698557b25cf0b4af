"""Calls of analyses that train runs, judge them and write a page, small enough for a test."""

from dataclasses import replace
from pathlib import Path

from featviz.faces.pairs import PairSet, write_pairs


def training_call(pairs: PairSet, folder: Path, repository: Path, name: str) -> list[str]:
    """The options of a call whose faces, runs and page, NAME.json and NAME.png lie in a folder.

    pairs: six, of which three are held out.
    """
    data = folder / "faces"
    data.mkdir()
    (data / "photos").symlink_to(pairs.folder / "photos")
    write_pairs(replace(pairs, folder=data, splits=("train", "test") * 3))
    page = folder / "page.md"
    page.write_text("Before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nbehind\n")
    given = {
        "runs": folder / "runs",
        "data": data,
        "sketches": repository / "sketches",
        "table": folder / f"{name}.json",
        "figure": folder / f"{name}.png",
        "page": page,
    }
    return [word for option, path in given.items() for word in (f"--{option}", str(path))]
