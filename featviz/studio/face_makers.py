"""What makes a face of a drawing: a network, at the size it was trained at, or photos."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.architectures import Architecture, WholeGenerator
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.retrieval.database import PhotoParts
from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.faces import Retriever
from featviz.sketches.drawing import CANVAS, PAPER, Drawing, Stroke
from featviz.sketches.edits import Mask, near
from featviz.studio.change import Strokes
from featviz.studio.live_messages import Retrieved
from featviz.studio.rasters import RasterCache

_KERNEL = 3
"""Pixels around its own that a pixel of an enlarged image depends on."""


@dataclass(frozen=True, eq=False)
class DrawnState:
    """One state of a drawing."""

    strokes: Strokes
    rasters: RasterCache

    def pixels(self, size: int = CANVAS) -> NDArray[np.uint8]:
        """(size, size) uint8."""
        return self.rasters.picture((points for _, points in self.strokes), size)

    def drawing(self) -> Drawing:
        """The strokes by the names of their parts."""
        pairs = ((part, np.asarray(points).reshape(-1, 2)) for part, points in self.strokes)
        return Drawing(tuple(Stroke(part, points) for part, points in pairs))


@dataclass(frozen=True, eq=False)
class MadeFace:
    """face: (512, 512, 3) uint8 RGB. retrieved: how photos served, None of a network's face."""

    face: NDArray[np.uint8]
    retrieved: Retrieved | None = None


MakesFaces = Callable[[DrawnState], MadeFace]


def fitting_size(size: int, architecture: Architecture) -> int:
    """The least size that a generator takes and that is not under the one it was trained at."""
    multiple = architecture.size_multiple
    return multiple * math.ceil(max(size, architecture.least_size) / multiple)


def network_faces(generator: WholeGenerator, size: int) -> MakesFaces:
    """Faces by a network that is shown sketches of `size` px."""
    fast: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = partial(generate, generator)
    if isinstance(generator, GlobalGenerator | LocalEnhancer):
        fast = FastGenerator(generator, _fastest_type())
    # The first forward sets things up; it must not count as the first face's time.
    fast(np.full((size, size), PAPER, np.uint8))
    return lambda drawn: MadeFace(shown_face(fast(drawn.pixels(size))))


def photo_faces(database: PhotoParts) -> MakesFaces:
    """Faces by a data base of photos; of a sheet without any part of a face plain paper."""
    retrieve = Retriever(database, CANVAS)

    def make(drawn: DrawnState) -> MadeFace:
        parts = parts_by_name(drawn.drawing())
        if not parts:
            paper = np.full((CANVAS, CANVAS, 3), PAPER, np.uint8)
            return MadeFace(paper, Retrieved(drawn=False, unmatched=[]))
        face = retrieve.face(parts)
        unmatched = [part for part, match in face.matches.items() if match.state == "no match"]
        return MadeFace(face.image, Retrieved(drawn=True, unmatched=unmatched))

    return make


def shown_face(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face (H, H, 3) as large as the page shows it."""
    if len(face) == CANVAS:
        return face
    image = Image.fromarray(face).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    return np.asarray(image)


def shown_reach(reach: Mask) -> Mask:
    """Which pixels of a face as it is shown may differ, where (H, H) bool may."""
    size = len(reach)
    if size == CANVAS:
        return reach
    wide = near(reach, _KERNEL * math.ceil(max(1.0, size / CANVAS)))
    image = Image.fromarray(wide).resize((CANVAS, CANVAS), Image.Resampling.NEAREST)
    return np.asarray(image)


def _fastest_type() -> torch.dtype:
    """bfloat16 where the processor has units for products of it (AMX); elsewhere float32.

    Vectors of bfloat16 alone (AVX-512) do not pay: a face takes 2.3 times as long as in float32.
    """
    knows = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return torch.bfloat16 if knows() else torch.float32
