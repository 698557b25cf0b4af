"""Checkpoints: safetensors with their description inside; .pth of pix2pixHD and pix2pix.

A checkpoint file is complete by itself: its metadata holds, as JSON, the kind of network, its
architecture and where the weights come from, so it is rebuilt without any other file.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from featviz.base.assets import PRETRAINED, sha256_of
from featviz.base.errors import FeatvizError, one_line
from featviz.base.files import atomic_write, require_text
from featviz.base.provenance import VERSION
from featviz.generators.networks import pix2pix, pix2pixhd
from featviz.generators.networks.architectures import Architecture, build, described_architecture
from featviz.generators.networks.conditions import Conditions
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.encoder import EncoderArchitecture, FeatureEncoder
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.generators.networks.names import Precision
from featviz.generators.networks.unet import Unet
from featviz.generators.weights import (
    CHECKPOINT_KEY,
    load_strictly,
    read_metadata,
    read_pickle,
    read_tensors,
    readable_architecture,
    require_possible,
    stated_conditions,
)
from featviz.sketches.tensors import input_channels

_Kind = Literal["generator", "front-end", "discriminator", "encoder"]


@dataclass(frozen=True, eq=False)
class LoadedGenerator:
    """A generator (or its front end alone) read from a checkpoint, in eval mode, float32.

    name: how people call it. digest: sha256 of the file. metadata: what the file says of itself;
    always has `kind`, `architecture` and `variant`.
    """

    name: str
    generator: nn.Module
    metadata: dict[str, Any]
    digest: str

    @property
    def architecture(self) -> Architecture:
        """What the generator, or the one whose front end it is, is made of."""
        return cast(Architecture, self.generator.architecture)

    @property
    def conditions(self) -> Conditions:
        """What the generator is given beside the sketch.

        Raises FeatvizError if its description tells of more or fewer channels than it takes, as
        that of a .pth of pix2pixHD, which does not tell what they are.
        """
        conditions, channels = stated_conditions(self.metadata), input_channels(self.generator)
        _require_channels(self.name, conditions, channels)
        return conditions


def _require_channels(name: str, conditions: Conditions, channels: int) -> None:
    if conditions.channels == channels or (channels == 1 and not conditions.any):
        return
    raise FeatvizError(
        f"'{name}' takes {channels} channels, but is said to take {conditions.channels}; for a "
        ".pth, tell `featviz convert` what they are (--boundaries, --appearance-channels N)"
    )


def shipped_checkpoints() -> tuple[str, ...]:
    """Names of the checkpoints that come with featviz."""
    return tuple(sorted(path.stem for path in PRETRAINED.glob("*.safetensors")))


def load_generator(source: str | Path, variant: str | None = None) -> LoadedGenerator:
    """Load a generator by the name of a shipped one, a run folder, a .safetensors or a .pth.

    variant: for a .pth, which does not tell ("baseline" unless given): of pix2pixHD which layers
    have no norm, of pix2pix by which statistics they normalise. Weights must
    fit exactly; nothing is left out or filled in, but for what has no effect, with a
    FeatvizWarning. Pickles are read with `weights_only=True`, so they cannot run code. Raises
    FeatvizError, naming the file, if there is no such checkpoint, if it cannot be read, if its
    weights do not fit or are not finite, and for a variant other than the file's own.
    """
    path = find_checkpoint(source)
    if path.suffix in {".pth", ".pt"}:
        generator, metadata = _import_pickle(path, variant or "baseline")
    else:
        metadata = read_metadata(path)
        if variant not in (None, metadata.get("variant")):
            raise FeatvizError(
                f"{path} is of variant '{metadata.get('variant')}'; cannot read it as '{variant}'"
            )
        tensors = read_tensors(path)
        generator = _build(path, metadata, tensors)
        load_strictly(generator, tensors, path)
    return LoadedGenerator(checkpoint_name(path), generator.eval(), metadata, sha256_of(path))


def checkpoint_name(path: Path) -> str:
    """How people call the checkpoint in a file: by the file's name, or its run folder's."""
    is_run = path.name == "generator.safetensors"
    return path.resolve().parent.name if is_run else path.stem


def find_checkpoint(source: str | Path) -> Path:
    """The file that a checkpoint name or path means; raises FeatvizError if there is none.

    The bare name of a shipped checkpoint always means that one; write ./baseline for a folder.
    """
    path = Path(source)
    require_text(path)
    shipped = PRETRAINED / f"{source}.safetensors"
    if str(source) in shipped_checkpoints():
        return shipped
    if path.is_dir():
        path = path / "generator.safetensors"
        if not path.is_file():
            raise FeatvizError(f"{source} has no generator.safetensors: not a run folder")
        return path
    if path.is_file():
        if path.suffix not in {".safetensors", ".pth", ".pt"}:
            raise FeatvizError(f"{source}: expected a .safetensors or .pth file, or a run folder")
        return path
    names = ", ".join(shipped_checkpoints()) or "none"
    raise FeatvizError(
        f"no checkpoint '{source}': no such file, and the shipped ones are {names}; "
        "a network of your own is MODULE:NAME, which layers, certify, extract, generate, edit, "
        "evaluate and leakage alone take"
    )


def stated_architecture(path: Path) -> Architecture:
    """What the description in a .safetensors tells of its generator, without its weights."""
    with readable_architecture(path):
        return described_architecture(read_metadata(path)["architecture"])


def save_network(
    network: nn.Module, path: Path, kind: _Kind, details: Mapping[str, Any], dtype: torch.dtype
) -> None:
    """Write a network and its description, complete or not at all.

    details: step, seed, data fingerprint, ... (JSON). dtype: how weights are stored. Raises
    FeatvizError if neither the network nor the details hold an architecture.
    """
    architecture = getattr(network, "architecture", None) or details.get("architecture")
    if dataclasses.is_dataclass(architecture) and not isinstance(architecture, type):
        architecture = dataclasses.asdict(architecture)
    if not isinstance(architecture, dict):
        raise FeatvizError(f"cannot save a {type(network).__name__} without its architecture")
    metadata = {
        "featviz_version": VERSION,
        **details,
        "format": 1,
        "kind": kind,
        "variant": architecture.get("variant"),
        "architecture": architecture,
    }
    tensors = {
        key: tensor.detach().to("cpu", dtype).contiguous()
        for key, tensor in network.state_dict().items()
    }
    with atomic_write(path) as temporary, _write_errors(path):
        save_file(tensors, temporary, {CHECKPOINT_KEY: json.dumps(metadata)})


def save_pickle(content: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with torch.save, complete or not at all."""
    with atomic_write(path) as temporary, _write_errors(path):
        torch.save(content, temporary)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Turn the ways in which safetensors and torch report a full disk into an OSError."""
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        raise OSError(f"cannot write {path}: {one_line(error)}") from error


def convert(
    source: str | Path,
    out: Path,
    discriminator: bool = False,
    front_end: bool = False,
    dtype: Precision = "float32",
    variant: str | None = None,
    conditions: Conditions | None = None,
) -> None:
    """Write a checkpoint in the form that the ending of `out` names: .safetensors or .pth.

    discriminator: the source is one (or a run folder whose one is meant). front_end: keep only
    L0, L1, ... of a generator. dtype: how a .safetensors stores weights. conditions: what a
    generator is given beside the sketch, for a .pth, which does not tell. Raises FeatvizError for
    combinations that make no sense, besides the errors of `load_generator`.
    """
    if out.suffix not in {".safetensors", ".pth"}:
        raise FeatvizError(f"cannot write {out}: expected a name that ends in .safetensors or .pth")
    if front_end and (out.suffix == ".pth" or discriminator):
        raise FeatvizError("only a generator has a front end, and only .safetensors holds one")
    if out.suffix == ".pth" and dtype != "float32":
        raise FeatvizError(f"a .pth is float32; got {dtype}")
    network: nn.Module
    kind: _Kind
    if discriminator:
        path = Path(source) / "discriminator.safetensors" if Path(source).is_dir() else Path(source)
        network, kind = load_discriminator(path, variant), "discriminator"
        details = read_metadata(path) if path.suffix == ".safetensors" else {}
    else:
        loaded = load_generator(source, variant)
        network, kind, details = loaded.generator, loaded.metadata["kind"], loaded.metadata
    if conditions is not None and not discriminator:
        _require_channels(str(source), conditions, input_channels(network))
        details = {**details, "conditions": dataclasses.asdict(conditions)}
    if front_end:
        part = getattr(network, "front_end", network)
        if not isinstance(part, FrontEnd):
            raise FeatvizError(f"'{source}' has no front end of its own to keep")
        network, kind = part, "front-end"
    if out.suffix == ".pth":
        if isinstance(network, Unet) or _is_pix2pixs(network):
            export_pix2pix(network, out)
        else:
            export_pix2pixhd(network, out)
    else:
        stored = {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
        save_network(network, out, kind, details, stored)


def load_discriminator(path: Path, variant: str | None = None) -> MultiScaleDiscriminator:
    """Load a discriminator from a .safetensors of featviz or a .pth of pix2pix(HD), in eval mode.

    variant: by which statistics the batch norms of pix2pix's normalise, see `pix2pix`. Raises
    FeatvizError if the file cannot be read, holds something else, or does not fit exactly.
    """
    path = Path(path)
    with readable_architecture(path):
        if path.suffix in {".pth", ".pt"}:
            state = read_pickle(path)
            if pix2pix.is_patches(state):
                architecture = pix2pix.patches_architecture(state, variant or pix2pix.RUNNING)
                state = pix2pix.patches_from_pix2pix(state, architecture)
            else:
                architecture = pix2pixhd.discriminator_architecture(state)
                state = pix2pixhd.rename(state, pix2pixhd.discriminator_names(architecture))
        else:
            metadata = read_metadata(path)
            if (kind := metadata.get("kind")) != "discriminator":
                raise FeatvizError(f"{path} holds a {kind}; expected a discriminator")
            architecture = DiscriminatorArchitecture(**metadata["architecture"])
            state = read_tensors(path)
        require_possible(architecture, state)
        with torch.device("meta"):
            discriminator = MultiScaleDiscriminator(architecture)
    load_strictly(discriminator, state, path)
    return discriminator.eval()


def load_encoder(path: Path) -> FeatureEncoder:
    """Load the feature encoder of a run, a .safetensors, in eval mode.

    Raises FeatvizError if the file cannot be read, holds something else, or does not fit exactly.
    """
    with readable_architecture(path):
        metadata = read_metadata(path)
        if (kind := metadata.get("kind")) != "encoder":
            raise FeatvizError(f"{path} holds a {kind}; expected an encoder")
        architecture, state = EncoderArchitecture(**metadata["architecture"]), read_tensors(path)
        require_possible(architecture, state)
        with torch.device("meta"):
            encoder = FeatureEncoder(architecture)
    load_strictly(encoder, state, path)
    return encoder.eval()


def _is_pix2pixs(network: nn.Module) -> TypeGuard[MultiScaleDiscriminator]:
    """Whether it is a discriminator of one scale, padded as pix2pix's is."""
    like = getattr(network, "architecture", None)
    is_one = isinstance(like, DiscriminatorArchitecture) and like.scales == like.padding == 1
    return is_one and isinstance(network, MultiScaleDiscriminator)


def export_pix2pix(network: Unet | MultiScaleDiscriminator, path: Path) -> None:
    """Write a U-Net or its discriminator as pytorch-CycleGAN-and-pix2pix reads it (.pth).

    Weights are float32. Raises FeatvizError for norms that it does not have.
    """
    state = network.state_dict()
    if isinstance(network, Unet):
        save_pickle(pix2pix.to_pix2pix(state, network.architecture), path)
    else:
        save_pickle(pix2pix.patches_to_pix2pix(state, network.architecture), path)


def export_pix2pixhd(network: nn.Module, path: Path) -> None:
    """Write a generator, local enhancer or discriminator as pix2pixHD's code reads it (.pth).

    Weights are float32. Raises FeatvizError for a front end alone, which has no name there, and for
    norms by other names than instance.
    """
    architecture = network.architecture
    if isinstance(architecture, DiscriminatorArchitecture):
        names = pix2pixhd.discriminator_names(architecture)
    elif isinstance(architecture, GeneratorArchitecture) and not isinstance(network, FrontEnd):
        if architecture.norm not in ("instance", "instance-affine"):
            raise FeatvizError(
                f"pix2pixHD has no norm '{architecture.norm}'; expected instance, or none in the "
                "first layers by a variant"
            )
        names = pix2pixhd.generator_names(architecture)
    else:
        raise FeatvizError(f"pix2pixHD has no place for a {type(network).__name__} alone")
    state = pix2pixhd.rename(network.state_dict(), ((ours, theirs) for theirs, ours in names))
    save_pickle({key: tensor.cpu().contiguous() for key, tensor in state.items()}, path)


def _build(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network that a file describes, without memory for weights yet."""
    kind = metadata.get("kind")
    if kind not in ("generator", "front-end"):
        raise FeatvizError(f"{path} holds a {kind}; expected a generator")
    with readable_architecture(path), torch.device("meta"):
        architecture = described_architecture(metadata["architecture"])
        require_possible(architecture, tensors)
        if kind == "generator":
            return build(architecture)
        if not isinstance(architecture, GeneratorArchitecture):
            raise FeatvizError("only a generator of pix2pixHD has a front end of its own")
        return FrontEnd(architecture)


def _import_pickle(path: Path, variant: str) -> tuple[nn.Module, dict[str, Any]]:
    state = read_pickle(path)
    architecture: Architecture
    if is_unet := pix2pix.is_unet(state):
        with readable_architecture(path):
            architecture = pix2pix.unet_architecture(state, variant)
            renamed = pix2pix.from_pix2pix(state, architecture)
    else:
        if pix2pix.is_patches(state) or pix2pixhd.kind_of(state) != "generator":
            raise FeatvizError(f"{path} holds a discriminator; expected a generator")
        with readable_architecture(path):
            architecture = pix2pixhd.generator_architecture(state, variant)
            renamed = pix2pixhd.rename(state, pix2pixhd.generator_names(architecture))
    with readable_architecture(path), torch.device("meta"):
        generator = build(architecture)
    load_strictly(generator, renamed, path)
    metadata = {
        "kind": "generator",
        "variant": variant,
        "architecture": dataclasses.asdict(architecture),
        "source": "pix2pix .pth" if is_unet else "pix2pixHD .pth",
    }
    return generator, metadata
