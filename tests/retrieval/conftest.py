"""A data base of a handful of real faces."""

from dataclasses import replace
from pathlib import Path

import pytest

from featviz.faces.pairs import PairSet, write_pairs
from featviz.retrieval.database import PhotoParts, build_database

HELD_OUT = 0
"""The number of the one pair that is in no data base."""


@pytest.fixture(scope="session")
def faces(pairs: PairSet, tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """The samples as a pairs folder, all but the first one for training."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "photos").symlink_to(pairs.folder / "photos")
    splits = ("test", *("train",) * (len(pairs) - 1))
    found = replace(pairs, folder=folder, splits=splits)
    write_pairs(found)
    return found


@pytest.fixture(scope="session")
def database(faces: PairSet, tmp_path_factory: pytest.TempPathFactory) -> PhotoParts:
    folder: Path = tmp_path_factory.mktemp("retrieval") / "base"
    return build_database(faces, folder)[0]
