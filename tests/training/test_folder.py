import copy
import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featviz.base.errors import FeatvizError
from featviz.training import folder as room
from featviz.training.folder import read_folder, read_losses, read_state
from featviz.training.loop import train
from featviz.training.run import start_run

from .small import CPU, small_config

JUDGED = small_config().losses
NO_SUCH = [None, True, -1, 0.5, math.nan, "x", [], {}, [{"a": 1}], {"name": 3}, 10**30]
ANYTHING = st.sampled_from(NO_SUCH)
STRUCTURES = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def done(pairs, tmp_path_factory):
    """The folder of a run that is done, of whose files others are made."""
    folder = tmp_path_factory.mktemp("done") / "run"
    train(small_config(steps=2), pairs, folder)
    return folder


@pytest.fixture(scope="module")
def fresh():
    """A run that states are offered to."""
    return start_run(small_config(steps=2), CPU)


def places(value, path=()):
    """The ways to all values inside of a value."""
    yield path
    if isinstance(value, dict | list):
        for key, within in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(within, (*path, key))


def changed(value, path, other):
    """The value with another one at a place, or without what is there if that is `...`."""
    if not path:
        return {} if other is ... else other
    value = copy.copy(value)
    if len(path) > 1 or other is not ...:
        value[path[0]] = changed(value[path[0]], path[1:], other)
    else:
        del value[path[0]]
    return value


@pytest.mark.parametrize("left", ["training_state.pt", "losses.csv", "generator.safetensors"])
@pytest.mark.parametrize("resume", [False, True])
def test_what_a_run_left_without_its_settings_is_not_gone_on_with(
    left, resume, tmp_path, done, small_pairs
):
    run = tmp_path / "run"
    run.mkdir()
    (run / left).write_bytes((done / left).read_bytes())
    config = small_config(steps=4, seed=7)
    with pytest.raises(FeatvizError, match=f"holds {left} but no config.json"):
        train(config, small_pairs, run, resume=resume)
    assert [path.name for path in run.iterdir()] == [left]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("steps", None, "'steps' is None; expected int"),
        ("width", "2", "'width' is '2'; expected int"),
        ("learning_rate", [2e-4], "'learning_rate' is .*; expected float"),
        ("norm", 5, "'norm' is 5; expected"),
        ("start", "baseline", "'start' is 'baseline'; expected"),
        ("seed", ..., "'seed' is missing"),
    ],
)
def test_settings_of_another_kind_are_refused_by_name(name, value, said, tmp_path, done):
    found = json.loads((done / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(changed(found, (name,), value)))
    with pytest.raises(FeatvizError, match=said):
        read_folder(tmp_path, resume=True)


def test_the_losses_of_another_run_are_refused(tmp_path, done):
    path = done / "losses.csv"
    assert [row["step"] for row in read_losses(path, 2, JUDGED)] == ["2"]
    assert not read_losses(path, 1, JUDGED)
    with pytest.raises(FeatvizError, match="is not this run's: its columns are step, seconds"):
        read_losses(path, 2, (*JUDGED, "perceptual"))
    for bad in ("nan", "inf", "many", "1,2"):
        lines = path.read_text().splitlines()
        (tmp_path / "losses.csv").write_text("\n".join([*lines, f"4,{bad}" + ",1" * 4]) + "\n")
        with pytest.raises(FeatvizError, match="are no losses"):
            read_losses(tmp_path / "losses.csv", 4, JUDGED)
    # Half a line is what a full disk leaves.
    (tmp_path / "losses.csv").write_text("\n".join([*lines, "4,1.0,0."]))
    assert len(read_losses(tmp_path / "losses.csv", 4, JUDGED)) == 1


def test_a_state_of_other_weights_is_refused_by_name(tmp_path, done):
    state = torch.load(done / "training_state.pt", weights_only=True)
    run = start_run(small_config(steps=2, width=3), CPU)
    with pytest.raises(FeatvizError, match=r"generator: 'front_end\.L0\.conv\.weight' is \(2,"):
        read_state(done / "training_state.pt", run, 2, CPU)
    run = start_run(small_config(steps=2), CPU)
    state["discriminator"]["scales.0.layers.0.0.bias"][0] = torch.nan
    torch.save(state, tmp_path / "training_state.pt")
    with pytest.raises(FeatvizError, match=r"'scales\.0\.layers\.0\.0\.bias' holds NaN"):
        read_state(tmp_path / "training_state.pt", run, 2, CPU)
    with pytest.raises(FeatvizError, match="is at step 2; expected 0 to 1"):
        read_state(done / "training_state.pt", run, 1, CPU)


@STRUCTURES
@given(data=st.data())
def test_settings_of_any_structure_are_read_or_refused_in_one_line(data, tmp_path, done):
    found = json.loads((done / "config.json").read_text())
    place = data.draw(st.sampled_from(list(places(found))))
    other = changed(found, place, data.draw(ANYTHING | st.just(...)))
    (tmp_path / "config.json").write_text(json.dumps(other))
    refused_or(lambda: read_folder(tmp_path, resume=True))


@STRUCTURES
@given(data=st.data())
def test_a_state_of_any_structure_is_taken_up_or_refused_in_one_line(
    data, tmp_path, done, fresh, monkeypatch
):
    run = fresh
    state = torch.load(done / "training_state.pt", weights_only=True)
    place = data.draw(st.sampled_from(list(places(state))))
    tensors = st.sampled_from([torch.zeros(2), torch.zeros(0, 3, dtype=torch.uint8)])
    other = changed(state, place, data.draw(ANYTHING | tensors | st.just(...)))
    with monkeypatch.context() as patch:
        patch.setattr(room.torch, "load", lambda *_, **__: other)
        refused_or(lambda: run.load_state(read_state(tmp_path, run, 2, CPU)))
    for optimizer in run.optimizers.values():
        optimizer.step()


@STRUCTURES
@given(data=st.data())
def test_losses_of_any_text_are_read_or_refused_in_one_line(data, tmp_path, done):
    text = (done / "losses.csv").read_text()
    at = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.sampled_from([",", "\n", '"', "\0", "é", "-", "nan", "1e999", "0" * 9]))
    (tmp_path / "losses.csv").write_bytes((text[:at] + inserted + text[at:]).encode("latin-1"))
    refused_or(lambda: read_losses(tmp_path / "losses.csv", 2, JUDGED))


def refused_or(read):
    try:
        read()
    except FeatvizError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
