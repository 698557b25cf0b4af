from contextlib import ExitStack

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from torch import nn

from featviz.base.errors import FeatvizError
from featviz.editing.engine import LocalEditor
from featviz.editing.keeping import record_base
from featviz.editing.local import edit_base
from featviz.generators.checkpoint import open_checkpoint
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.probing.reach import cells_of
from featviz.probing.receptive_field import trace_geometry
from featviz.probing.statistics import Statistics, hold_statistics, record_statistics
from featviz.sketches.edits import Edit
from featviz.sketches.tensors import decode_image, encode_image

NETWORKS = {
    "baseline": {},
    "modified": {"variant": "modified", "width": 3},
    "affine": {"norm": "instance-affine", "width": 5},
    "no norm": {"variant": "no-norm", "norm": "none"},
    "one channel": {"input_channels": 1, "width": 1, "downsamplings": 2},
    "enhancer": {"enhancers": 1, "width": 2, "downsamplings": 3},
    "two enhancers": {"enhancers": 2, "width": 2, "downsamplings": 2, "enhancer_blocks": 2},
}
SIZE = (96, 128)
"""Height and width."""


def base_sketch():
    sketch = np.full(SIZE, 255, np.uint8)
    sketch[30:60, 40:42] = sketch[70, 20:100] = 0
    return sketch


def edited(*boxes):
    sketch = base_sketch()
    for top, bottom, left, right in boxes:
        sketch[top:bottom, left:right] = 255 - sketch[top:bottom, left:right]
    return sketch


EDITS = {
    "inside": edited((50, 56, 60, 72)),
    "corner": edited((0, 3, 0, 5)),
    "other corner": edited((94, 96, 120, 128)),
    "far apart": edited((2, 5, 3, 9), (80, 90, 110, 111), (44, 45, 120, 124)),
    "ring": edited((5, 90, 5, 7), (5, 90, 120, 122), (5, 7, 5, 122), (88, 90, 5, 122)),
    "everything": 255 - base_sketch(),
}
MARGIN = 8.0
"""Pixels at 512: two of these sketches."""


def image_of(model, sketch):
    return encode_image(sketch, model.architecture.input_channels)[None].to(
        next(model.parameters()).dtype
    )


def kept_layers(model):
    """Every leaf but paddings, and but the last convolution and what follows it."""
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    return {
        name: module
        for name, module in leaves.items()
        if not isinstance(module, nn.ReflectionPad2d) and "output" not in name
    }


def maps_of(model, image):
    found = {}
    with ExitStack() as hooks, torch.no_grad():
        for name, module in kept_layers(model).items():

            def keep(_, __, output, name=name):
                found[name] = output.clone()

            hooks.callback(module.register_forward_hook(keep).remove)
        return model(image), found


def kept(model, *sketches, margin=MARGIN, share=0.0):
    """The definition in hooks: statistics held, and the base's cells outside the edited area.

    Of more than two sketches each is the base of the next. share: of the last one's statistics,
    where it is free. Returns the first and the last image.
    """
    inputs = [image_of(model, sketch) for sketch in sketches]
    free, maps = maps_of(model, inputs[0])
    names = list(kept_layers(model))
    size = sketches[0].shape[::-1]
    geometries = trace_geometry(model, names, size, model.architecture.input_channels)
    statistics = record_statistics(model, inputs[0])
    for name, of_edit in record_statistics(model, inputs[-1]).items():
        mean, variance = (
            (1 - share) * getattr(statistics[name], part) + share * getattr(of_edit, part)
            for part in ("mean", "variance")
        )
        statistics[name] = Statistics(mean, variance)
    for base, edit, given in zip(sketches[:-1], sketches[1:], inputs[1:], strict=True):
        area = Edit(base, edit, margin).area
        with ExitStack() as stack, torch.no_grad():
            for name in names:
                cells = torch.from_numpy(cells_of(geometries[name], area))

                def keep(_, __, new, cells=cells, name=name):
                    maps[name] = torch.where(cells, new, maps[name])
                    return maps[name]

                stack.callback(kept_layers(model)[name].register_forward_hook(keep).remove)
            if statistics:
                stack.enter_context(hold_statistics(model, statistics))
            image = model(given)
    return free, image


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_comes_out_as_defined(make, network, name):
    model = make(**NETWORKS[network])
    base, edit = base_sketch(), EDITS[name]
    editor = LocalEditor(model, torch.float64)
    prepared = editor.prepare(base)
    found = editor.edit(prepared, edit, MARGIN)
    free, expected = kept(model.double(), base, edit)
    assert (expected - free).abs().max() > 1e-4
    assert (prepared.image - free).abs().max() < 1e-10
    assert (found.image - expected).abs().max() < 1e-10
    assert np.array_equal(found.face, decode_image(expected[0]))
    assert np.array_equal(found.area, Edit(base, edit, MARGIN).area)


@pytest.mark.parametrize(("statistics", "share"), [("edit", 1.0), (0.25, 0.25), (0, 0.0)])
def test_norms_hold_the_statistics_that_are_asked_for(make, statistics, share):
    model = make(norm="instance-affine", enhancers=1)
    editor = LocalEditor(model, torch.float64)
    base, edit = base_sketch(), EDITS["far apart"]
    found = editor.edit(editor.prepare(base), edit, MARGIN, statistics)
    expected = kept(model.double(), base, edit, share=share)[1]
    assert (found.image - expected).abs().max() < 1e-10


@pytest.mark.parametrize("network", ["modified", "no norm", "two enhancers"])
def test_composite_statistics_are_those_of_the_definition(make, network):
    model = make(**NETWORKS[network])
    editor = LocalEditor(model, torch.float64)
    model = model.double()
    base, start = editor.prepare(base_sketch()), record_base(model, image_of(model, base_sketch()))
    for name in ("inside", "far apart", "everything"):
        given = image_of(model, EDITS[name])[0]
        expected = edit_base(model, start, given, MARGIN, statistics="composite")
        found = editor.edit(base, EDITS[name], MARGIN, "composite")
        assert (found.image - expected.image).abs().max() < 1e-10
        assert np.array_equal(found.reach, expected.reach)
    moved = editor.rebase(base, EDITS["inside"], MARGIN, "composite")
    assert torch.equal(moved.image, editor.edit(base, EDITS["inside"], MARGIN, "composite").image)


def test_composite_statistics_of_an_edit_of_edits_are_those_of_the_definition(make):
    model = make(**NETWORKS["two enhancers"])
    editor = LocalEditor(model, torch.float64)
    model = model.double()
    base, steps = editor.prepare(base_sketch()), record_base(model, image_of(model, base_sketch()))
    for sketch in (EDITS["inside"], EDITS["corner"], EDITS["everything"], 255 - EDITS["inside"]):
        given = image_of(model, sketch)[0]
        expected = edit_base(model, steps, given, MARGIN, statistics="composite")
        found = editor.edit(base, sketch, MARGIN, "composite")
        assert (found.image - expected.image).abs().max() < 1e-10
        assert found.whole == (sketch is EDITS["everything"])
        base = editor.rebase(base, sketch, MARGIN)
        steps = edit_base(model, steps, given, MARGIN).after


@pytest.mark.parametrize("network", ["modified", "affine", "two enhancers"])
@pytest.mark.parametrize("statistics", ["base", "edit", 0.5, "composite"])
def test_chains_and_reaches_are_those_of_the_definition(make, network, statistics):
    model = make(**NETWORKS[network])
    editor = LocalEditor(model, torch.float64)
    model = model.double()
    base, steps = editor.prepare(base_sketch()), record_base(model, image_of(model, base_sketch()))
    for name in ("inside", "far apart", "corner", "everything"):
        given = image_of(model, EDITS[name])[0]
        expected = edit_base(model, steps, given, MARGIN, statistics=statistics)
        found = editor.edit(base, EDITS[name], MARGIN, statistics)
        assert (found.image - expected.image).abs().max() < 1e-10
        assert np.array_equal(found.reach, expected.reach)
        base, steps = editor.rebase(base, EDITS[name], MARGIN, statistics), expected.after


def test_in_float32_a_shipped_generator_edits_as_defined(edit):
    model = open_checkpoint("baseline").generator
    base, changed = (decode_image(image[0])[:, :, 0] for image in edit)
    editor = LocalEditor(model)
    found = editor.edit(editor.prepare(base), changed)
    assert found.image.dtype == torch.float32
    expected = kept(model.double(), base, changed, margin=16)[1]
    assert (found.image - expected).abs().max() < 1e-5


@pytest.mark.parametrize("network", ["modified", "affine", "two enhancers"])
def test_in_float32_a_base_has_the_maps_and_statistics_of_float64(make, network):
    model = make(**NETWORKS[network])
    single, double = (
        LocalEditor(model, dtype).prepare(base_sketch()) for dtype in (torch.float32, torch.float64)
    )
    for found, expected in (
        *zip(single.maps, double.maps, strict=True),
        (single.image, double.image),
    ):
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    for found, expected in zip(single.statistics, double.statistics, strict=True):
        if expected is None:
            assert found is None
            continue
        scale = expected.variance.max().sqrt()
        assert (found.mean - expected.mean).abs().max() < 1e-5 * scale
        assert (found.variance - expected.variance).abs().max() < 1e-5 * scale**2


@pytest.mark.parametrize("name", EDITS)
def test_beyond_its_reach_an_edit_leaves_every_bit(make, name):
    editor = LocalEditor(make())
    base = editor.prepare(base_sketch())
    found = editor.edit(base, EDITS[name], MARGIN)
    # The area's cells of the last map are its pixels; the last kernel is 7 wide.
    assert np.array_equal(found.reach, binary_dilation(found.area, np.ones((7, 7))))
    beyond = torch.from_numpy(~found.reach)
    assert torch.equal(found.image[..., beyond], base.image[..., beyond])
    assert np.array_equal(found.face[~found.reach], base.face[~found.reach])
    assert found.whole == (name in ("ring", "everything"))


def test_a_sketch_without_a_change_gives_the_very_face(make):
    editor = LocalEditor(make())
    base = editor.prepare(base_sketch())
    found = editor.edit(base, base_sketch())
    assert torch.equal(found.image, base.image)
    assert np.array_equal(found.face, base.face)
    assert not found.area.any() and not found.reach.any() and not found.whole


def test_a_chain_of_bases_depends_on_its_sketches_alone(make):
    model = make(**NETWORKS["two enhancers"])
    editor = LocalEditor(model, torch.float64)
    first = editor.prepare(base_sketch())
    editor.edit(first, EDITS["corner"], MARGIN)
    moved = editor.rebase(first, EDITS["inside"], MARGIN)
    assert torch.equal(moved.image, editor.edit(first, EDITS["inside"], MARGIN).image)
    both = edited((50, 56, 60, 72), (2, 5, 3, 9))
    found = editor.edit(moved, both, MARGIN).image
    for _ in range(2):
        assert torch.equal(editor.edit(moved, EDITS["inside"], MARGIN).image, moved.image)
        assert torch.equal(editor.edit(moved, both, MARGIN).image, found)
    # The two edits are too far from each other to meet in any kernel.
    assert (found - editor.edit(first, both, MARGIN).image).abs().max() < 1e-10


def test_rebased_maps_are_those_as_kept(make):
    model = make()
    editor = LocalEditor(model, torch.float64)
    first, second = EDITS["inside"], edited((50, 56, 60, 80))
    moved = editor.rebase(editor.prepare(base_sketch()), first, MARGIN)
    found = editor.edit(moved, second, MARGIN)
    expected = kept(model.double(), base_sketch(), first, second)[1]
    assert (found.image - expected).abs().max() < 1e-10


def test_maps_in_bfloat16_take_half_the_memory_and_change_the_face_little(make):
    editors = [LocalEditor(make(), cache=cache) for cache in (None, torch.bfloat16)]
    exact, rounded = (editor.prepare(base_sketch()) for editor in editors)
    assert torch.equal(exact.image, rounded.image)
    assert exact.nbytes == sum(tensor.nbytes for tensor in (exact.image, *exact.maps))
    fixed = exact.image.nbytes + exact.maps[0].nbytes
    assert rounded.nbytes - fixed == (exact.nbytes - fixed) / 2
    faces = [
        editor.edit(base, EDITS["far apart"], MARGIN)
        for editor, base in zip(editors, (exact, rounded), strict=True)
    ]
    error = (faces[0].image - faces[1].image).abs()
    assert 0 < error.mean() < 0.01
    assert not error[..., torch.from_numpy(~faces[0].reach)].any()


def test_the_generator_itself_stays_as_it_was(make):
    model = make()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    editor = LocalEditor(model, torch.float64)
    editor.prepare(base_sketch())
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[key])


def test_what_cannot_be_used_is_told_in_one_line(make):
    editor = LocalEditor(make())
    base = editor.prepare(base_sketch())
    for sketch, message in (
        (np.full((96, 96), 255, np.uint8), "edit of 96x96 does not fit its base of 128x96"),
        (np.full((90, 128), 255, np.uint8), "128x90 does not fit .* multiples of 16"),
        (np.full((16, 128), 255, np.uint8), "128x16 does not fit .* at least 32"),
        (np.zeros((96, 128, 3), np.uint8), r"uint8 of shape \(96, 128, 3\); expected uint8"),
        (np.zeros((96, 128)), "float64 of shape"),
    ):
        with pytest.raises(FeatvizError, match=message):
            editor.edit(base, sketch)
    for statistics in ("own", -0.1, 1.5):
        with pytest.raises(
            FeatvizError, match=r"statistics are .*; expected base, edit, composite or a"
        ):
            editor.edit(base, EDITS["inside"], MARGIN, statistics)
    for margin in (-1, float("nan"), float("inf")):
        with pytest.raises(FeatvizError, match="margin must be 0 px or more; got"):
            editor.edit(base, EDITS["inside"], margin)
    with pytest.raises(FeatvizError, match="whole generator of pix2pixHD; got FrontEnd"):
        LocalEditor(FrontEnd(GeneratorArchitecture(width=1)))
    with pytest.raises(FeatvizError, match="takes 4 channels; expected 3"):
        LocalEditor(make(input_channels=4))
    with pytest.raises(FeatvizError, match="on the CPU; this generator is on meta"):
        LocalEditor(make().to("meta"))
    with pytest.raises(FeatvizError, match=r"compute in torch.float16; expected one of torch.fl"):
        LocalEditor(make(), torch.float16)
    with pytest.raises(FeatvizError, match=r"hold maps in torch\.int8"):
        LocalEditor(make(), cache=torch.int8)


def test_a_network_that_gives_nan_is_refused(make):
    model = make()
    model.output.conv.bias.fill_(float("nan"))
    with pytest.raises(FeatvizError, match="NaN or infinity"):
        LocalEditor(model).prepare(base_sketch())
