"""Images x layers x points -> feature table.

The dense engine runs the network up to the last wanted layer and keeps nothing of each map but
the wanted cells. It is the plain computation that the sparse one, see `extraction.sparse`, has to
agree with.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import closing
from functools import partial
from itertools import chain, islice
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.base.feature_table import FeatureTable
from featviz.base.points import PROBE_POINT, Point, as_point, check_point, token_of
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.extraction.cells import Placing, boxes, cell_reader, place_cells, side
from featviz.extraction.engines import EngineName, choose_engine
from featviz.extraction.inputs import Input, LabelledImages, read_inputs
from featviz.extraction.loading import load_batches
from featviz.extraction.sparse import Layouts, SparseReader, in_parallel, trim_heap
from featviz.extraction.spilling import MOST_HELD, Pieces
from featviz.probing.activations import (
    Stage,
    evaluating,
    require_finite_weights,
    truncated_forward,
)
from featviz.probing.arrangement import Arrangement
from featviz.probing.calling import Call, Called
from featviz.probing.layers import Layers, Located, locate_layers, patterns_of
from featviz.probing.receptive_field import Position
from featviz.sketches.tensors import Image, encode_image, input_channels

FRONT_END_LAYERS = ("L0", "L1", "L2", "L3", "L4")

# Images between two times that the sparse engine gives memory back, and seconds of the dense one,
# whose whole maps leave larger gaps: after each batch of large ones, in a tenth of the time.
_TRIM_EVERY, _TRIM_AFTER = 64, 0.2


def extract(
    model: nn.Module,
    sketches: LabelledImages | Iterable[Image],
    points: Sequence[Point | str] = (PROBE_POINT,),
    layers: Layers = FRONT_END_LAYERS,
    stage: Stage = "activation",
    *,
    names: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    encode: Callable[[Any], Tensor] | None = None,
    positions: Placing = "computed",
    engine: EngineName = "auto",
    batch_size: int = 8,
    provenance: Mapping[str, Any] | None = None,
    layouts: Layouts | None = None,
    call: Call | None = None,
) -> FeatureTable:
    """Read the activation vectors of `layers` at `points` for every sketch.

    model: any module that takes one batch of images (N, C, H, W), or that `call(model, images)`
    runs on one, with whatever else it takes. It runs in evaluation mode where its weights are, and
    gets its training flags back.
    sketches: a sketch set, or images of one size, also from a generator: uint8 (H, W) or
    (H, W, 3), or float tensors (C, H, W), alone or as batches (N, C, H, W), ready for the network.
    They are taken one batch at a time and let go. A torch `Dataset` or `DataLoader` may give
    (image, label). names, groups: what to call plain images and their groups; numbers and the
    labels of a data set, or "", if not given.
    points: input pixels (x right, y down), or tokens of no place, see `as_point`; these are in the
    table at x = -1. layers: "all", or names and patterns, see `locate_layers`; what they leave out
    is a FeatvizWarning. stage: see `record_activations`.
    encode: turns one image into a float tensor (C, H, W); `encode_image` if not given.
    positions: "computed" follows the layers and refuses a layer whose geometry is unknown (see
    `receptive_field`); "proportional" takes the cell at the same share of the map; a mapping
    gives, for each layer, a cell (column, row) for each point.
    engine: see docs/engine.md; "sparse" refuses what it cannot compute, "auto" takes it where it
    can and pays, and records why if it does not.
    batch_size: images a forward on an accelerator; on a CPU every image runs by itself.
    provenance: checkpoint, digest, variant, ... for the table's metadata. layouts: what the sparse
    engine remembers of images, one object for several models that read the same ones.

    Returns one row per sketch and point, sketch by sketch; vectors of many lie in a temporary file
    and are read where they are looked at, see `Pieces`. Raises FeatvizError for unknown layers,
    points outside of the image, no sketches or ones of different sizes, labels that are not as
    many, NaN or infinity, and for what the sparse engine, if asked for, cannot compute.
    """
    layers = layers if isinstance(layers, str) else tuple(dict.fromkeys(layers))
    places = tuple(map(as_point, points))
    _require_sensible(places, positions, batch_size)
    _require_layers(model, layers, stage)
    details = {"checkpoint": type(model).__name__, **(provenance or {})}
    name = str(details["checkpoint"])
    model = model if call is None else Called(model, call)
    require_finite_weights(model, name)

    encode = encode or partial(encode_image, channels=input_channels(model))
    inputs = read_inputs(sketches, names, groups, encode)
    if (first := next(inputs, None)) is None:
        raise FeatvizError("there are no sketches to extract from; expected at least one")
    located, cells, told = _place(model, first, places, layers, stage, positions)
    _tell_left_out(name, told.get("left_out"))
    every = track(chain([first], inputs), name, _count(sketches))
    sized = (_of_one_size(each, first) for each in every)
    choice = choose_engine(engine, model, cells, stage, first.tensor, layouts)
    found = (
        _read_dense(model, sized, cell_reader(cells, located.geometries), cells, stage, batch_size)
        if choice.sparse is None
        else _read_sparse(model, sized, choice.sparse)
    )
    rows, vectors = _gather(found, located.layers, places)
    metadata = {
        **dict.fromkeys(("digest", "variant", "architecture", "step")),
        **details,
        **told,
        "engine": choice.name,
        "engine_reason": choice.reason,
        VERSION_KEY: VERSION,
        "torch": torch.__version__,
        "sketches": sketches.folder.name if isinstance(sketches, LabelledImages) else None,
    }
    return FeatureTable(rows, vectors, metadata)


def _tell_left_out(name: str, left_out: Mapping[str, str] | None) -> None:
    if left_out:
        layer, reason = next(iter(left_out.items()))
        remark = f"leaves out {len(left_out)} of its layers; the first, '{layer}': {reason}"
        warnings.warn(FeatvizWarning(f"the table of {name}", remark), stacklevel=3)


def _count(images: object) -> int | None:
    """How many images there are, if that is known; a loader's length is that of its batches."""
    is_loader = isinstance(images, DataLoader)
    return len(images) if isinstance(images, Sized) and not is_loader else None


def _require_sensible(points: Sequence[Point], positions: Placing, batch_size: int) -> None:
    if isinstance(positions, str) and positions not in ("computed", "proportional"):
        raise FeatvizError(
            f"unknown positions '{positions}'; there are computed, proportional, or your own cells"
        )
    if not points or len(set(points)) < len(points):
        raise FeatvizError(f"expected one or more different points; got {list(points)}")
    if batch_size < 1:
        raise FeatvizError(f"the batch size must be at least 1; got {batch_size}")


def _require_layers(model: nn.Module, layers: Layers, stage: Stage) -> None:
    try:
        patterns_of(model, layers, stage)
    except FeatvizError as error:
        if layers != FRONT_END_LAYERS or not str(error).startswith("unknown layer"):
            raise
        raise FeatvizError(
            f"{error} (L0 to L4 are those of featviz's generators, which are read if no layers are "
            "named; layers='all' reads all that there are)"
        ) from None


def _place(
    model: nn.Module,
    image: Input,
    points: Sequence[Point],
    layers: Layers,
    stage: Stage,
    positions: Placing,
) -> tuple[Located, Mapping[str, Sequence[Position]], dict[str, Any]]:
    """The layers; for each, in the order of the forward, the cells to read; what is told.

    Raises FeatvizError for points that are no pixels of the image.
    """
    channels, height, width = image.tensor.shape
    for point in points:
        try:
            if token_of(point) is None:
                check_point(point, (width, height))
        except FeatvizError as error:
            default = " (it is read if no points are named)" if points == (PROBE_POINT,) else ""
            raise FeatvizError(f"{error}{default}") from None
    with_places = positions == "computed"
    located = locate_layers(model, layers, (width, height), channels, stage, with_places)
    asked, layers, geometries = layers, located.layers, located.geometries
    cells = {
        layer: place_cells(layer, geometry, points, positions)
        for layer, geometry in geometries.items()
    }
    told: dict[str, Any] = {
        "stage": stage,
        "points": [list(point) for point in points],
        "positions": {layer: [list(cell) for cell in cells[layer]] for layer in layers},
        "position_rule": positions if isinstance(positions, str) else "given",
        "receptive_fields": {layer: side(geometries[layer].extent) for layer in layers},
        "receptive_field_boxes": {
            layer: boxes(geometries[layer], cells[layer]) for layer in layers
        },
        "sees_whole_map": {layer: geometries[layer].sees_whole_map for layer in layers},
        "size": side((width, height)),
    }
    kinds = {layer: geometries[layer].arrangement for layer in layers}
    if others := {
        layer: kind for layer, kind in kinds.items() if kind not in (None, Arrangement())
    }:
        told["arrangements"] = {layer: kind._asdict() for layer, kind in others.items() if kind}
    if patterns_of(model, asked, stage):
        told["asked_layers"] = [asked] if isinstance(asked, str) else list(asked)
        told["left_out"] = dict(located.left_out)
    return located, cells, told


def _gather(
    found: "_Read", layers: Sequence[str], points: Sequence[Point]
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float32]]]:
    """The rows and the vectors of all images; raises FeatvizError for those that are not finite."""
    rows: list[tuple[str, str, int, int]] = []
    vectors = {layer: Pieces(MOST_HELD // len(layers)) for layer in layers}
    # Closed at once on an error too, whoever keeps it: the model and torch's threads are as before.
    with closing(found):
        for batch, values in found:
            # The mapping is in the order of the forward: the first bad layer is the culprit.
            for layer, read in values.items():
                _require_finite(read, layer, batch, points)
                vectors[layer].add(read.flatten(0, 1).numpy())
            rows += [(item.name, item.group, x, y) for item in batch for x, y in points]
    # One layer after the other is let go, so that they are not all there twice.
    columns = ["sketch", "group", "point_x", "point_y"]
    return pd.DataFrame(rows, columns=columns), {
        layer: vectors.pop(layer).joined() for layer in layers
    }


_Read = Generator[tuple[list[Input], dict[str, Tensor]], None, None]


def _read_dense(
    model: nn.Module,
    inputs: Iterator[Input],
    read: Callable[[str, Tensor], Tensor],
    layers: Iterable[str],
    stage: Stage,
    batch_size: int,
) -> _Read:
    """Batches, and for each layer in the order of the forward (N, points, C) float32."""
    device, dtype = _home(model)
    with (
        torch.inference_mode(),
        evaluating(model),
        truncated_forward(model, list(layers), stage, keep=read) as forward,
    ):
        batches = _batches(inputs, 1 if device.type == "cpu" else batch_size)
        loaded = load_batches(batches, device, dtype)
        trimmed = monotonic()
        for batch, images in loaded:
            yield batch, forward(images)
            if monotonic() - trimmed > _TRIM_AFTER:
                trim_heap()
                trimmed = monotonic()


def _read_sparse(model: nn.Module, inputs: Iterator[Input], reader: SparseReader) -> _Read:
    """The same of the sparse engine, an image at a time."""
    _, dtype = _home(model)

    def read(item: Input) -> dict[str, Tensor]:
        vectors = reader(item.tensor.to(dtype))
        return {layer: values[None].float() for layer, values in vectors.items()}

    with closing(in_parallel(read, inputs)) as found:
        for count, (item, vectors) in enumerate(found, start=1):
            yield [item], vectors
            if count % _TRIM_EVERY == 0:
                trim_heap()


def _of_one_size(item: Input, first: Input) -> Input:
    if item.tensor.shape != first.tensor.shape:
        (channels, height, width), (c, h, w) = item.tensor.shape, first.tensor.shape
        raise FeatvizError(
            f"sketch {item.name} is {width}x{height} with {channels} channels; "
            f"expected {w}x{h} with {c} channels like {first.name}"
        )
    return item


def _batches(items: Iterator[Input], size: int) -> Iterator[list[Input]]:
    while batch := list(islice(items, size)):
        yield batch


def _home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def _require_finite(
    values: Tensor, layer: str, batch: Sequence[Input], points: Sequence[Point]
) -> None:
    bad = ~torch.isfinite(values).all(dim=2)
    if bad.any():
        item, point = (int(index) for index in bad.nonzero()[0])
        raise FeatvizError(
            f"layer '{layer}' gives NaN or infinity for sketch {batch[item].name} at point "
            f"{points[point]}; expected finite activations"
        )
