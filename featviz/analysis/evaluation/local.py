"""Edits that stay: what is won outside of the edited area and lost inside, way by way."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.estimates import Estimate, mean_estimate, mean_of, ratio_estimate
from featviz.analysis.evaluation.images import Painter
from featviz.analysis.evaluation.locality import SEEN, UNITS, summarize_changes
from featviz.analysis.evaluation.lpips import Lpips, descriptors, reduce_to
from featviz.analysis.evaluation.table import ALL_GROUPS, row
from featviz.analysis.evaluation.ways import FREE_WAY, Way, faces_of
from featviz.base.progress import track
from featviz.faces.contours import LANDMARKS_OF
from featviz.faces.landmarks import find_landmarks
from featviz.sketches.drawing import CANVAS, Drawing, changed_parts
from featviz.sketches.edits import MARGIN, Edit, Mask, absolute_change, edits_of, read_edits
from featviz.sketches.sketch_set import SketchSet
from featviz.sketches.tensors import decode_image

LPIPS_MEASURE, SEAM_MEASURE, KERNEL_MEASURE = "lpips outside", "seam", "kernel distance"
EDITED_MEASURE, ELSEWHERE_MEASURE = "landmarks edited", "landmarks elsewhere"
FOUND_MEASURE = "face found"
_UNEDITED = "unedited"
"""Not a way to make an edit: the base's face against the edited drawing, where nothing follows."""
BORDER = 4.0
"""Pixels at 512 to both sides of an edited area's border in which a seam is looked for."""

_LOCAL_UNITS = {
    **UNITS,
    LPIPS_MEASURE: "",
    SEAM_MEASURE: "",
    EDITED_MEASURE: "px at 512",
    ELSEWHERE_MEASURE: "px at 512",
    FOUND_MEASURE: "",
    KERNEL_MEASURE: "",
}


@dataclass(frozen=True, eq=False)
class LocalChanges:
    """What edits changed, way by way.

    changes: one row an edit and way, columns sketch, group, base, way, those of `Locality.changes`,
    lpips_outside, across and across_free (see `across_border`: of the face and of the free one),
    edited, elsewhere and found (see `landmark_distances`); NaN for what was not measured. The way
    `unedited` has landmarks only. descriptors: (rows, 512) of the faces, see `lpips.descriptors`;
    None without LPIPS. skipped: one line for every edit that could not be measured.
    """

    changes: pd.DataFrame
    descriptors: NDArray[np.float32] | None
    skipped: tuple[str, ...]


def measure_local(
    paint: Painter,
    sketches: SketchSet,
    ways: Sequence[Way],
    lpips: Lpips | None = None,
    lpips_size: int = 256,
    find: bool = True,
    margin: float = MARGIN,
    most: int | None = None,
    description: str = "edits",
) -> LocalChanges:
    """Make every edit of a sketch set in some ways, and compare with its base's face.

    ways: without `free` there is no seam and no kernel distance to tell. lpips: None leaves out
    what it measures. find: look for landmarks, which takes dlib. margin: pixels at 512, what is
    edited and what may change. most: edits a group.
    """
    rows: list[tuple[int, dict[str, Any], NDArray[np.float32] | None]] = []
    skipped: list[str] = []
    pairs = edits_of(sketches, most)
    edits = track(read_edits(sketches, pairs, paint.size, margin), description, len(pairs))
    perception = None if lpips is None else Perception(lpips.to(device=paint.device), lpips_size)
    for each, faces in faces_of(paint, _measurable(edits, sketches, paint.size, skipped), ways):
        name, group, base = sketches.index[["sketch", "group", "base"]].iloc[each.number]
        about = {"sketch": str(name), "group": str(group), "base": str(base)}
        drawings = _drawings(sketches, each, paint.size) if find else None
        if drawings is not None:
            found = landmark_distances(next(iter(faces.values())).base, *drawings)
            rows.append((each.number, {**about, "way": _UNEDITED, **found}, None))
        free = across_border(faces[FREE_WAY].image, each.area) if FREE_WAY in faces else np.nan
        for way, face in faces.items():
            image = face.image
            change = absolute_change(image, face.base)
            at_eyes = change[each.around_eyes & ~each.area]
            measured: dict[str, Any] = {
                "inside": float(change[each.area].mean()),
                "outside": float(change[~each.area].mean()),
                "eyes": float(at_eyes.mean()) if at_eyes.size else np.nan,
                "area": float(each.area.mean()),
                "beyond": float((change[~each.area] > SEEN).mean()),
                "across": across_border(image, each.area),
                "across_free": free,
            }
            seen = None
            if perception is not None:
                measured["lpips_outside"] = perception.distance_outside(image, face.base, each.area)
                seen = perception.described(image)
            if drawings is not None:
                measured |= landmark_distances(image, *drawings)
            rows.append((each.number, {**about, "way": way.name, **measured}, seen))
    rows.sort(key=lambda entry: entry[0])
    changes = pd.DataFrame([entry for _, entry, _ in rows], columns=list(_COLUMNS))
    if lpips is None or not rows:
        return LocalChanges(changes, None, tuple(skipped))
    nothing = np.full(512, np.nan, np.float32)
    seen_of = np.stack([nothing if seen is None else seen for _, _, seen in rows])
    return LocalChanges(changes, seen_of, tuple(skipped))


_COLUMNS = (
    *("sketch", "group", "base", "way", "inside", "outside", "eyes", "area", "beyond"),
    *("lpips_outside", "across", "across_free", "edited", "elsewhere", "found"),
)


def _measurable(
    edits: Iterator[Edit], sketches: SketchSet, size: int, skipped: list[str]
) -> Iterator[Edit]:
    for each in edits:
        if each.area.any() and not each.area.all():
            yield each
            continue
        reason = "is edited everywhere" if each.area.any() else "equals its base"
        name = sketches.index["sketch"].iloc[each.number]
        skipped.append(f"sketch {name} {reason} at {size} px")


def across_border(image: Tensor, area: Mask) -> float:
    """Mean absolute gradient of an image across the border of an area: a seam makes it larger.

    image: (1, 3, H, W). Taken at all pixels within BORDER px (at 512) of the border, to both sides,
    and at least at those beside it: central differences in the direction of the distance to the
    border, mean over channels, grey levels a pixel. The last kernel of a generator spreads a step
    over its width, which is why more than the pixels beside the border are looked at.
    """
    levels = image[0].double().cpu().numpy() * 127.5
    # Positive inside, negative outside; the border is at 0.
    distance = distance_transform_edt(area) - distance_transform_edt(~area)
    near = np.abs(distance) <= max(BORDER * area.shape[1] / CANVAS, 1)
    down, right = np.gradient(distance)
    length = np.maximum(np.hypot(down, right), 1e-9)
    steps = np.gradient(levels, axis=(1, 2))
    across = (steps[0] * down + steps[1] * right) / length
    return float(np.abs(across).mean(axis=0)[near].mean())


class Perception:
    """What LPIPS sees of faces, whose bases come again from one edit to the next."""

    def __init__(self, lpips: Lpips, size: int) -> None:
        self._lpips, self._size = lpips, size
        # Ways compute the same base differently, to the last bits: a few of them.
        self._bases: deque[tuple[Tensor, list[Tensor]]] = deque(maxlen=4)

    def distance_outside(self, image: Tensor, base: Tensor, area: Mask) -> float:
        """LPIPS of two images (1, 3, H, W) outside of an area, which may differ as it likes.

        Inside the area the image is given the base's pixels, because the deeper layers see far;
        the distances are averaged over the positions of each layer whose pixels all lie outside.
        """
        inside = torch.from_numpy(area).to(image.device)
        with torch.inference_mode():
            first, second = self._maps(torch.where(inside, base, image)), self._base_maps(base)
            outside = [_outside(inside, layer.shape[-2], layer.shape[-1]) for layer in first]
            return float(self._lpips.distance(first, second, outside))

    def described(self, image: Tensor) -> NDArray[np.float32]:
        """The descriptor of an image, (512,); see `lpips.descriptors`."""
        with torch.inference_mode():
            return np.asarray(descriptors(self._maps(image))[0].cpu().numpy())

    def _maps(self, image: Tensor) -> list[Tensor]:
        return self._lpips.maps(reduce_to(image, self._size))

    def _base_maps(self, base: Tensor) -> list[Tensor]:
        for known, maps in self._bases:
            if torch.equal(known, base):
                return maps
        self._bases.append((base, self._maps(base)))
        return self._bases[-1][1]


def _outside(inside: Tensor, height: int, width: int) -> Tensor:
    """Which positions of a map stand for no pixel of an area, (H, W) bool -> (h, w) bool."""
    return F.adaptive_max_pool2d(inside[None].float(), (height, width))[0] == 0


def _drawings(sketches: SketchSet, each: Edit, size: int) -> tuple[Drawing, Drawing] | None:
    """The base and the edit as drawings; None if one of them is made of pixels."""
    files = sketches.index["file"].iloc[[each.base_number, each.number]]
    if not all(file.lower().endswith(".svg") for file in files):
        return None
    base, edited = (sketches.at(size).drawing(n) for n in (each.base_number, each.number))
    return base, edited


def landmark_distances(image: Tensor, base: Drawing, edited: Drawing) -> dict[str, float]:
    """How far a face is from its drawing: landmarks found in it against the drawn lines.

    image: (1, 3, H, W), the face of `edited`. A drawing by hand has lines and no 68 landmarks, so
    each landmark that is found is measured to the nearest line of its part as drawn, in pixels at
    512; parts that are not drawn, or are no part of CONTOUR_LINES (hair), take no part. `edited`:
    mean over the landmarks of the parts whose strokes differ from the base's; `elsewhere`: of the
    others; NaN where there are none, and without a face. `found`: 1 if a face was found, else 0.
    """
    landmarks = find_landmarks(decode_image(image[0]))
    if landmarks is None:
        return {"edited": np.nan, "elsewhere": np.nan, "found": 0.0}
    distances: dict[bool, list[float]] = {True: [], False: []}
    changed = changed_parts(base, edited)
    for part, indices in LANDMARKS_OF.items():
        if strokes := edited.part(part):
            away = _distances(landmarks[indices], [stroke.points for stroke in strokes])
            distances[part in changed] += (away * CANVAS / edited.size).tolist()
    means = {key: float(np.mean(found)) if found else np.nan for key, found in distances.items()}
    return {"edited": means[True], "elsewhere": means[False], "found": 1.0}


def _distances(
    points: NDArray[np.floating], lines: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Of each point (n, 2) to the nearest of some polylines (m, 2)."""
    starts = np.concatenate([line[:-1] if len(line) > 1 else line for line in lines])
    ends = np.concatenate([line[1:] if len(line) > 1 else line for line in lines])
    along = ends - starts
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    from_start = points[:, None] - starts
    share = ((from_start * along).sum(axis=2) / length).clip(0, 1)
    away = from_start - share[..., None] * along
    return np.asarray(np.hypot(away[..., 0], away[..., 1]).min(axis=1))


def local_rows(name: str, local: LocalChanges) -> list[tuple[Any, ...]]:
    """Rows of an evaluation table: for each way every group, and the mean over groups.

    The kernel distance, of the edited faces from those made free, is that of all edits together.
    """
    rows = []
    for way, changes in local.changes.groupby("way", sort=False):
        groups = []
        for group, of_group in changes.groupby("group", sort=False):
            estimates = _summarize(of_group)
            groups.append(estimates)
            rows += _rows(name, str(way), str(group), estimates)
        means = {
            measure: mean_of([estimates[measure] for estimates in groups if measure in estimates])
            for measure in _LOCAL_UNITS
            if any(measure in estimates for estimates in groups)
        }
        rows += _rows(name, str(way), ALL_GROUPS, means | _from_free(local, str(way)))
    return rows


def _rows(
    name: str, way: str, group: str, estimates: Mapping[str, Estimate]
) -> list[tuple[Any, ...]]:
    return [
        row(name, "local", measure, estimate, _LOCAL_UNITS[measure], group=group, way=way)
        for measure, estimate in estimates.items()
    ]


def _summarize(changes: pd.DataFrame) -> dict[str, Estimate]:
    """Of the edits of one group in one way; what was not measured is left out."""
    found: dict[str, Estimate] = {}
    if changes["inside"].notna().any():
        found = summarize_changes(changes)
    if changes["across_free"].notna().any():
        found[SEAM_MEASURE] = ratio_estimate(changes["across"], changes["across_free"])
    if changes["lpips_outside"].notna().any():
        found[LPIPS_MEASURE] = mean_estimate(changes["lpips_outside"])
    if changes["found"].notna().any():
        found[EDITED_MEASURE] = mean_estimate(changes["edited"])
        found[ELSEWHERE_MEASURE] = mean_estimate(changes["elsewhere"])
        found[FOUND_MEASURE] = mean_estimate(changes["found"])
    return found


def _from_free(local: LocalChanges, way: str) -> dict[str, Estimate]:
    """The kernel distance of the faces made in a way from those made free."""
    ways = local.changes["way"]
    if (
        way in (FREE_WAY.name, _UNEDITED)
        or min((ways == way).sum(), (ways == FREE_WAY.name).sum()) < 2
    ):
        return {}
    if local.descriptors is None:
        return {}
    # Rows of both ways are in the order of the edits.
    made, free = (local.descriptors[(ways == each).to_numpy()] for each in (way, FREE_WAY.name))
    return {KERNEL_MEASURE: kernel_distance(made, free)}
