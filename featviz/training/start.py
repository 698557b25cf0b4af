"""Beginning a run with the weights of another one, the same or a step finer."""

from pathlib import Path
from typing import Any

from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import (
    LoadedGenerator,
    find_checkpoint,
    load_discriminator,
    load_encoder,
    load_generator,
)
from featviz.generators.networks.architectures import Architecture, WholeGenerator
from featviz.generators.networks.encoder import FeatureEncoder
from featviz.generators.networks.generators import GeneratorArchitecture, LocalEnhancer
from featviz.generators.networks.pix2pix import OWN, RUNNING
from featviz.generators.networks.unet import UnetArchitecture
from featviz.generators.weights import stated_conditions
from featviz.training.run import Run


def settings_of(
    source: str | Path, enhancers: int | None = None, variant: str | None = None
) -> dict[str, Any]:
    """The training settings that a checkpoint to start from decides, for `preset`.

    enhancers: those of the new run; as many as the checkpoint has, or one more, and then the run
    has half its width and, if it tells its size, twice that. variant: for a .pth, which does not
    tell. The discriminator's settings are there if the source is the folder of a run. Raises
    FeatvizError if the weights cannot be a start.
    """
    loaded, generator = _load(source, variant)
    architecture = generator.architecture
    conditions = stated_conditions(loaded.metadata)
    settings: dict[str, Any] = {
        "width": architecture.width,
        "norm": architecture.norm,
        "boundaries": conditions.boundaries,
        "appearance_channels": conditions.appearance_channels,
    }
    if isinstance(architecture, GeneratorArchitecture):
        size = loaded.metadata.get("sketch_size")
        settings |= _of_pix2pixhd(source, architecture, enhancers, size)
    else:
        settings |= {"generator": architecture.generator, "levels": architecture.levels}
    if isinstance(architecture, UnetArchitecture):
        settings["dropout"] = architecture.dropout
    if (judge := _beside(source, "discriminator.safetensors")) is not None:
        like = load_discriminator(judge).architecture
        settings |= {"discriminator_width": like.width, "discriminator_scales": like.scales}
    return settings


def _of_pix2pixhd(
    source: str | Path, architecture: GeneratorArchitecture, enhancers: int | None, size: int | None
) -> dict[str, Any]:
    """Those that pix2pixHD's generator decides alone. size: of its sketches, if it tells."""
    has, width = architecture.enhancers, architecture.width
    enhancers = has if enhancers is None else enhancers
    if enhancers not in (has, has + 1):
        raise FeatvizError(
            f"cannot start from {source} with {enhancers} enhancers: it has {has}, and one is "
            f"added at a time; expected {has} or {has + 1}"
        )
    settings = {
        "variant": architecture.variant,
        "residual_blocks": architecture.residual_blocks,
        "enhancers": enhancers,
    }
    if enhancers == has:
        return settings
    if width % 2:
        raise FeatvizError(f"an enhancer has half the width of {source}, and {width} is odd")
    return settings | {"width": width // 2, "size": None if size is None else 2 * size}


def take_weights(run: Run, source: str | Path) -> dict[str, Any]:
    """Let a run begin with a checkpoint's weights instead of fresh ones; say whose they are.

    source: whatever `load_generator` takes; a generator like the run's, or, if that is a local
    enhancer, of one enhancer less. The discriminator comes from the same run folder if there is
    one, and stays fresh otherwise. Optimisers and steps begin anew. Raises FeatvizError if the
    weights do not fit.
    """
    own = run.models.generator
    loaded, given = _load(source, _variant_of(own.architecture))
    coarser = getattr(given.architecture, "enhancers", 0)
    if isinstance(own, LocalEnhancer) and coarser < len(own.enhancers):
        try:
            own.take_coarse(given)
        except FeatvizError as error:
            raise FeatvizError(f"cannot start from {source}: {error}") from None
    else:
        _take(own, given, source)
    if run.models.encoder is not None:
        _take(run.models.encoder, _encoder_of(source), source)
    for name, average in run.averages.items():
        average.load_state_dict(run.learning[name].state_dict())
    judge = _beside(source, "discriminator.safetensors")
    if run.models.discriminator is None:
        judge = None
    elif judge is not None:
        _take(run.models.discriminator, load_discriminator(judge), judge)
    return {
        "name": loaded.name,
        "digest": loaded.digest,
        "step": loaded.metadata.get("step"),
        "discriminator": judge is not None,
    }


def _variant_of(architecture: Architecture) -> str | None:
    """How a .pth is to be read for a run whose generator has this architecture."""
    if isinstance(architecture, UnetArchitecture):
        return OWN if architecture.norm == "instance-affine" else RUNNING
    return getattr(architecture, "variant", None)


def _load(source: str | Path, variant: str | None) -> tuple[LoadedGenerator, WholeGenerator]:
    """A whole generator; `variant` counts only for files that do not tell their own."""
    loaded = load_generator(source, variant if Path(source).suffix in {".pth", ".pt"} else None)
    if not isinstance(loaded.generator, WholeGenerator):
        raise FeatvizError(f"cannot start from {source}: it is a {loaded.metadata['kind']} alone")
    return loaded, loaded.generator


def _beside(source: str | Path, name: str) -> Path | None:
    """A file of the run whose folder `source` is; None if it is no such folder or lacks the file.

    A folder that has the name of a shipped checkpoint is not what that name means.
    """
    folder = find_checkpoint(source).parent
    path = folder / name
    return path if folder == Path(source) and path.is_file() else None


def _encoder_of(source: str | Path) -> FeatureEncoder:
    path = _beside(source, "encoder.safetensors")
    if path is None:
        raise FeatvizError(
            f"cannot start from {source}: its generator needs the encoder it was trained with; "
            "expected the folder of a run that has one"
        )
    return load_encoder(path)


def _take(network: nn.Module, other: nn.Module, source: str | Path) -> None:
    try:
        network.load_state_dict(other.state_dict())
    except RuntimeError:
        raise FeatvizError(
            f"cannot start from {source}: its network is {getattr(other, 'architecture', '?')}; "
            f"this run's is {getattr(network, 'architecture', '?')}"
        ) from None
