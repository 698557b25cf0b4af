"""The probe: where the layers look around a point, and where a drawing lies among the groups.

The vectors of the start set's sketches are computed once for a checkpoint and a point, in the
background, by the same `extract` that makes feature tables; faces go first.
"""

import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.analysis.embedding import Projection, fit_projection
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable
from featviz.base.points import Point
from featviz.extraction import extract
from featviz.probing.activations import truncated_forward
from featviz.probing.receptive_field import Geometry, trace_geometry
from featviz.sketches.drawing import CANVAS
from featviz.sketches.tensors import encode_image, input_channels
from featviz.studio.live_messages import LayerField, Probe
from featviz.studio.networks import Networks
from featviz.studio.problems import StudioError
from featviz.studio.start_set import StartSet

_REMEMBERED = 200
_PATIENCE = 0.5
"""Seconds for which a sketch of the background work lets faces go first, at most."""

_UNWANTED = 3
"""After so many sketches that nobody waits for, vectors are given up: who only chooses another
layer asks for the same ones again at once."""

_Key = tuple[str, Point]


@dataclass(frozen=True, eq=False)
class VectorMap:
    """A layer's vectors of the start set in the plane. coordinates: (sketches, 2)."""

    projection: Projection
    coordinates: NDArray[np.float64]
    distinct: int


class Extraction:
    """The start set's vectors at one point, on their way.

    done, total: sketches. wanted_by: how many wait. unwanted: sketches since somebody did.
    """

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total
        self.wanted_by = self.unwanted = 0
        self.future: Future[FeatureTable]


class _UnwantedError(Exception):
    """Nobody waits for these vectors any more."""


class Prober:
    """Geometry, vectors and maps of probes; safe to call from any thread but where told."""

    def __init__(self, networks: Networks, starts: StartSet) -> None:
        self.networks, self.starts = networks, starts
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._lock = threading.Lock()
        # Two networks at once would not be faster: their threads would wait for each other.
        self.computing = threading.Lock()
        self._faces_done = threading.Event()
        self._faces_done.set()
        self._faces = 0
        self._tables: OrderedDict[_Key, FeatureTable] = OrderedDict()
        self._extractions: dict[_Key, Extraction] = {}
        self._live: OrderedDict[str, nn.Module] = OrderedDict()
        self.geometry = lru_cache(maxsize=32)(self._geometry)
        self.map = lru_cache(maxsize=_REMEMBERED)(self._map)

    def close(self) -> None:
        """Give up whatever is on its way."""
        with self._lock:
            for extraction in self._extractions.values():
                extraction.wanted_by = 0
        self._thread.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Faces are wanted: no further sketch is begun meanwhile."""
        with self._lock:
            self._faces += 1
            self._faces_done.clear()
        try:
            yield
        finally:
            with self._lock:
                self._faces -= 1
                if self._faces == 0:
                    self._faces_done.set()

    def describe(self, checkpoint: str, point: Point, layer: str) -> Probe:
        """The receptive fields of all layers at a point; raises StudioError for other layers."""
        geometry = self.geometry(checkpoint)
        if layer not in geometry:
            raise StudioError(
                "bad-request",
                f"checkpoint '{checkpoint}' has no such layer; it has {', '.join(geometry)}",
            )
        channels = dict(self.networks.choice(checkpoint).layers)
        layers = []
        for name, entry in geometry.items():
            position = entry.position(point)
            layers.append(
                LayerField(
                    layer=name,
                    position=position,
                    extent=entry.extent,
                    box=entry.box(position),
                    channels=channels[name],
                    sees_whole_map=entry.sees_whole_map,
                )
            )
        return Probe(type="probe", point=point, checkpoint=checkpoint, layer=layer, layers=layers)

    @contextmanager
    def extraction(self, checkpoint: str, point: Point) -> Iterator[Extraction]:
        """The vectors of all start sketches at a point; given up when nobody waits any more."""
        key = (checkpoint, point)
        with self._lock:
            extraction = self._extractions.get(key)
            if extraction is None:
                extraction = Extraction(len(self.starts))
                if key in self._tables:
                    self._tables.move_to_end(key)
                    extraction.done = extraction.total
                    extraction.future = Future()
                    extraction.future.set_result(self._tables[key])
                else:
                    self._extractions[key] = extraction
                    extraction.future = self._thread.submit(self._extract, key, extraction)
            extraction.wanted_by += 1
        try:
            yield extraction
        finally:
            with self._lock:
                extraction.wanted_by -= 1
                if extraction.wanted_by == 0 and extraction.future.cancel():
                    self._forget(key, extraction)

    def live(
        self, checkpoint: str, point: Point, layer: str, picture: NDArray[np.uint8]
    ) -> list[float] | None:
        """Where a picture (512, 512) lies in the map; None if there is no map yet.

        Computed like the map's own vectors, in float32. Call it from the faces' thread alone.
        """
        with self._lock:
            if (checkpoint, point) not in self._tables:
                return None
        projection = self.map(checkpoint, point, layer).projection
        column, row = self.geometry(checkpoint)[layer].position(point)
        model = self._live_model(checkpoint)

        def keep(_: str, output: Tensor) -> Tensor:
            return output[0, :, row, column].float().clone()

        with torch.inference_mode(), truncated_forward(model, [layer], keep=keep) as forward:
            vector = forward(encode_image(picture, input_channels(model))[None])[layer]
        if not torch.isfinite(vector).all():
            raise StudioError("checkpoint", f"layer {layer} of '{checkpoint}' gives NaN")
        return [float(value) for value in projection(vector.numpy()[None])[0]]

    def _geometry(self, checkpoint: str) -> dict[str, Geometry]:
        model = self.networks.load(checkpoint).generator
        names = [name for name, _ in self.networks.choice(checkpoint).layers]
        try:
            return trace_geometry(model, names, (CANVAS, CANVAS), input_channels(model))
        except FeatvizError as error:
            raise StudioError("checkpoint", f"checkpoint '{checkpoint}': {error}") from None

    def _extract(self, key: _Key, extraction: Extraction) -> FeatureTable:
        checkpoint, point = key
        assert self.starts.sketches is not None
        index = self.starts.sketches.index

        def images() -> Generator[NDArray[np.uint8], None, None]:
            for number, image in enumerate(self.starts.images()):
                extraction.done = number
                self._require_wanted(key, extraction)
                self._faces_done.wait(_PATIENCE)
                # The image is computed until the next one is asked for.
                with self.computing:
                    yield image
            extraction.done = extraction.total

        source = images()
        try:
            table = extract(
                self.networks.load(checkpoint).generator,
                source,
                [point],
                [name for name, _ in self.networks.choice(checkpoint).layers],
                names=index["sketch"],
                groups=index["group"],
                provenance={"checkpoint": checkpoint},
                # As `live` computes, to the last bit, and one image at a time.
                engine="dense",
            )
            with self._lock:
                self._tables[key] = table
                while len(self._tables) > _REMEMBERED:
                    self._tables.popitem(last=False)
            return table
        finally:
            # Whatever happened, an image that was begun is over.
            source.close()
            with self._lock:
                self._forget(key, extraction)

    def _require_wanted(self, key: _Key, extraction: Extraction) -> None:
        with self._lock:
            extraction.unwanted = 0 if extraction.wanted_by else extraction.unwanted + 1
            if extraction.unwanted >= _UNWANTED:
                # Who asks from now on gets new vectors, not these that are given up.
                self._forget(key, extraction)
                raise _UnwantedError

    def _forget(self, key: _Key, extraction: Extraction) -> None:
        if self._extractions.get(key) is extraction:
            del self._extractions[key]

    def _map(self, checkpoint: str, point: Point, layer: str) -> VectorMap:
        with self._lock:
            table = self._tables[checkpoint, point]
        vectors = table.vectors[layer]
        try:
            projection = fit_projection(vectors, table.rows["group"].to_numpy())
        except FeatvizError as error:
            raise StudioError("bad-request", f"layer {layer} at {point}: {error}") from None
        distinct = len(np.unique(vectors + 0.0, axis=0))
        return VectorMap(projection, projection(vectors), distinct)

    def _live_model(self, checkpoint: str) -> nn.Module:
        if checkpoint not in self._live:
            self._live[checkpoint] = self.networks.load(checkpoint).generator
            while len(self._live) > 2:
                self._live.popitem(last=False)
        self._live.move_to_end(checkpoint)
        return self._live[checkpoint]
