"""Edits of one base, each kept where it was drawn."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.editing.engine import EditedFace, LocalEditor, PreparedBase, StatisticsOf
from featviz.editing.engine_layers import has_layers
from featviz.editing.keeping import Base, Keep, keep_outside, reach_of_edit, record_base
from featviz.generators.checkpoint import Checkpoint, open_checkpoint
from featviz.generators.checkpoint_files import LoadedGenerator
from featviz.generators.networks.generators import GlobalGenerator, LocalEnhancer
from featviz.probing.statistics import Statistics, record_statistics
from featviz.sketches.drawing import CANVAS
from featviz.sketches.edits import MARGIN, Edit, Mask, Pixels, near
from featviz.sketches.tensors import Image, decode_image, encode_image, input_channels


@dataclass(frozen=True, eq=False)
class LocalEdit:
    """An edit that stays where it was drawn.

    image, base_image: what the network makes of the edited input, kept, and of the base, (1, C',
    H', W'). changed: the input's pixels that differ, (H, W) bool. area: these and all within the
    margin. base: what the edit started from; after: the same for the next edit, which starts from
    `image`.
    """

    image: Tensor
    base_image: Tensor
    changed: Mask
    area: Mask
    base: Base
    after: Base
    _reach: Any

    @cached_property
    def reach(self) -> Mask:
        """The output's pixels that may differ from the base's, (H', W') bool; see `reach_of_edit`.

        Raises FeatvizError if that is not known.
        """
        return np.asarray(self._reach())

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image as (H', W', 3) uint8 RGB; raises FeatvizError for one of other channels."""
        return _pixels(self.image)

    @property
    def base_pixels(self) -> NDArray[np.uint8]:
        """The same of the base's."""
        return _pixels(self.base_image)


def edit(
    model: nn.Module | LoadedGenerator | str | Path,
    base: Image | Base | LocalEdit,
    edited: Image,
    *,
    margin: float = MARGIN,
    area: Mask | None = None,
    keep: Keep = "layers",
    statistics: StatisticsOf = "base",
) -> LocalEdit:
    """What a network makes of an edited input, with everything kept that was not edited.

    model: any module that takes (1, C, H, W) and gives one image, a loaded generator, or what
    `load_generator` takes. base, edited: sketches (H, W) or (H, W, 3) uint8, paper 255, or float
    tensors (C, H, W) as the model takes them. For a base that was run already give its `Base`
    (`record_base`), or an edit, whose image then is the base. margin: pixels around what differs
    that are edited too, on an input 512 wide; area: instead, the edited pixels, (H, W) bool.

    keep: where the base's maps are kept, see `record_base`; of a `Base` its own. statistics: what
    instance norms normalise with: those of the "base"; those that the "edit" has where nothing is
    kept; "composite", each those of its own map as it is kept; or a number t from 0 to 1, mean
    and variance of the base times 1 - t and of the edit times t.

    Where no pixel differs the image is the base's, to the last bit. An area that covers all keeps
    no map, which is a FeatvizWarning: what is left are the statistics. Raises FeatvizError for
    inputs of different size, NaN, layers that cannot be kept, and a number that is none from 0
    to 1.
    """
    network = _network(model)
    found = edit_base(network, _base(network, base, keep), edited, margin, area, statistics)
    if found.area.all():
        warnings.warn(FeatvizWarning("the edit", EVERYWHERE), stacklevel=2)
    return found


_MUCH_INK = 0.2
"""Share by which ink changes where the base's statistics no longer suit (docs/local-editing.md)."""


def suited_statistics(drawn: Edit) -> StatisticsOf:
    """Those of the base where ink changes by less than a fifth, else the edit's.

    Beyond that, as by hair and beards, an edited area under the base's statistics takes colours
    that the network by itself does not give it.
    """
    return "base" if abs(drawn.more_ink) < _MUCH_INK else "edit"


def engine_of(network: nn.Module) -> LocalEditor | None:
    """The engine, for a network that it takes if that is given a sketch alone."""
    if not isinstance(network, GlobalGenerator | LocalEnhancer) or not has_layers(network):
        return None
    return LocalEditor(network) if next(network.parameters()).device.type == "cpu" else None


def engine_makes(keep: Keep | None) -> bool:
    """Whether the engine makes the same as `edit`, up to rounding and much sooner."""
    return keep == "layers"


class EditsOfBase:
    """Makes edits of one base, which runs once for each of the two ways to make them.

    editor: the engine, where that makes edits of this network. sketch: the base, (H, W) uint8, and
    given, the network's input of it, (1, C, H, W).
    """

    def __init__(
        self,
        network: nn.Module,
        editor: LocalEditor | None,
        sketch: Pixels,
        given: Tensor,
        keep: Keep,
    ) -> None:
        self._network, self._editor = network, editor
        self._sketch, self._given, self._keep = sketch, given, keep

    def edit(
        self, drawn: Edit, given: Tensor, statistics: StatisticsOf
    ) -> tuple[LocalEdit | EditedFace, Tensor]:
        """What an edit makes, whose input is given, and the base's image as computed that way."""
        if self._editor is not None and engine_makes(self._keep):
            prepared = self._prepared
            kept_here = self._editor.edit(prepared, drawn.edited, drawn.margin, statistics)
            return kept_here, prepared.image
        start = self._recorded
        kept = edit_base(self._network, start, given, drawn.margin, statistics=statistics)
        return kept, kept.base_image

    @cached_property
    def _prepared(self) -> PreparedBase:
        assert self._editor is not None
        return self._editor.prepare(self._sketch)

    @cached_property
    def _recorded(self) -> Base:
        return record_base(self._network, self._given, self._keep)


EVERYWHERE = "covers everything, so no map is kept"


def edit_base(
    network: nn.Module,
    start: Base,
    edited: Image,
    margin: float = MARGIN,
    area: Mask | None = None,
    statistics: StatisticsOf = "base",
) -> LocalEdit:
    """The same of a base that was run, see `edit`; an area that covers all is no warning."""
    given = _given(network, edited, start.given)
    changed = (given != start.given)[0].any(dim=0).cpu().numpy()
    if area is None:
        if not 0 <= margin < np.inf:
            raise FeatvizError(f"the margin must be 0 px or more; got {margin}")
        area = near(changed, margin * changed.shape[1] / CANVAS)
    elif area.shape != changed.shape or area.dtype != bool:
        raise FeatvizError(
            f"an area is {area.dtype} of shape {area.shape}; expected bool of {changed.shape}"
        )
    held = _statistics(network, start, given, statistics)
    if not changed.any():
        maps, image = start.maps, start.image
    else:
        with keep_outside(network, start, area, held) as maps, torch.no_grad():
            image = network(given)
    if not torch.isfinite(image).all():
        raise FeatvizError("the image of the edit holds NaN or infinity")
    return LocalEdit(
        image,
        start.image,
        changed,
        area,
        start,
        replace(start, given=given, image=image, maps=dict(maps)),
        lambda: reach_of_edit(network, start, changed, area, held),
    )


def _network(model: nn.Module | LoadedGenerator | str | Path) -> nn.Module:
    if isinstance(model, str | Path):
        model = open_checkpoint(model)
    if isinstance(model, Checkpoint):
        model.require_whole()
    return model.generator if isinstance(model, LoadedGenerator) else model


def _base(network: nn.Module, base: Image | Base | LocalEdit, keep: Keep) -> Base:
    if isinstance(base, LocalEdit):
        return base.after
    if isinstance(base, Base):
        return base
    return record_base(network, _given(network, base), keep)


def _given(network: nn.Module, image: Image, like: Tensor | None = None) -> Tensor:
    """An image as the network takes it, (1, C, H, W), of the size of another."""
    if isinstance(image, Tensor) and image.ndim == 4 and len(image) == 1:
        image = image[0]
    given = encode_image(image, input_channels(network))[None]
    if not torch.isfinite(given).all():
        raise FeatvizError("an input holds NaN or infinity")
    if like is not None and given.shape != like.shape:
        sizes = [
            f"{each.shape[3]}x{each.shape[2]} of {each.shape[1]} channels" for each in (like, given)
        ]
        raise FeatvizError(f"the base is {sizes[0]} and the edit {sizes[1]}; expected one size")
    sample = next(network.parameters(), given)
    return given.to(sample.device, sample.dtype if sample.is_floating_point() else given.dtype)


def _statistics(
    network: nn.Module, base: Base, given: Tensor, wanted: StatisticsOf
) -> Mapping[str, Statistics] | None:
    """What norms are to be held at; None for their own."""
    if wanted == "composite":
        return None
    if wanted == "base":
        return base.statistics
    share = 1.0 if wanted == "edit" else wanted
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise FeatvizError(
            f"cannot normalise with the statistics of {wanted!r}; expected base, edit, composite "
            "or a number from 0 to 1"
        )
    return blend(base.statistics, record_statistics(network, given), share)


def blend(
    base: Mapping[str, Statistics], edited: Mapping[str, Statistics], share: float
) -> dict[str, Statistics]:
    """Means and variances between those of a base (share 0) and of an edit (share 1)."""
    return {
        name: Statistics(
            torch.lerp(each.mean, edited[name].mean, share),
            torch.lerp(each.variance, edited[name].variance, share),
        )
        for name, each in base.items()
    }


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    if image.shape[1] != 3:
        raise FeatvizError(f"an image of {image.shape[1]} channels is no RGB picture")
    return decode_image(image[0])
