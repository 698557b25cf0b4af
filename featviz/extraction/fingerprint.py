"""A number for a set of sketches that changes with any of them."""

import hashlib
from pathlib import Path

import numpy as np

from featviz.errors import FeatvizError
from featviz.images import require_file
from featviz.inputs import LabelledImages
from featviz.progress import track
from featviz.sketches import SketchSet


def fingerprint(sketches: LabelledImages) -> str:
    """sha256 over the names, groups and contents of the sketches, in their order.

    The contents are the bytes of the files, so no image is decoded for it; of sets that are no
    files, the pixels. What an index tells besides (bases, edited parts) is in no feature table
    and not in it.
    """
    total = hashlib.sha256()
    labels = zip(sketches.index["sketch"], sketches.index["group"], strict=True)
    contents = (
        map(_file_digest, (sketches.folder / file for file in sketches.index["file"]))
        if isinstance(sketches, SketchSet)
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
