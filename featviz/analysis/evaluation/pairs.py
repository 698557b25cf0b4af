"""Generated images against the photos of held-out pairs."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.estimates import Estimate, mean_estimate
from featviz.analysis.evaluation.images import Paints
from featviz.analysis.evaluation.lpips import Lpips, descriptors, reduce_to
from featviz.analysis.evaluation.pixels import psnr, ssim
from featviz.analysis.evaluation.robustness import ROTATIONS, SHIFTS, moves_for
from featviz.analysis.evaluation.table import row
from featviz.base.errors import FeatvizError
from featviz.base.progress import track
from featviz.faces.augmentation import move_landmarks
from featviz.faces.pairs import PairSet
from featviz.sketches.tensors import decode_image, encode_image

LEAST_PAIRS = 3
"""The fewest pairs that have a kernel distance with a standard error."""


@dataclass(frozen=True, eq=False)
class PairMeasures:
    """What was measured of generated images against their photos.

    images: one row an image, columns pair (0, 1, ...), move ("", shift, rotation), amount, lpips,
    ssim, psnr. descriptors: (images, 512), of_photos: (pairs, 512), see `lpips.descriptors`.
    """

    images: pd.DataFrame
    descriptors: NDArray[np.float32]
    of_photos: NDArray[np.float32]


def choose_pairs(pairs: PairSet, count: int, seed: int) -> tuple[PairSet, list[str]]:
    """At most `count` pairs of the test split, and a line for every photo that cannot be read.

    A digest of seed and name decides which, so the choice depends on no other photo's presence.
    Raises FeatvizError for fewer than 3 readable ones.
    """
    held_out = pairs.split("test")
    order = sorted(
        range(len(held_out)),
        key=lambda i: hashlib.sha256(f"{seed}:{held_out.names[i]}".encode()).hexdigest(),
    )
    chosen: list[int] = []
    skipped: list[str] = []
    for index in order:
        if len(chosen) == count:
            break
        try:
            held_out.photo(index)
        except FeatvizError as error:
            skipped.append(str(error))
            continue
        chosen.append(index)
    if len(chosen) < LEAST_PAIRS:
        raise FeatvizError(
            f"{pairs.folder} has {len(chosen)} readable pairs in its test split; expected at "
            f"least {LEAST_PAIRS}"
        )
    return held_out.taken(chosen), skipped


def measure_pairs(
    paint: Paints,
    lpips: Lpips,
    pairs: PairSet,
    lpips_size: int,
    moved: int = 0,
    seed: int = 0,
    description: str = "pairs",
) -> PairMeasures:
    """Generate from every contour and compare with its photo.

    lpips_size: larger images are averaged down to this side for LPIPS and descriptors. moved: the
    contours of so many pairs, the first ones, are moved too, in the directions that `seed` draws;
    their photos are not.
    """
    lpips = lpips.to(device=paint.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rows: list[tuple[Any, ...]] = []
    seen: list[NDArray[np.float32]] = []
    of_photos: list[NDArray[np.float32]] = []

    def maps(pixels: NDArray[np.uint8]) -> list[Tensor]:
        with torch.inference_mode():
            images = encode_image(pixels)[None].to(paint.device, memory_format=torch.channels_last)
            return lpips.maps(reduce_to(images, lpips_size))

    def compare(index: int, points: NDArray[np.float32] | None, *move: Any) -> None:
        image = decode_image(paint(pairs.contour(index, paint.size, points))[0])
        generated = maps(image)
        with torch.inference_mode():
            distance = float(lpips.distance(generated, reference))
        rows.append((index, *move, distance, ssim(image, photo), psnr(image, photo)))
        seen.append(descriptors(generated)[0].cpu().numpy())

    for index in track(range(len(pairs)), description):
        photo = pairs.photo(index, paint.size)
        reference = maps(photo)
        of_photos.append(descriptors(reference)[0].cpu().numpy())
        compare(index, None, "", 0.0)
        if index >= moved:
            continue
        points = pairs.points(index)
        for move in moves_for(pairs.names[index], seed):
            at = move_landmarks(points, pairs.size, move.shift, move.degrees)
            compare(index, at, move.kind, move.amount)
    columns = ["pair", "move", "amount", "lpips", "ssim", "psnr"]
    return PairMeasures(pd.DataFrame(rows, columns=columns), np.stack(seen), np.stack(of_photos))


def quality_rows(name: str, measures: PairMeasures) -> list[tuple[Any, ...]]:
    """Rows of an evaluation table: the images of contours that were not moved."""
    at_rest = measures.images["move"] == ""
    return [
        row(name, "quality", measure, estimate, "dB" if measure == "psnr" else "")
        for measure, estimate in _estimates(measures, at_rest).items()
    ]


def robustness_rows(name: str, measures: PairMeasures) -> list[tuple[Any, ...]]:
    """Rows of an evaluation table: pairs with moved contours, by amount, and their losses.

    Amount 0 is these pairs at rest. A loss is the mean over the amounts against rest, pair by
    pair, positive where moving makes it worse.
    """
    images, rows = measures.images, []
    moved = images["pair"].isin(images["pair"][images["move"] != ""])
    at_rest = (images["move"] == "") & moved
    for kind, amounts in (("shift", SHIFTS), ("rotation", ROTATIONS)):
        of_kind = images["move"] == kind
        for amount in (0.0, *amounts):
            which = of_kind & (images["amount"] == amount) if amount else at_rest
            rows += [
                row(name, "robustness", measure, estimate, _UNITS[kind], move=kind, amount=amount)
                for measure, estimate in _estimates(measures, which).items()
                if measure != "psnr"
            ]
        for measure, sign in (("lpips", 1), ("ssim", -1)):
            means = images[of_kind].groupby("pair")[measure].mean()
            loss = sign * (means - images[at_rest].set_index("pair")[measure])
            rows.append(row(name, "robustness", f"{measure} loss", mean_estimate(loss), move=kind))
    return rows


_UNITS = {"shift": "px at 512", "rotation": "degrees"}


def _estimates(measures: PairMeasures, which: "pd.Series[bool]") -> dict[str, Estimate]:
    images = measures.images[which]
    photos = measures.of_photos[images["pair"].to_numpy()]
    return {
        **{measure: mean_estimate(images[measure]) for measure in ("lpips", "ssim", "psnr")},
        "kernel distance": kernel_distance(measures.descriptors[which.to_numpy()], photos),
    }
