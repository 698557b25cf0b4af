"""Adam for weights in channels_last."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Adam(torch.optim.Adam):
    """torch's fused Adam, which on the CPU reads weights in channels_last as they lie.

    torch's own makes a copy in the other order of every gradient that is not contiguous, and then
    does not use it. At 48 filters that copy is a tenth of a training step. Here weights, gradients
    and moments are contiguous views of themselves while the step lasts. Results and states are
    those of torch's to the last bit.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the weights from their gradients."""
        assert closure is None, "a closure would see the weights' axes exchanged"
        with self._contiguous():
            return super().step()

    @contextmanager
    def _contiguous(self) -> Iterator[None]:
        exchanged = [
            parameter
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.device.type == "cpu"
            and parameter.grad is not None
            and _exchanges_axes(parameter)
            and _exchanges_axes(parameter.grad)
        ]
        try:
            for parameter in exchanged:
                self._permute(parameter, (0, 2, 3, 1))
            yield
        finally:
            for parameter in exchanged:
                self._permute(parameter, (0, 3, 1, 2))

    def _permute(self, parameter: Tensor, axes: tuple[int, ...]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        parameter.grad = None
        parameter.data = parameter.data.permute(axes)
        parameter.grad = gradient.permute(axes)
        state = self.state[parameter]
        for name, value in state.items():
            if torch.is_tensor(value) and value.ndim == len(axes):
                state[name] = value.permute(axes)


def _exchanges_axes(tensor: Tensor) -> bool:
    return (
        tensor.ndim == 4
        and tensor.is_contiguous(memory_format=torch.channels_last)
        and not tensor.is_contiguous()
    )
