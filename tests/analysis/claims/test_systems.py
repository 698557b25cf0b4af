"""C19 to C21 on made-up measures: parts hold where their words are true alone; and real ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from featviz.analysis.claims.judging import NO_SYSTEMS, draw_verdicts
from featviz.analysis.claims.pictures import texture
from featviz.analysis.claims.retrieved_parts import RetrievalMeasures, measure_retrieval
from featviz.analysis.claims.system_claims import SYSTEM_FINDERS, system_findings
from featviz.analysis.claims.system_definitions import SYSTEM_DEFINITIONS
from featviz.analysis.claims.system_measures import SystemMeasures, measure_systems
from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.faces.pairs import write_pairs
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.architectures import build
from featviz.generators.networks.crn import CrnArchitecture
from featviz.generators.networks.generators import GeneratorArchitecture
from featviz.generators.networks.unet import UnetArchitecture
from featviz.retrieval.database import build_database

PAIRS = 24
NAMES = ("C19", "C20", "C21")


def measures(**changes):
    """What a study sees whose every word about systems is true; changes override single means."""
    rng = np.random.default_rng(0)
    means = {
        ("lpips", "unet", 256): 0.6,
        ("lpips", "global", 256): 0.4,
        ("lpips", "unet", 128): 0.42,
        ("lpips", "global", 128): 0.4,
        **{("texture", name): mean for name, mean in (("photos", 3.0), ("global", 2.8))},
        ("texture", "crn"): 2.0,
        **{("step", name): mean for name, mean in (("own", 5.0), ("fused", 2.0), ("cut", 20.0))},
        **{("apart", name): mean for name, mean in (("all", 0.05), ("a tenth", 0.1))},
        **{("unmatched", name): mean for name, mean in (("all", 0.02), ("a tenth", 0.3))},
    }
    for name, mean in changes.items():
        means[tuple(int(w) if w.isdigit() else w.replace("_", " ") for w in name.split("__"))] = (
            mean
        )
    of_face = rng.normal(size=PAIRS)
    found = {
        key: mean * (1 + 0.1 * of_face + 0.03 * rng.normal(size=PAIRS))
        for key, mean in means.items()
    }
    photos = {size: rng.normal(size=(PAIRS, 8)).astype(np.float32) for size in (256, 128)}
    seen = {
        (name, size): photos[size] + (1.5 if (name, size) == ("unet", 256) else 0.5)
        for name in ("unet", "global")
        for size in photos
    }

    def part(kind):
        return {key[1]: values for key, values in found.items() if key[0] == kind}

    steps = part("step")
    retrieval = RetrievalMeasures(
        steps["own"], steps["fused"], steps["cut"], part("apart"), part("unmatched"), 574
    )
    sizes = {"global": (128, 256), "unet": (128, 256), "crn": (256,)}
    lpips = {key[1:]: values for key, values in found.items() if key[0] == "lpips"}
    return SystemMeasures(sizes, lpips, seen, photos, part("texture"), retrieval)


def judged(given):
    metadata = {"permutations": 199, "seed": 0}
    return draw_verdicts(system_findings(given, permutations=199), metadata)


def test_all_hold_where_every_word_is_true_and_each_part_is_measured():
    claims = judged(measures())
    assert {name: claims[name].verdict for name in NAMES} == dict.fromkeys(NAMES, "holds")
    assert [(one.claim, one.part) for one in SYSTEM_DEFINITIONS] == list(SYSTEM_FINDERS)
    assert {part.verdict for name in NAMES for part in claims[name].parts} == {"holds"}


FALSE = {
    ("C19", "behind"): {"lpips__unet__256": 0.3, "lpips__unet__128": 0.15},
    ("C19", "with size"): {"lpips__unet__128": 0.8},
    ("C20", "textures"): {"texture__global": 1.5},
    ("C21", "seams"): {"step__fused": 0.2},
    ("C21", "cut"): {"step__cut": 0.2},
    ("C21", "less alike"): {"apart__a_tenth": 0.05},
    ("C21", "missing"): {"unmatched__a_tenth": 0.04},
}


@pytest.mark.parametrize("part", FALSE, ids=" ".join)
def test_each_part_alone_fails_where_its_words_alone_are_false(part):
    claims = judged(measures(**FALSE[part]))
    failed = {
        (claim, each.definition.part)
        for claim in NAMES
        for each in claims[claim].parts
        if each.verdict != "holds"
    }
    assert failed == {part}
    assert claims[part[0]].part(part[1]).verdict == "does not hold"


def test_the_same_faces_by_all_systems_give_nothing_and_unrelated_ones_are_not_told_from_chance():
    alike = dict.fromkeys(("lpips__unet__256", "lpips__unet__128"), 0.4)
    same = measures(**alike, texture__crn=3.0, texture__global=3.0)
    for values in (same.lpips, same.textures):
        first = next(iter(values.values()))
        values.update(dict.fromkeys(values, first))
    same.seen[("unet", 256)] = same.seen[("global", 256)]
    one = same.retrieval.apart["all"]
    zero = np.zeros(PAIRS)
    nothing = RetrievalMeasures(
        one, zero, zero, {"all": one, "a tenth": one}, {"all": one, "a tenth": one}, 574
    )
    found = system_findings(replace(same, retrieval=nothing), permutations=99)
    assert {name: finding.value for name, finding in found.items()} == dict.fromkeys(found, 0.0)
    rng = np.random.default_rng(1)
    unrelated = {key: rng.normal(0.5, 0.05, PAIRS) for key in same.lpips}
    claims = judged(replace(same, lpips=unrelated))
    assert claims["C19"].part("with size").verdict != "holds"


def test_what_is_not_there_is_named():
    only_large = replace(measures(), sizes={"global": (256,), "unet": (256,), "crn": (256,)})
    claims = judged(only_large)
    assert claims["C19"].part("behind").verdict == "holds"
    assert "runs of 256 px; expected two sizes" in claims["C19"].why
    near = replace(measures(), sizes={"global": (192, 256), "unet": (192, 256), "crn": ()})
    assert "runs of 192 and 256 px" in judged(near)["C19"].part("with size").why
    none = replace(measures(), missing={"crn": "no crn", "retrieval": "no photos"})
    claims = judged(none)
    assert (claims["C20"].why, claims["C21"].why) == ("no crn", "no photos")
    assert draw_verdicts({}, {})["C20"].why == NO_SYSTEMS


def test_texture_is_that_of_noise_and_hardly_that_of_a_chequered_pattern():
    rng = np.random.default_rng(0)
    flat = np.full((128, 128, 3), 120.0)
    noise = np.repeat(rng.normal(0, 8, (128, 128, 1)), 3, axis=2)
    rows, columns = np.indices((128, 128))
    chequered = np.where((rows + columns) % 2, 8.0, -8.0)[..., None]

    def of(pixels):
        return texture(np.rint(pixels).clip(0, 255).astype(np.uint8))

    # White noise of 8 levels: the log of its power is exponentially distributed, mean -gamma.
    assert of(flat + noise) == pytest.approx(np.log(8) - np.euler_gamma / 2, abs=0.03)
    assert of(flat) == pytest.approx(0.5 * np.log(1 / 12))
    # The same energy in one line of the spectrum.
    assert of(flat + chequered) - of(flat) < 0.1 * (of(flat + noise) - of(flat))
    smooth = np.stack([columns, rows, columns], axis=2) + 40.0
    assert of(smooth) < of(flat) + 0.5


@pytest.fixture(scope="module")
def systems(pairs, tmp_path_factory):
    """A folder of tiny runs and a data base of all samples but one."""
    folder = tmp_path_factory.mktemp("systems")
    for name, architecture, size in (
        ("global", GeneratorArchitecture("baseline", width=2, residual_blocks=1), 64),
        ("unet", UnetArchitecture(levels=4, width=2, norm="instance-affine"), 64),
        ("crn", CrnArchitecture(levels=4, width=2), 64),
    ):
        torch.manual_seed(0)
        network, described = build(architecture), {"step": 0, "sketch_size": size}
        (folder / name).mkdir()
        file = folder / name / "generator.safetensors"
        save_network(network, file, "generator", described, torch.float32)
    faces = folder / "faces"
    faces.mkdir()
    (faces / "photos").symlink_to(pairs.folder / "photos")
    splits = ("test", "test", "test", *("train",) * (len(pairs) - 3))
    found = replace(pairs, folder=faces, splits=splits)
    write_pairs(found)
    return folder, found


def test_tiny_systems_are_measured_and_judged_by_one_command(systems, capsys, tmp_path):
    folder, held_out = systems
    measured = measure_systems([folder], held_out, count=3)
    assert measured.sizes == {"global": (64,), "unet": (64,), "crn": (64,)}
    assert all(
        len(values) == 3 for values in (*measured.lpips.values(), *measured.textures.values())
    )
    # Whole images, so that the value is that of LPIPS of both by themselves.
    assert set(measured.lpips) == {("global", 64), ("unet", 64)}
    assert set(measured.textures) == {"photos", "crn", "global"}
    assert measured.missing == {"retrieval": "no folder of --systems has a data base 'retrieval'"}
    with pytest.raises(FeatvizError, match="are both of 64 px"):
        measure_systems([folder, folder], held_out, count=3)
    (tmp_path / "global").mkdir()
    with pytest.raises(FeatvizError, match="has no run global, unet, crn and no data base"):
        measure_systems([tmp_path], held_out, count=3)
    (tmp_path / "global").rmdir()
    (tmp_path / "global").symlink_to(folder / "unet")
    with pytest.raises(FeatvizError, match="global is a run of the generator 'unet'; expected one"):
        measure_systems([tmp_path], held_out, count=3)
    words = ["claims", "--systems", str(folder), "--data", str(held_out.folder), "--count", "3"]
    assert main([*words, "--permutations", "9"]) in (None, 0)
    told = capsys.readouterr().out
    assert "C19" in told and "C21" in told


def test_a_data_base_is_dealt_into_smaller_ones_and_its_own_faces_are_refused(
    systems, tmp_path, monkeypatch
):
    folder, pairs = systems
    database = build_database(pairs, folder / "retrieval")[0]
    held_out = replace(pairs.split("test"), names=pairs.names[:1], landmarks=pairs.landmarks[:1])
    (tmp_path / "photos").symlink_to(pairs.folder / "photos")
    more = replace(pairs, folder=tmp_path, splits=("train",) * len(pairs))
    write_pairs(more)
    build_database(more, tmp_path / "retrieval")
    with pytest.raises(FeatvizError, match="are two data bases of other faces; expected one"):
        measure_systems([folder, tmp_path], pairs, count=3)
    with pytest.raises(FeatvizError, match=f"holds {len(database)} faces; .* at least 100"):
        measure_retrieval(database, held_out)
    monkeypatch.setattr("featviz.analysis.claims.retrieved_parts.LEAST_IN_A_TENTH", 1)
    found = measure_retrieval(database, held_out, parts=len(database))
    # Of one face alone each; the nearest of all is nearer than their mean, to each part.
    assert 0 < found.apart["all"][0] < found.apart["a tenth"][0]
    assert found.unmatched["all"][0] <= found.unmatched["a tenth"][0]
    assert np.isnan(found.own[0]) or found.own[0] > 0
    with pytest.raises(FeatvizError, match="is a face of"):
        measure_retrieval(database, pairs.split("train"), parts=2)
