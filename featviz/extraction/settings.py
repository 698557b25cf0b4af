"""What is asked of an extraction, and whether a table that is there answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from featviz.base.points import PROBE_POINT, Point, as_point
from featviz.extraction.engines import EngineName
from featviz.extraction.vectors import FRONT_END_LAYERS
from featviz.generators.networks.names import Precision
from featviz.probing.activations import Stage


@dataclass(frozen=True)
class Settings:
    """How sketches are read; the same for all checkpoints of a call.

    points, layers, stage, engine: see `extract`. variant: see `load_generator`. device: a torch
    device. precision: of the network's weights and maps; vectors are float32 always.
    skip_bad: leave out sketches that cannot be read, and record them.
    """

    points: tuple[Point, ...] = (PROBE_POINT,)
    layers: tuple[str, ...] = FRONT_END_LAYERS
    stage: Stage = "activation"
    variant: str | None = None
    engine: EngineName = "auto"
    device: str = "cpu"
    precision: Precision = "float32"
    skip_bad: bool = False

    def request(self, digest: str, fingerprint: str) -> dict[str, Any]:
        """What a table's metadata has to say if it is to be the table asked for.

        digest, fingerprint: of the checkpoint's file and of the sketches. Not in it, because any
        answer will do or the vectors do not hang on it: an engine "auto", versions, paths.
        """
        request: dict[str, Any] = {
            "digest": digest,
            "sketches_fingerprint": fingerprint,
            "points": [list(as_point(point)) for point in self.points],
            "layers": list(dict.fromkeys(self.layers)),
            "stage": self.stage,
            "device": self.device.partition(":")[0],
            "precision": self.precision,
        }
        if self.engine != "auto":
            request["engine"] = self.engine
        return request


def first_difference(
    metadata: Mapping[str, Any], request: Mapping[str, Any], skip_bad: bool
) -> str | None:
    """The first way in which a table is not the one asked for, for people; None if it is."""
    for key, wanted in request.items():
        there = _recorded(metadata, key)
        if there != wanted:
            name = _NAMES.get(key, key)
            if key in _NAMES:
                return f"is of {'an unrecorded' if there is None else 'another'} {name}"
            return f"has {name} {_short(there)}; asked for {_short(wanted)}"
    skipped = metadata.get("skipped") or []
    if skipped and not skip_bad:
        return f"leaves out {len(skipped)} sketches, as --skip-bad does; asked for all"
    return None


_NAMES = {
    "digest": "checkpoint file",
    "sketches_fingerprint": "set of sketches",
    "appearances": "file of appearances",
}


def _recorded(metadata: Mapping[str, Any], key: str) -> Any:
    if key == "layers":
        return list(metadata.get("asked_layers") or metadata.get("positions", {}))
    # A table made before these were recorded was made so.
    return metadata.get(key, {"device": "cpu", "precision": "float32"}.get(key))


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(tuple(part)) if isinstance(part, list) else str(part) for part in value)
    return str(value)
