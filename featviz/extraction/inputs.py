"""What `extract` takes as images: sketch sets and plain images, encoded one at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

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

    Batches of float tensors (N, C, H, W) are N images. What a torch `Dataset` or `DataLoader`, or
    one of Hugging Face, gives beside an image is its group, unless groups are given.

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
        "groups": repeat(None) if groups is None else iter(groups),
    }
    ended = object()
    seen: set[str] = set()
    for image, label in _apart(sketches):
        name, group = (next(of, ended) for of in labels.values())
        group = label if groups is None else group
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


def _apart(images: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each image with its label, "" for none."""
    if isinstance(images, Mapping):
        raise FeatvizError(f"the images are in several parts ({', '.join(images)}); give one")
    is_data_set = isinstance(images, Dataset | DataLoader) or hasattr(images, "column_names")
    given: Any = images
    kinds = getattr(images, "features", None) or {}
    names = {key: getattr(kind, "names", None) for key, kind in kinds.items()}
    if is_data_set and not isinstance(images, DataLoader) and hasattr(images, "__len__"):
        # Not all of them raise IndexError behind their last image.
        given = map(given.__getitem__, range(len(given)))
    for item in given:
        image, label = _labelled(item, names) if is_data_set else (item, "")
        if not isinstance(image, Tensor) or image.ndim != 4 or not image.is_floating_point():
            yield image, _text(label)
            continue
        has_one_each = isinstance(label, list | tuple) or (isinstance(label, Tensor) and label.ndim)
        if has_one_each and len(label) != len(image):
            raise FeatvizError(f"a batch has {len(image)} images and {len(label)} labels")
        labels = label if has_one_each else [label] * len(image)
        yield from zip(image, map(_text, labels), strict=True)


def _labelled(item: Any, names: Mapping[str, Any]) -> tuple[Any, Any]:
    """An item of a data set as an image and its label; names: of labels that are numbers, if any.

    Of a row by names of columns, those that are called as in `_IMAGES` and `_LABELS`.
    """
    if isinstance(item, dict):
        key = next((key for key in _IMAGES if key in item), None)
        of_label = next((key for key in _LABELS if key in item), None)
        if key is None or of_label is None:
            return item if key is None else item[key], ""
        label = item[of_label]
        # Rows whose label is not known have -1.
        is_named = names.get(of_label) and _text(label).isdecimal()
        return item[key], names[of_label][int(label)] if is_named else label
    if isinstance(item, tuple | list) and len(item) in (1, 2):
        return item[0], item[1] if len(item) == 2 else ""
    return item, ""


_IMAGES = ("image", "img", "images", "pixel_values")
_LABELS = ("label", "labels", "fine_label")


def _text(label: Any) -> str:
    return str(label.item() if isinstance(label, Tensor) and label.numel() == 1 else label)


def _encoded(image: Image, name: str, encode: Callable[[Any], Tensor]) -> Tensor:
    try:
        tensor = encode(image)
    except FeatvizError as error:
        if isinstance(image, dict):
            raise FeatvizError(
                f"a row of the data set has {', '.join(image)}; expected one of "
                f"{', '.join(_IMAGES)} (`rename_column`), or `encode` that takes a row"
            ) from None
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
