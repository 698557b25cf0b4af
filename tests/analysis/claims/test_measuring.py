"""Images of small generators, made and measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from featviz.analysis.claims import image_findings, judge
from featviz.analysis.claims.deformation import deform
from featviz.analysis.claims.image_measures import CONDITIONS, ImageSettings, measure_images
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
        }.items()
    ):
        torch.manual_seed(seed)
        generator = build_generator(GeneratorArchitecture(variant, width=2, residual_blocks=1))
        if role == "no-norm":
            # Its first three channels can never rise above 0.
            first = next(m for m in generator.modules() if isinstance(m, torch.nn.Conv2d))
            with torch.no_grad():
                first.weight[:1] = 0
                first.bias[:1] = -1
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


def test_dead_channels_are_those_that_no_contour_wakes(measured, generators):
    dead, channels = measured.dead["no-norm"]
    assert channels == 2 * (1 + 2 + 4 + 8 + 16)
    assert dead >= 1
    assert measured.dead["baseline"][0] == 0


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
    for name in ("C11", "C13", "C14"):
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


def test_reasons_for_what_is_not_there_are_kept(generators, sketches):
    some = {role: generators[role] for role in ("baseline", "modified")}
    found = measure_images(some, SETTINGS, "no pairs", sketches)
    assert found.missing == {
        "no-norm": "no generator for no-norm",
        "augmented": "no generator for augmented",
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
