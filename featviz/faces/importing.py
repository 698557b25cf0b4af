"""Photos of faces from a folder (CelebA-HQ or any) to a pair set."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.base.files import atomic_write, shown
from featviz.base.progress import track
from featviz.faces.alignment import align
from featviz.faces.landmarks import find_landmarks, require_models
from featviz.faces.pairs import (
    PHOTO_SIZE,
    TEST_SHARE,
    PairSet,
    existing_pairs,
    read_photo,
    split_of,
    write_pairs,
)

_SMALLEST_PHOTO = 128
_WRITE_EVERY = 200
_PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def import_photos(
    source: Path,
    out: Path,
    size: int = PHOTO_SIZE,
    keep_alignment: bool = False,
    test_share: float = TEST_SHARE,
    workers: int = 1,
) -> tuple[PairSet, list[str]]:
    """Align every photo below `source`, find its landmarks, write a pair set to `out`.

    keep_alignment: the photos are square and aligned already (CelebA-HQ as it comes); they are
    only resized. test_share: share of the photos that go to the test split, decided by their
    names. workers: processes that share the work. A call that was stopped continues, and a folder
    that has grown is extended. Returns the pairs and one line, with the reason, for every photo
    that was skipped. Raises FeatvizError if there is no photo at all or none could be used.
    """
    source, out = Path(source), Path(out)
    if not source.is_dir():
        raise FeatvizError(f"{source}: no such folder of photos")
    if source.resolve().is_relative_to((out / "photos").resolve()):
        raise FeatvizError(
            f"the data set would write its photos over those in {source}; expected another --out"
        )
    if size < _SMALLEST_PHOTO or not 0 <= test_share < 1 or workers < 1:
        raise FeatvizError(
            f"the size must be at least {_SMALLEST_PHOTO}, the test share 0 or more and less than "
            f"1, the workers at least 1; got {size}, {test_share}, {workers}"
        )
    name = shown(Path(source.resolve().name))
    state = "as they were" if keep_alignment else "aligned"
    origin = f"photos of '{name}', {state}, test share {test_share:g}"
    done = existing_pairs(out, size, origin)
    # What is missing here would be missing for each of thousands of photos.
    require_models()
    paths = _photos_below(source, out / "photos")
    if not paths:
        raise FeatvizError(f"{source} holds no photos ({', '.join(sorted(_PHOTO_SUFFIXES))})")
    named, skipped = _named(paths, source)
    found = dict(zip(done.names, done.landmarks, strict=True))
    jobs = [
        _Job(path, out / "photos" / name, size, keep_alignment)
        for name, path in named.items()
        if name not in found
    ]

    def pairs() -> PairSet:
        names = sorted(found)
        points = [found[name] for name in names]
        splits = tuple(split_of(name, test_share) for name in names)
        return PairSet(out, tuple(names), np.stack(points), splits, size, origin)

    since = 0
    try:
        for job, points, reason in track(_done(jobs, workers), "importing photos", len(jobs)):
            if points is None:
                skipped.append(f"{job.path.relative_to(source)}: {reason}")
                continue
            found[job.target.name] = points
            since += 1
            if since % _WRITE_EVERY == 0:
                write_pairs(pairs())
    finally:
        if since:
            write_pairs(pairs())
    if not found:
        raise FeatvizError(
            f"none of the {len(paths)} photos in {source} could be used; the first: {skipped[0]}"
        )
    return pairs(), sorted(skipped)


def _photos_below(source: Path, ours: Path) -> list[Path]:
    """The photos in a folder, without those that an earlier call wrote to `ours`."""
    # Unlike `resolve`, realpath puts up with links that lead in a circle.
    own = Path(os.path.realpath(ours))
    return sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in _PHOTO_SUFFIXES
        and not Path(os.path.realpath(path)).is_relative_to(own)
    )


@dataclass(frozen=True)
class _Job:
    path: Path
    target: Path
    size: int
    keep_alignment: bool


def _named(paths: list[Path], source: Path) -> tuple[dict[str, Path], list[str]]:
    """Names in the data set for photos below `source`, and a line for each that has none left."""
    named: dict[str, Path] = {}
    skipped = []
    for path in paths:
        inside = path.relative_to(source)
        name = "__".join(inside.with_suffix(".jpg").parts)
        if shown(inside) != str(inside):
            skipped.append(f"{shown(inside)}: its name is not UTF-8")
        elif name in named:
            skipped.append(f"{inside}: another photo is called {name} already")
        else:
            named[name] = path
    return named, skipped


_Done = tuple[_Job, NDArray[np.float32] | None, str]


def _done(jobs: list[_Job], workers: int) -> Iterator[_Done]:
    if workers == 1:
        yield from map(_import_one, jobs)
        return
    # Fresh processes: a fork would copy whatever locks other libraries hold.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_import_one, jobs, chunksize=4)


def _import_one(job: _Job) -> _Done:
    """The landmarks of one photo, which is written to its place; or the reason why not."""
    try:
        photo, points = prepare_photo(read_photo(job.path), job.size, job.keep_alignment)
    except FeatvizError as error:
        return job, None, str(error).removeprefix(str(job.path)).lstrip(": ")
    with atomic_write(job.target) as temporary:
        Image.fromarray(photo).save(temporary, quality=92)
    return job, points, ""


def prepare_photo(
    photo: NDArray[np.uint8], size: int, keep_alignment: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A photo (H, W, 3) -> the aligned photo (size, size, 3) and its landmarks (68, 2).

    Landmarks are found again on the aligned photo, where the detector sees every face at the
    same place and scale. Raises FeatvizError if no face is found.
    """
    if not keep_alignment:
        found = find_landmarks(photo)
        if found is None:
            raise FeatvizError("no face found")
        photo = align(photo, found, size)
    elif photo.shape[:2] != (size, size):
        if photo.shape[0] != photo.shape[1]:
            raise FeatvizError(
                f"{photo.shape[1]}x{photo.shape[0]} is not square, so it is not aligned already"
            )
        photo = np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.LANCZOS))
    points = find_landmarks(photo)
    if points is None:
        raise FeatvizError("no face found after alignment")
    return photo, points
