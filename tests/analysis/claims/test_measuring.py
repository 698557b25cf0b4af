"""Images of small generators, made and measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from featviz.analysis.claims import image_findings, judge
from featviz.analysis.claims.deformation import deform
from featviz.analysis.claims.gradients import reaching_first_layer
from featviz.analysis.claims.image_measures import CONDITIONS, ImageSettings, measure_images
from featviz.analysis.evaluation.images import load_whole_generator, painter
from featviz.base.errors import FeatvizError
from featviz.editing import edit
from featviz.generators.checkpoint_files import load_generator, save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.sketches.drawing import rasterize
from featviz.sketches.edits import absolute_change, near
from featviz.sketches.sketch_set import read_sketches
from featviz.sketches.tensors import encode_image

SIZE = 64
SETTINGS = ImageSettings(count=6, edits=2, lpips_size=32)


@pytest.fixture(scope="module")
def held_out(pairs):
    return replace(pairs, splits=("test",) * len(pairs))


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    """Untrained generators of each role for sketches of 64 x 64."""
    folder, made = tmp_path_factory.mktemp("generators"), {}
    for seed, (role, variant) in enumerate(
        {
            "baseline": "baseline",
            "modified": "modified",
            "no-norm": "no-norm",
            "augmented": "modified",
            "no-norm-first-3": "no-norm-first-3",
            "no-norm-first-4": "no-norm-first-4",
        }.items()
    ):
        torch.manual_seed(seed)
        generator = build_generator(GeneratorArchitecture(variant, width=2, residual_blocks=1))
        made[role] = folder / f"{role}.safetensors"
        details = {"sketch_size": SIZE}
        save_network(generator, made[role], "generator", details, torch.float32)
    return made


@pytest.fixture(scope="module")
def sketches(request):
    return read_sketches(request.config.rootpath / "sketches")


@pytest.fixture(scope="module")
def measured(generators, held_out, sketches):
    return measure_images(generators, SETTINGS, held_out, sketches)


def test_every_network_paints_every_pair_under_its_conditions(measured):
    counts = measured.pairs.groupby(["role", "condition"]).size().to_dict()
    expected = {(role, name): 6 for role, names in CONDITIONS.items() for name in names}
    assert counts == expected
    assert set(measured.descriptors) == set(expected)
    assert measured.of_photos.shape == (6, 512)
    assert measured.missing == {}
    for role in ("baseline", "modified"):
        assert measured.edits[role].groupby("group").size().to_dict() == {
            "G8": 2, "G9": 2, "G10": 2, "G11": 2,
        }  # fmt: skip


def at_rest(measured, role, pair):
    return measured.pairs.query("role == @role and condition == 'rest' and pair == @pair")


def test_zeros_are_counted_place_by_place_and_channel_by_channel(measured, generators, held_out):
    from featviz.analysis.evaluation.pairs import choose_pairs

    chosen, _ = choose_pairs(held_out, 6, 0)
    for role in ("baseline", "no-norm"):
        generator = load_generator(generators[role]).generator
        with torch.inference_mode():
            features = generator.front_end(
                encode_image(rasterize(chosen.contour(1, SIZE)), 3)[None]
            )
        zero = [entry == 0 for entry in features.flatten().tolist()]
        assert len(zero) == 32 * (SIZE // 16) ** 2
        assert at_rest(measured, role, 1)["zeros"].item() == pytest.approx(sum(zero) / len(zero))
    others = measured.pairs.query("role == 'augmented' or condition != 'rest'")
    assert others[["zeros", "reaches"]].isna().all().all()


def test_what_reaches_the_first_layer_is_how_a_relative_change_of_its_weights_moves_the_error(
    generators, held_out
):
    """Against finite differences, weight by weight."""
    sketch, photo = rasterize(held_out.contour(0, SIZE)), held_out.photo(0, SIZE)
    generator = load_generator(generators["modified"]).generator.double()
    given, wanted = encode_image(sketch, 3)[None].double(), encode_image(photo)[None].double()

    def size(layer):
        module = generator.front_end.get_submodule(layer)
        weight = next(values for values in module.parameters() if values.ndim == 4)
        with torch.no_grad():
            kept, slopes = weight.clone(), torch.zeros_like(weight)
            for place in range(weight.numel()):
                errors = []
                for step in (1e-6, -1e-6):
                    weight.view(-1)[place] += step
                    errors.append((generator(given) - wanted).abs().mean())
                    weight.copy_(kept)
                slopes.view(-1)[place] = (errors[0] - errors[1]) / 2e-6
        return float(slopes.norm() * kept.norm())

    expected = size("L0") / size("L1")
    paint = painter(load_whole_generator(generators["modified"]), SIZE)
    found = reaching_first_layer(paint, sketch, photo, "L0", "L1")
    assert found == pytest.approx(expected, rel=1e-2)


def test_gradients_are_taken_from_the_first_layer_to_the_last_of_the_front_end(
    measured, generators, held_out
):
    from featviz.analysis.evaluation.pairs import choose_pairs

    chosen, _ = choose_pairs(held_out, 6, 0)
    paint = painter(load_whole_generator(generators["no-norm"]), SIZE)
    contour, photo = rasterize(chosen.contour(4, SIZE)), chosen.photo(4, SIZE)
    expected = reaching_first_layer(paint, contour, photo, "L0", "L4")
    assert at_rest(measured, "no-norm", 4)["reaches"].item() == pytest.approx(expected, rel=1e-4)


def test_weights_ask_for_no_gradient_after_one_was_taken(generators, held_out):
    paint = painter(load_whole_generator(generators["baseline"]), SIZE)
    before = [weight.requires_grad for weight in paint.generator.parameters()]
    sketch = rasterize(held_out.contour(0, SIZE))
    found = reaching_first_layer(paint, sketch, held_out.photo(0, SIZE), "L0", "L4")
    assert np.isfinite(found) and found > 0
    assert [weight.requires_grad for weight in paint.generator.parameters()] == before


def test_followed_is_the_mean_change_where_the_contour_was_deformed(measured, generators, held_out):
    row = measured.pairs.query("role == 'modified' and condition == 'deformed' and pair == 2")
    from featviz.analysis.evaluation.pairs import choose_pairs

    chosen, _ = choose_pairs(held_out, 6, 0)
    worse = deform(chosen.landmarks[2], 1.0, chosen.size)
    drawn = [rasterize(chosen.contour(2, SIZE, points)) for points in (None, worse)]
    generator = load_generator(generators["modified"]).generator
    with torch.inference_mode():
        before, after = (generator(encode_image(sketch, 3)[None]) for sketch in drawn)
    change = (after - before).abs().mean(dim=1)[0].numpy() * 127.5
    area = near(drawn[1] != drawn[0], 16 * SIZE / 512)
    assert row["followed"].item() == pytest.approx(float(change[area].mean()), rel=1e-3)


def test_measured_images_are_judged_and_their_provenance_kept(measured):
    claims = judge(
        {},
        images=image_findings(measured, permutations=49),
        images_metadata=measured.metadata,
        permutations=49,
    )
    assert claims["C1"].why == "no feature table of modified"
    for name in ("C11", "C13", "C14", "C16", "C17", "C18"):
        assert all(part.finding.value is not None for part in claims[name].parts)
    facts = claims.metadata["images"]
    assert facts["pairs"] == 6 and set(facts["generators"]) == set(CONDITIONS)
    assert len(facts["generators"]["modified"]["digest"]) == 64


def test_kept_edits_are_those_of_local_editing_and_the_rest_stays(generators, sketches, measured):
    some = {role: generators[role] for role in ("baseline", "modified")}
    found = measure_images(some, replace(SETTINGS, local=True), "no pairs", sketches)
    assert found.metadata["way"] == "layers base" and "way" not in measured.metadata
    free, kept = measured.edits["modified"], found.edits["modified"]
    assert list(kept["sketch"]) == list(free["sketch"])
    names = list(sketches.index["sketch"])
    row, before = kept.iloc[-1], free.iloc[-1]
    drawn = [sketches.at(SIZE).image(names.index(row[name])) for name in ("base", "sketch")]
    made = edit(load_generator(generators["modified"]), *drawn)
    change = absolute_change(made.image, made.base_image)
    assert row["outside"] == pytest.approx(change[~made.area].mean(), rel=1e-3)
    assert row["outside"] < before["outside"] / 5
    assert row["beyond"] == pytest.approx((change[~made.area] > 2.55).mean())


def test_reasons_for_what_is_not_there_are_kept(generators, sketches):
    some = {role: generators[role] for role in ("baseline", "modified")}
    found = measure_images(some, SETTINGS, "no pairs", sketches)
    assert found.missing == {
        "no-norm": "no generator for no-norm",
        "augmented": "no generator for augmented",
        "no-norm-first-3": "no generator for no-norm-first-3",
        "no-norm-first-4": "no generator for no-norm-first-4",
        "pairs": "no pairs",
    }
    assert len(found.pairs) == 0 and len(found.edits["baseline"]) == 8


def test_without_lpips_pairs_are_missing_and_the_command_that_gets_it_is_named(
    generators, held_out, sketches, monkeypatch, tmp_path
):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    found = measure_images({"modified": generators["modified"]}, SETTINGS, held_out, "none")
    assert "featviz assets get lpips" in found.missing["pairs"]


@pytest.mark.parametrize("name", ["count", "edits", "lpips_size"])
def test_counts_that_make_no_sense_are_refused(name):
    with pytest.raises(FeatvizError, match=f"{name} must be a whole number"):
        ImageSettings(**{name: 0})


def test_an_unknown_role_is_refused(generators):
    with pytest.raises(FeatvizError, match="unknown role 'M2'; there are baseline, modified"):
        measure_images({"M2": generators["no-norm"]}, SETTINGS, "none", "none")


def test_random_generators_leave_no_dead_values_behind(measured):
    columns = ["lpips", "light", "patches", "forehead"]
    assert np.isfinite(measured.pairs[columns].to_numpy()).all()
