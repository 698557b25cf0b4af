"""`featviz layers`: which layers a network has."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.models import ModelOptions
from featviz.commands.shared import plain_table, say

if TYPE_CHECKING:
    from featviz.probing.layers import SurveyedLayer

_SIDE = 256


@dataclass(frozen=True)
class LayersCommand:
    """List the layers of a network: what each gives, what it sees of the image, how often it runs.

    In the order of a forward, which is run without values. The receptive field is that of the
    convolutions; "whole map" tells what sees more, through statistics or attention.
    """

    model: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pix(HD); or a
    network of anybody's: package.module:function (or a class; imported from the current folder or
    Python's path, so its code runs), timm:NAME, diffusers:FOLDER, transformers:FOLDER, or a class
    of these two by name."""
    size: tuple[int, int] | None = None
    """Width and height of the image in pixels; those that the model was made for if it tells, else
    256 256."""
    channels: int | None = None
    """Channels of the image; those of the first convolution if not given."""
    json: bool = False
    """Print JSON: for every layer all that is known of it."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Survey and print."""
        from featviz.probing.layers import survey_layers
        from featviz.sketches.tensors import input_channels

        if min(self.size or (1,)) < 1 or (self.channels or 1) < 1:
            raise FeatvizError("expected a size of at least 1 px and at least 1 channel")
        module, told_size, _ = self.network.opened(self.model, self.variant)
        size = self.size or told_size or (_SIDE, _SIDE)
        layers = survey_layers(module, size, self.channels or input_channels(module))
        if self.json:
            import json

            say(json.dumps({"model": self.model, "size": size, "layers": list(map(_told, layers))}))
        else:
            say(_table(layers))


def _told(layer: "SurveyedLayer") -> dict[str, Any]:
    geometry = layer.geometry
    return {
        "name": layer.name,
        "kind": layer.kind,
        "runs": layer.runs,
        "shape": layer.shape,
        "map_size": geometry and geometry.map_size,
        "arrangement": geometry and geometry.arrangement and geometry.arrangement._asdict(),
        "receptive_field": geometry and geometry.extent,
        "sees_whole_map": geometry and geometry.sees_whole_map,
        "reason": layer.reason or None,
    }


def _table(layers: "tuple[SurveyedLayer, ...]") -> str:
    return plain_table(
        ("layer", "kind", "map", "channels", "sees", "whole map", "runs", ""),
        map(_cells, layers),
        numbers=("map", "channels", "sees", "runs"),
    )


def _cells(layer: "SurveyedLayer") -> list[str]:
    from featviz.probing.arrangement import Arrangement

    geometry = layer.geometry
    size, channels, sees, whole = "-", "-", "-", "-"
    if geometry is not None and geometry.map_size is not None:
        size = "x".join(map(str, geometry.map_size))
        arrangement = geometry.arrangement or Arrangement()
        channels = str((layer.shape or (0,) * 4)[arrangement.channel_dimension])
    if geometry is not None:
        extent = geometry.extent
        sees = "?" if extent is None else "x".join(map(str, extent)) + " px"
        whole = {True: "yes", False: "no", None: "?"}[geometry.sees_whole_map]
    return [layer.name, layer.kind, size, channels, sees, whole, str(layer.runs), layer.reason]
