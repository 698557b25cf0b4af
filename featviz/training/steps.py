"""One training step: losses by name, gradients for each network, nothing about files."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.generators.networks.encoder import FeatureEncoder, paint_instances
from featviz.generators.networks.generators import Generator
from featviz.generators.networks.perceptual import Vgg19Features
from featviz.training.losses import (
    AdversarialForm,
    adversarial_loss,
    feature_matching_loss,
    perceptual_loss,
)
from featviz.training.pair import Pair


@dataclass(frozen=True, eq=False)
class Models:
    """The networks of a training run.

    perceptual: only with the perceptual loss. encoder: only if the generator is given appearances.
    """

    generator: Generator
    discriminator: nn.Module
    perceptual: Vgg19Features | None = None
    encoder: FeatureEncoder | None = None


@dataclass(frozen=True)
class LossSettings:
    """Which losses, and how much of each (study, section 2: lambda = 10)."""

    adversarial_form: AdversarialForm = "least-squares"
    feature_matching: float = 10.0
    perceptual: float = 10.0
    perceptual_scale: float = 1.0
    """Size at which VGG19 sees the images, as a share of theirs; 1 as in the paper."""


@dataclass(frozen=True, eq=False)
class StepLosses:
    """The losses of one step; `generator` and `discriminator` are what each one minimises."""

    generator: Tensor
    discriminator: Tensor
    named: dict[str, Tensor]
    """Every loss by its name, unweighted and detached."""
    image: Tensor
    """The generated images (N, 3, H, W), detached."""


def compute_losses(models: Models, batch: Pair, settings: LossSettings) -> StepLosses:
    """All losses of one step.

    Both networks are judged as they stand before either is updated, as in pix2pixHD, so the
    discriminator sees each pair once and both losses share its features. The caller owns
    precision (autocast), gradients and optimisers.
    """
    sketch, photo = batch.sketch, batch.photo
    image = models.generator(training_input(models, batch))
    fake_maps = models.discriminator(torch.cat([sketch, image.to(sketch.dtype)], dim=1))
    real_maps = models.discriminator(torch.cat([sketch, photo], dim=1))
    form = settings.adversarial_form
    named = {
        "adversarial": adversarial_loss(fake_maps, is_real=True, form=form),
        "feature-matching": feature_matching_loss(fake_maps, real_maps),
        "discriminator-fake": adversarial_loss(fake_maps, is_real=False, form=form),
        "discriminator-real": adversarial_loss(real_maps, is_real=True, form=form),
    }
    generator = named["adversarial"] + settings.feature_matching * named["feature-matching"]
    if models.perceptual is not None:
        named["perceptual"] = _perceptual(models.perceptual, image, photo, settings)
        generator = generator + settings.perceptual * named["perceptual"]
    discriminator = (named["discriminator-fake"] + named["discriminator-real"]) / 2
    detached = {name: loss.detach() for name, loss in named.items()}
    return StepLosses(generator, discriminator, detached, image.detach())


def training_input(models: Models, batch: Pair) -> Tensor:
    """What the generator is given: the sketch, and how the photo's instances look in its own.

    The discriminators are given the sketch alone, as in pix2pixHD: with the photo's features they
    could tell photos without looking.
    """
    if models.encoder is None or batch.instances is None:
        return batch.sketch
    of_sketch, of_photo = batch.instances.unbind(dim=1)
    appearance = paint_instances(models.encoder(batch.photo, of_photo), of_sketch)
    return torch.cat([batch.sketch, appearance], dim=1)


def backward(models: Models, step: StepLosses, share: float = 1.0) -> None:
    """Accumulate each network's gradient of its own loss times `share`, and of nothing else.

    The encoder's loss is the generator's. The discriminator's loss stops at its own weights, so no
    gradient is spent on the generator twice, and the generator's loss does not compute the
    discriminator's weight gradients.
    """
    learners: list[nn.Module] = [models.generator]
    if models.encoder is not None:
        learners.append(models.encoder)
    generator = [p for network in learners for p in network.parameters() if p.requires_grad]
    discriminator = [p for p in models.discriminator.parameters() if p.requires_grad]
    torch.autograd.backward(step.generator * share, inputs=generator, retain_graph=True)
    torch.autograd.backward(step.discriminator * share, inputs=discriminator)


def _perceptual(
    network: Vgg19Features, image: Tensor, photo: Tensor, settings: LossSettings
) -> Tensor:
    if settings.perceptual_scale != 1.0:
        image, photo = (
            F.interpolate(x, scale_factor=settings.perceptual_scale, mode="area")
            for x in (image, photo)
        )
    with torch.no_grad():
        real = network(photo)
    return perceptual_loss(network(image), real)
