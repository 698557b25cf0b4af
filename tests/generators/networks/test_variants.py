import pytest
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, GlobalGenerator
from featviz.generators.networks.variants import layers_without_norm


@pytest.mark.parametrize(
    ("variant", "expected"),
    [("baseline", 0), ("modified", 2), ("no-norm", 5), ("no-norm-first-0", 0)]
    + [(f"no-norm-first-{n}", n) for n in range(1, 6)],
)
def test_a_variant_leaves_exactly_the_first_layers_without_norm(variant, expected):
    front_end = FrontEnd(GeneratorArchitecture(variant=variant, width=2))
    without = [isinstance(layer.norm, nn.Identity) for layer in front_end]
    assert without == [index < expected for index in range(5)]


def test_residual_blocks_and_back_end_keep_their_norm_in_every_variant():
    generator = GlobalGenerator(GeneratorArchitecture("no-norm", width=2, residual_blocks=2))
    norms = [m for m in generator.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert len(norms) == 2 * 2 + 4


@pytest.mark.parametrize("variant", ["Baseline", "no-norm-first-", "no-norm-first-x", ""])
def test_an_unknown_variant_is_refused_with_the_known_ones(variant):
    with pytest.raises(FeatvizError, match="baseline, modified, no-norm and no-norm-first-N"):
        layers_without_norm(variant, 5)


def test_more_layers_without_norm_than_there_are_is_refused():
    with pytest.raises(FeatvizError, match=r"leaves 6 layers .* has 5"):
        layers_without_norm("no-norm-first-6", 5)
