"""Names of weights in NVIDIA's pix2pixHD and here, both ways.

NVIDIA numbers the modules of one long Sequential (`model.1.weight`); here layers have names
(`front_end.L0.conv.weight`). The numbering does not depend on the norm, so a checkpoint without
affine parameters does not tell its variant: whoever converts it must.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from featviz.base.errors import FeatvizError
from featviz.generators.networks.discriminators import DiscriminatorArchitecture
from featviz.generators.networks.generators import GeneratorArchitecture
from featviz.generators.networks.normalization import Norm

_Kind = Literal["generator", "discriminator"]


def kind_of(state: Mapping[str, Tensor]) -> _Kind:
    """Whether a pix2pixHD state dict holds a generator or a discriminator."""
    if any(re.match(r"(scale\d+_layer\d+|layer\d+)\.", key) for key in state):
        return "discriminator"
    if "model.1.weight" in state:
        return "generator"
    some = ", ".join(list(state)[:3]) or "nothing"
    raise FeatvizError(
        "not a pix2pixHD generator or discriminator: expected keys such as 'model.1.weight' or "
        f"'scale0_layer0.0.weight'; found {some}"
    )


def generator_architecture(
    state: Mapping[str, Tensor], variant: str = "baseline"
) -> GeneratorArchitecture:
    """The architecture that a pix2pixHD generator's keys and shapes tell."""
    blocks = {int(m[1]) for key in state if (m := re.match(r"model\.(\d+)\.conv_block\.", key))}
    first_width, input_channels = state["model.1.weight"].shape[:2]
    downsamplings = 0
    while (key := f"model.{4 + 3 * downsamplings}.weight") in state:
        if state[key].shape[:2] != (
            first_width << (downsamplings + 1),
            first_width << downsamplings,
        ):
            break
        downsamplings += 1
    levels = len({m[1] for key in state if (m := re.match(r"model(\d+)_1\.", key))})
    if levels:
        local = {
            int(m[1]) for key in state if (m := re.match(r"model1_2\.(\d+)\.conv_block\.", key))
        }
        outputs = state[f"model{levels}_2.{len(local) + 4}.weight"].shape[0]
    else:
        local = set()
        outputs = state[f"model.{5 + 6 * downsamplings + len(blocks)}.weight"].shape[0]
    affine = "model.2.weight" in state or f"model.{2 + 3 * downsamplings}.weight" in state
    norm: Norm = "instance-affine" if affine else "instance"
    return GeneratorArchitecture(
        variant=variant,
        width=first_width >> levels,
        downsamplings=downsamplings,
        residual_blocks=len(blocks),
        norm=norm,
        input_channels=input_channels,
        output_channels=outputs,
        enhancers=levels,
        enhancer_blocks=len(local) if levels else 3,
    )


def discriminator_architecture(state: Mapping[str, Tensor]) -> DiscriminatorArchitecture:
    """The architecture that a pix2pixHD discriminator's keys and shapes tell."""
    found = [re.match(r"scale(\d+)_layer(\d+)\.", key) for key in state]
    scales = {int(match[1]) for match in found if match}
    layers = {int(match[2]) for match in found if match}
    if not scales:
        raise FeatvizError(
            "this pix2pixHD discriminator was saved without intermediate features "
            "(keys 'layerN.*'); featviz reads 'scaleN_layerM.*'"
        )
    weight = state["scale0_layer0.0.weight"]
    affine = "scale0_layer1.1.weight" in state
    return DiscriminatorArchitecture(
        input_channels=weight.shape[1],
        width=weight.shape[0],
        layers=len(layers) - 2,
        scales=len(scales),
        norm="instance-affine" if affine else "instance",
    )


def without_statistics(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """A state dict without the statistics of instance norms that have no effect, and how many.

    Before version 0.4 PyTorch gave every instance norm a `running_mean` and a `running_var`, and
    normalised by each image's own all the same. Raises FeatvizError for those of a batch norm,
    and of an instance norm told to use them (which since then has `num_batches_tracked` too).
    """
    tracked = {key.rpartition(".")[0] for key in state if key.endswith(".running_mean")}
    for module in sorted(tracked):
        if f"{module}.weight" in state:
            raise FeatvizError(
                f"'{module}' is a batch norm (pix2pixHD's --norm batch), with a running_mean and "
                "weights; expected instance norm, the only one that is read from such files"
            )
        if f"{module}.num_batches_tracked" in state:
            raise FeatvizError(
                f"'{module}' is an instance norm with running statistics in place of each image's "
                "own (track_running_stats=True); expected one without"
            )
    unused = {f"{module}.{leaf}" for module in tracked for leaf in ("running_mean", "running_var")}
    return {key: tensor for key, tensor in state.items() if key not in unused}, len(tracked)


def rename(state: Mapping[str, Tensor], names: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Rename a state dict by (old module, new module) pairs; raises for a key without a place."""
    table = dict(names)
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        if module not in table:
            raise FeatvizError(
                f"weight '{key}' has no place in this architecture (BatchNorm, another padding "
                "or another network?)"
            )
        renamed[f"{table[module]}.{leaf}"] = tensor.to(torch.float32)
    return renamed


def generator_names(architecture: GeneratorArchitecture) -> Iterator[tuple[str, str]]:
    """(pix2pixHD's module name, ours) for every module with weights, norms included."""
    if not architecture.enhancers:
        yield from _global_names(architecture, "", with_output=True)
        return
    yield from _global_names(architecture, "global_generator.", with_output=False)
    blocks = architecture.enhancer_blocks
    for level in range(architecture.enhancers):
        theirs, ours = f"model{level + 1}", f"enhancers.{level}"
        yield f"{theirs}_1.1", f"{ours}.front_end.E0.conv"
        yield f"{theirs}_1.2", f"{ours}.front_end.E0.norm"
        yield f"{theirs}_1.4", f"{ours}.front_end.E1.conv"
        yield f"{theirs}_1.5", f"{ours}.front_end.E1.norm"
        for block in range(blocks):
            yield from _residual_names(f"{theirs}_2.{block}", f"{ours}.residual.R{block}")
        yield f"{theirs}_2.{blocks}", f"{ours}.back_end.conv"
        yield f"{theirs}_2.{blocks + 1}", f"{ours}.back_end.norm"
    yield f"model{architecture.enhancers}_2.{blocks + 4}", "output.conv"


def discriminator_names(architecture: DiscriminatorArchitecture) -> Iterator[tuple[str, str]]:
    """(pix2pixHD's module name, ours); pix2pixHD numbers scales from the coarsest."""
    for scale in range(architecture.scales):
        coarseness = architecture.scales - 1 - scale
        for layer in range(architecture.layers + 2):
            for part in (0, 1):
                yield (
                    f"scale{coarseness}_layer{layer}.{part}",
                    f"scales.{scale}.layers.{layer}.{part}",
                )


def _global_names(
    architecture: GeneratorArchitecture, prefix: str, with_output: bool
) -> Iterator[tuple[str, str]]:
    layers = architecture.downsamplings + 1
    for layer in range(layers):
        yield f"model.{3 * layer + 1}", f"{prefix}front_end.L{layer}.conv"
        yield f"model.{3 * layer + 2}", f"{prefix}front_end.L{layer}.norm"
    start = 3 * layers + 1
    for block in range(architecture.residual_blocks):
        yield from _residual_names(f"model.{start + block}", f"{prefix}residual.R{block}")
    start += architecture.residual_blocks
    for layer in range(architecture.downsamplings):
        yield f"model.{start + 3 * layer}", f"{prefix}back_end.U{layer}.conv"
        yield f"model.{start + 3 * layer + 1}", f"{prefix}back_end.U{layer}.norm"
    if with_output:
        yield f"model.{start + 3 * architecture.downsamplings + 1}", f"{prefix}output.conv"


def _residual_names(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    yield f"{theirs}.conv_block.1", f"{ours}.first.conv"
    yield f"{theirs}.conv_block.2", f"{ours}.first.norm"
    yield f"{theirs}.conv_block.5", f"{ours}.second.conv"
    yield f"{theirs}.conv_block.6", f"{ours}.second.norm"
