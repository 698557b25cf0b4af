"""What `extract` takes as images: sketch sets and plain images, encoded one at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd
import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.sketches.tensors import Image


@runtime_checkable
class LabelledImages(Protocol):
    """What `extract` needs of a sketch set: its index and its images, one after the other."""

    @property
    def folder(self) -> Path:
        """Where the set lies; its name is recorded."""

    @property
    def index(self) -> pd.DataFrame:
        """One row an image, with columns sketch and group."""

    def images(self) -> Iterable[Image]:
        """The images in the order of the index."""


@dataclass(frozen=True, eq=False)
class Input:
    """One image for the network. tensor: float (C, H, W), finite."""

    name: str
    group: str
    tensor: Tensor


def read_inputs(
    sketches: LabelledImages | Iterable[Image],
    names: Iterable[str] | None,
    groups: Iterable[str] | None,
    encode: Callable[[Any], Tensor],
) -> Iterator[Input]:
    """Label and encode images lazily; plain ones are numbered and in group "" if not labelled.

    Raises FeatvizError, when it comes to it, for more or fewer labels than images, labels beside
    those of a sketch set, names that occur twice and images that `encode` makes no tensor of.
    """
    if isinstance(sketches, LabelledImages):
        if names is not None or groups is not None:
            raise FeatvizError("a sketch set brings its own names and groups; leave out both")
        names, groups = sketches.index["sketch"], sketches.index["group"]
        sketches = sketches.images()
    labels: dict[str, Iterator[Any]] = {
        "names": count() if names is None else iter(names),
        "groups": repeat("") if groups is None else iter(groups),
    }
    ended = object()
    seen: set[str] = set()
    for image in sketches:
        name, group = (next(of, ended) for of in labels.values())
        if name is ended or group is ended:
            short = "names" if name is ended else "groups"
            raise FeatvizError(f"there are more images than {short} ({len(seen)})")
        if str(name) in seen:
            raise FeatvizError(f"two sketches are called '{name}'; expected different names")
        seen.add(str(name))
        yield Input(str(name), str(group), _encoded(image, str(name), encode))
    for kind, given in (("names", names), ("groups", groups)):
        if given is not None and next(labels[kind], ended) is not ended:
            raise FeatvizError(f"there are more {kind} than images ({len(seen)})")


def _encoded(image: Image, name: str, encode: Callable[[Any], Tensor]) -> Tensor:
    try:
        tensor = encode(image)
    except FeatvizError as error:
        raise FeatvizError(f"sketch {name}: {error}") from None
    if not isinstance(tensor, Tensor) or tensor.ndim != 3 or not tensor.is_floating_point():
        given = f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else tensor
        raise FeatvizError(
            f"sketch {name}: `encode` gave {given}; expected a float tensor (C, H, W)"
        )
    # A grey sketch is one channel seen several times.
    values = tensor[:1] if tensor.stride(0) == 0 else tensor
    if not torch.isfinite(values).all():
        raise FeatvizError(f"sketch {name}: the image holds NaN or infinity")
    return tensor
