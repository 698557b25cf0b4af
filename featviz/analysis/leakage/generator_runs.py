"""Runs of a generator of ours on a CPU, fast: what two runs of one image share is computed once.

A generator is a row of convolutions, each with a norm behind it. Two runs of an image are the same
up to the first norm that normalises otherwise, so a run begins with what that norm was given in
one before it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from featviz.analysis.leakage.table import IMAGE
from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GlobalGenerator, ResidualBlock
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.probing.activations import find_layers
from featviz.probing.statistics import Statistics, record_statistics


@dataclass(frozen=True, eq=False)
class _Step:
    """A convolution with its padding, and what follows it up to the next.

    norm, name: its instance norm and what that is called. activation: in the end, in place.
    adds: how many steps before it the map was made that is added; 0 for none.
    """

    convolution: Callable[[Tensor], Tensor]
    norm: InstanceNorm | None
    name: str
    activation: Callable[[Tensor], Tensor] | None
    adds: int = 0


@dataclass(frozen=True, eq=False)
class _Run:
    """Of each step what was held, what else normalised, what its norm was given, its map."""

    held: list[Statistics | None] = field(default_factory=list)
    own: list[Statistics | None] = field(default_factory=list)
    convolved: list[Tensor] = field(default_factory=list)
    maps: list[Tensor] = field(default_factory=list)


class GeneratorRuns:
    """Runs of a generator or front end, in float32; see `Runs`."""

    def __init__(self, model: GlobalGenerator | FrontEnd, layers: Sequence[str]) -> None:
        self._model, self._kept = model, dict[int, tuple[Tensor, list[_Run]]]()
        network = copy.deepcopy(model).eval().requires_grad_(False)
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        blocks = dict(_blocks(network))
        self._steps = [step for steps in blocks.values() for step in steps]
        ends, number = {}, -1
        for block, steps in blocks.items():
            number += len(steps)
            ends[block] = number
        places = _places(network, layers)
        self._layers = {layer: ends[place] for layer, place in places.items()}
        self._count = max(self._layers.values()) + 1

    @staticmethod
    def fits(model: nn.Module, layers: Sequence[str]) -> bool:
        """Whether a model is one whose runs these are, with layers that are whole blocks of it."""
        if not isinstance(model, GlobalGenerator | FrontEnd):
            return False
        kinds = {(each.device.type, each.dtype) for each in model.parameters()}
        norms = [each for name, each in model.named_modules() if name.endswith("norm")]
        places = set(_places(model, layers).values())
        return (
            kinds == {("cpu", torch.float32)}
            and all(isinstance(norm, InstanceNorm | nn.Identity) for norm in norms)
            and places <= {block for block, _ in _blocks(model)}
        )

    def statistics(self, image: Tensor) -> Mapping[str, Statistics]:
        """See `Runs`."""
        found = self._run(image, {}, keep=True)[1]
        if self._count == len(self._steps):
            return found
        return {**record_statistics(self._model, image), **found}

    def __call__(
        self, image: Tensor, held: Mapping[str, Statistics], keep: bool = False
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Statistics]]:
        """See `Runs`; the maps are not to be written to."""
        return self._run(image, held, keep)

    def forget(self, image: Tensor) -> None:
        """Drop what was kept of an image."""
        self._kept.pop(id(image), None)

    @torch.inference_mode()
    def _run(
        self, image: Tensor, held: Mapping[str, Statistics], keep: bool
    ) -> tuple[dict[str, Tensor], dict[str, Statistics]]:
        run = self._begun(image, held)
        for number in range(len(run.maps), self._count):
            step, own = self._steps[number], None
            if number == len(run.convolved):
                given = run.maps[number - 1] if number else image.contiguous()
                run.convolved.append(step.convolution(given))
            cells = run.convolved[number]
            if step.norm is None:
                # Not the map that is kept, for activations work in place.
                cells = cells.clone() if step.activation is not None else cells
            else:
                if step.name not in held:
                    own = Statistics(*step.norm.statistics(cells))
                cells = _normalized(cells, own or held[step.name], step.norm)
            if step.activation is not None:
                cells = step.activation(cells)
            if step.adds:
                cells = cells + run.maps[number - step.adds]
            run.held.append(held.get(step.name))
            run.own.append(own)
            run.maps.append(cells)
        if keep:
            self._kept.setdefault(id(image), (image, []))[1].append(run)
        found = {layer: run.maps[end] for layer, end in self._layers.items()}
        for layer, maps in found.items():
            if not torch.isfinite(maps.sum()):
                raise FeatvizError(f"layer '{layer}' gives NaN or infinity")
        steps = zip(self._steps, run.own, strict=False)
        return found, {step.name: own for step, own in steps if own is not None}

    def _begun(self, image: Tensor, held: Mapping[str, Statistics]) -> _Run:
        """A run as far as one of those kept of the image is the same."""
        best = _Run()
        for kept in self._kept.get(id(image), (image, []))[1]:
            same = 0
            while same < self._count and kept.held[same] is held.get(self._steps[same].name):
                same += 1
            if same >= len(best.maps):
                convolved = kept.convolved[: same + 1]
                best = _Run(kept.held[:same], kept.own[:same], convolved, kept.maps[:same])
        return best


def _normalized(cells: Tensor, by: Statistics, norm: InstanceNorm) -> Tensor:
    """Cells by some statistics, exact where nearly all of them are the mean and differ by little.

    Batch norm would multiply first and lose what a cell has beyond the mean; the difference to a
    number near it is exact.
    """
    mean, scale = by.mean.float(), (by.variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = (mean - by.mean.double()) * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    mean, scale, shift = (each.float()[:, None, None] for each in (mean, scale, shift))
    return torch.sub(cells, mean).mul_(scale).add_(shift)


def _places(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    """The names of the modules that are meant by layers, "" for the whole."""
    inner = [layer for layer in layers if layer != IMAGE]
    found = find_layers(model, inner) if inner else {}
    names = {module: name for name, module in model.named_modules()}
    return {layer: names[found[layer]] if layer in found else "" for layer in layers}


def _blocks(network: GlobalGenerator | FrontEnd) -> Iterator[tuple[str, list[_Step]]]:
    """The names of the blocks, in order, each with its steps; the last makes the image."""
    names = {module: name for name, module in network.named_modules()}
    if isinstance(network, FrontEnd):
        blocks = list(network)
    else:
        parts = (network.front_end, network.residual, network.back_end)
        blocks = [block for part in parts for block in part]
    for block in blocks:
        if isinstance(block, ResidualBlock):
            second = _step(block.second, names, adds=2)
            yield names[block], [_step(block.first, names), second]
        else:
            yield names[block], [_step(block, names)]
    if isinstance(network, GlobalGenerator):
        yield "", [_step(network.output, names)]


def _step(block: nn.Module, names: Mapping[nn.Module, str], adds: int = 0) -> _Step:
    parts = dict(block.named_children())
    norm, pad, convolution = parts.get("norm"), parts.get("pad"), parts["conv"]
    activation = parts.get("activation")
    return _Step(
        convolution if pad is None else nn.Sequential(pad, convolution),
        norm if isinstance(norm, InstanceNorm) else None,
        names[norm] if norm is not None else "",
        torch.relu_ if isinstance(activation, nn.ReLU) else activation,
        adds,
    )
