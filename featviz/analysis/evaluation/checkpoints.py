"""Measuring checkpoints: quality on held-out pairs, edit locality, robustness, edits that stay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from featviz.analysis.evaluation.images import Painter, Paints, painter
from featviz.analysis.evaluation.local import local_rows, measure_local
from featviz.analysis.evaluation.locality import locality_rows, measure_locality
from featviz.analysis.evaluation.lpips import DESCRIPTOR_LAYER, Lpips, load_lpips, lpips_file
from featviz.analysis.evaluation.pairs import (
    LEAST_PAIRS,
    choose_pairs,
    measure_pairs,
    quality_rows,
    robustness_rows,
)
from featviz.analysis.evaluation.pixels import require_scikit_image
from featviz.analysis.evaluation.retrieved import RetrievingPainter, retrieving_painters
from featviz.analysis.evaluation.table import EvaluationTable, make_table
from featviz.analysis.evaluation.ways import Kept, ways_of
from featviz.base.assets import ASSETS
from featviz.base.errors import FeatvizError, require_whole
from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.editing.engine import StatisticsOf
from featviz.faces.landmarks import require_models
from featviz.faces.pairs import PairSet
from featviz.generators.checkpoint import Checkpoints, open_checkpoints
from featviz.probing.device import device_at_hand, exactly
from featviz.retrieval.database import is_database
from featviz.sketches.edits import MARGIN, check_edits
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet

_Part = Literal["quality", "locality", "robustness", "local"]
_PARTS: tuple[_Part, ...] = get_args(_Part)
_OF_EDITS = {"locality": "edit locality", "local": "local editing"}
"""The parts that look at edits, and what errors call them."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How checkpoints are measured.

    parts: which of quality, locality, robustness and local. count: pairs. moved_count: how many of
    these have their contours moved. edits: at most so many edits a group; None for all. size: side
    of sketches and images in pixels; None for that of each checkpoint. lpips_size: larger images
    are averaged down to this side for LPIPS and descriptors. margin: pixels at 512 around an edit
    that count as edited. seed: which pairs, and the directions of their moves. keep, statistics:
    of `local`, where maps are kept and whose statistics norms use, each with each, see
    `editing.edit`. Raises FeatvizError for values that make no sense.
    """

    parts: tuple[_Part, ...] = ("quality", "locality", "robustness")
    count: int = 100
    moved_count: int = 24
    edits: int | None = None
    size: int | None = None
    lpips_size: int = 256
    margin: float = MARGIN
    seed: int = 0
    keep: tuple[Kept, ...] = ("layers", "trunk")
    statistics: tuple[StatisticsOf, ...] = ("base",)

    def __post_init__(self) -> None:
        if not self.parts:
            raise FeatvizError(f"expected one or more parts of {', '.join(_PARTS)}; given none")
        if unknown := [part for part in self.parts if part not in _PARTS]:
            raise FeatvizError(f"unknown part '{unknown[0]}'; there are {', '.join(_PARTS)}")
        require_whole(self, LEAST_PAIRS, "count", "moved_count")
        require_whole(self, 32, "lpips_size")
        require_whole(self, 0, "seed")
        for name in ("edits", "size"):
            if getattr(self, name) is not None:
                require_whole(self, 1, name)
        if not 0 <= self.margin < np.inf:
            raise FeatvizError(f"the margin must be 0 px or more; got {self.margin}")
        for share in self.statistics:
            if not isinstance(share, str) and not 0 <= share <= 1:
                raise FeatvizError(f"a share of the edit's statistics is 0 to 1; got {share}")
        for name in ("keep", "statistics"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise FeatvizError(f"{name} has one of its values twice")

    @property
    def of_edits(self) -> tuple[_Part, ...]:
        """The parts that look at edits."""
        return tuple(part for part in self.parts if part in _OF_EDITS)

    @property
    def needs_pairs(self) -> bool:
        """Whether any part looks at photos."""
        return "quality" in self.parts or "robustness" in self.parts


def evaluate(
    sources: Sequence[str | Path],
    settings: EvaluationSettings,
    pairs: PairSet | None = None,
    sketches: SketchSet | None = None,
    variant: str | None = None,
) -> tuple[EvaluationTable, list[str]]:
    """Measure checkpoints, and list what had to be skipped.

    pairs: for quality and robustness; their test split is used. sketches: for locality and local.
    Data bases of `featviz retrieve` come behind the checkpoints; they have no local. What of that
    takes weights or a library that are missing is left out and listed. variant: of a .pth of
    pix2pixHD. Everything is checked before anything is measured. Raises FeatvizError for unusable
    input.
    """
    networks = [source for source in sources if not is_database(source)]
    checkpoints = open_checkpoints(networks, variant) if networks or not sources else None
    names = list(checkpoints.names) if checkpoints else []
    retrieving = retrieving_painters(sources, settings.size, names)
    names += retrieving
    if retrieving and "local" in settings.parts:
        raise FeatvizError(
            f"'{next(iter(retrieving))}' is a data base, which has no maps to keep; what can be "
            "measured of it are quality, locality and robustness"
        )
    sizes = _check(checkpoints, settings) if checkpoints else set()
    sizes |= {paint.size for paint in retrieving.values()}
    skipped: list[str] = []
    rows: list[tuple[Any, ...]] = []
    lpips = chosen = None
    if settings.needs_pairs:
        if pairs is None:
            raise FeatvizError("quality and robustness need pairs; given none")
        require_scikit_image()
        lpips = load_lpips()
        count = settings.count if "quality" in settings.parts else settings.moved_count
        chosen, skipped = choose_pairs(pairs, count, settings.seed)
    for part in settings.of_edits:
        if sketches is None:
            raise FeatvizError(f"{_OF_EDITS[part]} needs sketches; given none")
        check_edits(sketches, sizes, settings.edits)
    find = False
    if "local" in settings.parts:
        try:
            lpips = lpips or load_lpips()
        except FeatvizError as error:
            skipped.append(f"LPIPS and kernel distance of local editing: {error}")
        try:
            require_models()
            find = True
        except FeatvizError as error:
            skipped.append(f"landmarks of local editing: {error}")
    facts: dict[str, dict[str, Any]] = {}
    opened: Iterator[tuple[str, Painter | RetrievingPainter, dict[str, Any]]] = chain(
        (
            (each.name, painter(each, settings.size), each.provenance())
            for each in checkpoints or ()
        ),
        ((name, paint, paint.provenance()) for name, paint in retrieving.items()),
    )
    for name, paint, provenance in opened:
        facts[name] = {**provenance, "size": paint.size}
        try:
            with exactly(paint.device):
                if chosen is not None and lpips is not None:
                    rows += _pair_rows(paint, lpips, chosen, settings, name)
                if sketches is not None:
                    of_edits, without = _edit_rows(paint, lpips, sketches, settings, find, name)
                    rows += of_edits
                    skipped += [line for line in without if line not in skipped]
        except FeatvizError as error:
            raise FeatvizError(f"{name}: {error}") from None
    metadata = evaluation_metadata(settings, chosen, sketches, facts, lpips is not None)
    order = {part: position for position, part in enumerate(_PARTS)}
    rows.sort(key=lambda entry: (names.index(entry[0]), order[entry[1]]))
    return make_table(rows, metadata), skipped


def _pair_rows(
    paint: Paints, lpips: Lpips, pairs: PairSet, settings: EvaluationSettings, name: str
) -> list[tuple[Any, ...]]:
    measures = measure_pairs(
        paint,
        lpips,
        pairs,
        settings.lpips_size,
        moved=settings.moved_count if "robustness" in settings.parts else 0,
        seed=settings.seed,
        description=f"{name}: pairs",
    )
    rows = quality_rows(name, measures) if "quality" in settings.parts else []
    return rows + (robustness_rows(name, measures) if "robustness" in settings.parts else [])


def _edit_rows(
    paint: Painter | RetrievingPainter,
    lpips: Lpips | None,
    sketches: SketchSet,
    settings: EvaluationSettings,
    find: bool,
    name: str,
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Rows of the parts that look at edits, and a line for each edit that could not be."""
    rows: list[tuple[Any, ...]] = []
    skipped: list[str] = []
    how = (settings.margin, settings.edits)
    if "locality" in settings.parts:
        locality = measure_locality(paint, sketches, paint.size, *how, f"{name}: edits")
        rows += locality_rows(name, locality)
        skipped += locality.skipped
    if "local" in settings.parts and isinstance(paint, Painter):
        ways = ways_of(settings.keep, settings.statistics)
        local = measure_local(
            paint, sketches, ways, lpips, settings.lpips_size, find, *how, f"{name}: local edits"
        )
        rows += local_rows(name, local)
        skipped += local.skipped
    return rows, skipped


def _check(checkpoints: Checkpoints, settings: EvaluationSettings) -> set[int]:
    """The sizes at which the checkpoints paint; each is loaded once to see if it is fit."""
    sizes = set()
    for checkpoint in checkpoints:
        if settings.of_edits:
            checkpoint.require_sketch_alone()
        else:
            checkpoint.require_whole()
            checkpoint.require_conditions()
        sizes.add(painter(checkpoint, settings.size).size)
    return sizes


def evaluation_metadata(
    settings: EvaluationSettings,
    pairs: PairSet | None,
    sketches: SketchSet | PhotoSet | None,
    checkpoints: dict[str, dict[str, Any]],
    with_lpips: bool,
) -> dict[str, Any]:
    """What it takes to measure the same again; checkpoints: what is told of each, by name."""
    metadata: dict[str, Any] = {
        VERSION_KEY: VERSION,
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
        "device": device_at_hand().type,
        "parts": list(settings.parts),
        "seed": settings.seed,
        "checkpoints": checkpoints,
    }
    if pairs is not None:
        metadata["versions"]["scikit-image"] = version("scikit-image")
        metadata["data"] = {
            "folder": pairs.folder.name,
            "origin": pairs.origin,
            "split": "test",
            "pairs": len(pairs),
            "moved_pairs": min(settings.moved_count, len(pairs))
            if "robustness" in settings.parts
            else 0,
            "fingerprint": pairs.fingerprint(),
        }
    if with_lpips:
        asset = ASSETS["lpips"]
        metadata["lpips"] = {
            "weights": f"VGG16, version 0.1 ({asset.package} {asset.version})",
            "file": lpips_file().name,
            "sha256": asset.members[0].sha256,
            "size": settings.lpips_size,
        }
        metadata["kernel_distance"] = {
            "descriptor": f"mean over positions of VGG16's {DESCRIPTOR_LAYER}",
            "kernel": "(x . y / 512 + 1)^3",
            "estimator": "unbiased, for pairs",
        }
    if settings.of_edits and sketches is not None:
        metadata["sketches"] = {
            "folder": sketches.folder.name,
            "fingerprint": fingerprint(sketches),
            "margin": settings.margin,
            "edits_a_group": settings.edits,
        }
    if "local" in settings.parts:
        ways = ways_of(settings.keep, settings.statistics)
        metadata["local"] = {"ways": [way.name for way in ways]}
    return metadata
