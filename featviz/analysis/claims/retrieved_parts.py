"""C21: the seams of fused parts, and what a tenth of the photos would be worth."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.faces.pairs import PairSet
from featviz.retrieval.database import PhotoParts
from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.faces import Retriever
from featviz.retrieval.fusion import border_step
from featviz.retrieval.indices import exact_index
from featviz.retrieval.search import Match, Searcher
from featviz.retrieval.shapes import SEARCHED_PARTS
from featviz.sketches.drawing import CANVAS

TENTHS = 10
LEAST_IN_A_TENTH = 10
"""Faces: fewer are no data base."""


@dataclass(frozen=True, eq=False)
class RetrievalMeasures:
    """Of held-out contours, (pairs,) each.

    own: the step of the base photo across the borders of the parts that went in, mean over these,
    grey levels; fused and cut: the step that the parts' photos do not have, see `fusion.Seam`; all
    NaN where no part went in. apart: distance of the found parts to the drawn ones, radii, mean
    over parts; unmatched: share of the parts without a match; with the whole data base and, each
    the mean of ten, with a tenth of it. faces: in the whole one.
    """

    own: NDArray[np.float64]
    fused: NDArray[np.float64]
    cut: NDArray[np.float64]
    apart: dict[str, NDArray[np.float64]]
    unmatched: dict[str, NDArray[np.float64]]
    faces: int


def measure_retrieval(
    database: PhotoParts, pairs: PairSet, parts: int = TENTHS
) -> RetrievalMeasures:
    """Faces of contours that are not in the data base, by all of it and by its tenths.

    parts: into how many it is dealt. Raises FeatvizError for fewer than LEAST_IN_A_TENTH faces in
    each, and for a contour of a face that the data base holds.
    """
    if len(database) < parts * LEAST_IN_A_TENTH:
        raise FeatvizError(
            f"{database.folder} holds {len(database)} faces; C21 deals them into {parts} data "
            f"bases and expects at least {parts * LEAST_IN_A_TENTH}"
        )
    _require_others(database, pairs)
    retrieve = Retriever(database)
    dealt = [_searcher(database, first, parts) for first in range(parts)]
    rows = []
    for index in track(range(len(pairs)), "retrieval: faces"):
        drawn = parts_by_name(pairs.contour(index))
        face = retrieve.face(drawn)
        steps = [
            (border_step(face.base, face.areas[part]), seam.fused, seam.cut)
            for part, seam in face.seams.items()
        ]
        found = [searcher.find_all(drawn) for searcher in dealt]
        fewer = np.mean([_searched(each.values()) for each in found], axis=0)
        mean_steps = np.mean(steps, axis=0) if steps else np.full(3, np.nan)
        rows.append([*mean_steps, *_searched(face.matches.values()), *fewer])
    own, fused, cut, *others = np.array(rows).T
    apart, unmatched, apart_fewer, unmatched_fewer = others
    return RetrievalMeasures(
        own, fused, cut, {"all": apart, "a tenth": apart_fewer},
        {"all": unmatched, "a tenth": unmatched_fewer}, len(database),
    )  # fmt: skip


def _searched(matches: Iterable[Match]) -> tuple[float, float]:
    """Mean distance in radii, and the share without a match, of the drawn parts."""
    drawn = [match for match in matches if match.state != "not drawn"]
    unmatched = [match.state == "no match" for match in drawn]
    return float(np.mean([match.relative for match in drawn])), float(np.mean(unmatched))


def _searcher(database: PhotoParts, first: int, step: int) -> Searcher:
    """Every so many-th face of a data base, searched exactly."""
    fewer = replace(
        database,
        landmarks=database.landmarks[first::step],
        descriptors=database.descriptors[:, first::step],
        colours=database.colours[:, first::step],
    )
    searcher = Searcher(fewer)
    for number, part in enumerate(SEARCHED_PARTS):
        searcher.indices[part] = exact_index(fewer.descriptors[number])
    return searcher


def _require_others(database: PhotoParts, pairs: PairSet) -> None:
    """Refuse contours whose own photos would be found."""
    points = (pairs.landmarks.astype(np.float64) + 0.5) * (CANVAS / pairs.size) - 0.5
    for name, contour in zip(pairs.names, points.astype(np.float32), strict=True):
        if (database.landmarks == contour).all(axis=(1, 2)).any():
            raise FeatvizError(
                f"'{name}' is a face of {database.folder} itself; C21 takes held-out ones "
                "(--data FOLDER)"
            )
