"""The training step of a pix2pixHD checkout, run from its own files as they are.

What stands between the checkout and a machine of today, and nothing else:

- `models/networks.py` imports torchvision for the VGG19 that is not used here; without
  torchvision an empty module takes its place.
- `encode_input` moves every batch with `.cuda()`; on the CPU that is the identity.
- `train.py` parses the command line and reads a data set when it is imported, so the lines of its
  loop that update the networks are repeated here.

One checkout a process: its packages have names such as `models` and `util`.
"""

import contextlib
import importlib
import importlib.util
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError

FILES = ("models/models.py", "options/train_options.py")


@dataclass(frozen=True)
class ReferenceSettings:
    """What is set on the reference's command line; all else is as released."""

    width: int
    discriminator_width: int
    discriminators: int

    def arguments(self, device: torch.device) -> list[str]:
        """Sketches instead of label maps, no instance maps, no perceptual loss."""
        return [
            "--label_nc=0",
            "--no_instance",
            "--no_vgg_loss",
            f"--ngf={self.width}",
            f"--ndf={self.discriminator_width}",
            f"--num_D={self.discriminators}",
            "--gpu_ids=0" if device.type == "cuda" else "--gpu_ids=-1",
        ]


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference's model, which holds its networks, losses and optimisers."""

    model: Any
    """The model as `create_model` returned it; in DataParallel on a GPU, as released."""
    device: torch.device
    feature_matching: float
    """Weight that the reference's feature-matching loss comes with."""

    @property
    def inner(self) -> Any:
        """The model itself."""
        return getattr(self.model, "module", self.model)

    @property
    def generator(self) -> nn.Module:
        """The generator, with the reference's names."""
        network: nn.Module = self.inner.netG
        return network

    @property
    def discriminator(self) -> nn.Module:
        """The discriminators, with the reference's names."""
        network: nn.Module = self.inner.netD
        return network

    def step(self, sketch: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """One update as in `train.py`; the losses, unweighted, by our names."""
        unused = torch.zeros(1)
        with _cuda_is_here(self.device):
            losses, _ = self.model(sketch, unused, photo, unused, infer=False)
        named = dict(zip(self.inner.loss_names, map(torch.mean, losses), strict=True))
        discriminator = (named["D_fake"] + named["D_real"]) * 0.5
        generator = named["G_GAN"] + named["G_GAN_Feat"]
        for loss, optimizer in (
            (generator, self.inner.optimizer_G),
            (discriminator, self.inner.optimizer_D),
        ):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return {
            "adversarial": named["G_GAN"].detach(),
            "feature-matching": named["G_GAN_Feat"].detach() / self.feature_matching,
            "discriminator-fake": named["D_fake"].detach(),
            "discriminator-real": named["D_real"].detach(),
        }


def check_checkout(folder: Path) -> None:
    """Raise FeatvizError unless the folder holds the files that are read."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FeatvizError(
            f"{folder} is not a checkout of pix2pixHD: it has no {', '.join(missing)}"
        )


def load_reference(folder: Path, settings: ReferenceSettings, device: torch.device) -> Reference:
    """Build the reference's model with fresh weights from seed 0."""
    check_checkout(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    if importlib.util.find_spec("torchvision") is None:
        stand_in = ModuleType("torchvision")
        stand_in.models = ModuleType("torchvision.models")  # type: ignore[attr-defined]
        sys.modules["torchvision"] = stand_in
    options = importlib.import_module("options.train_options").TrainOptions()
    options.initialize()
    # `parse` would read our command line and write the options to a folder.
    parsed = options.parser.parse_args(settings.arguments(device))
    parsed.isTrain = options.isTrain
    parsed.gpu_ids = [0] if device.type == "cuda" else []
    torch.manual_seed(0)
    # It prints its networks.
    with contextlib.redirect_stdout(io.StringIO()):
        model = importlib.import_module("models.models").create_model(parsed)
    return Reference(model, device, parsed.lambda_feat)


@contextlib.contextmanager
def _cuda_is_here(device: torch.device) -> Iterator[None]:
    """Let `.cuda()` give back the tensor where the device is the CPU."""
    if device.type == "cuda":
        yield
        return
    cuda = Tensor.cuda
    Tensor.cuda = lambda tensor, *_, **__: tensor  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.cuda = cuda  # type: ignore[method-assign]
