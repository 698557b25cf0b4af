"""`python -m analyses.locality`: how far an edit reaches in published networks; docs/locality.md.

Architectures are those of their papers or packages, with few channels and random weights: reach
and ways to everywhere hang on neither.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, one_line
from featviz.base.progress import track
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.probing.certificate import Certificate, certify


@dataclass(frozen=True)
class Options:
    """Certify published networks and print one table."""

    packages: Path | None = None
    """Folder with diffusers, transformers, timm and monai, if this environment lacks them."""
    only: tuple[str, ...] = ()
    """Parts of names; all networks if none is given."""


@dataclass(frozen=True)
class Network:
    """A network, what it is given, and where it comes from; package: "" for one written here."""

    name: str
    build: Callable[[], nn.Module]
    size: int = 512
    channels: int = 3
    package: str = ""


class _Calling(nn.Module):
    """A network with another way to call it."""

    def __init__(self, network: nn.Module, call: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.network = network
        self.call = call

    def forward(self, image: Tensor) -> Any:
        """What the call gives."""
        return self.call(self.network, image)


def _ours(variant: str, enhancers: int = 0) -> nn.Module:
    settings = GeneratorArchitecture(variant, width=4, enhancers=enhancers)
    return build_generator(settings)


class _Residual(nn.Module):
    """x + two convolutions with a norm each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.layers(x)
        return x + refined


def _cyclegan(width: int = 4, blocks: int = 9) -> nn.Module:
    """CycleGAN's ResNet generator (Zhu et al. 2017, appendix 7.2)."""

    def normed(convolution: nn.Module, channels: int) -> list[nn.Module]:
        return [convolution, nn.InstanceNorm2d(channels), nn.ReLU()]

    layers = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(3, width, 7), width)]
    for _ in range(2):
        layers += normed(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width)
        width *= 2
    layers += [_Residual(width) for _ in range(blocks)]
    for _ in range(2):
        width //= 2
        layers += normed(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1), width)
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


class _UNetLevel(nn.Module):
    """One level of pix2pix's U-Net: down, what lies inside, up, beside the input."""

    def __init__(self, inner: nn.Module | None, outer: int, width: int, norm: type[nn.Module]):
        super().__init__()
        self.down = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(outer, width, 4, 2, 1))
        self.norm = norm(width) if inner is not None else nn.Identity()
        self.inner = inner
        wide = width if inner is None else 2 * width
        up = nn.ConvTranspose2d(wide, outer, 4, 2, 1)
        self.up = nn.Sequential(nn.ReLU(), up, norm(outer))

    def forward(self, x: Tensor) -> Tensor:
        below = self.norm(self.down(x))
        if self.inner is not None:
            below = self.inner(below)
        return torch.cat([x, self.up(below)], dim=1)


def _unet(norm: type[nn.Module], levels: int = 8, width: int = 4) -> nn.Module:
    """pix2pix's U-Net (Isola et al. 2017, appendix 6.1.1), of 8 levels, in evaluation mode."""
    inner: nn.Module | None = None
    for level in reversed(range(1, levels)):
        outer = min(width * 2 ** (level - 1), 8 * width)
        inner = _UNetLevel(inner, outer, min(width * 2**level, 8 * width), norm)
    assert inner is not None
    last = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
    return nn.Sequential(nn.Conv2d(3, width, 4, 2, 1), inner, nn.ReLU(), last, nn.Tanh())


def _autoencoder(norm_groups: int = 4) -> nn.Module:
    from diffusers import AutoencoderKL

    network = AutoencoderKL(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=norm_groups,
    )
    return _Calling(network, lambda autoencoder, latent: autoencoder.decode(latent).sample)


def _tiny_autoencoder() -> nn.Module:
    from diffusers import AutoencoderTiny

    network = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8)
    )
    return _Calling(network, lambda autoencoder, latent: autoencoder.decode(latent).sample)


def _diffusion_unet() -> nn.Module:
    from diffusers import UNet2DModel

    network = UNet2DModel(
        sample_size=64, block_out_channels=(8, 16, 16), norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    return _Calling(network, lambda unet, image: unet(image, 10).sample)


def _controlnet() -> nn.Module:
    from diffusers import ControlNetModel

    network = ControlNetModel(
        block_out_channels=(8, 16), norm_num_groups=4, attention_head_dim=4, cross_attention_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), layers_per_block=1,
        conditioning_embedding_out_channels=(4, 8),
    )  # fmt: skip
    sample, words = torch.zeros(1, 4, 64, 64), torch.zeros(1, 3, 8)

    def call(control: Any, image: Tensor) -> Tensor:
        given = [each.to(image.device) for each in (sample, words)]
        found = control(given[0], 10, given[1], image, return_dict=True)
        return found.mid_block_res_sample  # type: ignore[no-any-return]

    return _Calling(network, call)


def _transformer(name: str, **settings: Any) -> nn.Module:
    import transformers

    config = getattr(transformers, f"{name}Config")(image_size=224, **settings)
    network = getattr(transformers, f"{name}Model")(config)
    return _Calling(network, lambda model, image: model(image).last_hidden_state)


def _convolutional(name: str, **settings: Any) -> nn.Module:
    import transformers

    network = getattr(transformers, f"{name}Model")(
        getattr(transformers, f"{name}Config")(**settings)
    )
    return _Calling(network, lambda model, image: model(image).last_hidden_state)


def _timm(name: str, **settings: Any) -> nn.Module:
    import timm

    network = timm.create_model(name, **settings)
    return _Calling(network, lambda model, image: model.forward_features(image))


def _segmentation() -> nn.Module:
    from monai.networks.nets import BasicUNet

    network: nn.Module = BasicUNet(2, 3, 2, features=(4, 4, 8, 8, 16, 4), norm=("batch", {}))
    return network


def _spade() -> nn.Module:
    from monai.networks.nets import SPADENet

    network = SPADENet(2, 3, 3, 3, [64, 64], z_dim=16, channels=[8, 16, 32])
    latent = torch.zeros(1, 16)
    return _Calling(
        network, lambda spade, labels: spade.decoder(labels, latent.to(labels.device, labels.dtype))
    )


NETWORKS = (
    Network("pix2pixHD, global (`baseline`)", lambda: _ours("baseline")),
    Network("the same, `modified`", lambda: _ours("modified")),
    Network("the same, `no-norm`", lambda: _ours("no-norm")),
    Network("pix2pixHD, local enhancer", lambda: _ours("baseline", 1), 1024),
    Network("CycleGAN, ResNet of 9 blocks", _cyclegan),
    Network("pix2pix, U-Net, batch norm", lambda: _unet(nn.BatchNorm2d), 1024),
    Network("pix2pix, U-Net, instance norm", lambda: _unet(nn.InstanceNorm2d), 1024),
    Network("SPADE, labels to image", _spade, 64, package="monai"),
    Network("AutoencoderKL, decoder", _autoencoder, 128, 4, "diffusers"),
    Network("AutoencoderTiny, decoder", _tiny_autoencoder, 64, 4, "diffusers"),
    Network("UNet2DModel", _diffusion_unet, 128, package="diffusers"),
    Network("ControlNetModel, condition", _controlnet, 128, package="diffusers"),
    Network(
        "ResNet-50",
        lambda: _convolutional("ResNet", embedding_size=8, hidden_sizes=[8, 16, 32, 64]),
        package="transformers",
    ),
    Network(
        "ConvNeXt-T",
        lambda: _convolutional("ConvNext", hidden_sizes=[8, 16, 32, 64]),
        1024,
        package="transformers",
    ),
    Network(
        "ViT",
        lambda: _transformer(
            "ViT", hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
        ),
        224,
        package="transformers",
    ),
    Network(
        "Swin",
        lambda: _transformer("Swin", embed_dim=8, depths=[2, 2], num_heads=[1, 2]),
        224,
        package="transformers",
    ),
    Network("ResNet-50", lambda: _timm("resnet50", channels=(8, 16, 32, 64)), package="timm"),
    Network(
        "ConvNeXt-T", lambda: _timm("convnext_tiny", dims=(8, 16, 32, 64)), 1024, package="timm"
    ),
    Network("ViT-Ti", lambda: _timm("vit_tiny_patch16_224", embed_dim=12), 224, package="timm"),
    Network(
        "Swin-T", lambda: _timm("swin_tiny_patch4_window7_224", embed_dim=12), 224, package="timm"
    ),
    Network("U-Net for segmentation, batch norm", _segmentation, package="monai"),
)


def built(network: Network) -> nn.Module:
    """The network for evaluation; weights that begin as zeros are drawn too.

    Those are some of ControlNet, and of timm's ResNet each block's last norm.
    """
    torch.manual_seed(0)
    module = network.build().eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("weight") and not parameter.any():
                parameter.normal_(0, 0.1)
    return module


def row(network: Network, certificate: Certificate) -> str:
    """A line of the table in Markdown."""
    output = certificate.output
    source = f"{network.package} {version(network.package)}" if network.package else "here"
    reach = "?" if output.reach is None else f"{max(output.reach)} px"
    if output.cut_off and output.reach is not None:
        reach = f"at least {reach}"
    kinds: dict[str, int] = {}
    for way in output.ways:
        kinds[way.kind] = kinds.get(way.kind, 0) + 1
    through = ", ".join(f"{count} x {kind}" for kind, count in kinds.items()) or output.reason
    confirmed = {True: "yes", False: "**no**", None: "-"}[output.confirmed]
    measured = "-" if output.measured is None else f"{max(output.measured)} px"
    return (
        f"| {network.name} | {source} | {network.size} | {output.verdict} | {reach} | {through} | "
        f"{measured} | {confirmed} |"
    )


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.locality", args=arguments)
    if options.packages is not None:
        sys.path.append(str(options.packages))
    chosen = [
        network
        for network in NETWORKS
        if not options.only or any(part in network.name for part in options.only)
    ]
    print(
        "| network | from | image, px | verdict | reach of windows | whole map through | "
        "furthest change seen | edits agree |\n|---|---|--:|---|--:|---|--:|---|"
    )
    for network in track(chosen, "certifying"):
        try:
            found = certify(built(network), (network.size, network.size), network.channels)
            print(row(network, found), flush=True)
        except (ImportError, RuntimeError, TypeError, FeatvizError) as error:
            # A package that is not there, or of another version: the others are told all the same.
            print(f"analyses.locality: {network.name}: {one_line(error)}", file=sys.stderr)


if __name__ == "__main__":
    main()
