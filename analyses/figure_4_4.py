"""Figure 4.4: mouth and forehead from near, by the baseline and the modified generator."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analyses.faces import Cell, Change, Face, Sketch, change, faces_of, gallery, held_out, load
from analyses.study import Sources
from featviz.analysis.claims.pictures import FOREHEAD, detail
from featviz.faces.pairs import PairSet
from featviz.sketches.drawing import rasterize

NAMES = ("baseline", "modified")
COUNT = 5
SIDE = 128
"""Pixels of a crop's side."""


def draw(sources: Sources) -> Figure:
    """Crops of five held-out faces by both generators, and where the two differ."""
    pairs, chosen = held_out(sources, COUNT)
    sketches = [rasterize(pairs.contour(index)) for index in chosen]
    images = {name: faces_of(one, sketches) for name, one in load(NAMES).items()}
    rows: dict[str, list[Cell]] = {}
    sharpness: dict[str, list[float]] = {name: [] for name in NAMES}
    for part, place in (("mouth", mouth), ("forehead", forehead)):
        corners = [place(pairs, index) for index in chosen]
        if part == "mouth":  # there is no line on the forehead
            rows[f"contour\n{part}"] = [
                Sketch(crop(*both)) for both in zip(sketches, corners, strict=True)
            ]
        crops = {
            name: [crop(*both) for both in zip(images[name], corners, strict=True)]
            for name in NAMES
        }
        for name in NAMES:
            rows[f"{name}\n{part}"] = [Face(pixels) for pixels in crops[name]]
            sharpness[name].append(float(np.mean([detail(pixels) for pixels in crops[name]])))
        rows[f"difference\n{part}"] = [
            Change(change(*both)) for both in zip(*crops.values(), strict=True)
        ]
    text = (
        f"Crops of {SIDE} x {SIDE} px around the mouth and on the forehead of {COUNT} held-out "
        "faces, evenly spaced. Detail is the mean absolute difference between neighbouring "
        "pixels, in grey levels: teeth raise it at the mouth, noise on the forehead."
    )
    facts = [f"{name} {at[0]:.1f} and {at[1]:.1f}" for name, at in sharpness.items()]
    remark = f"Detail at the mouth and on the forehead: {', '.join(facts)}."
    return gallery(rows, text, remark=remark)


def mouth(pairs: PairSet, index: int) -> tuple[int, int]:
    """The upper left corner of the crop around the mouth."""
    return corner_of(pairs.landmarks[index][48:68].mean(axis=0), pairs.size)


def forehead(pairs: PairSet, index: int) -> tuple[int, int]:
    """The upper left corner of the crop above the brows."""
    brows = pairs.landmarks[index][17:27].mean(axis=0)
    return corner_of(brows - [0, FOREHEAD], pairs.size)


def corner_of(middle: NDArray[np.float32], size: int) -> tuple[int, int]:
    """Where a crop begins whose middle is as near to `middle` as the picture allows."""
    x, y = np.clip(np.rint(middle - SIDE / 2), 0, size - SIDE).astype(int)
    return int(x), int(y)


def crop(pixels: NDArray[np.uint8], corner: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of a picture at a corner."""
    x, y = corner
    return pixels[y : y + SIDE, x : x + SIDE]
