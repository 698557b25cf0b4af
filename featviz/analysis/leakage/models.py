"""A network of anybody's x photos or sketches -> its leakage."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from featviz.analysis.leakage.edits import Size, place_edits, place_photo_edits
from featviz.analysis.leakage.holding import WayHolding, WayRuns
from featviz.analysis.leakage.measure import Leakage, measure_leakage
from featviz.analysis.leakage.table import IMAGE
from featviz.base.errors import FeatvizError
from featviz.base.points import Point
from featviz.generators.image_models import ImageModel
from featviz.probing.held import record_map_statistics
from featviz.probing.layers import locate_layers
from featviz.probing.rules import ATTENTION
from featviz.sketches.edits import MARGIN, edits_of
from featviz.sketches.photo_set import PhotoSet
from featviz.sketches.sketch_set import SketchSet


def leakage_of_model(
    model: ImageModel,
    images: PhotoSet | SketchSet,
    layers: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    point: Point | None = None,
    margin: float = MARGIN,
    most: int | None = None,
    keep: Collection[str] = (),
) -> Leakage:
    """Measure what edits of photos or sketches change in a network; see `measure_leakage`.

    layers: names and patterns, see `locate_layers`, and "image"; if not given, what lies outermost
    in the network and, where it makes one, its image. modes: "free", "all", "statistics", a module
    in which statistics are taken, all-but- before one, or "attention", its weights alone; the first
    three if not given. Statistics are held by operation, whatever takes them. point: the middle of
    the image if not given.
    """
    network = model.network
    first = model.read(images.path(edits_of(images, most)[0][1]))
    size = first.shape[3], first.shape[2]

    def read(images: PhotoSet | SketchSet, number: int, _: object) -> Tensor:
        given = model.read(images.path(number))
        if given.shape != first.shape:
            height, width = given.shape[2:]
            raise FeatvizError(
                f"{images.path(number)} is {width}x{height}; expected {size[0]}x{size[1]} as the "
                "first (--resize WIDTH HEIGHT makes photos alike)"
            )
        return given

    chosen = _layers(model, first, layers)
    std = torch.tensor(model.scaling.std)[:, None, None]
    attention = ATTENTION in (modes or ())
    found = record_map_statistics(network, first, attention)
    photos = isinstance(images, PhotoSet)
    told: Size = size if isinstance(images, PhotoSet) else images.size
    return measure_leakage(
        network,
        images,
        chosen,
        modes,
        name=model.name,
        point=point or (size[0] // 2, size[1] // 2),
        size=told,
        margin=margin,
        most=most,
        keep=keep,
        read=read,
        details=model.provenance(),
        # An image of other statistics than 0.5 is brought to [-1, 1], whose changes are told.
        runs=lambda network, layers: WayRuns(
            network, layers, 2 * std if (std != 0.5).any() else 1.0, attention
        ),
        holding=WayHolding(network, found.ways, tuple(each.way for each in found.attention)),
        place=place_photo_edits if photos else place_edits,
    )


def _layers(model: ImageModel, image: Tensor, layers: Sequence[str] | None) -> tuple[str, ...]:
    """The layers by name; raises FeatvizError for "image" if the network makes none."""
    _, channels, height, width = image.shape
    inner = ["*"] if layers is None else [layer for layer in layers if layer != IMAGE]
    found: tuple[str, ...] = ()
    try:
        if inner:
            found = locate_layers(model.network, inner, (width, height), channels).layers
    except FeatvizError:
        if layers is not None:
            raise
    try:
        model.run(image)
        shows = layers is None or IMAGE in layers
    except FeatvizError:
        if IMAGE in (layers or ()) or not found:
            raise
        shows = False
    return (*found, IMAGE) if shows else found
