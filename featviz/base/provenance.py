"""What results tell of where they come from: the version, and what they were made of."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from featviz.base.errors import FeatvizError
from featviz.base.files import require_file
from featviz.base.progress import track
from featviz.base.version import VERSION, VERSION_KEY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VERSION", "VERSION_KEY", "fingerprint", "recorded_version"]


def recorded_version(metadata: Mapping[str, Any]) -> str | None:
    """The version of featviz that made a result; older ones tell it as `version`."""
    told: str | None = metadata.get(VERSION_KEY, metadata.get("version"))
    return told


class _Labelled(Protocol):
    """What a fingerprint needs of a set of images."""

    @property
    def folder(self) -> Path:
        """Where files lie."""

    @property
    def index(self) -> "pd.DataFrame":
        """One row an image, with columns sketch, group and, of files, file."""

    def images(self) -> Iterable[Any]:
        """The images in the order of the index."""


def fingerprint(sketches: _Labelled) -> str:
    """sha256 over the names, groups and contents of the sketches, in their order.

    The contents are the bytes of the files that the index names, so no image is decoded for it;
    of sets that are no files, the pixels. What an index tells besides (bases, edited parts) is
    not in it: results of the same sketches have one fingerprint, whatever was measured of them.
    """
    total = hashlib.sha256()
    labels = zip(sketches.index["sketch"], sketches.index["group"], strict=True)
    contents = (
        map(_file_digest, (sketches.folder / file for file in sketches.index["file"]))
        if "file" in sketches.index
        else (_pixels_digest(np.asarray(image)) for image in sketches.images())
    )
    content_of = track(contents, "sketches, looked through", len(sketches.index), is_passing=True)
    for (sketch, group), content in zip(labels, content_of, strict=True):
        for text in (sketch, group):
            encoded = str(text).encode()
            total.update(len(encoded).to_bytes(8, "little") + encoded)
        total.update(content)
    return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    try:
        require_file(path, str(path))
        return hashlib.sha256(path.read_bytes()).digest()
    except (FeatvizError, OSError):
        # What cannot be read is told when the images are read.
        return bytes(32)


def _pixels_digest(image: np.ndarray) -> bytes:
    kind = f"{image.dtype} {image.shape} ".encode()
    return hashlib.sha256(kind + np.ascontiguousarray(image).tobytes()).digest()
