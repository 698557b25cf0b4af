"""How far an edit of the image reaches: traced, and then tried with edits.

Tracing tells what can differ, operation by operation, for any image. Edits tell what does: of
random images, and of images given. Beyond what was traced nothing may change, to the last bit of
a CPU; where everything may change, it should.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.probing.activations import evaluating
from featviz.probing.axes import Axis
from featviz.probing.field import Field, Placeless, WholeMapWay
from featviz.probing.survey import (
    OUTPUT,
    TracedRun,
    image_in,
    listening,
    survey_with_room,
)

ReachVerdict = Literal["bounded", "unbounded", "unknown"]
_Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class LayerReach:
    """How far an edit reaches in the output of one run of a module.

    layer, kind: its name and class. map_size: (width, height) in cells. extent: (width, height) in
    pixels of its receptive field, reach: the pixels (across, down) from an edited pixel to the
    furthest cell that sees it; both without what lies in `ways`, through which everything is seen.
    cut_off: whether the model takes no image that is large enough to tell them all. measured:
    the furthest that an edit was seen to reach. beyond: cells outside of the traced reach that an
    edit changed, of `outside` in all edits together. reason: why something is not known.
    """

    layer: str
    kind: str
    map_size: tuple[int, int] | None
    extent: tuple[int, int] | None
    reach: tuple[int, int] | None
    cut_off: bool
    ways: tuple[WholeMapWay, ...]
    measured: tuple[int, int] | None
    beyond: int
    outside: int
    reason: str

    @property
    def verdict(self) -> ReachVerdict:
        """Whether an edit stays within the reach."""
        if self.ways:
            return "unbounded"
        return "unknown" if self.reach is None else "bounded"

    @property
    def confirmed(self) -> bool | None:
        """Whether edits did what was traced; None if nothing lies where they should tell."""
        if self.verdict == "unknown" or not self.outside:
            return None
        return (self.beyond > 0) == (self.verdict == "unbounded")


@dataclass(frozen=True)
class Certificate:
    """How far an edit reaches in a model's output and, in order, in that of each of its modules.

    image_size: (width, height). edits: how many were tried.
    """

    image_size: tuple[int, int]
    edits: int
    output: LayerReach
    layers: tuple[LayerReach, ...]

    def __str__(self) -> str:
        """In a sentence: "bounded: an edit reaches 37 px"."""
        output = self.output
        if output.verdict == "unknown":
            return f"unknown: {output.reason}"
        reach = "nobody knows how far"
        if output.reach is not None:
            least = "at least " if output.cut_off else ""
            reach = f"{least}{max(output.reach)} px"
        if output.verdict == "bounded":
            return f"bounded: an edit reaches {reach}"
        ways = _listed(output.ways)
        return f"unbounded: through {ways}; without them an edit would reach {reach}"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "says": str(self),
            "image_size": list(self.image_size),
            "edits": self.edits,
            "output": _plain(self.output),
            "layers": [_plain(layer) for layer in self.layers],
        }


def certify(
    model: nn.Module,
    image_size: tuple[int, int],
    channels: int = 3,
    images: Sequence[Tensor] = (),
    random_images: int = 2,
    edits: int = 3,
    seed: int = 0,
) -> Certificate:
    """Trace how far an edit reaches, and try it.

    image_size: (width, height). images: (1, C, H, W) of that size, as the model takes them, that
    are edited besides `random_images` of normal noise. edits: of each image; a block of pixels in
    the middle, in a corner, and then anywhere. The model runs in evaluation mode, twice for each
    edit. Raises FeatvizError if it cannot run on such an image, or gives no tensor.
    """
    width, height = image_size
    for image in images:
        if tuple(image.shape) != (1, channels, height, width):
            raise FeatvizError(
                f"an image is {tuple(image.shape)}; expected (1, {channels}, {height}, {width})"
            )
    layers, roomy = survey_with_room(model, image_size, channels)
    if OUTPUT not in layers:
        raise FeatvizError("the model gives no tensor; wrap it in a module that does")
    tried = _Tried(layers)
    rng = np.random.default_rng(seed)
    sample = next((each for each in model.parameters() if each.is_floating_point()), None)
    with evaluating(model), torch.no_grad(), listening(model, tried.see):
        for image in [*images, *_noise(rng, (1, channels, height, width), random_images)]:
            given = image if sample is None else image.to(sample.device, sample.dtype)
            tried.run(model, given, None)
            for number in range(edits):
                edited, block = _edited(given, number, rng)
                tried.run(model, edited, block)
    rows = {name: _row(layer, roomy.get(name), tried) for name, layer in layers.items()}
    output = rows.pop(OUTPUT)
    count = edits * (len(images) + random_images)
    return Certificate(image_size, count, output, tuple(rows.values()))


class _Tried:
    """What edits change in the layers: where they should not, and how far from the edit."""

    def __init__(self, layers: dict[str, TracedRun]) -> None:
        self.layers = layers
        self.beyond: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()
        self.measured: dict[str, tuple[int, int]] = {}
        self._base: dict[str, Tensor] = {}
        self._block: tuple[slice, slice] | None = None

    def run(self, model: nn.Module, image: Tensor, block: tuple[slice, slice] | None) -> None:
        """Run a base, if no block is given, or the base with a block (rows, columns) edited."""
        self._block = block
        self.see(OUTPUT, model, model(image))

    def see(self, name: str, _: nn.Module, output: Any) -> None:
        """Compare what a module gives with what it gave of the base."""
        layer, tensor = self.layers.get(name), image_in(output)
        if layer is None or tensor is None or layer.arrangement is None:
            return
        field = layer.trace
        if not isinstance(field, Field) or tuple(tensor.shape) != layer.shape:
            return
        marks = _marks(layer.arrangement.maps(tensor, field.size))
        if self._block is None:
            self._base[name] = marks
            return
        changed = (marks != self._base[name]).cpu().numpy()
        down, right = self._block
        rows, columns = _seeing(field.y, down), _seeing(field.x, right)
        self.outside[name] += changed.size - len(rows) * len(columns)
        self.beyond[name] += int(changed.sum() - changed[np.ix_(rows, columns)].sum())
        across, along = (np.asarray(changed.any(axis)) for axis in (0, 1))
        far = _furthest(field.x, across, right), _furthest(field.y, along, down)
        there = self.measured.get(name, (0, 0))
        self.measured[name] = max(far[0], there[0]), max(far[1], there[1])


def _noise(rng: np.random.Generator, shape: tuple[int, ...], count: int) -> list[Tensor]:
    return [torch.from_numpy(rng.standard_normal(shape)) for _ in range(count)]


def _edited(
    image: Tensor, number: int, rng: np.random.Generator
) -> tuple[Tensor, tuple[slice, slice]]:
    """The image with a block of pixels changed, and the block."""
    height, width = image.shape[-2:]
    side = max(1, min(height, width) // 32)
    corners = ((height - side) // 2, (width - side) // 2), (0, width - side)
    anywhere = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    top, left = corners[number] if number < len(corners) else anywhere
    block = slice(top, top + side), slice(left, left + side)
    edited, noise = image.clone(), rng.standard_normal((1, image.shape[1], side, side))
    edited[..., block[0], block[1]] += torch.from_numpy(noise).to(image.device, image.dtype)
    return edited, block


def _marks(maps: Tensor) -> Tensor:
    """One number for each cell of maps (1, C, H, W), another if one of its bits is: (H, W)."""
    bits = maps.detach()[0].contiguous().flatten(1).view(torch.uint8)
    size = maps.element_size()
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
    values = bits.view(kind).long()
    # Odd factors: a single channel that differs is never lost, several all but never.
    factors = np.random.default_rng(0).integers(1 << 62, size=len(values)) * 2 + 1
    marks = torch.zeros_like(values[0])
    for value, factor in zip(values, factors.tolist(), strict=True):
        marks += value * factor
    return marks.view(maps.shape[-2:])


def _seeing(axis: Axis, pixels: slice) -> NDArray[np.int64]:
    """The cells that see one of some pixels."""
    return np.flatnonzero((axis.low < pixels.stop) & (axis.high >= pixels.start))


def _furthest(axis: Axis, cells: _Cells, pixels: slice) -> int:
    """Pixels from an edit to the middle of the furthest of some cells."""
    there = np.flatnonzero(cells)
    if not len(there):
        return 0
    middles = float(axis.start) + float(axis.pitch) * there
    away = np.maximum(pixels.start - middles, middles - (pixels.stop - 1))
    return max(0, math.floor(float(away.max())))


def _reach(axis: Axis) -> int:
    """Pixels from one to the middle of the furthest cell that sees it."""
    middles = float(axis.start) + float(axis.pitch) * np.arange(len(axis.low))
    away = np.maximum(middles - axis.low, axis.high - middles)[axis.high >= axis.low]
    return max(0, math.floor(float(away.max(initial=0))))


def _row(layer: TracedRun, roomy: TracedRun | None, tried: _Tried) -> LayerReach:
    ways = tuple(sorted(layer.ways))
    if isinstance(layer.trace, Placeless):
        size, reason = layer.trace.map_size, layer.trace.reason
        ways = ways if layer.trace.is_statistic else ()
        return LayerReach(layer.name, layer.kind, size, None, None, False, ways, None, 0, 0, reason)
    field = layer.trace
    if roomy is not None and isinstance(roomy.trace, Field):
        field = roomy.trace
    return LayerReach(
        layer.name,
        layer.kind,
        layer.trace.size,
        (field.x.extent, field.y.extent),
        (_reach(field.x), _reach(field.y)),
        roomy is None,
        ways,
        tried.measured.get(layer.name),
        tried.beyond[layer.name],
        tried.outside[layer.name],
        "",
    )


def _listed(ways: Sequence[WholeMapWay]) -> str:
    """27 instance norms (a.norm, b.norm, ...) and 1 attention (mid.attention)."""
    kinds: dict[str, list[str]] = {}
    for way in ways:
        kinds.setdefault(way.kind, []).append(way.module or "the model itself")
    parts = []
    for kind, modules in kinds.items():
        shown = ", ".join(modules[:3]) + (", ..." if len(modules) > 3 else "")
        parts.append(f"{kind} in {len(modules)} place{'s' * (len(modules) > 1)} ({shown})")
    return " and ".join(parts)


def _plain(row: LayerReach) -> dict[str, Any]:
    plain = asdict(row) | {"verdict": row.verdict, "confirmed": row.confirmed}
    plain["ways"] = [way._asdict() for way in row.ways]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}
