"""The person in a photo, as a mask."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featviz.base.assets import asset_files
from featviz.base.errors import FeatvizError, needing

PERSON_SIZE = 256
"""Side of a mask in pixels, whatever the photo's is."""


def find_person(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How sure it is of each place of a square photo that a person is seen there.

    photo: (N, N, 3) uint8 RGB. Returns (256, 256) float32, 0 to 1, all of the photo made smaller.
    The network is MediaPipe's selfie segmentation, general model (its model card: Google 2021).
    Raises FeatvizError for a photo that is not square, and if the network is not at hand.
    """
    if photo.shape[0] != photo.shape[1]:
        raise FeatvizError(
            f"a person is looked for in square photos; got {photo.shape[1]}x{photo.shape[0]} pixels"
        )
    side = (PERSON_SIZE, PERSON_SIZE)
    small = np.asarray(Image.fromarray(photo).resize(side, Image.Resampling.BILINEAR))
    network = _load_network()
    (given,), (told,) = network.get_input_details(), network.get_output_details()
    network.set_tensor(given["index"], small[None].astype(np.float32) / 255)
    network.invoke()
    return np.asarray(network.get_tensor(told["index"])[0, :, :, 0])


def require_network() -> None:
    """Raise FeatvizError if the network or the library that runs it is missing."""
    _load_network()


@cache
def _load_network() -> Any:
    with needing("finding hair", "faces"):
        from ai_edge_litert.interpreter import Interpreter
    network = Interpreter(
        str(asset_files("person-mask")["selfie_segmentation.tflite"]), num_threads=1
    )
    network.allocate_tensors()
    return network
