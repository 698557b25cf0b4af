"""What C19 to C21 are about: faces by other systems than pix2pixHD, measured beside its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featviz.analysis.claims.image_evidence import Values
from featviz.analysis.claims.pictures import texture
from featviz.analysis.claims.retrieved_parts import RetrievalMeasures, measure_retrieval
from featviz.analysis.evaluation.images import Painter, load_whole_generator, painter
from featviz.analysis.evaluation.lpips import descriptors, load_lpips
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.base.errors import FeatvizError, require_whole
from featviz.base.progress import track
from featviz.faces.pairs import PairSet
from featviz.probing.device import exactly
from featviz.retrieval.database import is_database, open_database
from featviz.sketches.tensors import decode_image, encode_image

PIX2PIXHD, PIX2PIX, CRN, RETRIEVAL = "global", "unet", "crn", "retrieval"
"""What the systems' folders are called, as by `featviz train --generator`."""
PHOTOS = "photos"

_NETWORKS = (PIX2PIXHD, PIX2PIX, CRN)
_COMPARED = (PIX2PIXHD, PIX2PIX)

_Runs = Mapping[str, Mapping[int, Painter]]
"""Generators by network and size."""


@dataclass(frozen=True, eq=False)
class SystemMeasures:
    """What C19 to C21 are judged on; pairs are the same ones throughout.

    sizes: of each network, its runs' sides in pixels, the smallest first. lpips: by network and
    size (pairs,); seen: the same, (pairs, 512), what VGG16 sees. of_photos: by size (pairs, 512).
    textures: of the photos and of networks at the largest size of CRN's, (pairs,). retrieval: None
    without a data base. missing: why there is nothing of a system.
    """

    sizes: Mapping[str, tuple[int, ...]]
    lpips: dict[tuple[str, int], Values] = field(default_factory=dict)
    seen: dict[tuple[str, int], NDArray[np.float32]] = field(default_factory=dict)
    of_photos: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    textures: dict[str, Values] = field(default_factory=dict)
    retrieval: RetrievalMeasures | None = None
    missing: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def measure_systems(
    folders: Sequence[Path], pairs: PairSet, count: int = 40, seed: int = 0
) -> SystemMeasures:
    """Make faces of held-out contours by every system in some folders, and measure them.

    folders: each with some of `global`, `unet`, `crn` (run folders) and `retrieval` (a data base),
    as `python -m analyses.systems` makes them; one a size. Raises FeatvizError for folders without
    any, for a run of another kind than its folder says, for two of one kind and size, and for faces
    that a data base itself holds.
    """
    settings = _Count(count)
    chosen, _ = choose_pairs(pairs, settings.count, seed)
    runs = _runs(folders)
    sizes = {name: tuple(sorted(runs[name])) for name in _NETWORKS}
    missing = {
        name: f"no folder of --systems has a run '{name}'" for name in _NETWORKS if not sizes[name]
    }
    measured = SystemMeasures(sizes, missing=missing)
    facts: dict[str, Any] = {}
    # First, since it refuses what does not fit, and networks take longer.
    retrieval, why = _retrieval(folders, chosen, facts)
    if not any(name in missing for name in _COMPARED):
        _compare(measured, runs, chosen, facts)
    if sizes[CRN]:
        _texture(measured, runs, chosen, facts)
    if why:
        missing[RETRIEVAL] = why
    metadata = {"systems": facts, "pairs": len(chosen), "data": chosen.fingerprint(), "seed": seed}
    return replace(measured, retrieval=retrieval, metadata=metadata)


@dataclass(frozen=True)
class _Count:
    count: int

    def __post_init__(self) -> None:
        require_whole(self, 3, "count")


def _runs(folders: Sequence[Path]) -> _Runs:
    runs: dict[str, dict[int, Painter]] = {name: {} for name in _NETWORKS}
    for folder in folders:
        there = [name for name in _NETWORKS if (folder / name / "generator.safetensors").is_file()]
        if not (there or is_database(folder / RETRIEVAL)):
            raise FeatvizError(
                f"{folder} has no run {', '.join(_NETWORKS)} and no data base {RETRIEVAL}; "
                f"`python -m analyses.systems --runs {folder}` makes them"
            )
        for name in there:
            paint = painter(load_whole_generator(folder / name))
            size, kind = paint.size, getattr(paint.checkpoint.architecture, "generator", PIX2PIXHD)
            if kind != name:
                raise FeatvizError(
                    f"{folder / name} is a run of the generator '{kind}'; expected one of '{name}' "
                    f"(featviz train --generator {name})"
                )
            if size in runs[name]:
                raise FeatvizError(
                    f"{folder / name} and another run '{name}' are both of {size} px; expected "
                    "runs of two sizes"
                )
            runs[name][size] = paint
    return runs


def _painter(runs: _Runs, name: str, size: int, facts: dict[str, Any]) -> Painter:
    paint = runs[name][size]
    facts[f"{name}, {size} px"] = {**paint.checkpoint.provenance(), "size": size}
    return paint


def _compare(measured: SystemMeasures, runs: _Runs, pairs: PairSet, facts: dict[str, Any]) -> None:
    """LPIPS and what VGG16 sees, of photos and both networks, at every size of either."""
    lpips = load_lpips()
    for size in sorted({size for name in _COMPARED for size in runs[name]}):
        paints = {
            name: _painter(runs, name, size, facts) for name in _COMPARED if size in runs[name]
        }
        distances: dict[str, list[float]] = {name: [] for name in paints}
        seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in (PHOTOS, *paints)}
        for index in track(range(len(pairs)), f"faces of {size} px"):
            with torch.inference_mode():
                photo = lpips.maps(encode_image(pairs.photo(index, size))[None])
                seen[PHOTOS].append(descriptors(photo)[0].numpy())
                for name, paint in paints.items():
                    # Whole: an image that is reduced would not show what is hard at its size.
                    maps = lpips.maps(encode_image(_face(paint, pairs, index))[None])
                    distances[name].append(float(lpips.distance(maps, photo)))
                    seen[name].append(descriptors(maps)[0].numpy())
        measured.of_photos[size] = np.stack(seen[PHOTOS])
        for name in paints:
            measured.lpips[name, size] = np.array(distances[name])
            measured.seen[name, size] = np.stack(seen[name])


def _texture(measured: SystemMeasures, runs: _Runs, pairs: PairSet, facts: dict[str, Any]) -> None:
    size = max(runs[CRN])
    measured.textures[PHOTOS] = np.array([texture(pairs.photo(i, size)) for i in range(len(pairs))])
    for name in (CRN, PIX2PIXHD):
        if size in runs[name]:
            paint = _painter(runs, name, size, facts)
            numbers = track(range(len(pairs)), f"{name}: textures")
            measured.textures[name] = np.array(
                [texture(_face(paint, pairs, index)) for index in numbers]
            )


def _face(paint: Painter, pairs: PairSet, index: int) -> NDArray[np.uint8]:
    with exactly(paint.device):
        return decode_image(paint(pairs.contour(index, paint.size))[0].cpu())


def _retrieval(
    folders: Sequence[Path], pairs: PairSet, facts: dict[str, Any]
) -> tuple[RetrievalMeasures | None, str]:
    """What the data base makes of the contours, or why there is nothing."""
    sources = [each / RETRIEVAL for each in folders if is_database(each / RETRIEVAL)]
    told_apart = {open_database(each).description.fingerprint for each in sources}
    if len(told_apart) > 1:
        raise FeatvizError(
            f"{sources[0]} and {sources[1]} are two data bases of other faces; expected one"
        )
    if not sources:
        return None, f"no folder of --systems has a data base '{RETRIEVAL}'"
    database = open_database(sources[0])
    told = database.description
    facts[RETRIEVAL] = {"source": str(sources[0]), "digest": told.fingerprint, "faces": told.faces}
    return measure_retrieval(database, pairs), ""
