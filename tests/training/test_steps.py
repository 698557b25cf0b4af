import torch

from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.encoder import EncoderArchitecture, FeatureEncoder
from featviz.generators.networks.generators import GeneratorArchitecture, GlobalGenerator
from featviz.generators.networks.perceptual import load_vgg19
from featviz.training.losses import adversarial_loss, feature_matching_loss, perceptual_loss
from featviz.training.pair import Pair
from featviz.training.steps import (
    LossSettings,
    Models,
    backward,
    compute_losses,
    training_input,
)


def small_models():
    torch.manual_seed(0)
    return Models(
        GlobalGenerator(GeneratorArchitecture(width=2, residual_blocks=1)),
        MultiScaleDiscriminator(DiscriminatorArchitecture(width=2, scales=2)),
    )


def small_batch():
    return torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1


def test_gradients_are_those_of_two_separate_textbook_passes():
    models, (sketch, photo) = small_models(), small_batch()
    settings = LossSettings()
    backward(models, compute_losses(models, Pair(sketch, photo), settings))
    got = {
        name: [p.grad.clone() for p in getattr(models, name).parameters()]
        for name in ("generator", "discriminator")
    }

    judge = lambda image: models.discriminator(torch.cat([sketch, image], 1))  # noqa: E731
    image = models.generator(sketch)
    loss = adversarial_loss(judge(image), True, "least-squares")
    loss = loss + 10 * feature_matching_loss(judge(image), judge(photo))
    want_generator = torch.autograd.grad(loss, list(models.generator.parameters()))
    loss = adversarial_loss(judge(models.generator(sketch).detach()), False, "least-squares")
    loss = (loss + adversarial_loss(judge(photo), True, "least-squares")) / 2
    want_discriminator = torch.autograd.grad(loss, list(models.discriminator.parameters()))

    for name, want in (("generator", want_generator), ("discriminator", want_discriminator)):
        for got_grad, want_grad in zip(got[name], want, strict=True):
            torch.testing.assert_close(got_grad, want_grad, rtol=1e-4, atol=1e-5)


def test_losses_are_named_and_their_weighted_sum_is_what_the_generator_minimises():
    models, (sketch, photo) = small_models(), small_batch()
    step = compute_losses(models, Pair(sketch, photo), LossSettings(feature_matching=3.0))
    assert set(step.named) == {
        "adversarial",
        "feature-matching",
        "discriminator-fake",
        "discriminator-real",
    }
    expected = step.named["adversarial"] + 3.0 * step.named["feature-matching"]
    torch.testing.assert_close(step.generator.detach(), expected)


def test_the_perceptual_loss_is_that_of_the_shrunk_images_and_counts_with_its_weight():
    models = small_models()
    sketch, photo = (torch.rand(2, 3, 64, 64) * 2 - 1 for _ in range(2))
    models = Models(models.generator, models.discriminator, load_vgg19())
    settings = LossSettings(feature_matching=0.0, perceptual=2.0, perceptual_scale=0.5)
    step = compute_losses(models, Pair(sketch, photo), settings)
    # Averaging 2x2 pixels halves the size.
    small = [x.reshape(2, 3, 32, 2, 32, 2).mean(dim=(3, 5)) for x in (step.image, photo)]
    expected = perceptual_loss(*(models.perceptual(x) for x in small))
    torch.testing.assert_close(step.named["perceptual"], expected, rtol=1e-4, atol=1e-5)
    total = step.named["adversarial"] + 2.0 * step.named["perceptual"]
    torch.testing.assert_close(step.generator.detach(), total)


def test_the_generator_is_given_the_photos_appearance_on_the_sketchs_instances():
    torch.manual_seed(0)
    encoder = FeatureEncoder(EncoderArchitecture(2, width=2, instances=3))
    generator = GlobalGenerator(GeneratorArchitecture(width=2, residual_blocks=1, input_channels=5))
    models = Models(generator, small_models().discriminator, encoder=encoder)
    sketch, photo = small_batch()
    instances = torch.randint(0, 3, (2, 2, 32, 32)).byte()
    given = training_input(models, Pair(sketch, photo, instances))
    maps = encoder.maps(photo)
    for image, (of_sketch, of_photo) in enumerate(instances):
        assert torch.equal(given[image, :3], sketch[image])
        for instance in range(3):
            mean = maps[image][:, of_photo == instance].mean(dim=1)
            there = given[image, 3:, of_sketch == instance]
            torch.testing.assert_close(there, mean[:, None].expand_as(there))
    step = compute_losses(models, Pair(sketch, photo, instances), LossSettings())
    backward(models, step)
    # Textbook: the discriminator sees the sketch without appearance, the encoder learns through it.
    judge = lambda image: models.discriminator(torch.cat([sketch, image], 1))  # noqa: E731
    image = generator(training_input(models, Pair(sketch, photo, instances)))
    loss = adversarial_loss(judge(image), True, "least-squares")
    loss = loss + 10 * feature_matching_loss(judge(image), judge(photo))
    expected = torch.autograd.grad(loss, list(encoder.parameters()))
    for parameter, gradient in zip(encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
