"""Appearances from training to an edited face, and choosing among them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.cli import main
from featviz.extraction import Settings, extract_checkpoints
from featviz.faces.instances import INSTANCES, instance_map
from featviz.faces.pairs import PairSet
from featviz.generators.appearances import (
    Appearances,
    choose_appearance,
    find_appearances,
    find_encoder,
    photo_features,
    read_appearances,
    write_appearances,
)
from featviz.generators.checkpoint_files import export_pix2pixhd, load_generator
from featviz.generators.generation import generate
from featviz.generators.network_input import encode_drawing, generator_input
from featviz.generators.networks.conditions import Conditions
from featviz.sketches.drawing import write_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.training import loop
from featviz.training.loop import train
from featviz.training.presets import preset

MOUTH = INSTANCES.index("mouth")


def small_config(**changes):
    settings = {
        "size": 32,
        "width": 2,
        "residual_blocks": 1,
        "discriminator_width": 2,
        "steps": 4,
        "appearance_channels": 2,
    }
    return preset("demo", **(settings | changes))


@pytest.fixture(scope="module")
def all_pairs(pairs):
    """The sample pairs, all but the last for training."""
    splits = ("train",) * (len(pairs) - 1) + ("test",)
    return PairSet(pairs.folder, pairs.names, pairs.landmarks, splits, pairs.size)


@pytest.fixture(scope="module")
def run(tmp_path_factory, all_pairs):
    """A run with an encoder."""
    folder = tmp_path_factory.mktemp("runs") / "looks"
    train(small_config(), all_pairs, folder)
    return folder


@pytest.fixture
def sketch(tmp_path, pairs, monkeypatch):
    """A working folder with one drawing, face.svg."""
    monkeypatch.chdir(tmp_path)
    write_svg(pairs.contour(0, 32), Path("face.svg"))
    return pairs.contour(0, 32)


@pytest.fixture
def looks(rng):
    """Three appearances of every part but the left eyebrow, which no photo had."""
    counts = {name: 0 if name == "left-eyebrow" else 3 for name in INSTANCES}
    return Appearances(
        {name: rng.normal(size=(n, 2)).astype(np.float32) for name, n in counts.items()},
        {name: np.full(n, 1 / 3, np.float32) for name, n in counts.items()},
    )


def no_photo(path):
    raise AssertionError(path)


def test_a_run_keeps_its_encoder_and_the_appearances_of_its_training_photos(run, all_pairs):
    appearances = find_appearances(run)
    encoder = find_encoder(run)
    assert encoder.architecture.instances == len(INSTANCES)
    training = all_pairs.split("train")
    vectors = []
    for index in range(len(training)):
        pixels = torch.from_numpy(training.photo(index, 32).copy()).permute(2, 0, 1)
        instances = torch.from_numpy(instance_map(training.contour(index, 32)))[None]
        vectors.append(encoder(pixels[None] / 127.5 - 1, instances)[0].detach().numpy())
    for number, name in enumerate(INSTANCES):
        # Fewer photos than clusters: every photo's vector is a centre.
        expected = {tuple(v[number].round(4)) for v in vectors}
        assert {tuple(centre.round(4)) for centre in appearances.centres[name]} == expected
        assert appearances.shares[name].sum() == pytest.approx(1)
        assert (np.diff(appearances.shares[name]) <= 0).all()


def test_a_stopped_run_with_an_encoder_ends_with_the_same_files(
    tmp_path, all_pairs, run, monkeypatch
):
    original = loop.train_step

    def kill(now, *arguments):
        if now.step == 2:
            raise KeyboardInterrupt
        return original(now, *arguments)

    monkeypatch.setattr(loop, "train_step", kill)
    with pytest.raises(KeyboardInterrupt):
        train(small_config(), all_pairs, tmp_path, schedule=loop.Schedule(save_every=1))
    assert not (tmp_path / "appearances.safetensors").exists()
    monkeypatch.setattr(loop, "train_step", original)
    train(small_config(), all_pairs, tmp_path, resume=True)
    for name in ("generator", "encoder", "discriminator", "appearances"):
        a, b = (load_file(folder / f"{name}.safetensors") for folder in (run, tmp_path))
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[key], b[key]) for key in a)


def test_the_default_is_the_most_common_look_and_wishes_change_parts_alone(looks):
    default = choose_appearance(looks, [], 0, no_photo)
    for number, name in enumerate(INSTANCES):
        expected = looks.centres[name][0] if name != "left-eyebrow" else np.zeros(2)
        assert np.array_equal(default[number], expected)
    changed = choose_appearance(looks, ["mouth=2"], 0, no_photo)
    assert np.array_equal(changed[MOUTH], looks.centres["mouth"][2])
    assert np.array_equal(np.delete(changed, MOUTH, 0), np.delete(default, MOUTH, 0))


def test_a_photo_gives_its_part_and_later_wishes_overrule_earlier_ones(looks):
    of_photo = np.arange(16, dtype=np.float32).reshape(8, 2)
    wishes = ["all=photo.jpg", "nose=1"]
    chosen = choose_appearance(looks, wishes, 0, {Path("photo.jpg"): of_photo}.__getitem__)
    nose = INSTANCES.index("nose")
    assert np.array_equal(np.delete(chosen, nose, 0), np.delete(of_photo, nose, 0))
    assert np.array_equal(chosen[nose], looks.centres["nose"][1])


def test_random_looks_follow_the_seed_and_are_all_possible(looks):
    same = [choose_appearance(looks, ["random"], 1, no_photo) for _ in range(2)]
    assert np.array_equal(*same)
    mouths = [choose_appearance(looks, ["random"], seed, no_photo)[MOUTH] for seed in range(40)]
    assert {tuple(m) for m in mouths} == {tuple(c) for c in looks.centres["mouth"]}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("mouth", "cannot read the appearance 'mouth'; expected PART=NUMBER"),
        ("mouth=", "cannot read the appearance"),
        ("hair=1", "unknown part 'hair'; there are background, face, .* and all"),
        ("mouth=3", "'mouth' has 3 appearances, numbered from 0; there is no 3"),
        ("left-eyebrow=0", "'left-eyebrow' has 0 appearances"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(looks, wish, message):
    with pytest.raises(FeatvizError, match=message):
        choose_appearance(looks, [wish], 0, no_photo)


def test_generate_changes_the_look_of_a_part(run, sketch, pairs):
    main(["generate", str(run), "face.svg", "--out", "a"])
    main(["generate", str(run), "face.svg", "--out", "b", "--appearance", "mouth=2"])
    main(["generate", str(run), "face.svg", "--out", "c", "--appearance", "random", "--seed", "1"])
    faces = [np.asarray(Image.open(f"{name}/face-looks.png")) for name in "abc"]
    vectors = find_appearances(run).most_common()
    loaded = load_generator(run)
    for number, face in enumerate(faces[:2]):
        vectors[MOUTH] = find_appearances(run).centres["mouth"][2 * number]
        given = generator_input(sketch, loaded.conditions, vectors)
        assert np.array_equal(face, generate(loaded.generator, given))
        # The appearance lies behind the sketch, on the pixels of its part.
        assert torch.equal(given[:3], encode_drawing(sketch))
        inside = torch.from_numpy(instance_map(sketch) == MOUTH)
        assert torch.equal(given[3:, inside].unique(dim=1)[:, 0], torch.tensor(vectors[MOUTH]))
    assert not np.array_equal(faces[0], faces[1])
    assert not np.array_equal(faces[0], faces[2])


def test_the_look_of_a_photo_is_nearest_to_what_training_saw_of_it(run, pairs):
    encoder = find_encoder(run)
    seen = []
    for index in range(len(pairs)):
        photo = torch.from_numpy(pairs.photo(index, 64).copy()).permute(2, 0, 1)[None]
        instances = torch.from_numpy(instance_map(pairs.contour(index, 64)))[None]
        seen.append(encoder(photo / 127.5 - 1, instances)[0].detach().numpy())
    for index in range(3):
        path = pairs.folder / "photos" / pairs.names[index]
        found = photo_features(encoder, path, 64)
        distances = [np.abs(found - vectors).mean() for vectors in seen]
        assert np.argmin(distances) == index
    with pytest.raises(FeatvizError, match="no such photo"):
        photo_features(encoder, Path("gone.jpg"), 32)


def test_extraction_takes_the_most_common_look(run, sketch, tmp_path):
    write_svg(sketch, Path("set/G1/0.svg"))
    drawings = read_sketches(Path("set"), 32)
    (result,) = extract_checkpoints([run], drawings, tmp_path, Settings(((10, 12),)))
    table = read_features(result.path)
    loaded = load_generator(run)
    given = generator_input(sketch, loaded.conditions, find_appearances(run).most_common())
    with torch.inference_mode():
        expected = loaded.generator.front_end.L0(given[None])[0, :, 12, 10]
    assert torch.equal(torch.from_numpy(table.vectors["L0"][0].copy()), expected)


def test_a_finer_run_takes_the_encoder_along_and_needs_the_runs_folder(
    run, sketch, all_pairs, capsys, tmp_path
):
    once = ["--steps", "1", "--fixed-steps", "1", "--threads", "1", "--data", str(all_pairs.folder)]
    main(["train", "--out", "fine", "--enhancers", "1", "--start-from", str(run), *once])
    a, b = (load_file(folder / "encoder.safetensors") for folder in (run, Path("fine")))
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert load_generator("fine").conditions == Conditions(appearance_channels=2)
    capsys.readouterr()
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((run / "generator.safetensors").read_bytes())
    with pytest.raises(SystemExit):
        main(["train", "--out", "no", "--start-from", str(alone), "--enhancers", "1", *once])
    assert "needs the encoder it was trained with" in capsys.readouterr().err
    for command in (["generate", str(alone), "face.svg"], ["extract", str(alone), "--size", "32"]):
        write_svg(sketch, Path("sketches/G1/0.svg"))
        with pytest.raises(SystemExit):
            main(command)
        assert "there is no appearances.safetensors beside it" in capsys.readouterr().err


def test_checkpoints_without_appearances_take_no_wishes(sketch, capsys):
    with pytest.raises(SystemExit):
        main(["generate", "modified", "face.svg", "--appearance", "mouth=1"])
    assert "trained without appearances; leave out --appearance" in capsys.readouterr().err


def test_a_pth_is_converted_with_the_conditions_it_is_said_to_have(run, sketch, tmp_path, capsys):
    export_pix2pixhd(load_generator(run).generator, tmp_path / "G.pth")
    main(["convert", "G.pth", "silent.safetensors"])
    with pytest.raises(FeatvizError, match="takes 5 channels, but is said to take 3"):
        _ = load_generator("silent.safetensors").conditions
    main(["convert", "G.pth", "said.safetensors", "--appearance-channels", "2"])
    assert load_generator("said.safetensors").conditions == Conditions(appearance_channels=2)
    capsys.readouterr()
    for command in (
        ["generate", "G.pth", "face.svg"],
        ["generate", "silent.safetensors", "face.svg"],
        ["convert", "G.pth", "wrong.safetensors", "--boundaries"],
    ):
        with pytest.raises(SystemExit):
            main(command)
        assert "takes 5 channels, but is said to take" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["convert", "D.pth", "wrong.safetensors", "--discriminator", "--boundaries"])
    assert "leave them out with --discriminator" in capsys.readouterr().err
    assert not Path("wrong.safetensors").exists()


def test_appearances_survive_writing_and_a_broken_file_is_one_line(looks, tmp_path):
    write_appearances(looks, tmp_path / "a.safetensors")
    again = read_appearances(tmp_path / "a.safetensors")
    assert all(np.array_equal(again.centres[n], looks.centres[n]) for n in INSTANCES)
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(FeatvizError, match=r"a\.safetensors: cannot read these appearances"):
        read_appearances(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("mouth.centres", np.zeros(3, np.float32)),
        ("mouth.centres", np.zeros((3, 5), np.float32)),
        ("mouth.centres", np.full((3, 2), np.nan, np.float32)),
        ("mouth.centres", np.zeros((3, 2), np.int64)),
        ("mouth.shares", np.zeros((3, 2), np.float32)),
        ("mouth.shares", np.zeros(2, np.float32)),
    ],
)
def test_appearances_of_another_form_are_refused_by_file_and_part(looks, tmp_path, key, content):
    path = tmp_path / "a.safetensors"
    write_appearances(looks, path)
    save_file({**load_file(path), key: content}, path)
    with pytest.raises(FeatvizError, match=r"a\.safetensors: the appearances of '[a-z-]+' have"):
        read_appearances(path)
