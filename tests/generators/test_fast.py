import numpy as np
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.generators.fast import FastGenerator
from featviz.generators.generation import generate
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator


def sketch(rng: np.random.Generator, height: int = 64, width: int = 96) -> np.ndarray:
    return np.where(rng.random((height, width)) < 0.1, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "architecture",
    [
        GeneratorArchitecture("baseline", width=4, residual_blocks=1),
        GeneratorArchitecture("modified", width=3, residual_blocks=2, norm="instance-affine"),
        GeneratorArchitecture("no-norm", width=4, residual_blocks=1, downsamplings=2),
        GeneratorArchitecture("baseline", width=2, residual_blocks=1, enhancers=1),
        GeneratorArchitecture("modified", width=2, residual_blocks=1, input_channels=1),
    ],
)
def test_a_fast_generator_makes_the_faces_of_the_plain_one(
    architecture: GeneratorArchitecture, rng: np.random.Generator
) -> None:
    torch.manual_seed(0)
    generator = build_generator(architecture).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(4)
    image = sketch(rng)
    expected = generate(generator, image).astype(int)
    assert expected.std() > 5
    exact = FastGenerator(generator, torch.float32)(image)
    assert exact.shape == (64, 96, 3) and exact.dtype == np.uint8
    # The sums are the same in another order: now and then a value is rounded the other way.
    assert np.abs(exact - expected).max() <= 1
    assert np.abs(exact - expected).mean() < 0.02
    rounded = FastGenerator(generator)(image)
    assert np.abs(rounded - expected).mean() < 3


def test_the_generator_itself_stays_as_it_was(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    generator = build_generator(GeneratorArchitecture(width=2, residual_blocks=1))
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    names = [name for name, _ in generator.named_modules()]
    FastGenerator(generator)(sketch(rng))
    assert generator.training and names == [name for name, _ in generator.named_modules()]
    for key, value in generator.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_network_that_gives_nan_is_refused(rng: np.random.Generator) -> None:
    generator = build_generator(GeneratorArchitecture(width=2, residual_blocks=1))
    with torch.no_grad():
        next(generator.parameters()).fill_(float("nan"))
    with pytest.raises(FeatvizError, match="NaN or infinity"):
        FastGenerator(generator)(sketch(rng))


def test_sketches_of_unfit_sizes_are_refused_as_by_the_plain_generator() -> None:
    generator = build_generator(GeneratorArchitecture(width=2, residual_blocks=1))
    with pytest.raises(FeatvizError, match="multiples of 16"):
        FastGenerator(generator)(np.full((60, 64), 255, np.uint8))
