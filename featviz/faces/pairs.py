"""The paired data set: photos with their landmarks, in one folder.

    FOLDER/photos/000000.jpg ...    square photos
    FOLDER/landmarks.parquet        photo, split, landmarks (136 numbers: x0, y0, x1, ...)

Contours are not stored: they are drawn from the landmarks when they are needed.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write
from featviz.base.foreign import parsing, told_of
from featviz.base.table import ColumnKind, Table, list_vectors, read_parquet, to_frame
from featviz.faces.contours import HAIR, contours
from featviz.faces.landmarks import LANDMARKS
from featviz.sketches.drawing import Drawing, Stroke
from featviz.sketches.images import read_image

PHOTO_SIZE = 512
_SPLITS = ("train", "test")
TEST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class PairSet:
    """Photos and their landmarks.

    names: N file names in `folder`/photos. landmarks: (N, 68, 2) float32, pixels of a photo of
    `size` x `size`. splits: N entries of "train" or "test". origin: how the photos came about.
    precision: what sampled faces were computed in; "" if they are none, or if nobody knows. hair:
    of each photo the lines of its hair, (n, 2) float32 each, pixels too; empty if contours are to
    be drawn without, see `with_hair`.
    """

    folder: Path
    names: tuple[str, ...]
    landmarks: NDArray[np.float32]
    splits: tuple[str, ...]
    size: int
    origin: str = ""
    precision: str = ""
    hair: tuple[tuple[NDArray[np.float32], ...], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def split(self, name: str) -> "PairSet":
        """The pairs of one split, "train" or "test", in order; raises FeatvizError for another."""
        if name not in _SPLITS:
            raise FeatvizError(f"unknown split '{name}'; there are {', '.join(_SPLITS)}")
        return self.taken([index for index, split in enumerate(self.splits) if split == name])

    def taken(self, indices: Sequence[int]) -> "PairSet":
        """Some of the pairs, in the order of their indices."""
        return replace(
            self,
            names=tuple(self.names[index] for index in indices),
            landmarks=self.landmarks[list(indices)],
            splits=tuple(self.splits[index] for index in indices),
            hair=tuple(self.hair[index] for index in indices if self.hair),
        )

    def photo(self, index: int, size: int | None = None) -> NDArray[np.uint8]:
        """One photo, (size, size, 3) uint8 RGB, resized if it is stored larger or smaller."""
        return read_photo(self.folder / "photos" / self.names[index], size or self.size)

    def points(self, index: int) -> NDArray[np.float32]:
        """What a contour is drawn through: landmarks, then the points of the hair; (68 + n, 2)."""
        return np.concatenate([self.landmarks[index], *(self.hair[index] if self.hair else ())])

    def contour(
        self, index: int, size: int | None = None, points: NDArray[np.float32] | None = None
    ) -> Drawing:
        """The contour drawing of one photo on a canvas of `size` pixels; lines stay 2 px.

        points: as `points` gives them, to draw instead of the photo's own, as an augmentation moved
        them; of the landmarks (68, 2) alone, if the hair stays where it is.
        """
        own = self.points(index)
        if points is not None:
            own[: len(points)] = points
        drawing = contours(own[:LANDMARKS], self.size)
        if self.hair:
            ends = np.cumsum([len(line) for line in self.hair[index]])
            lines = np.split(own[LANDMARKS:], ends[:-1]) if len(ends) else []
            drawing = drawing.with_part(
                HAIR, [Stroke(HAIR, line.astype(np.float64)) for line in lines]
            )
        return drawing if size in (None, self.size) else drawing.scaled(size or self.size)

    def fingerprint(self) -> str:
        """A digest of names, splits and landmarks: tells whether two runs saw the same data."""
        digest = hashlib.sha256()
        digest.update("\n".join(self.names).encode())
        digest.update("\n".join(self.splits).encode())
        digest.update(np.ascontiguousarray(self.landmarks).tobytes())
        for lines in self.hair:
            digest.update(len(lines).to_bytes(4, "big"))
            for line in lines:
                digest.update(len(line).to_bytes(4, "big") + line.tobytes())
        return digest.hexdigest()[:16]


def split_of(name: str, test_share: float = TEST_SHARE) -> str:
    """The split of a photo, decided by its name alone, so that adding photos moves none."""
    return "test" if zlib.crc32(name.encode()) % 10_000 < test_share * 10_000 else "train"


def read_photo(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """A photo as `read_image` gives it, (H, W, 3) uint8 RGB; with `size`, resampled to size x size.

    Raises FeatvizError, naming the file, as that does.
    """
    photo = read_image(path, what="photo")
    if size is None or photo.shape[:2] == (size, size):
        return photo
    resized = Image.fromarray(photo).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def write_pairs(pairs: PairSet) -> None:
    """Write landmarks.parquet of a pair set (the photos are in place already)."""
    flat = np.ascontiguousarray(pairs.landmarks, dtype=np.float32).reshape(-1)
    table = pa.table(
        {
            "photo": list(pairs.names),
            "split": list(pairs.splits),
            "landmarks": pa.FixedSizeListArray.from_arrays(pa.array(flat), 2 * LANDMARKS),
        },
        metadata={
            "size": str(pairs.size),
            "origin": pairs.origin,
            **({"precision": pairs.precision} if pairs.precision else {}),
        },
    )
    with atomic_write(pairs.folder / "landmarks.parquet") as temporary:
        pq.write_table(table, temporary, compression="zstd")


@dataclass(frozen=True, eq=False)
class _Rows(Table):
    """What landmarks.parquet holds beside the landmarks."""

    noun: ClassVar[str] = "landmark table"
    columns: ClassVar[Mapping[str, ColumnKind]] = {"photo": "text", "split": "text"}
    key: ClassVar[tuple[str, ...]] = ("photo",)


def read_pairs(folder: Path) -> PairSet:
    """Read a pair set; raises FeatvizError saying what is missing or malformed."""
    folder = Path(folder)
    path = folder / "landmarks.parquet"
    if not path.is_file():
        raise FeatvizError(
            f"{folder} has no landmarks.parquet; make a data set with "
            "`featviz faces sample` or `featviz faces import`"
        )
    with told_of(path), parsing("not a landmark table"):
        table = read_parquet(path)
        rows = _Rows(to_frame(table.drop_columns("landmarks")), {})
        vectors = list_vectors("landmarks", table.column("landmarks"))
        facts = {
            key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()
        }
        size = int(facts["size"])
        if vectors.shape[1] != 2 * LANDMARKS:
            raise FeatvizError(
                f"a photo has {vectors.shape[1]} numbers in 'landmarks'; expected {2 * LANDMARKS}: "
                f"x and y of {LANDMARKS} points"
            )
        if unknown := set(rows.names("split")) - set(_SPLITS):
            raise FeatvizError(f"splits {sorted(unknown)}; expected {', '.join(_SPLITS)}")
        if outside := [name for name in rows.names("photo") if _leads_outside(name)]:
            raise FeatvizError(f"a photo {outside[0]!r}; expected a path inside its photos")
        if size < 1:
            raise FeatvizError(f"photos of {size} px; expected at least 1 px")
    names, splits = (tuple(rows.rows[column]) for column in rows.columns)
    landmarks = vectors.reshape(len(rows), LANDMARKS, 2)
    further = (facts.get("origin", ""), facts.get("precision", ""))
    return PairSet(folder, names, landmarks, splits, size, *further)


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.name or path.is_absolute() or ".." in path.parts or "\0" in name


def existing_pairs(folder: Path, size: int, origin: str) -> PairSet:
    """The pairs that a call which extends `folder` finds there; none if it is new.

    Raises FeatvizError if they are of another size or came about in another way.
    """
    if not (folder / "landmarks.parquet").is_file():
        return PairSet(folder, (), np.zeros((0, LANDMARKS, 2), np.float32), (), size, origin)
    pairs = read_pairs(folder)
    if pairs.size != size:
        raise FeatvizError(
            f"{folder} holds photos of {pairs.size} px; this call asks for {size} px"
        )
    if pairs.origin != origin:
        raise FeatvizError(
            f"{folder} holds photos of another origin ('{pairs.origin or 'unknown'}'); "
            f"this call would add '{origin}'"
        )
    return pairs
