import numpy as np
import pytest
import torch

import featviz
from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.generation import generate
from featviz.probing.statistics import hold_statistics, record_statistics
from featviz.sketches.edits import Edit, absolute_change
from featviz.sketches.tensors import encode_image


@pytest.fixture(scope="module")
def sketches(shipped):
    """A base and two edits of its mouth, (128, 128) uint8."""
    names = list(shipped.index["sketch"])
    wanted = ("G8/001", "G8/009", "G8/015")
    return [shipped.at(128).image(names.index(name)) for name in wanted]


def test_the_edited_area_is_that_of_an_edit_everywhere_else(make, sketches):
    found = featviz.edit(make(), *sketches[:2])
    assert (found.area == Edit(*sketches[:2]).area).all()
    wide = featviz.edit(make(), *sketches[:2], margin=32)
    assert (wide.area == Edit(*sketches[:2], margin=32).area).all()


def test_a_shipped_checkpoint_keeps_the_very_pixels_of_its_own_face(sketches):
    base, edited, _ = sketches
    found = featviz.edit("modified", base, edited)
    generator = open_checkpoint("modified").generator
    assert (found.base_pixels == generate(generator, base)).all()
    same = (found.pixels == found.base_pixels).all(axis=-1)
    assert same[~found.reach].all()
    free = (generate(generator, edited) == found.base_pixels).all(axis=-1)
    assert free[~found.reach].mean() < 0.9
    change = absolute_change(found.image, found.base_image)
    assert change[found.area].mean() > 3
    assert change[~found.area].mean() < 0.1


def test_no_difference_is_the_base_to_the_last_bit_whatever_the_statistics(make, sketches):
    base = sketches[0]
    for statistics in ("base", "edit", "composite", 0.3):
        found = featviz.edit(make(), base, base, statistics=statistics)
        assert torch.equal(found.image, found.base_image)
        assert not found.reach.any()


def test_a_chain_depends_on_its_sketches_alone(make, sketches):
    base, one, two = sketches
    model = make()
    first = featviz.edit(model, base, one)
    second = featviz.edit(model, first, two)
    # What is tried in between, and another copy of the network, make no difference.
    featviz.edit(model, first, base, statistics="edit")
    again = featviz.edit(make(), featviz.edit(make(), base, one).after, two)
    assert torch.equal(second.image, again.image)
    assert torch.equal(second.base_image, first.image)
    # An edit of the base does not remember the edits that were shown before it.
    assert torch.equal(featviz.edit(model, base, two).image, featviz.edit(make(), base, two).image)


def test_shares_of_statistics_lead_from_the_bases_to_the_edits(make, sketches):
    base, edited, _ = sketches
    images = [
        featviz.edit(make(), base, edited, statistics=each).image
        for each in ("base", 0, 0.5, 1, "edit")
    ]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[3], images[4])
    assert not torch.equal(images[2], images[0])
    assert not torch.equal(images[2], images[4])


def test_means_and_variances_are_mixed_each_by_its_share(make, edit):
    from featviz.editing.local import blend

    base, edited = (record_statistics(make(), image) for image in edit)
    mixed = blend(base, edited, 0.25)
    for name, each in mixed.items():
        torch.testing.assert_close(each.mean, 0.75 * base[name].mean + 0.25 * edited[name].mean)
        torch.testing.assert_close(
            each.variance, 0.75 * base[name].variance + 0.25 * edited[name].variance
        )


def test_the_area_can_be_drawn_by_hand(make, sketches):
    area = np.zeros((128, 128), bool)
    area[80:110, 40:90] = True
    found = featviz.edit(make(), *sketches[:2], area=area)
    assert (found.area == area).all()


def test_an_edit_of_everything_is_one_with_held_statistics_and_says_so(make, sketches):
    base, edited, _ = sketches
    with pytest.warns(FeatvizWarning, match="the edit covers everything, so no map is kept"):
        found = featviz.edit(make(), base, edited, margin=512)
    model, given = make(), [encode_image(sketch)[None] for sketch in (base, edited)]
    with hold_statistics(model, record_statistics(model, given[0])):
        assert torch.equal(model(given[1]), found.image)
    assert found.reach.all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("keep", ["layers", "trunk"])
def test_in_every_precision_nothing_out_of_reach_differs(make, sketches, dtype, keep):
    found = featviz.edit(make().to(dtype), *sketches[:2], keep=keep)
    differs = (found.image != found.base_image)[0].any(dim=0).numpy()
    assert found.image.dtype == dtype
    assert not differs[~found.reach].any()
    assert differs[found.area].any()


def test_tensors_are_taken_as_sketches_are(make, sketches, edit):
    images = featviz.edit(make(), *sketches[:2]), featviz.edit(make(), edit[0], edit[1][0])
    assert torch.equal(images[0].image, images[1].image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edited": np.zeros((64, 64), np.uint8)}, "base is 128x128 of 3 channels and the edit 64"),
        ({"edited": np.zeros((128, 128))}, "an image is float64"),
        ({"edited": torch.full((3, 128, 128), torch.nan)}, "input holds NaN"),
        ({"margin": -1.0}, "margin must be 0 px or more; got -1"),
        ({"statistics": 2}, "statistics of 2; expected base, edit, composite or a number"),
        ({"statistics": "mine"}, "statistics of 'mine'"),
        ({"keep": "all"}, "cannot keep 'all'; expected layers, trunk"),
        ({"area": np.zeros((64, 64), bool)}, r"area is bool of shape \(64, 64\); expected bool of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, sketches, change, message):
    given = {"base": sketches[0], "edited": sketches[1], **change}
    with pytest.raises(FeatvizError, match=message) as caught:
        featviz.edit(make(), **given)
    assert "\n" not in str(caught.value)


def test_weights_that_give_nan_are_told(make, sketches):
    model = make()
    with torch.no_grad():
        model.output.conv.bias.fill_(torch.nan)
    with pytest.raises(FeatvizError, match="output of the model holds NaN"):
        featviz.edit(model, *sketches[:2])


def test_a_front_end_alone_is_refused():
    with pytest.raises(FeatvizError, match="front end alone, which generates nothing"):
        featviz.edit("paper-baseline", np.zeros((512, 512), np.uint8), np.zeros((512, 512)))
