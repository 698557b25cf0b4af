"""Runs of a generator of ours on a CPU, fast: what two runs share is computed once.

A generator is a row of convolutions, each with a norm behind it. Two runs of one image are the same
up to the first norm that normalises otherwise, so a run begins with what that norm was given in
one before it. Runs of two images are the same where nothing that differs reaches, up to the first
norm that normalises otherwise, so of a run there only what is reached is computed.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from featviz.analysis.leakage.generator_steps import (
    Reached,
    blocks_of,
    own_statistics,
    steps_of,
)
from featviz.analysis.leakage.table import IMAGE
from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GlobalGenerator
from featviz.generators.networks.instance_norm import InstanceNorm
from featviz.generators.networks.normalization import settle_weights
from featviz.probing.activations import find_layers
from featviz.probing.statistics import Statistics, record_statistics


@dataclass(frozen=True, eq=False)
class _Run:
    """Of each step what was held, what else normalised, what its norm was given, its map.

    like: the run of another image that this one equals out of reach, if there is any. patches: what
    is reached in what norms were given, up to the first that normalises otherwise than there.
    """

    image: Tensor
    like: "_Run | None" = None
    held: list[Statistics | None] = field(default_factory=list)
    own: list[Statistics | None] = field(default_factory=list)
    convolved: list[Tensor] = field(default_factory=list)
    maps: list[Tensor] = field(default_factory=list)
    patches: list[Reached] = field(default_factory=list)

    def begun(self, steps: int) -> "_Run":
        """The same for so many steps, and as far as the norm of the next is given something."""
        more = steps + 1
        lists = self.held[:steps], self.own[:steps], self.convolved[:more], self.maps[:steps]
        return _Run(self.image, self.like, *lists, self.patches[:more])


class GeneratorRuns:
    """Runs of a generator or front end, in float32; see `Runs`."""

    def __init__(self, model: GlobalGenerator | FrontEnd, layers: Sequence[str]) -> None:
        self._model, self._kept = model, dict[int, list[_Run]]()
        self._last: _Run | None = None
        network = copy.deepcopy(model).eval().requires_grad_(False)
        settle_weights(network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        names = {module: name for name, module in network.named_modules()}
        blocks = {name: steps_of(each, names) for name, each in blocks_of(network).items()}
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
            and places <= blocks_of(model).keys()
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
        if self._last is not None and self._last.image is image:
            self._last = None

    @torch.inference_mode()
    def _run(
        self, image: Tensor, held: Mapping[str, Statistics], keep: bool
    ) -> tuple[dict[str, Tensor], dict[str, Statistics]]:
        run = self._begun(image, held)
        begun = len(run.maps)
        for number in range(begun, self._count):
            if number == len(run.convolved):
                self._convolve(run)
            self._finish(run, held.get(self._steps[number].name))
        if keep:
            self._kept.setdefault(id(image), []).append(run)
        self._last = run
        found = {layer: run.maps[end] for layer, end in self._layers.items()}
        for layer, maps in found.items():
            if self._layers[layer] >= begun and not torch.isfinite(maps.sum()):
                raise FeatvizError(f"layer '{layer}' gives NaN or infinity")
        steps = zip(self._steps, run.own, strict=False)
        return found, {step.name: own for step, own in steps if own is not None}

    def _begun(self, image: Tensor, held: Mapping[str, Statistics]) -> _Run:
        """A run as far as one of those kept of the image, or the last one, is the same."""
        free = (run for runs in self._kept.values() for run in runs if run.like is None)
        best = _Run(image, next((run for run in free if run.image.shape == image.shape), None))
        last = [] if self._last is None or self._last.image is not image else [self._last]
        for kept in self._kept.get(id(image), []) + last:
            same = 0
            while same < self._count and kept.held[same] is held.get(self._steps[same].name):
                same += 1
            if same >= len(best.maps):
                best = kept.begun(same)
        return best

    def _convolve(self, run: _Run) -> None:
        """Add what the next step's norm is given."""
        number = len(run.convolved)
        step = self._steps[number]
        given = run.maps[-1] if number else run.image.contiguous(memory_format=torch.channels_last)
        if (like := self._like(run, number)) is None:
            run.convolved.append(step.cells(given))
            return
        differs = run.patches[-1].mask if number else (run.image != like.image)[0].any(0).numpy()
        run.patches.append(patch := step.reached(differs))
        before = like.convolved[number]
        run.convolved.append(
            patch.put(step.cells(given, patch.box), before) if patch.box.is_some else before
        )

    def _finish(self, run: _Run, held: Statistics | None) -> None:
        """Add the next step's map, normalised by what is held or else by its own statistics."""
        number = len(run.maps)
        step, cells, own = self._steps[number], run.convolved[number], None
        if step.norm is not None and held is None:
            own = own_statistics(cells)
        run.held.append(held)
        run.own.append(own)
        added = run.maps[number - step.adds] if step.adds else None
        if (like := self._like(run, number + 1)) is None:
            run.maps.append(step.finished(cells, own or held, added))
            return
        patch, before = run.patches[number], like.maps[number]
        if not patch.box.is_some:
            run.maps.append(before)
            return
        beside = None if added is None else patch.box.of(added)
        found = step.finished(patch.box.of(cells), held, beside)
        run.maps.append(patch.put(found, before))

    def _like(self, run: _Run, steps: int) -> _Run | None:
        """The run that this one equals out of reach behind so many steps, if there is one."""
        if run.like is None or len(run.patches) < steps:
            return None
        if steps and self._steps[steps - 1].norm is not None:
            held, own = run.held[-1], run.like.own[steps - 1]
            return run.like if held is not None and held is own else None
        return run.like


def _places(model: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    """The names of the modules that are meant by layers, "" for the whole."""
    inner = [layer for layer in layers if layer != IMAGE]
    found = find_layers(model, inner) if inner else {}
    names = {module: name for name, module in model.named_modules()}
    return {layer: names[found[layer]] if layer in found else "" for layer in layers}
