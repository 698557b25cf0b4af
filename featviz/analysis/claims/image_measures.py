"""The images that C10 to C14 and C16 to C18 are about: made by the generators, and measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from featviz.analysis.claims.deformation import deform
from featviz.analysis.claims.gradients import reaching_first_layer
from featviz.analysis.claims.pictures import detail, forehead, light_error, open_mouth, patches
from featviz.analysis.claims.study import (
    AUGMENTED,
    BASELINE,
    MODIFIED,
    NO_NORM,
    NO_NORM_3,
    NO_NORM_4,
    ROLES,
    STUDY,
    Study,
)
from featviz.analysis.evaluation.images import Painter, load_whole_generator, painter
from featviz.analysis.evaluation.local import measure_local
from featviz.analysis.evaluation.locality import measure_locality
from featviz.analysis.evaluation.lpips import Lpips, descriptors, load_lpips, reduce_to
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.analysis.evaluation.robustness import moves_for
from featviz.analysis.evaluation.ways import Way
from featviz.base.errors import FeatvizError, require_whole
from featviz.base.progress import track
from featviz.faces.augmentation import STUDY_ROTATION, STUDY_SHIFT, move_landmarks
from featviz.faces.pairs import PairSet
from featviz.probing.activations import record_activations
from featviz.probing.device import exactly
from featviz.sketches.drawing import rasterize
from featviz.sketches.edits import MARGIN, Edit, absolute_change, check_edits
from featviz.sketches.sketch_set import SketchSet
from featviz.sketches.tensors import decode_image, encode_image

_REST, _SHIFTED, _TURNED, _DEFORMED = "rest", "shifted", "turned", "deformed"

CONDITIONS = {
    BASELINE: (_REST, _DEFORMED),
    MODIFIED: (_REST, _SHIFTED, _TURNED, _DEFORMED),
    NO_NORM: (_REST,),
    AUGMENTED: (_REST, _SHIFTED, _TURNED),
    NO_NORM_3: (_REST,),
    NO_NORM_4: (_REST,),
}
"""How the contours are drawn that each network is asked to paint."""

_WHO_IS_EDITED = (BASELINE, MODIFIED)
_WHO_IS_WATCHED = (BASELINE, MODIFIED, NO_NORM)


@dataclass(frozen=True)
class ImageSettings:
    """How much is measured.

    count: pairs. edits: a group, all if None. size: of sketches and images, None for that of each
    checkpoint. lpips_size: larger images are averaged down to this side for LPIPS. seed: which
    pairs, and where their contours move. local: C13 is asked of edits outside of which the base's
    maps are kept, see `editing.edit`. Raises FeatvizError for senseless values.
    """

    count: int = 40
    edits: int | None = 10
    size: int | None = None
    lpips_size: int = 256
    seed: int = 0
    local: bool = False

    def __post_init__(self) -> None:
        require_whole(self, 3, "count")
        if self.edits is not None:
            require_whole(self, 1, "edits")
        require_whole(self, 32, "lpips_size")
        require_whole(self, 0, "seed")
        if self.size is not None:
            require_whole(self, 1, "size")


@dataclass(frozen=True, eq=False)
class ImageMeasures:
    """What C10 to C14 and C16 to C18 are judged on.

    pairs: one row a network, pair and condition, columns role, pair, condition, lpips, light,
    patches, teeth (NaN in closed mouths), forehead, followed (change where the contour was
    deformed, NaN elsewhere), zeros (the share of the entries of the last deep layer's map that are
    0) and reaches (see `reaching_first_layer`), both of contours at rest and NaN elsewhere.
    descriptors: by role and condition (pairs, 512). of_photos: (pairs, 512). edits: by role, see
    `Locality`. missing: why there are no "pairs", "edits", or images of a role.
    """

    pairs: pd.DataFrame
    descriptors: dict[tuple[str, str], NDArray[np.float32]]
    of_photos: NDArray[np.float32]
    edits: dict[str, pd.DataFrame]
    missing: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def measure_images(
    generators: Mapping[str, str | Path],
    settings: ImageSettings,
    pairs: PairSet | str,
    sketches: SketchSet | str,
    study: Study = STUDY,
) -> ImageMeasures:
    """Paint and measure.

    generators: a whole generator for some of the roles, see `load_generator`. pairs: held-out ones
    are chosen from its test split; sketches: the set whose edits are measured; of both, instead,
    the reason why there are none. Raises FeatvizError for generators and sketches of no use.
    """
    if unknown := [role for role in generators if role not in ROLES]:
        raise FeatvizError(f"unknown role '{unknown[0]}'; there are {', '.join(ROLES)}")
    missing = {role: f"no generator for {role}" for role in ROLES if role not in generators}
    facts: dict[str, Any] = {}
    sizes = {}
    for role, source in generators.items():
        checkpoint = load_whole_generator(source)
        sizes[role] = painter(checkpoint, settings.size).size
        facts[role] = {**checkpoint.provenance(), "size": sizes[role]}
    lpips = chosen = edited = None
    if isinstance(pairs, str):
        missing["pairs"] = pairs
    else:
        try:
            lpips = load_lpips()
            chosen, _ = choose_pairs(pairs, settings.count, settings.seed)
        except FeatvizError as error:
            missing["pairs"] = str(error)
    if isinstance(sketches, str):
        missing["edits"] = sketches
    else:
        edited = sketches.of_groups(*study.edited)
        check_edits(
            edited, {size for role, size in sizes.items() if role in _WHO_IS_EDITED}, settings.edits
        )
    seen = _Seen()
    for role in (role for role in ROLES if role in generators):
        # Loaded one at a time: memory does not grow with the number of networks.
        paint = painter(load_whole_generator(generators[role]), settings.size)
        try:
            with exactly(paint.device):
                if lpips is not None and chosen is not None:
                    _paint_pairs(seen, role, paint, lpips, chosen, settings, study)
                if edited is not None and role in _WHO_IS_EDITED:
                    changes, skipped = _edits(paint, edited, settings, f"{role}: edits")
                    seen.edits[role] = changes
                    seen.skipped += [f"{role}: {reason}" for reason in skipped]
        except FeatvizError as error:
            raise FeatvizError(f"{generators[role]}: {error}") from None
    metadata = {
        "generators": facts,
        "pairs": None if chosen is None else len(chosen),
        "data": None if chosen is None else chosen.fingerprint(),
        "edits_a_group": settings.edits or "all",
        "skipped_edits": seen.skipped,
        "lpips_size": settings.lpips_size,
        "margin": MARGIN,
        "seed": settings.seed,
        "torch": torch.__version__,
    }
    if settings.local:
        metadata["way"] = _KEPT.name
    return ImageMeasures(
        pd.DataFrame(seen.rows, columns=list(_COLUMNS)),
        {key: np.stack(values) for key, values in seen.descriptors.items()},
        np.stack(seen.of_photos) if seen.of_photos else np.zeros((0, 0), np.float32),
        seen.edits,
        missing,
        metadata,
    )


_KEPT = Way("layers", "base")


def _edits(
    paint: Painter, sketches: SketchSet, settings: ImageSettings, description: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """What edits change, and which could not be measured, see `Locality`; kept if that is asked."""
    if not settings.local:
        found = measure_locality(paint, sketches, paint.size, MARGIN, settings.edits, description)
        return found.changes, found.skipped
    kept = measure_local(
        paint, sketches, (_KEPT,), find=False, most=settings.edits, description=description
    )
    return kept.changes, kept.skipped


_COLUMNS = (
    "role",
    "pair",
    "condition",
    "lpips",
    "light",
    "patches",
    "teeth",
    "forehead",
    "followed",
    "zeros",
    "reaches",
)


@dataclass(eq=False)
class _Seen:
    """What was measured so far."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    descriptors: dict[tuple[str, str], list[NDArray[np.float32]]] = field(default_factory=dict)
    of_photos: list[NDArray[np.float32]] = field(default_factory=list)
    edits: dict[str, pd.DataFrame] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def _paint_pairs(
    seen: _Seen,
    role: str,
    paint: Painter,
    lpips: Lpips,
    pairs: PairSet,
    settings: ImageSettings,
    study: Study,
) -> None:
    lpips = lpips.to(device=paint.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def look(pixels: NDArray[np.uint8]) -> list[torch.Tensor]:
        with torch.inference_mode():
            images = encode_image(pixels)[None].to(paint.device, memory_format=torch.channels_last)
            return lpips.maps(reduce_to(images, settings.lpips_size))

    # The photos are the same for all networks; the first one's sizes decide how they are seen.
    first = not seen.of_photos
    for index in track(range(len(pairs)), f"{role}: pairs"):
        landmarks, size = pairs.landmarks[index], paint.size
        photo = pairs.photo(index, size)
        reference = look(photo)
        if first:
            seen.of_photos.append(descriptors(reference)[0].cpu().numpy())
        mouth = open_mouth(landmarks, pairs.size, size)
        above = forehead(landmarks, pairs.size, size)
        contours = _drawn(pairs, index, settings.seed)
        rest = rasterize(pairs.contour(index, size))
        for condition in CONDITIONS[role]:
            sketch = rasterize(pairs.contour(index, size, contours[condition]))
            zeros = reaches = np.nan
            if condition == _REST and role in _WHO_IS_WATCHED:
                painted, zeros = _paint_and_watch(paint, sketch, study.deep[-1])
                ends = study.shallow[0], study.deep[-1]
                reaches = reaching_first_layer(paint, sketch, photo, *ends)
            else:
                painted = paint(sketch)
            if condition == _REST:
                at_rest = painted
            image = decode_image(painted[0])
            maps = look(image)
            with torch.inference_mode():
                distance = float(lpips.distance(maps, reference))
            key = (role, condition)
            seen.descriptors.setdefault(key, []).append(descriptors(maps)[0].cpu().numpy())
            followed = np.nan
            if condition == _DEFORMED:
                changed = absolute_change(painted, at_rest)
                followed = float(changed[Edit(rest, sketch).area].mean())
            seen.rows.append(
                (
                    role,
                    index,
                    condition,
                    distance,
                    light_error(image, photo),
                    patches(image, photo),
                    np.nan if mouth is None else detail(image, mouth),
                    detail(image, above),
                    followed,
                    zeros,
                    reaches,
                )
            )


def _drawn(pairs: PairSet, index: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """The landmarks of a pair under every condition."""
    landmarks, size = pairs.landmarks[index], pairs.size
    moves = {(move.kind, move.amount): move for move in moves_for(pairs.names[index], seed)}
    shift, turn = moves["shift", STUDY_SHIFT], moves["rotation", STUDY_ROTATION]
    return {
        _REST: landmarks,
        _SHIFTED: move_landmarks(landmarks, size, shift.shift, shift.degrees),
        _TURNED: move_landmarks(landmarks, size, turn.shift, turn.degrees),
        _DEFORMED: deform(landmarks, 1.0, size),
    }


def _paint_and_watch(
    paint: Painter, sketch: NDArray[np.uint8], layer: str
) -> tuple[torch.Tensor, float]:
    """The image, and the share of the entries of a layer's map that are 0."""
    with record_activations(paint.generator, [layer]) as maps:
        painted = paint(sketch)
    return painted, float((maps[layer] == 0).double().mean())
