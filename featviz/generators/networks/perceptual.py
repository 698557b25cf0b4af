"""VGG19 features for the perceptual loss."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.base.assets import ASSETS, asset_files, sha256_of
from featviz.base.errors import FeatvizError, reason
from featviz.generators.weights import require_weights

_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Channels and convolutions of each stage up to relu5_1 (Simonyan and Zisserman 2015, table 1)."""

_SMALLEST = 32
"""After four poolings there must be something left to pad."""

_ASSET_CONVOLUTIONS = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42)
_TORCHVISION_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Vgg19Features(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] -> five maps relu1_1 ... relu5_1; weights are frozen.

    `weights` says which weights these are: "vgg19-normalised" (the asset; reflection padding,
    ceil-mode pooling, mean activation about 1) or "vgg19-torchvision" (zero padding). The two
    give losses of different size; a checkpoint records which one it was trained with.
    """

    def __init__(self, weights: str, reflect: bool) -> None:
        super().__init__()
        self.weights = weights
        self.reflect = reflect
        self.preprocess = nn.Conv2d(3, 3, 1)
        channels, convolutions = 3, []
        for width, count in _STAGES:
            for _ in range(count):
                convolutions.append(nn.Conv2d(channels, width, 3))
                channels = width
        self.convolutions = nn.ModuleList(convolutions)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The five maps, in order; raises FeatvizError for images under 32 px."""
        height, width = image.shape[-2:]
        if min(height, width) < _SMALLEST:
            raise FeatvizError(
                f"VGG19 needs images of at least {_SMALLEST}x{_SMALLEST}; got {width}x{height} "
                "(a larger perceptual scale may help)"
            )
        x = self.preprocess((image + 1) / 2)
        features, position = [], 0
        for stage, (_, count) in enumerate(_STAGES):
            if stage > 0:
                x = F.max_pool2d(x, 2, ceil_mode=self.reflect)
            for index in range(count):
                mode = "reflect" if self.reflect else "constant"
                x = F.relu(self.convolutions[position](F.pad(x, (1, 1, 1, 1), mode=mode)))
                position += 1
                if index == 0:
                    features.append(x)
        return features


def load_vgg19(path: Path | None = None) -> Vgg19Features:
    """VGG19 from the asset `vgg19`, or from a file: the asset's or torchvision's state dict.

    Raises FeatvizError naming the command that gets the asset, or what is wrong with the file.
    """
    path = path or asset_files("vgg19")["vgg_normalized.pth"]
    require_weights(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise FeatvizError(f"{path}: not a readable VGG19 state dict ({reason(error)})") from None
    if "features.0.weight" in state:
        network = Vgg19Features("vgg19-torchvision", reflect=False)
        std = torch.tensor(_IMAGENET_STD)
        network.preprocess.weight.copy_(torch.diag(1 / std)[:, :, None, None])
        assert network.preprocess.bias is not None
        network.preprocess.bias.copy_(-torch.tensor(_IMAGENET_MEAN) / std)
        keys = [f"features.{index}" for index in _TORCHVISION_CONVOLUTIONS]
    elif "0.weight" in state and tuple(state["0.weight"].shape) == (3, 3, 1, 1):
        network = Vgg19Features("vgg19-normalised", reflect=True)
        network.preprocess.load_state_dict({k: state[f"0.{k}"] for k in ("weight", "bias")})
        keys = [str(index) for index in _ASSET_CONVOLUTIONS]
    else:
        raise FeatvizError(
            f"{path}: expected VGG19 weights with keys 'features.0.weight' (torchvision) or "
            f"'0.weight' (normalised); found {', '.join(list(state)[:2])}"
        )
    for convolution, key in zip(network.convolutions, keys, strict=True):
        try:
            convolution.load_state_dict({k: state[f"{key}.{k}"] for k in ("weight", "bias")})
        except (KeyError, RuntimeError):
            raise FeatvizError(f"{path}: weights '{key}' are missing or misshapen") from None
    return network.eval()


def load_described_vgg19(path: Path | None = None) -> tuple[Vgg19Features, dict[str, str]]:
    """VGG19 as `load_vgg19` gives it, and what a checkpoint records of where it came from.

    The description has `weights` ("vgg19-normalised" or "vgg19-torchvision"), `source` (the asset
    with its package, or the file's name) and `sha256` of the file.
    """
    network = load_vgg19(path)
    asset = ASSETS["vgg19"]
    file = path or asset_files("vgg19")["vgg_normalized.pth"]
    source = f"asset vgg19 ({asset.package} {asset.version})" if path is None else Path(file).name
    return network, {"weights": network.weights, "source": source, "sha256": sha256_of(file)}
