"""Options of `featviz train`: the settings of a run, each an option that may be left out."""

from dataclasses import dataclass, field, fields, replace
from typing import Literal

import pytest
import tyro

from featviz.cli import main
from featviz.commands.shared import given, none_given
from featviz.probing import device
from featviz.training.presets import TrainingConfig, preset
from featviz.training.settings import TrainingSettings

OTHER = {
    "preset": "paper",
    "generator": "crn",
    "variant": "modified",
    "norm": "pixel",
    "size": 64,
    "width": 3,
    "residual_blocks": 0,
    "levels": 7,
    "dropout": 0.0,
    "enhancers": 1,
    "boundaries": True,
    "appearance_channels": 3,
    "discriminator_width": 5,
    "discriminator_scales": 2,
    "steps": 7,
    "fixed_steps": 2,
    "batch_size": 4,
    "accumulation": 2,
    "learning_rate": 0.5,
    "ema": 0.75,
    "adversarial": 2.0,
    "adversarial_form": "log",
    "feature_matching": 0.0,
    "l1": 3.0,
    "locality": 20.0,
    "perceptual": 1.5,
    "perceptual_scale": 0.25,
    "augment_shift": 25.0,
    "augment_rotation": 7.0,
    "augment_outline": 5.0,
    "augment_parts": 0.5,
    "seed": 9,
    "precision": "float32",
    "compile": True,
    "hair": True,
}
"""A value of each setting that no preset has."""

NEEDS = {
    "accumulation": {"batch_size": 2},
    "dropout": {"generator": "unet"},
    "levels": {"generator": "unet"},
    "fixed_steps": {"enhancers": 1},
}
"""What some can only be set beside."""


class FoundError(Exception):
    """Raised in place of the work, with what would be worked on."""


@pytest.fixture
def config_of(monkeypatch, tmp_path):
    """The settings of the run that `featviz train` would start with some options."""

    def found(config, *_, **__):
        raise FoundError(config)

    monkeypatch.setattr("featviz.faces.pairs.read_pairs", lambda folder: folder)
    monkeypatch.setattr("featviz.faces.hair.with_hair", lambda pairs: pairs)
    monkeypatch.setattr("featviz.training.loop.train", found)
    monkeypatch.setattr(device, "fastest_precision", lambda _: "bfloat16")

    def config_of(*words):
        with pytest.raises(FoundError) as end:
            main(["train", "--out", str(tmp_path / "run"), *words])
        return end.value.args[0]

    return config_of


def words_of(settings):
    """As one would type them; a flag has no value."""
    for name, value in settings.items():
        yield f"--{name.replace('_', '-')}"
        if value is not True:
            yield str(value)


def test_each_setting_is_an_option_that_changes_it_alone(config_of):
    assert config_of() == preset("demo")
    assert set(OTHER) == {each.name for each in fields(TrainingConfig)}
    for name, value in OTHER.items():
        beside = NEEDS.get(name, {})
        # Fixed steps need weights to fix, and a run that goes on has its precision.
        settled = ("--resume", "--precision", "bfloat16") if name == "fixed_steps" else ()
        config = config_of(*words_of(beside | {name: value}), *settled)
        assert getattr(config, name) == value, name
        if name in ("preset", "generator"):  # which settle what others are unless given
            assert config == preset(**({"name": "demo"} | {name.replace("preset", "name"): value}))
        else:
            assert config == replace(preset("demo", **beside), **{name: value}), name


def test_the_precision_is_the_faster_one_here_unless_it_is_said_or_settled(config_of, monkeypatch):
    monkeypatch.setattr(device, "fastest_precision", lambda _: "float32")
    assert config_of().precision == "float32"
    assert config_of("--precision", "bfloat16").precision == "bfloat16"
    monkeypatch.setattr(
        "featviz.training.folder.read_folder", lambda out, resume: {"precision": "bfloat16"}
    )
    assert config_of("--resume").precision == "bfloat16"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert config_of().precision == "bfloat16"


def test_the_help_of_train_tells_of_each_setting_what_its_definition_does(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    told = told[told.index("settings options") :]
    for name in OTHER:
        # An option, its kind, and then words rather than its default.
        at = told.index(f" --{name.replace('_', '-')}")
        option = told[at : told.index("(default:", at)]
        assert len(option.split()) > 4, option
    assert "Channels of L0, or with enhancers those of the finest. (default: None)" in told


@dataclass(frozen=True)
class Kinds:
    """Settings of several kinds."""

    number: int
    """A number."""
    word: Literal["one", "two"] = "one"
    """A word."""
    flag: bool = False
    """A flag."""


@dataclass(frozen=True)
class Command:
    kinds: Kinds = field(default=none_given(Kinds, word="two"))


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("", {"word": "two"}),
        ("--number 0", {"word": "two", "number": 0}),
        ("--word one --flag", {"word": "one", "flag": True}),
    ],
)
def test_of_any_dataclass_what_is_left_out_is_not_given(words, settings):
    command = tyro.cli(Command, args=words.split(), config=(tyro.conf.OmitArgPrefixes,))
    assert given(command.kinds) == settings
    assert isinstance(command.kinds, Kinds)


def test_a_flag_that_cannot_be_told_from_one_left_out_is_refused(capsys):
    with pytest.raises(SystemExit):
        tyro.cli(Command, args=["--no-flag"], config=(tyro.conf.OmitArgPrefixes,))
    assert "--no-flag" in capsys.readouterr().err


def test_the_settings_are_those_of_the_run():
    assert fields(TrainingSettings) == fields(TrainingConfig)
