"""The data base: descriptors of every part of every face of a pairs folder, mapped into memory.

    DIR/database.json       what it is made of; there once all else is
    DIR/landmarks.npy       (faces, 68, 2) float32, pixels at 512
    DIR/bases.npy           (parts, 1 + dimensions, cells) float32: mean and principal directions
    DIR/descriptors.npy     (parts, faces, dimensions) float32
    DIR/colours.npy         (parts, faces, PLACES * 3) float32: red, green, blue around each part
    DIR/PART.faiss          from MANY faces on, an index of each part

The photos stay where they are.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write, remove_unfinished, require_folder
from featviz.base.foreign import parsing, read_json, told_of
from featviz.base.progress import track
from featviz.base.provenance import VERSION
from featviz.faces.landmarks import LANDMARKS
from featviz.faces.pairs import PairSet, read_pairs
from featviz.retrieval.indices import MANY, write_index
from featviz.retrieval.shapes import (
    PART_MARGIN,
    SEARCHED_PARTS,
    distance_maps,
    frame_of,
    normalised,
    of_landmarks,
)
from featviz.sketches.drawing import CANVAS

FORMAT = 1
DIMENSIONS = 24
"""Of a descriptor: principal components of maps of distances. Of held-out contours 16 are enough
for the nearest by chamfer distance to be among the first 16 found (280 parts, all but one)."""
PLACES = 8
"""Around a part, one after the other along its strokes, where its colours are looked at."""
LEAST_FACES = 2

_FILE, _BEGUN, _CHUNKS = "database.json", "begun.json", "chunks"
_CHUNK = 1024
_LEARNED_FROM = 2048
"""Faces that the principal components are of, evenly spaced."""


@dataclass
class Description:
    """What database.json tells. pairs: the folder of the photos; fingerprint: of its train split.

    size: side of the photos.
    """

    format: int
    featviz_version: str
    pairs: str
    fingerprint: str
    faces: int
    size: int
    dimensions: int


@dataclass(frozen=True, eq=False)
class PhotoParts:
    """A data base in use; arrays as in the module's description. pairs: the training split."""

    folder: Path
    description: Description
    pairs: PairSet
    landmarks: NDArray[np.float32]
    bases: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    colours: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.resolve().name

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """The mean face, (68, 2)."""
        mean: NDArray[np.float64] = self.landmarks.mean(axis=0, dtype=np.float64)
        return mean

    def described(self, part: str, shape: NDArray[np.float64]) -> NDArray[np.float32]:
        """The descriptor of a part's normalised points (POINTS, 2), (dimensions,)."""
        maps = distance_maps(shape[None])
        descriptor: NDArray[np.float32] = _projected(maps, self.bases[SEARCHED_PARTS.index(part)])[
            0
        ]
        return descriptor


def build_database(pairs: PairSet, folder: Path) -> tuple[PhotoParts, bool]:
    """Describe all training faces of a pair set; goes on where it was stopped.

    Returns the data base and whether there was anything to do. Raises FeatvizError for fewer than
    LEAST_FACES, and if the folder holds a data base of something else.
    """
    folder, train = Path(folder), pairs.split("train")
    if len(train) < LEAST_FACES:
        raise FeatvizError(
            f"{pairs.folder} has {len(train)} photos in its training split; a data base takes "
            f"{LEAST_FACES} or more"
        )
    require_folder(folder)
    dimensions = min(DIMENSIONS, len(train))
    told = Description(
        FORMAT, VERSION, str(pairs.folder.resolve()), train.fingerprint(), len(train), pairs.size,
        dimensions,
    )  # fmt: skip
    for name in (_FILE, _BEGUN):
        if (folder / name).is_file():
            _require_same(folder, _read_description(folder, name), told)
    if (folder / _FILE).is_file():
        return open_database(folder), False
    landmarks = (train.landmarks.astype(np.float64) + 0.5) * (CANVAS / pairs.size) - 0.5
    if not (folder / _BEGUN).is_file():
        _save(folder / "landmarks.npy", landmarks.astype(np.float32))
        _save(folder / "bases.npy", learn_bases(landmarks, dimensions))
        _write_description(folder / _BEGUN, told)
    bases = np.load(folder / "bases.npy")
    chunks = [folder / _CHUNKS / f"{first:08d}.npy" for first in range(0, len(train), _CHUNK)]
    for path in track(chunks, "describing faces"):
        if not path.is_file():
            remove_unfinished(path)
            first = int(path.stem)
            _save(path, _described(train, landmarks, bases, range(first, first + _CHUNK)))
    described = np.concatenate([np.load(path) for path in chunks], axis=1)
    descriptors, colours = np.split(described, [dimensions], axis=2)
    _save(folder / "descriptors.npy", np.ascontiguousarray(descriptors))
    _save(folder / "colours.npy", np.ascontiguousarray(colours))
    if len(train) >= MANY:
        for part, of_part in zip(SEARCHED_PARTS, descriptors, strict=True):
            write_index(of_part, folder / f"{part}.faiss")
    _write_description(folder / _FILE, told)
    (folder / _BEGUN).unlink()
    shutil.rmtree(folder / _CHUNKS)
    return open_database(folder), True


def is_database(source: str | Path) -> bool:
    """Whether a path is that of a data base, finished or not."""
    return any((Path(source) / name).is_file() for name in (_FILE, _BEGUN))


def open_database(folder: Path, photos: Path | None = None) -> PhotoParts:
    """Open a data base; photos: the pairs folder, where it is not any more where it was.

    Raises FeatvizError if there is none, if it is unfinished, of another version or broken, or if
    the photos are not those that it was built from.
    """
    folder = Path(folder)
    if not (folder / _FILE).is_file():
        state = "is not finished" if (folder / _BEGUN).is_file() else "is no data base"
        raise FeatvizError(
            f"{folder} {state}; `featviz retrieve build PAIRS --out {folder}` builds"
        )
    told = _read_description(folder, _FILE)
    shapes = {
        "landmarks": (told.faces, LANDMARKS, 2),
        "bases": (len(SEARCHED_PARTS), 1 + told.dimensions, -1),
        "descriptors": (len(SEARCHED_PARTS), told.faces, told.dimensions),
        "colours": (len(SEARCHED_PARTS), told.faces, 3 * PLACES),
    }
    arrays = {name: _mapped(folder / f"{name}.npy", shape) for name, shape in shapes.items()}
    where = Path(photos or told.pairs)
    try:
        pairs = read_pairs(where)
    except FeatvizError as error:
        raise FeatvizError(f"the photos of {folder} are not there: {error}; or --photos") from None
    if (train := pairs.split("train")).fingerprint() != told.fingerprint:
        raise FeatvizError(
            f"{folder} was built from other faces than those of {where} (names or landmarks "
            "differ); build it again, or name its photos with --photos"
        )
    return PhotoParts(folder, told, train, **arrays)


def _read_description(folder: Path, name: str = _FILE) -> Description:
    """What a data base says of itself; raises FeatvizError for another version."""
    path = folder / name
    version = read_json(path, dict[str, Any]).get("format")
    if version != FORMAT:
        raise FeatvizError(
            f"{path} is of format {str(version)[:20]}; this version of featviz reads {FORMAT}; "
            "build it again"
        )
    return read_json(path, Description)


def _require_same(folder: Path, there: Description, wanted: Description) -> None:
    if replace(there, pairs="", featviz_version="") != replace(
        wanted, pairs="", featviz_version=""
    ):
        raise FeatvizError(
            f"{folder} holds a data base of other faces ({there.faces}, of {there.pairs}); build "
            "this one in another folder"
        )


def learn_bases(landmarks: NDArray[np.float64], dimensions: int) -> NDArray[np.float32]:
    """Mean and principal directions of the maps of each part, (parts, 1 + dimensions, cells)."""
    from sklearn.decomposition import PCA

    some = np.linspace(0, len(landmarks) - 1, min(len(landmarks), _LEARNED_FROM)).round()
    bases = []
    for part in SEARCHED_PARTS:
        fitted = PCA(dimensions, svd_solver="full").fit(_maps(landmarks[some.astype(int)], part))
        bases.append(np.concatenate([fitted.mean_[None], fitted.components_]))
    return np.stack(bases).astype(np.float32)


def _described(
    pairs: PairSet, landmarks: NDArray[np.float64], bases: NDArray[np.float32], faces: range
) -> NDArray[np.float32]:
    """Descriptors and, behind them, colours of some faces, (parts, faces, both)."""
    faces = range(len(pairs))[faces.start : faces.stop]
    own = landmarks[faces.start : faces.stop]
    around = [_around(own, part) for part in SEARCHED_PARTS]
    colours = np.zeros((len(SEARCHED_PARTS), len(own), 3 * PLACES), np.float32)
    for number, face in enumerate(faces):
        photo = pairs.photo(face)
        for part, places in enumerate(around):
            at = np.rint((places[number] + 0.5) * (len(photo) / CANVAS) - 0.5).astype(int)
            columns, rows = at.clip(0, len(photo) - 1).T
            seen = photo[rows, columns].reshape(PLACES, -1, 3)
            colours[part, number] = seen.mean(axis=1).reshape(-1)
    return np.concatenate([descriptors_of(own, bases), colours], axis=2)


def descriptors_of(
    landmarks: NDArray[np.float64], bases: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Of faces (N, 68, 2) at 512, (parts, N, dimensions)."""
    each = zip(SEARCHED_PARTS, bases, strict=True)
    return np.stack([_projected(_maps(landmarks, part), basis) for part, basis in each])


def _around(landmarks: NDArray[np.float64], part: str) -> NDArray[np.float64]:
    """Points `PART_MARGIN` px outside of a part's strokes: mostly skin, (N, POINTS, 2)."""
    points = of_landmarks(landmarks, part)
    away = points - points.mean(axis=1, keepdims=True)
    length = np.linalg.norm(away, axis=2, keepdims=True)
    around: NDArray[np.float64] = points + PART_MARGIN * away / np.maximum(length, 1)
    return around


def _maps(landmarks: NDArray[np.float64], part: str) -> NDArray[np.float32]:
    points = of_landmarks(landmarks, part)
    return distance_maps(normalised(points, frame_of(points)))


def _projected(maps: NDArray[np.float32], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (maps - basis[0]) @ basis[1:].T
    return found


def _save(path: Path, array: NDArray[Any]) -> None:
    with atomic_write(path) as temporary:
        np.save(temporary, array)


def _mapped(path: Path, shape: Sequence[int]) -> NDArray[np.float32]:
    with told_of(path), parsing("not an array of a data base"):
        array: NDArray[np.float32] = np.load(path, mmap_mode="r")
        fits = len(array.shape) == len(shape) and all(
            wanted in (-1, there) for there, wanted in zip(array.shape, shape, strict=True)
        )
        if array.dtype != np.float32 or not fits:
            raise FeatvizError(
                f"{array.dtype} of shape {array.shape}; expected float32 of {tuple(shape)}"
            )
    return array


def _write_description(path: Path, told: Description) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(told), indent=1) + "\n", encoding="utf-8")
