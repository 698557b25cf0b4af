"""A face from a sketch's parts: searched, laid over it, fused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.retrieval.database import PhotoParts
from featviz.retrieval.drawn_parts import PartsBy, parts_by_name, parts_by_place
from featviz.retrieval.fusion import LaidPart, Photo, Seam, area_of, fuse, laid
from featviz.retrieval.search import Match, Searcher
from featviz.retrieval.shapes import OUTLINE, SEARCHED_PARTS, PartPoints, of_landmarks
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.edits import Mask


@dataclass(frozen=True, eq=False)
class RetrievedFace:
    """A face and what it is made of.

    image: (H, W, 3) uint8. base: the photo of the outline, laid over the sketch. matches: of every
    part. photos, areas: of the parts that went in, the photo laid over the sketch (H, W, 3) and
    the pixels that it takes (H, W) bool. seams: of the same.
    """

    image: Photo
    base: Photo
    matches: Mapping[str, Match]
    photos: Mapping[str, Photo]
    areas: Mapping[str, Mask]
    seams: Mapping[str, Seam]


class Retriever:
    """Makes faces of `size` x `size` pixels of sketches, by a data base.

    by: how pixels and drawings are told to be of a part; pixels always go by place.
    """

    def __init__(self, database: PhotoParts, size: int | None = None, by: PartsBy = "name") -> None:
        self.size = database.pairs.size if size is None else size
        if self.size < 1:
            raise FeatvizError(f"expected a size of at least 1 px; got {self.size}")
        self.database, self.by = database, by
        self._searcher = Searcher(database)

    def __call__(self, sketch: Drawing | NDArray[np.uint8]) -> RetrievedFace:
        """The face of a drawing, or of the pixels of one; raises FeatvizError if it has no part."""
        if isinstance(sketch, Drawing) and self.by == "name":
            return self.face(parts_by_name(sketch))
        if isinstance(sketch, Drawing):
            sketch = rasterize(sketch)
        return self.face(parts_by_place(sketch, self.database.mean))

    def face(self, drawn: Mapping[str, PartPoints]) -> RetrievedFace:
        """The face of parts, each points (POINTS, 2) at 512.

        A part without a match, and one that is not drawn, stays as it is in the base. Raises
        FeatvizError if nothing is drawn, and for a photo that cannot be read.
        """
        matches = self._searcher.find_all(drawn)
        outline = matches[OUTLINE]
        base = laid(self._photo(outline.face), outline.lay, self.size)
        photos, parts = {}, {}
        for part in SEARCHED_PARTS[1:]:
            match = matches[part]
            if match.state != "matched":
                continue
            photos[part] = laid(self._photo(match.face), match.lay, self.size)
            # The base's own part must not look out from behind.
            of_base = of_landmarks(self.database.landmarks[outline.face][None], part)[0]
            area = area_of([drawn[part], outline.lay(of_base)], self.size)
            parts[part] = LaidPart(photos[part].astype(np.float64), area)
        image, seams = fuse(base, list(parts.values()))
        areas = {part: each.area for part, each in parts.items()}
        return RetrievedFace(
            image, base, matches, photos, areas, dict(zip(parts, seams, strict=True))
        )

    def _photo(self, face: int) -> Photo:
        return self.database.pairs.photo(face, self.size)
