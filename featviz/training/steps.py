"""One training step: losses by name, gradients for each network, nothing about files."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featviz.generators.networks.architectures import WholeGenerator
from featviz.generators.networks.encoder import FeatureEncoder, paint_instances
from featviz.generators.networks.perceptual import Vgg19Features
from featviz.training.losses import (
    PIX2PIXHDS,
    absolute_difference,
    adversarial_loss,
    difference_where,
    feature_matching_loss,
    perceptual_loss,
)
from featviz.training.pair import Pair
from featviz.training.settings import AdversarialForm


@dataclass(frozen=True, eq=False)
class Models:
    """The networks of a training run.

    discriminator: only with the adversarial loss, perceptual: only with that. encoder: only if the
    generator is given appearances.
    """

    generator: WholeGenerator
    discriminator: nn.Module | None = None
    perceptual: Vgg19Features | None = None
    encoder: FeatureEncoder | None = None


@dataclass(frozen=True)
class LossSettings:
    """Which losses, and how much of each (study, section 2: lambda = 10); 0 leaves one out.

    Adversarial and perceptual losses are there with the networks that they need.
    """

    adversarial_form: AdversarialForm = "least-squares"
    feature_matching: float = 10.0
    perceptual: float = 10.0
    perceptual_scale: float = 1.0
    """Size at which VGG19 sees the images, as a share of theirs; 1 as in the paper."""
    adversarial: float = 1.0
    l1: float = 0.0
    perceptual_weights: tuple[float, ...] = PIX2PIXHDS
    locality: float = 0.0


@dataclass(frozen=True, eq=False)
class StepLosses:
    """The losses of one step; `generator` and `discriminator` are what each one minimises."""

    generator: Tensor
    discriminator: Tensor | None
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
    image = models.generator(training_input(models, batch))
    named: dict[str, Tensor] = {}
    discriminator = None
    if models.discriminator is not None:
        named = _judged(models.discriminator, batch, image, settings)
        discriminator = (named["discriminator-fake"] + named["discriminator-real"]) / 2
    if settings.l1:
        named["l1"] = absolute_difference(image.float(), batch.photo)
    if models.perceptual is not None:
        named["perceptual"] = _perceptual(models.perceptual, image, batch.photo, settings)
    if settings.locality:
        named |= _changed_elsewhere(models, batch, image.detach(), settings)
    weights = {
        "adversarial": settings.adversarial,
        "feature-matching": settings.feature_matching,
        "l1": settings.l1,
        "perceptual": settings.perceptual,
        "locality": settings.locality,
        "locality-perceptual": settings.locality,
    }
    first, *others = (weight * named[name] for name, weight in weights.items() if name in named)
    generator = sum(others, start=first)
    detached = {name: loss.detach() for name, loss in named.items()}
    return StepLosses(generator, discriminator, detached, image.detach())


def _judged(
    discriminator: nn.Module, batch: Pair, image: Tensor, settings: LossSettings
) -> dict[str, Tensor]:
    """The losses of images and photos as a discriminator sees them, each beside its sketch."""
    sketch, form = batch.sketch, settings.adversarial_form
    fake_maps = discriminator(torch.cat([sketch, image.to(sketch.dtype)], dim=1))
    real_maps = discriminator(torch.cat([sketch, batch.photo], dim=1))
    named = {"adversarial": adversarial_loss(fake_maps, is_real=True, form=form)}
    if settings.feature_matching:
        named["feature-matching"] = feature_matching_loss(fake_maps, real_maps)
    named["discriminator-fake"] = adversarial_loss(fake_maps, is_real=False, form=form)
    named["discriminator-real"] = adversarial_loss(real_maps, is_real=True, form=form)
    return named


def _changed_elsewhere(
    models: Models, batch: Pair, image: Tensor, settings: LossSettings
) -> dict[str, Tensor]:
    """How far the images of the edited sketches are from those of the sketches where these stay.

    image: (N, 3, H, W), those of the sketches, which learn from their photos alone. Perception
    sees the edited image with the edited area as it was.
    """
    assert batch.edited is not None and batch.kept is not None
    edited, image = models.generator(batch.edited).float(), image.float()
    named = {"locality": difference_where(edited, image, batch.kept)}
    if models.perceptual is not None:
        edited = torch.where(batch.kept, edited, image)
        named["locality-perceptual"] = _perceptual(models.perceptual, edited, image, settings)
    return named


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
    is_judged = models.discriminator is not None and step.discriminator is not None
    torch.autograd.backward(step.generator * share, inputs=generator, retain_graph=is_judged)
    if models.discriminator is not None and step.discriminator is not None:
        discriminator = [p for p in models.discriminator.parameters() if p.requires_grad]
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
    return perceptual_loss(network(image), real, settings.perceptual_weights)
