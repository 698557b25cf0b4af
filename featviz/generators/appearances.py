"""How the parts of a face can look: what an encoder made of photos, clustered and chosen from.

As pix2pixHD does (Wang et al. 2018, arXiv 1711.11585, section 3.4): after training, the feature
vectors of each instance over the training photos are clustered, and a cluster's centre is one way
in which the instance can look.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from featviz.base.errors import FeatvizError, reason
from featviz.base.files import atomic_write
from featviz.faces.contours import contours
from featviz.faces.importing import prepare_photo
from featviz.faces.instances import INSTANCES, instance_map
from featviz.faces.pairs import PHOTO_SIZE, read_photo
from featviz.generators.checkpoint_files import find_checkpoint, load_encoder
from featviz.generators.networks.encoder import FeatureEncoder
from featviz.sketches.tensors import encode_image

FILE = "appearances.safetensors"

Vectors = NDArray[np.float32]
"""One feature vector an instance, (instances, channels), in the order of `INSTANCES`."""


@dataclass(frozen=True, eq=False)
class Appearances:
    """Ways in which each instance can look, by its name, the most common first.

    centres: (k, channels) float32; k is 0 only for an instance that no photo had. shares: (k,)
    float32, how much of the instance's pixels each stands for; their sum is 1.
    """

    centres: Mapping[str, NDArray[np.float32]]
    shares: Mapping[str, NDArray[np.float32]]

    def most_common(self) -> Vectors:
        """The default look of every instance; zeros for one that no photo had."""
        return np.stack(
            [
                centres[0] if len(centres) else np.zeros(centres.shape[1], np.float32)
                for centres in (self.centres[name] for name in INSTANCES)
            ]
        )


def choose_appearance(
    appearances: Appearances,
    wishes: Sequence[str],
    seed: int,
    features_of: Callable[[Path], Vectors],
) -> Vectors:
    """The look of every instance: the most common one, but for what is wished.

    wishes: "PART=NUMBER" (a cluster), "PART=PHOTO" (the same part of a photo, as `features_of`
    tells), with "all" for every part; "random" for a cluster each by chance, which `seed` decides.
    Later ones overrule earlier ones. Raises FeatvizError for anything else.
    """
    vectors = appearances.most_common()
    for wish in wishes:
        if wish == "random":
            random = np.random.default_rng(seed)
            for number, name in enumerate(INSTANCES):
                if count := len(appearances.centres[name]):
                    vectors[number] = appearances.centres[name][random.integers(count)]
            continue
        part, equals, value = wish.partition("=")
        if not equals or not value:
            raise FeatvizError(
                f"cannot read the appearance '{wish}'; expected PART=NUMBER, PART=PHOTO or random"
            )
        if part not in (*INSTANCES, "all"):
            raise FeatvizError(f"unknown part '{part}'; there are {', '.join(INSTANCES)} and all")
        parts = range(len(INSTANCES)) if part == "all" else [INSTANCES.index(part)]
        of_photo = None if value.isdecimal() else features_of(Path(value))
        for number in parts:
            vectors[number] = (
                _cluster(appearances, INSTANCES[number], int(value))
                if of_photo is None
                else of_photo[number]
            )
    return vectors


def photo_features(encoder: FeatureEncoder, path: Path, size: int) -> Vectors:
    """What an encoder makes of a photo with a face, aligned and brought to (size, size) pixels.

    Raises FeatvizError, naming the file, if it cannot be read or has no face.
    """
    photo = read_photo(path)
    try:
        # As in training: aligned at the size of a data set, where small faces are still found.
        photo, landmarks = prepare_photo(photo, PHOTO_SIZE)
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None
    small = Image.fromarray(photo).resize((size, size), Image.Resampling.LANCZOS)
    instances = torch.from_numpy(instance_map(contours(landmarks, PHOTO_SIZE).scaled(size)))
    with torch.inference_mode():
        vectors = encoder(encode_image(np.asarray(small))[None], instances[None])[0]
    return np.asarray(vectors.numpy())


def find_appearances(source: str | Path) -> Appearances:
    """The appearances of a checkpoint's run; raises FeatvizError if there are none beside it."""
    path = find_checkpoint(source).parent / FILE
    if not path.is_file():
        raise FeatvizError(
            f"{source} was trained with appearances, but there is no {FILE} beside it; a run "
            "writes it when its last step is done"
        )
    return read_appearances(path)


def find_encoder(source: str | Path) -> FeatureEncoder:
    """The encoder of a checkpoint's run; raises FeatvizError if there is none beside it."""
    return load_encoder(find_checkpoint(source).parent / "encoder.safetensors")


def write_appearances(appearances: Appearances, path: Path) -> None:
    """Write appearances, complete or not at all."""
    tensors = {
        f"{name}.{what}": np.ascontiguousarray(values[name])
        for what, values in (("centres", appearances.centres), ("shares", appearances.shares))
        for name in INSTANCES
    }
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)


def read_appearances(path: Path) -> Appearances:
    """Read what `write_appearances` wrote; raises FeatvizError for anything else."""
    try:
        tensors = load_file(path)
        centres = {name: tensors[f"{name}.centres"] for name in INSTANCES}
        shares = {name: tensors[f"{name}.shares"] for name in INSTANCES}
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise FeatvizError(f"{path}: cannot read these appearances ({reason(error)})") from None
    channels = {array.shape[1:] for array in centres.values()}
    for name in INSTANCES:
        arrays = centres[name], shares[name]
        if (
            len(channels) != 1
            or centres[name].ndim != 2
            or shares[name].shape != centres[name].shape[:1]
            or any(array.dtype != np.float32 or not np.isfinite(array).all() for array in arrays)
        ):
            raise FeatvizError(
                f"{path}: the appearances of '{name}' have centres {centres[name].shape} and "
                f"shares {shares[name].shape}; expected finite float32 (k, channels) and (k,), of "
                "as many channels as those of the others"
            )
    return Appearances(centres, shares)


def _cluster(appearances: Appearances, name: str, number: int) -> NDArray[np.float32]:
    centres = appearances.centres[name]
    if number >= len(centres):
        raise FeatvizError(
            f"'{name}' has {len(centres)} appearances, numbered from 0; there is no {number}"
        )
    chosen: NDArray[np.float32] = centres[number]
    return chosen
