"""Photos of faces from a folder (CelebA-HQ or any) to a pair set."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.errors import FeatvizError
from featviz.faces.alignment import align
from featviz.faces.landmarks import find_landmarks, require_models
from featviz.faces.pairs import PHOTO_SIZE, PairSet, read_photo, split_of, write_pairs
from featviz.files import atomic_write
from featviz.progress import track

_SMALLEST_PHOTO = 128
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def import_photos(
    source: Path, out: Path, size: int = PHOTO_SIZE, keep_alignment: bool = False
) -> tuple[PairSet, list[str]]:
    """Align every photo below `source`, find its landmarks, write a pair set to `out`.

    keep_alignment: the photos are square and aligned already (CelebA-HQ as it comes); they are
    only resized. Returns the pairs and one line, with the reason, for every photo that was
    skipped. Raises FeatvizError if there is no photo at all or none could be used.
    """
    source, out = Path(source), Path(out)
    if not source.is_dir():
        raise FeatvizError(f"{source}: no such folder of photos")
    if (out / "landmarks.parquet").is_file():
        raise FeatvizError(f"{out} holds a data set already; name another folder")
    if size < _SMALLEST_PHOTO:
        raise FeatvizError(f"the size must be at least {_SMALLEST_PHOTO}; got {size}")
    # What is missing here would be missing for each of thousands of photos.
    require_models()
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    if not paths:
        raise FeatvizError(f"{source} holds no photos ({', '.join(sorted(PHOTO_SUFFIXES))})")
    found: dict[str, NDArray[np.float32]] = {}
    skipped: list[str] = []
    for path in track(paths, "importing photos"):
        shown = path.relative_to(source)
        try:
            photo, points = prepare_photo(read_photo(path), size, keep_alignment)
        except FeatvizError as error:
            skipped.append(f"{shown}: {str(error).removeprefix(f'{path}: ')}")
            continue
        name = "__".join(shown.with_suffix(".jpg").parts)
        if name in found:
            skipped.append(f"{shown}: another photo is called {name} already")
            continue
        with atomic_write(out / "photos" / name) as temporary:
            Image.fromarray(photo).save(temporary, quality=92)
        found[name] = points
    if not found:
        raise FeatvizError(
            f"none of the {len(paths)} photos in {source} could be used; the first: {skipped[0]}"
        )
    splits = tuple(split_of(name) for name in found)
    pairs = PairSet(out, tuple(found), np.stack(list(found.values())), splits, size)
    write_pairs(pairs)
    return pairs, skipped


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
