"""Names of weights in pytorch-CycleGAN-and-pix2pix's U-Net and PatchGAN and here, both ways.

There each level is a module inside that of the level above (`model.model.1.model.3.model...`).
CycleGAN's other generator, of residual blocks, has the names and the layers of pix2pixHD's, which
was made from it.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.generators.networks.discriminators import DiscriminatorArchitecture
from featviz.generators.networks.unet import UnetArchitecture

RUNNING, OWN = "baseline", "batch-of-one"
"""Variants of a file: by which statistics its batch norms normalise in evaluation."""

_COUNT = "num_batches_tracked"


def is_unet(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is that of a U-Net."""
    return "model.model.0.weight" in state


def unet_architecture(state: Mapping[str, Tensor], variant: str = RUNNING) -> UnetArchitecture:
    """The architecture that a U-Net's keys and shapes tell.

    variant: "baseline" for the statistics that training has met, "batch-of-one" for those of each
    image, with which pix2pix's own test script runs its networks. Raises FeatvizError for another
    variant, and for a baseline without statistics.
    """
    _require_variant(variant)
    levels = 1
    while f"{_inside(levels)}.1.weight" in state:
        levels += 1
    first, norm = state["model.model.0.weight"], f"{_inside(levels - 1)}.4"
    return UnetArchitecture(
        levels=levels,
        width=first.shape[0],
        norm=_norm_of(state, norm, variant),
        input_channels=first.shape[1],
        output_channels=state["model.model.3.weight"].shape[1],
    )


def from_pix2pix(state: Mapping[str, Tensor], architecture: UnetArchitecture) -> dict[str, Tensor]:
    """A state dict by our names; without statistics where the architecture has no use for them.

    Raises FeatvizError for a weight without a place.
    """
    place = f"a U-Net of {architecture.levels} levels"
    return _renamed(state, dict(_unet_names(architecture)), architecture.norm, place)


def _renamed(
    state: Mapping[str, Tensor], table: Mapping[str, str], norm: str, place: str
) -> dict[str, Tensor]:
    """Weights by our names of their modules, without what a norm has no use for."""
    renamed, unused = {}, _unused(norm)
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        if module not in table:
            raise FeatvizError(f"weight '{key}' has no place in {place}")
        if leaf not in unused:
            renamed[f"{table[module]}.{leaf}"] = tensor
    return renamed


def to_pix2pix(state: Mapping[str, Tensor], architecture: UnetArchitecture) -> dict[str, Tensor]:
    """The same by the names of pytorch-CycleGAN-and-pix2pix, whose U-Net takes it strictly.

    There "instance-affine" is a batch norm that has met no batch yet: by the statistics of a batch
    of one. Raises FeatvizError for norms that it has not.
    """
    _require_known(architecture.norm)
    table, renamed = {ours: theirs for theirs, ours in _unet_names(architecture)}, {}
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        renamed[f"{table[module]}.{leaf}"] = tensor.cpu().contiguous()
        if architecture.norm == "instance-affine" and key.endswith("norm.weight"):
            renamed |= _fresh(table[module], tensor)
    return renamed


def _unet_names(architecture: UnetArchitecture) -> Iterator[tuple[str, str]]:
    """(pytorch-CycleGAN-and-pix2pix's module name, ours) for every module with weights."""
    deepest = architecture.levels - 1
    yield "model.model.0", "front_end.L0.conv"
    yield "model.model.3", "output.conv"
    for level in range(1, deepest + 1):
        inside, up = _inside(level), f"back_end.U{deepest - level}"
        # Behind the activation and the convolution the deepest level has neither norm nor another.
        transposed = 3 if level == deepest else 5
        yield f"{inside}.1", f"front_end.L{level}.conv"
        if level < deepest:
            yield f"{inside}.2", f"front_end.L{level}.norm"
        yield f"{inside}.{transposed}", f"{up}.conv"
        yield f"{inside}.{transposed + 1}", f"{up}.norm"


def _inside(level: int) -> str:
    """What the modules of a level, from 1 on, have before their numbers."""
    return "model.model.1.model" + ".3.model" * (level - 1)


def is_patches(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is that of a PatchGAN; a generator there begins with padding."""
    return "model.0.weight" in state and not is_unet(state)


def patches_architecture(
    state: Mapping[str, Tensor], variant: str = RUNNING
) -> DiscriminatorArchitecture:
    """The architecture that a PatchGAN's keys and shapes tell.

    variant: as of `unet_architecture`, which says what is raised.
    """
    _require_variant(variant)
    layers = 0
    while f"{_layer(layers + 2)}.weight" in state:
        layers += 1
    first = state["model.0.weight"]
    return DiscriminatorArchitecture(
        input_channels=first.shape[1],
        width=first.shape[0],
        layers=layers,
        scales=1,
        norm=_norm_of(state, f"model.{3 * layers}", variant),
        padding=1,
    )


def patches_from_pix2pix(
    state: Mapping[str, Tensor], architecture: DiscriminatorArchitecture
) -> dict[str, Tensor]:
    """A state dict by our names. Raises FeatvizError for a weight without a place.

    In front of a norm with a shift of its own, convolutions have a bias here and none there: 0.
    """
    place = f"a PatchGAN of {architecture.layers} layers"
    renamed = _renamed(state, dict(_patches_names(architecture)), architecture.norm, place)
    if architecture.norm.endswith("-affine"):
        for layer in range(1, architecture.layers + 1):
            shift = f"scales.0.layers.{layer}.1.bias"
            renamed[f"scales.0.layers.{layer}.0.bias"] = torch.zeros_like(renamed[shift])
    return renamed


def patches_to_pix2pix(
    state: Mapping[str, Tensor], architecture: DiscriminatorArchitecture
) -> dict[str, Tensor]:
    """The same by the names of pytorch-CycleGAN-and-pix2pix, whose PatchGAN takes it strictly.

    A bias in front of a norm with a shift is taken from the norm's running mean, and is nothing to
    other statistics. Raises FeatvizError for norms that it has not.
    """
    _require_known(architecture.norm)
    table, renamed = {ours: theirs for theirs, ours in _patches_names(architecture)}, {}
    affine = architecture.norm.endswith("-affine")
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        *_, layer, part = module.split(".")
        if affine and (part, leaf) == ("0", "bias") and 0 < int(layer) <= architecture.layers:
            continue
        if leaf == "running_mean":
            tensor = tensor - state[f"scales.0.layers.{layer}.0.bias"]
        renamed[f"{table[module]}.{leaf}"] = tensor.cpu().contiguous()
        if architecture.norm == "instance-affine" and (part, leaf) == ("1", "weight"):
            renamed |= _fresh(table[module], tensor)
    return renamed


def _patches_names(architecture: DiscriminatorArchitecture) -> Iterator[tuple[str, str]]:
    """(pytorch-CycleGAN-and-pix2pix's module name, ours) for every module with weights."""
    for layer in range(architecture.layers + 2):
        yield _layer(layer), f"scales.0.layers.{layer}.0"
        if 0 < layer <= architecture.layers:
            yield f"model.{3 * layer}", f"scales.0.layers.{layer}.1"


def _layer(number: int) -> str:
    """The convolution of a PatchGAN's layer; norms and activations are numbered, too."""
    return f"model.{max(0, 3 * number - 1)}"


def _require_variant(variant: str) -> None:
    if variant not in (RUNNING, OWN):
        raise FeatvizError(f"unknown variant '{variant}' of a U-Net; there are {RUNNING} and {OWN}")


def _require_known(norm: str) -> None:
    if norm not in ("batch-affine", "instance-affine", "instance"):
        raise FeatvizError(
            f"pix2pix has no norm '{norm}'; expected batch-affine, instance-affine or instance"
        )


def _norm_of(state: Mapping[str, Tensor], norm: str, variant: str) -> str:
    """What the norm of a file is here, by one of them, `norm`, and how it is to be used."""
    is_affine = f"{norm}.weight" in state
    if is_affine and variant == RUNNING:
        counted = state.get(f"{norm}.{_COUNT}", torch.ones(()))
        if f"{norm}.running_mean" not in state or not counted.any():
            raise FeatvizError(
                f"the batch norm '{norm}' has met no batch (running_mean, {_COUNT}); by the "
                f"statistics of each image it is read as variant {OWN}"
            )
    if not is_affine and variant == OWN:
        raise FeatvizError(f"it has no batch norm that variant {OWN} could be of")
    affine = "instance-affine" if variant == OWN else "batch-affine"
    return affine if is_affine else "instance"


def _unused(norm: str) -> tuple[str, ...]:
    return (_COUNT,) if norm == "batch-affine" else (_COUNT, "running_mean", "running_var")


def _fresh(module: str, weight: Tensor) -> dict[str, Tensor]:
    """The statistics of a batch norm that has met no batch."""
    return {
        f"{module}.running_mean": torch.zeros_like(weight),
        f"{module}.running_var": torch.ones_like(weight),
        f"{module}.{_COUNT}": torch.tensor(0),
    }
