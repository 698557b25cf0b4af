"""Networks that take more than a batch of images, and give more than one: called as a plain one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from featviz.base.errors import FeatvizError

Call = Callable[[nn.Module, Tensor], Any]
"""How a network is given a batch of images (N, C, H, W): `call(model, images)` returns its output.

Such as `lambda model, images: model(images, timestep=10)`.
"""


class Called(nn.Module):
    """A network behind a call: it takes images alone and gives one tensor.

    Layers and weights have the names that they have in the network, whose own they are.
    """

    def __init__(self, model: nn.Module, call: Call, output: str | None = None) -> None:
        """output: which tensor of the network's output, see `chosen_output`."""
        training = model.training
        # Known before anything else, and no child: its layers would have other names.
        object.__setattr__(self, "_model", model)
        super().__init__()
        self._modules, self._parameters = model._modules, model._parameters
        self._buffers = model._buffers
        self._non_persistent_buffers_set = model._non_persistent_buffers_set
        self._call, self._output = call, output
        self.training = training

    @property
    def training(self) -> bool:
        """The network's own flag."""
        return bool(self.__dict__["_model"].training)

    @training.setter
    def training(self, mode: bool) -> None:
        self.__dict__["_model"].training = mode

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> the network's output."""
        return chosen_output(self._call(self.__dict__["_model"], images), self._output)

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """All tensors that it gives, by the names that choose them; "" for one alone."""
        return dict(_tensors(self._call(self.__dict__["_model"], images)))


def chosen_output(output: Any, name: str | None = None) -> Tensor:
    """One tensor of what a network gives: a tensor, or a tuple, mapping or dataclass that has some.

    name: which: a key, a field, or the number of a place; further ones behind dots, as `0.mean`.
    If not given, the first that is like an image (N, C, H, W), or else the first. Raises
    FeatvizError, which says what there is, if there is no such tensor.
    """
    if isinstance(output, Tensor) and name is None:
        return output
    tensors = dict(_tensors(output))
    if name is not None:
        if name in tensors:
            return tensors[name]
        there = ", ".join(filter(None, tensors)) or "one tensor alone; leave its name out"
        raise FeatvizError(f"the network gives no output '{name}'; there are {there}")
    if not tensors:
        raise FeatvizError(f"the network gives a {type(output).__name__} without any tensor")
    images = [tensor for tensor in tensors.values() if tensor.ndim == 4]
    return [*images, *tensors.values()][0]


def _tensors(output: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in an output with their places, in order."""
    parts: Iterator[tuple[Any, Any]] | None = None
    if isinstance(output, Tensor):
        yield place, output
    elif isinstance(output, Mapping):
        parts = iter(output.items())
    elif isinstance(output, tuple | list):
        names = getattr(output, "_fields", range(len(output)))
        parts = zip(names, output, strict=True)
    elif is_dataclass(output):
        parts = ((field.name, getattr(output, field.name)) for field in fields(output))
    for key, part in parts or ():
        yield from _tensors(part, f"{place}.{key}" if place else str(key))
