"""`featviz certify`: how far an edit reaches."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from featviz.base.errors import FeatvizError
from featviz.commands.models import ModelOptions, PhotoOptions
from featviz.commands.shared import plain_table, remark, say, use_threads

if TYPE_CHECKING:
    from torch import Tensor

    from featviz.probing.certificate import Certificate, LayerReach
    from featviz.sketches.tensors import Normalisation

_SIDE = 256


@dataclass(frozen=True)
class CertifyCommand:
    """Tell how far an edit of the image reaches in a network, traced and then tried with edits.

    Exits with 0 if it is bounded and edits confirm that, else with 1.
    """

    model: Positional[str]
    """A shipped checkpoint's name, a run folder, a .safetensors or a .pth of pix2pix(HD); or a
    network of anybody's: package.module:function (or a class; its code runs), timm:NAME,
    diffusers:FOLDER, transformers:FOLDER, or a class of these two by name."""
    size: tuple[int, int] | None = None
    """Width and height of the image in pixels; those that the model was made for if it tells, else
    256 256."""
    channels: int | None = None
    """Channels of the image; those of the first convolution if not given."""
    images: Path | None = None
    """Folder of photos that are edited too, besides noise."""
    edits: int = 3
    """Edits of each image: in the middle, in a corner, then anywhere."""
    seed: int = 0
    """Of noise and edits."""
    json: bool = False
    """Print JSON: for every layer all that is known of it."""
    out: Path | None = None
    """Also draw the reach layer by layer, traced and measured: a .png, .pdf or .svg."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    variant: str | None = None
    """For a .pth: which layers have no norm, or of pix2pix batch-of-one; see docs/systems.md."""
    photos: PhotoOptions = field(default_factory=PhotoOptions)
    network: ModelOptions = field(default_factory=ModelOptions)

    def run(self) -> None:
        """Trace, try, print; exit 1 unless the reach is bounded and edits stay in it."""
        from featviz.base.files import require_writable
        from featviz.figures.style import figure_format
        from featviz.probing.certificate import certify
        from featviz.sketches.tensors import input_channels

        if min(self.size or (1,)) < 1 or (self.channels or 1) < 1 or self.edits < 1:
            raise FeatvizError("expected a size of at least 1 px, at least 1 channel and 1 edit")
        if self.out is not None:
            figure_format(self.out)
            require_writable(self.out)
        use_threads(self.threads)
        module, told_size, told = self.network.opened(self.model, self.variant)
        size = self.size or told_size or (_SIDE, _SIDE)
        channels = self.channels or input_channels(module)
        certificate = certify(
            module,
            size,
            channels,
            self._images(size, channels, self.photos.normalisation() or told),
            edits=self.edits,
            seed=self.seed,
        )
        if self.json:
            import json

            say(json.dumps({"model": self.model, **certificate.to_json()}))
        else:
            say(_table(certificate), "", str(certificate), _tried(certificate))
        if self.out is not None:
            from featviz.figures.style import save_figure, style
            from featviz.probing.certificate_plot import certificate_figure

            with style():
                save_figure(certificate_figure(certificate, self.model), self.out)
            remark(self.out)
        if certificate.output.verdict != "bounded" or certificate.output.beyond:
            sys.exit(1)

    def _images(
        self, size: tuple[int, int], channels: int, normalisation: "Normalisation | None"
    ) -> "list[Tensor]":
        if self.images is None:
            return []
        from featviz.sketches.photo_set import read_photos
        from featviz.sketches.tensors import Normalisation, encode_photo

        photos = list(read_photos(self.images, self.photos.resize).images())
        for photo in photos:
            if photo.shape[1::-1] != size:
                raise FeatvizError(
                    f"{self.images}: a photo is {photo.shape[1]}x{photo.shape[0]}, the image "
                    f"{size[0]}x{size[1]}; give photos of one size, and it with --size, or --resize"
                )
        scaling = normalisation or Normalisation()
        return [encode_photo(photo, channels, scaling)[None] for photo in photos]


def _tried(certificate: "Certificate") -> str:
    """What the edits showed of the output, in a sentence."""
    output, edits = certificate.output, f"{certificate.edits} edits"
    if output.measured is None:
        return f"{edits} tell nothing: the output has no places"
    far = f"the furthest change seen is {max(output.measured)} px away"
    if output.confirmed is None:
        return f"{edits}: {far}; no pixel of this image lies out of reach, take a larger --size"
    if output.verdict == "bounded":
        stayed = "nothing changed beyond" if not output.beyond else f"{output.beyond} cells did"
        return f"{edits}: {stayed}, to the last bit; {far}"
    share = f"{output.beyond / output.outside:.0%} of what convolutions do not reach changed"
    return f"{edits}: {share}; {far}"


def _table(certificate: "Certificate") -> str:
    return plain_table(
        ("layer", "kind", "map", "reach", "measured", "edits stay", "whole map through"),
        map(_cells, (*certificate.layers, certificate.output)),
        numbers=("map", "reach", "measured"),
    )


def _cells(layer: "LayerReach") -> list[str]:
    from featviz.probing.survey import OUTPUT

    size = "-" if layer.map_size is None else "x".join(map(str, layer.map_size))
    reach = "?" if layer.reach is None else f"{max(layer.reach)} px"
    if layer.cut_off and layer.reach is not None:
        reach = f">= {reach}"
    measured = "-" if layer.measured is None else f"{max(layer.measured)} px"
    stay = "-" if not layer.outside else "no" if layer.beyond else "yes"
    kinds = dict.fromkeys(way.kind for way in layer.ways)
    through = ", ".join(kinds) or (layer.reason if layer.verdict == "unknown" else "")
    # Of the output the class tells nothing: a model may be called by another.
    kind = "" if layer.layer == OUTPUT else layer.kind
    return [layer.layer, kind, size, reach, measured, stay, through]
