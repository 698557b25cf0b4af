"""Faces from a face GAN: training photos for those who have none."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.assets import asset_files
from featviz.base.errors import FeatvizError, needing
from featviz.base.files import atomic_write
from featviz.base.progress import track
from featviz.faces.landmarks import find_landmarks
from featviz.faces.pairs import PHOTO_SIZE, PairSet, existing_pairs, split_of, write_pairs

_STYLE_SIZE = 512
_PRECISION = "float32"
"""What the GAN computes in on every machine; its faces differ visibly in bfloat16."""
_TRUNCATION = 0.7
_MEAN_SAMPLES = 1000
_WRITE_EVERY = 50
_MOST_MISSES = 100
_MOST_TRUNCATION = 2.0
_SMALLEST_PHOTO = 128


def sample_faces(
    count: int,
    out: Path,
    seed: int = 0,
    size: int = PHOTO_SIZE,
    truncation: float = _TRUNCATION,
) -> tuple[PairSet, list[str]]:
    """Sample faces until `out` holds `count` of them with landmarks; return them and a report.

    Face i of a seed is the same whenever it is made, so a call that was stopped continues where
    it was, and a larger `count` extends a data set. Faces are computed in _PRECISION, which the
    data set records; one that was begun without saying so goes on saying nothing. The report has
    one line a face that was passed over because no face was found in it.
    """
    if count < 1 or seed < 0 or size < _SMALLEST_PHOTO:
        raise FeatvizError(
            f"--count must be at least 1, the seed not negative, the size at least "
            f"{_SMALLEST_PHOTO}; got {count}, {seed}, {size}"
        )
    if not 0 <= truncation <= _MOST_TRUNCATION:
        raise FeatvizError(
            f"the truncation must lie between 0 and {_MOST_TRUNCATION:g}; got {truncation}"
        )
    out = Path(out)
    origin = f"MobileStyleGAN, seed {seed}, truncation {truncation:g}"
    done = existing_pairs(out, size, origin)
    names, landmarks = list(done.names), [*done.landmarks]
    # A set that does not tell what its first faces were computed in is not said to be of one kind.
    precision = done.precision if names else _PRECISION
    skipped: list[str] = []
    first = 1 + max((_index(name) for name in names), default=-1)
    faces = generate_faces(seed, truncation, first)

    def pairs() -> PairSet:
        splits = tuple(split_of(name) for name in names)
        return replace(
            done,
            names=tuple(names),
            landmarks=np.stack(landmarks),
            splits=splits,
            precision=precision,
        )

    try:
        for _ in track(range(count - len(names)), "sampling faces"):
            name, photo, points = _next_face(faces, size, skipped)
            with atomic_write(out / "photos" / name) as path:
                photo.save(path, quality=92)
            names.append(name)
            landmarks.append(points)
            if len(names) % _WRITE_EVERY == 0:
                write_pairs(pairs())
    finally:
        if len(names) > len(done.names):
            write_pairs(pairs())
    return pairs(), skipped


def _index(name: str) -> int:
    """The number of a sampled face, which its name tells."""
    stem = Path(name).stem
    if not (stem.isascii() and stem.isdigit()):
        raise FeatvizError(f"a data set of sampled faces has a photo '{name}', which is none")
    return int(stem)


def _next_face(
    faces: Iterator[tuple[int, NDArray[np.uint8]]], size: int, skipped: list[str]
) -> tuple[str, Image.Image, NDArray[np.float32]]:
    """The next face in which landmarks are found: file name, photo, landmarks."""
    for _ in range(_MOST_MISSES):
        index, pixels = next(faces)
        photo = Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS)
        points = find_landmarks(np.asarray(photo))
        if points is not None:
            return f"{index:06d}.jpg", photo, points
        skipped.append(f"face {index}: no face found")
    raise FeatvizError(f"no face was found in {_MOST_MISSES} samples in a row; the last {index}")


def generate_faces(
    seed: int, truncation: float = _TRUNCATION, first: int = 0
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Endless faces (index, (1024, 1024, 3) uint8 RGB), from index `first` on.

    Styles are pulled towards their mean by the truncation trick (Karras et al. 2019,
    arXiv 1812.04948, appendix B): style = mean + truncation * (style - mean).
    """
    files = asset_files("face-gan")
    core = _openvino().Core()
    mapping = _compiled(core, files["mobilestylegan_ffhq_mnet.xml"])
    synthesis = _compiled(core, files["mobilestylegan_ffhq_snet.xml"])

    def style(*key: int) -> NDArray[np.float32]:
        latent = np.random.default_rng(key).standard_normal((1, _STYLE_SIZE), dtype=np.float32)
        return np.asarray(mapping([latent])[0])

    # The mean style belongs to the GAN, not to the seed of the samples.
    mean = np.mean([style(0, _MEAN_SAMPLES, index) for index in range(_MEAN_SAMPLES)], axis=0)
    index = first
    while True:
        output = synthesis([mean + truncation * (style(seed, index) - mean)])[0][0]
        pixels = (output.transpose(1, 2, 0) + 1) * 127.5
        yield index, np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        index += 1


def _compiled(core: Any, path: Path) -> Any:
    """A network that computes in float32; without the hint OpenVINO takes bfloat16 where it can."""
    model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    if (found := model.get_property("INFERENCE_PRECISION_HINT").to_dtype()) != np.float32:
        raise FeatvizError(f"OpenVINO computes {path.name} in {found}; expected {_PRECISION}")
    return model


def _openvino() -> Any:
    with needing("sampling faces", "faces"):
        import openvino
    return openvino
