"""Drawings with parts that follow what was drawn or are corrected to what a face may look like.

The landmarks of a drawing's parts are found along their strokes; a shape prior says which
landmarks of a face they may stand for; the strokes of the parts to correct are moved as much of
the way as is asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from featviz.base.assets import PRETRAINED
from featviz.base.errors import FeatvizError
from featviz.faces.contours import LANDMARKS_OF
from featviz.faces.landmarks import LANDMARKS
from featviz.faces.shape_prior import (
    Landmarks,
    LikelyShape,
    Noise,
    ShapeNeighbours,
    ShapePrior,
    fit_prior,
    shapes_of,
)
from featviz.sketches.drawing import CANVAS, Drawing, Stroke, changed_parts

_Points = NDArray[np.float64]

CorrectedBy = Literal["gaussian", "neighbours"]
"""How the likely face is found: `ShapePrior` or `ShapeNeighbours`."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "outline": ("face-shape",),
    "eyebrows": ("left-eyebrow", "right-eyebrow"),
    "eyes": ("left-eye", "right-eye"),
    "nose": ("nose",),
    "mouth": ("mouth",),
}
"""The parts of a drawing that a name stands for; each of these is a name too."""

DEVIATION = 12.0
"""By how many pixels at 512 a part to correct may be off, either way."""
_TOGETHER, _BEND = 0.9, 4.0
"""Which share of the variance neighbouring landmarks have in common, and how many of them are."""
_AS_DRAWN = 2.0
"""Of all others: landmarks of a stroke are not found more exactly."""
_STEP = 4.0
"""Pixels between points of a stroke that is moved, at most."""

_MOST_POINTS = 10_000
"""Points of a stroke that are looked at or moved, however far it leads."""


@dataclass(frozen=True)
class Correction:
    """How much of which parts is corrected.

    amounts: by part of a drawing from 0, as drawn, to 1, what the prior takes it for. way: see
    `CorrectedBy`. if_drawn: parts that are not drawn, or are but a dot, are left as they are,
    where otherwise they are an error. Raises FeatvizError for a part that there is not and an
    amount out of range.
    """

    amounts: Mapping[str, float]
    way: CorrectedBy = "gaussian"
    if_drawn: bool = False

    def __post_init__(self) -> None:
        known = {**PARTS, **{part: (part,) for part in LANDMARKS_OF}}
        if self.way not in get_args(CorrectedBy):
            raise FeatvizError(
                f"unknown way '{self.way}' to correct; there are {', '.join(get_args(CorrectedBy))}"
            )
        amounts: dict[str, float] = {}
        for name, amount in self.amounts.items():
            if name not in known:
                raise FeatvizError(
                    f"there is no part '{name}' to correct; there are {', '.join(known)}"
                )
            if not 0 <= amount <= 1:
                raise FeatvizError(
                    f"{name} cannot be corrected by {amount:g}; expected 0 (as drawn) to 1"
                )
            amounts |= dict.fromkeys(known[name], amount)
        object.__setattr__(self, "amounts", amounts)

    def __call__(self, drawing: Drawing) -> Drawing:
        """The drawing with corrected parts; raises FeatvizError if it lacks one of them."""
        amounts = self.amounts
        if self.if_drawn and any(amounts.values()):
            found = drawn_landmarks(drawing.scaled(CANVAS))
            amounts = {
                p: a for p, a in amounts.items() if not np.isnan(found[LANDMARKS_OF[p]]).any()
            }
        return correct(drawing, amounts, _shape_by(self.way))

    def of_edit(self, corrected: Drawing, base: Drawing, edited: Drawing) -> Drawing:
        """An edit of a base that was corrected: what does not differ from the base is the same.

        Parts that were edited are corrected by themselves.
        """
        if base.size != edited.size:
            edited = edited.scaled(base.size)
        changed = changed_parts(base, edited)
        if any(self.amounts.get(part) for part in changed):
            edited = self(edited)
        kept = tuple(stroke for stroke in corrected.strokes if stroke.part not in changed)
        drawn = tuple(stroke for stroke in edited.strokes if stroke.part in changed)
        return replace(corrected, strokes=(*kept, *drawn))


def parse_correction(words: Sequence[str], way: CorrectedBy = "gaussian") -> Correction | None:
    """What words such as outline=0.7 ask for; None for no words.

    Raises FeatvizError for other words, and as `Correction` does.
    """
    amounts: dict[str, float] = {}
    for word in words:
        match = re.fullmatch(r"([a-z-]+)=([0-9.]+)", word)
        try:
            name, amount = (match[1], float(match[2])) if match else ("", 0.0)
        except ValueError:
            name = ""
        if not name:
            raise FeatvizError(
                f"cannot correct '{word}'; expected a part and how much of it, as outline=0.7"
            )
        if name in amounts:
            raise FeatvizError(f"{name} is to be corrected twice: {' '.join(words)}")
        amounts[name] = amount
    return Correction(amounts, way) if words else None


@cache
def _shape_by(way: CorrectedBy) -> LikelyShape:
    """The prior of the faces that the shipped generators were trained on."""
    from featviz.faces.pairs import read_pairs

    pairs = read_pairs(PRETRAINED)
    return fit_prior(pairs) if way == "gaussian" else ShapeNeighbours(shapes_of(pairs))


def correct(drawing: Drawing, amounts: Mapping[str, float], shape: LikelyShape) -> Drawing:
    """A drawing with the strokes of some parts moved to where a likely face has them.

    amounts: by part of the drawing, from 0 to 1. shape: told that these may be off by `DEVIATION`,
    and all others as good as not. Raises FeatvizError if the drawing lacks a part to correct.
    """
    if not any(amounts.values()):
        return drawing
    scaled = drawing.scaled(CANVAS)
    drawn, likely = _matched(scaled, [part for part in amounts if amounts[part]], shape)
    strokes: list[Stroke] = []
    for stroke in scaled.strokes:
        if amount := amounts.get(stroke.part):
            members = LANDMARKS_OF[stroke.part]
            moves = amount * (likely[members] - drawn[members])
            points = _filled(stroke.points, _STEP)
            stroke = replace(stroke, points=points + _between(points, drawn[members], moves))
        strokes.append(stroke)
    return replace(scaled, strokes=tuple(strokes)).scaled(drawing.size)


def _matched(
    drawing: Drawing, parts: Sequence[str], shape: LikelyShape
) -> tuple[Landmarks, Landmarks]:
    """Landmarks along the strokes of a drawing, and those of the face that they may stand for.

    Of parts to correct they are the points that are nearest to what the other parts alone make
    likely.
    """
    drawn, noise = drawn_landmarks(drawing, parts), _noise(parts)
    told = drawn.copy()
    told[[index for part in parts for index in LANDMARKS_OF[part]]] = np.nan
    likely = shape(drawn if np.isnan(told).all() else told, noise)
    for part in parts:
        points, members = _points(drawing.part(part)), LANDMARKS_OF[part]
        apart = np.linalg.norm(likely[members][:, None] - points, axis=2)
        drawn[members] = points[apart.argmin(axis=1)]
    return drawn, shape(drawn, noise)


def _noise(parts: Sequence[str]) -> Noise:
    """Of landmarks of which those of some parts are off, mostly together with their neighbours."""
    noise = _AS_DRAWN**2 * np.eye(LANDMARKS)
    for part in parts:
        places = np.arange(len(LANDMARKS_OF[part]))
        together = np.exp(-((places[:, None] - places) ** 2) / (2 * _BEND**2))
        mixed = _TOGETHER * together + (1 - _TOGETHER) * np.eye(len(places))
        noise[np.ix_(LANDMARKS_OF[part], LANDMARKS_OF[part])] = DEVIATION**2 * mixed
    return noise


def drawn_landmarks(drawing: Drawing, needed: Sequence[str] = ()) -> Landmarks:
    """Landmarks of a drawing of `CANVAS` px along its parts' strokes, NaN where a part lacks.

    Those of the mean face are laid into the box of a part's strokes, and each goes to the point
    that is nearest. Raises FeatvizError if a part that is needed is not drawn, or is a dot.
    """
    mean = _mean_landmarks()
    found = np.full((LANDMARKS, 2), np.nan)
    for part, members in LANDMARKS_OF.items():
        strokes = drawing.part(part)
        points = _points(strokes) if strokes else np.empty((0, 2))
        if len(points) > 1:
            usual, extent = mean[members], np.ptp(points, axis=0)
            scale = np.where(extent > 0, extent / np.ptp(usual, axis=0), 1)
            guess = points.min(axis=0) + (usual - usual.min(axis=0)) * scale
            apart = np.linalg.norm((guess[:, None] - points) / scale, axis=2)
            found[members] = points[apart.argmin(axis=1)]
        elif part in needed:
            there = ", ".join(drawing.parts) or "no named parts"
            raise FeatvizError(
                f"cannot correct {part}, which is {'a dot' if strokes else 'not drawn'}; the "
                f"drawing has {there}"
            )
    return found


def _points(strokes: Sequence[Stroke]) -> _Points:
    """Points of strokes, a pixel from each to the next."""
    return np.concatenate([_filled(stroke.points, 1.0) for stroke in strokes])


@cache
def _mean_landmarks() -> Landmarks:
    shape = _shape_by("gaussian")
    assert isinstance(shape, ShapePrior)
    return shape.mean.reshape(LANDMARKS, 2)


def _filled(points: _Points, step: float) -> _Points:
    """A polyline with points between its own, none farther than a step from the next.

    A very long one has longer steps.
    """
    if len(points) == 1:
        return points
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    step = max(step, lengths.sum() / _MOST_POINTS)
    pieces = [
        np.linspace(start, end, max(1, int(np.ceil(length / step))), endpoint=False)
        for start, end, length in zip(points[:-1], points[1:], lengths, strict=True)
    ]
    return np.concatenate([*pieces, points[-1:]])


def _between(points: _Points, places: _Points, moves: _Points) -> _Points:
    """Moves of points (n, 2) between those known at some places (m, 2), with no bend elsewhere."""
    from scipy.interpolate import RBFInterpolator

    places, first = np.unique(places, axis=0, return_index=True)
    if len(places) == 1:
        return np.broadcast_to(moves[first], points.shape)
    known = RBFInterpolator(places, moves[first], kernel="linear", degree=0)
    found: _Points = known(points)
    return found
