"""The 68 facial landmarks of a photo, in the iBUG 300-W layout."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featviz.base.assets import asset_files
from featviz.base.errors import FeatvizError, needing

LANDMARKS = 68
LEFT_EYE_CORNER = 36
"""Index of the outer corner of the eye on the left of the image: the point the study reads."""

_DETECTION_SIZE = 1024


def find_landmarks(photo: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Landmarks of the largest face of a photo, or None if there is no face.

    photo: (H, W, 3) uint8 RGB. Returns (68, 2) float32, pixels, x right and y down.
    Detection is dlib's histogram-of-gradients detector on at most 1024 px, which finds frontal
    faces from about 80 px; landmarks follow Kazemi and Sullivan, CVPR 2014.
    """
    detector, predictor = _load_models()
    dlib = _import_dlib()
    step = max(1, -(-max(photo.shape[:2]) // _DETECTION_SIZE))
    boxes = detector(np.ascontiguousarray(_reduce(photo, step)), 0)
    if len(boxes) == 0:
        return None
    box = max(boxes, key=lambda box: box.area())
    scaled = dlib.rectangle(
        *(side * step for side in (box.left(), box.top(), box.right(), box.bottom()))
    )
    shape = predictor(np.ascontiguousarray(photo), scaled)
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float32)


def require_models() -> None:
    """Raise FeatvizError if the detector or the landmark model is missing or unreadable."""
    _load_models()


@cache
def _load_models() -> tuple[Any, Any]:
    dlib = _import_dlib()
    path = asset_files("face-landmarks")["shape_predictor_68_face_landmarks.dat"]
    try:
        predictor = dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise FeatvizError(f"{path} is not a dlib shape predictor: {error}") from None
    return dlib.get_frontal_face_detector(), predictor


def _import_dlib() -> Any:
    with needing("finding faces", "faces"):
        import dlib
    return dlib


def _reduce(photo: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    if step == 1:
        return photo
    from PIL import Image

    return np.asarray(Image.fromarray(photo).reduce(step))
