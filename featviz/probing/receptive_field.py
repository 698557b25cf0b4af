"""Where the cells of a feature map lie over the input image.

Nothing here knows a network. One forward on `meta` tensors, which have shapes but no values and
cost no computation, shows every operation down to the layer; each tells which cells of its input
a cell of its output draws on. Convolutions, pooling, padding, interpolation, pixel shuffles, cuts,
element-wise operations, branches that meet again, and maps that are laid out in other dimensions,
as the tokens and windows of a transformer, are understood, as modules and as plain functions alike;
anything else makes the geometry of a layer unknown, never wrong.

Normalisation over the whole map, squeeze-and-excitation, attention to all places and the like
let every pixel reach every cell. What is computed is the *convolutional* receptive field: what
reaches a cell otherwise than by such statistics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from featviz.base.errors import FeatvizError
from featviz.base.points import Point, check_point
from featviz.probing.activations import Stage, evaluating, record_activations
from featviz.probing.arrangement import Arrangement, arranged
from featviz.probing.axes import Axis
from featviz.probing.field import Field, Placeless, Trace, Ways, as_map
from featviz.probing.tracing import Tracer, either_way, follow

Position = tuple[int, int]

_LARGEST_PROBE = 16384


class Box(NamedTuple):
    """Pixels of the input image, x right and y down, both ends included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (x, y); between two pixels if the box is an even number of pixels wide."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, eq=False)
class Geometry:
    """How the feature map of a layer lies over the input image.

    map_size, image_size: (width, height) in cells and pixels. x, y: the axes; None if the layer
    holds no map whose cells have places in the image, or an operation before it is not understood;
    `reason` says which. extent: (width, height) of the convolutional receptive field in pixels, of
    a cell far from the edges; None if unknown. sees_whole_map: whether a normalisation over the
    whole map or another global statistic lies before or at the layer, so that the true receptive
    field is the image; None if that is unknown, as behind an operation that is not understood.
    arrangement: which dimensions of the layer's output hold the map; None if it holds none. ways:
    through what all places are seen; none if they are not.
    """

    image_size: tuple[int, int]
    map_size: tuple[int, int] | None
    x: Axis | None
    y: Axis | None
    extent: tuple[int, int] | None
    sees_whole_map: bool | None
    reason: str = ""
    arrangement: Arrangement | None = None
    ways: Ways = frozenset()

    @property
    def known(self) -> bool:
        """Whether points can be placed."""
        return self.x is not None and self.y is not None

    def position(self, point: Point) -> Position:
        """The map cell (column, row) that stands for an input pixel (x, y).

        While maps become coarser, at each operation that makes one coarser, the cell whose
        window's middle is nearest to the cell before: for pix2pixHD's front end the study's
        ceil(c / 2^k). Behind an operation that makes a map finer, as in a decoder, the cell whose
        window's middle is nearest to the pixel; where branches meet, that of the branch which has
        been through the finer maps. On a map with the image's own pixels, the pixel itself. Of two
        equally near ones the right or lower; at most the last. Raises FeatvizError if the point
        lies outside the image or was cut off before the layer, or the geometry is unknown.
        """
        check_point(point, self.image_size)
        if self.x is None or self.y is None:
            raise FeatvizError(f"the place of a point cannot be computed: {self.reason}")
        column, row = int(self.x.cells[point[0]]), int(self.y.cells[point[1]])
        if column < 0 or row < 0:
            raise FeatvizError(
                f"the map has no cell for point {point}: the part of the image that it shows was "
                "cut out before"
            )
        return column, row

    def maps(self, output: Tensor) -> Tensor:
        """The layer's output as maps (N, C, H, W), whichever of its dimensions hold them."""
        if self.arrangement is None or self.map_size is None:
            return output
        return self.arrangement.maps(output, self.map_size)

    def box(self, position: Position) -> Box:
        """The convolutional receptive field of one cell (column, row), cut at the image's edges."""
        if self.x is None or self.y is None or self.map_size is None:
            raise FeatvizError(f"the receptive field cannot be computed: {self.reason}")
        (column, row), (width, height) = position, self.map_size
        if not (0 <= column < width and 0 <= row < height):
            raise FeatvizError(f"cell ({column}, {row}) is not on the map of {width}x{height}")
        box = Box(
            int(self.x.low[column]),
            int(self.y.low[row]),
            int(self.x.high[column]),
            int(self.y.high[row]),
        )
        if box.left > box.right or box.top > box.bottom:
            raise FeatvizError(f"cell ({column}, {row}) sees nothing but padding")
        return box


def trace_geometry(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int = 3,
    stage: Stage = "activation",
    tokens: bool = False,
) -> dict[str, Geometry]:
    """The geometry of layers for images of `image_size` = (width, height).

    tokens: whether to know outputs too that hold a map in other dimensions than (N, C, H, W), as
    tokens (N, L, C) do; their geometries' `arrangement` makes maps of them.

    Runs the model once, in evaluation mode, on tensors without values (or, if it does not work on
    these, on an image of zeros), to its end or until it fails behind the last of the layers.
    Layers and stage as in `record_activations`, with its errors: in particular a layer that runs
    twice in one forward is refused. Raises FeatvizError if the model fails on such an image before
    all the layers have run.
    """
    with evaluating(model):
        found = _probe(model, layers, image_size, channels, stage)
        traces = {
            layer: output.arranged if tokens else output.as_map for layer, output in found.items()
        }
        extents = _extents(model, traces, image_size, channels, stage)
    return {
        layer: _geometry(trace, image_size, extents[layer], found[layer].arrangement)
        for layer, trace in traces.items()
    }


class _Output(NamedTuple):
    """How a layer's output lies over the image, as a map and in whatever dimensions."""

    as_map: Trace
    arranged: Trace
    arrangement: Arrangement | None


def _geometry(
    field: Trace,
    image_size: tuple[int, int],
    extent: tuple[int, int] | None,
    arrangement: Arrangement | None,
) -> Geometry:
    if isinstance(field, Placeless):
        whole = True if field.is_statistic else None
        unknown = (field.map_size, None, None, None, whole, field.reason)
        return Geometry(image_size, *unknown, ways=field.ways)
    whole, places = field.sees_whole_map, (field.x, field.y)
    ways = field.ways if whole else frozenset()
    return Geometry(image_size, field.size, *places, extent, whole, "", arrangement, ways)


def _extents(
    model: nn.Module,
    found: dict[str, Trace],
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
) -> dict[str, tuple[int, int] | None]:
    """The extents where no edge cuts them off; as far as the model takes images that large."""
    (width, height), latest = image_size, dict(found)
    while cut_off := [layer for layer, field in latest.items() if not _has_room(field)]:
        width, height = 2 * width, 2 * height
        if max(width, height) > _LARGEST_PROBE:
            break
        try:
            larger = _run(model, cut_off, (width, height), channels, stage, on_meta=True)
            latest |= {layer: output.arranged for layer, output in larger.items()}
        except Exception:
            break
    return {
        layer: (field.x.extent, field.y.extent) if isinstance(field, Field) else None
        for layer, field in latest.items()
    }


def _has_room(field: Trace) -> bool:
    return not isinstance(field, Field) or (field.x.has_room and field.y.has_room)


def _probe(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
) -> dict[str, _Output]:
    return either_way(
        lambda on_meta: _run(model, layers, image_size, channels, stage, on_meta),
        image_size,
        channels,
    )


def _run(
    model: nn.Module,
    layers: Sequence[str],
    image_size: tuple[int, int],
    channels: int,
    stage: Stage,
    on_meta: bool,
) -> dict[str, _Output]:
    width, height = image_size
    tracer, field = Tracer(), Field(Axis.of_image(width), Axis.of_image(height))
    with record_activations(model, layers, stage) as activations:
        try:
            follow(model, tracer, field, channels, on_meta)
        except FeatvizError:
            raise
        except Exception:
            # What fails behind the last layer is none of our business.
            if len(activations) < len(set(layers)):
                raise
    outputs = {}
    for layer, tensor in activations.items():
        trace = tracer.get(tensor)
        plain, found = as_map(trace, tensor, image_size), arranged(trace, tensor)
        outputs[layer] = _Output(plain, *(found or (plain, None)))
    return outputs
