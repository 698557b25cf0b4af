import json
import os
import pickle
import resource
import signal
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file

from featviz.base.errors import FeatvizError
from featviz.generators import checkpoint_files as checkpoints
from featviz.generators.checkpoint_files import (
    convert,
    export_pix2pixhd,
    load_discriminator,
    load_generator,
    save_network,
    shipped_checkpoints,
)
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture, build_generator
from featviz.generators.weights import read_metadata


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return build_generator(GeneratorArchitecture("modified", width=4, residual_blocks=1))


@pytest.fixture
def run_folder(tmp_path, generator):
    folder = tmp_path / "my-run"
    details = {"step": 7, "seed": 3}
    save_network(generator, folder / "generator.safetensors", "generator", details, torch.float32)
    return folder


def test_a_saved_generator_comes_back_with_its_description(run_folder, generator):
    loaded = load_generator(run_folder)
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded.generator(x), generator.eval()(x))
    assert loaded.name == "my-run"
    assert loaded.metadata["variant"] == "modified"
    assert (loaded.metadata["step"], loaded.metadata["seed"]) == (7, 3)
    assert not loaded.generator.training


def test_loading_leaves_the_random_state_alone(run_folder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_generator(run_folder)
    assert torch.equal(torch.rand(3), expected)


def test_bfloat16_storage_halves_the_file_and_loads_as_float32(tmp_path, generator, run_folder):
    path = tmp_path / "half.safetensors"
    save_network(generator, path, "generator", {}, torch.bfloat16)
    assert path.stat().st_size < 0.55 * (run_folder / "generator.safetensors").stat().st_size
    weight = load_generator(path).generator.front_end.L0.conv.weight
    expected = generator.front_end.L0.conv.weight.to(torch.bfloat16).float()
    assert weight.dtype == torch.float32
    assert torch.equal(weight, expected)


def test_a_front_end_alone_gives_the_same_activations_as_in_its_generator(
    tmp_path, run_folder, generator
):
    convert(run_folder, tmp_path / "front.safetensors", front_end=True)
    front_end = load_generator(tmp_path / "front.safetensors")
    assert isinstance(front_end.generator, FrontEnd)
    assert front_end.metadata["step"] == 7
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(front_end.generator(x), generator.eval().front_end(x))


def test_a_discriminator_comes_back_and_is_not_taken_for_a_generator(tmp_path):
    network = MultiScaleDiscriminator(DiscriminatorArchitecture(width=2, scales=2))
    path = tmp_path / "discriminator.safetensors"
    save_network(network, path, "discriminator", {}, torch.float32)
    state = load_discriminator(path).state_dict()
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    with pytest.raises(FeatvizError, match="holds a discriminator; expected a generator"):
        load_generator(path)


GENERATORS = ("baseline", "modified", "no-norm", "augmented")
FRONT_ENDS = ("paper-baseline", "paper-modified")


def test_what_is_shipped_is_what_was_promised_and_fits_its_budget():
    assert shipped_checkpoints() == tuple(sorted(GENERATORS + FRONT_ENDS))
    sizes = {
        name: checkpoints.find_checkpoint(name).stat().st_size for name in shipped_checkpoints()
    }
    assert sum(sizes[name] for name in GENERATORS) < 40e6
    assert all(sizes[name] < 7.5e6 for name in FRONT_ENDS)


@pytest.mark.parametrize("name", GENERATORS + FRONT_ENDS)
def test_every_shipped_checkpoint_loads_and_was_trained(name):
    loaded = load_generator(name)
    assert loaded.metadata["step"] > 0
    assert loaded.metadata["data"]["pairs"] >= 3000
    variant = "modified" if name == "augmented" else name.removeprefix("paper-")
    assert loaded.metadata["variant"] == variant
    shift = loaded.metadata["training"].get("augment_shift", 0)
    assert shift == (25 if name == "augmented" else 0)
    # The run is repeatable, so its first weights are known: training must have moved every layer.
    torch.manual_seed(loaded.metadata["seed"])
    fresh = build_generator(GeneratorArchitecture(**loaded.metadata["architecture"]))
    before = (
        fresh.state_dict()
        if loaded.metadata["kind"] == "generator"
        else (fresh.front_end.state_dict())
    )
    for key, after in loaded.generator.state_dict().items():
        assert torch.isfinite(after).all()
        assert (after - before[key]).norm() > 0.05 * before[key].norm(), key


def test_all_generators_saw_the_same_data_seed_and_steps():
    facts = [load_generator(name).metadata for name in GENERATORS]
    shared = [(f["step"], f["seed"], f["data"], f["sketch_size"]) for f in facts]
    assert all(fact == shared[0] for fact in shared)
    own = {"variant", "augment_shift", "augment_rotation"}
    settings = [{k: v for k, v in f["training"].items() if k not in own} for f in facts]
    assert all(setting == settings[0] for setting in settings)
    assert shared[0][3] == 512


def test_a_missing_checkpoint_is_an_error_that_lists_the_shipped_ones(tmp_path):
    with pytest.raises(FeatvizError, match=r"no checkpoint 'nope': .* shipped ones are"):
        load_generator("nope")
    with pytest.raises(FeatvizError, match=r"no generator\.safetensors"):
        load_generator(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 100, 5000])
def test_a_truncated_checkpoint_is_an_error_of_one_line(tmp_path, run_folder, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((run_folder / "generator.safetensors").read_bytes()[:keep])
    with pytest.raises(FeatvizError, match=r"cannot read this safetensors|is empty") as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for name, write in (("a.pth", torch.save), ("b.pth", _plain_pickle)):
        write({"model.1.weight": Evil()}, tmp_path / name)
        with pytest.raises(FeatvizError, match=r"could run code|not a readable"):
            load_generator(tmp_path / name)
        assert not (tmp_path / "ran").exists()


def _plain_pickle(value, path):
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("change", ["drop", "add", "reshape"])
def test_weights_that_do_not_fit_the_architecture_are_refused(tmp_path, run_folder, change):
    source = run_folder / "generator.safetensors"
    tensors = load_file(source)
    key = "front_end.L1.conv.weight"
    if change == "drop":
        del tensors[key]
    elif change == "add":
        tensors["more"] = torch.zeros(1)
    else:
        tensors[key] = torch.zeros(1)
    path = tmp_path / "changed.safetensors"
    save_file(tensors, path, {"featviz": json.dumps(read_metadata(source))})
    with pytest.raises(FeatvizError, match="do not fit its architecture"):
        load_generator(path)


def test_a_safetensors_file_of_someone_else_is_an_error_that_says_so(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(FeatvizError, match="without featviz's description"):
        load_generator(tmp_path / "x.safetensors")


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_full_disk_is_an_os_error_and_leaves_the_old_checkpoint_in_place(
    run_folder, generator, kind
):
    path = run_folder / f"generator.{kind}"
    path.write_bytes(b"old")

    def write():
        if kind == "pth":
            export_pix2pixhd(generator, path)
        else:
            save_network(generator, path, "generator", {}, torch.float32)

    with full_disk(), pytest.raises(OSError, match="cannot write"):
        write()
    assert path.read_bytes() == b"old"
    assert all(".tmp" not in p.name for p in run_folder.iterdir())


@contextmanager
def full_disk(size=1000):
    """A limit on the size of files: the kernel refuses writes as a full disk does."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_front_end_cut_out_of_a_pth_keeps_the_variant_it_was_said_to_be(tmp_path, generator):
    export_pix2pixhd(generator, tmp_path / "G.pth")
    out = tmp_path / "front.safetensors"
    convert(tmp_path / "G.pth", out, front_end=True, variant="modified")
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(load_generator(out).generator(x), generator.eval().front_end(x))


def test_a_converted_discriminator_keeps_its_description(tmp_path):
    network = MultiScaleDiscriminator(DiscriminatorArchitecture(width=2, scales=1))
    path = tmp_path / "run" / "discriminator.safetensors"
    save_network(network, path, "discriminator", {"step": 9}, torch.float32)
    convert(path.parent, tmp_path / "d.safetensors", discriminator=True, dtype="bfloat16")
    assert read_metadata(tmp_path / "d.safetensors")["step"] == 9


def test_conversions_that_make_no_sense_are_refused(tmp_path, run_folder):
    for out, options, message in (
        ("x.bin", {}, "ends in .safetensors or .pth"),
        ("x.pth", {"front_end": True}, "only .safetensors holds one"),
        ("x.pth", {"dtype": "bfloat16"}, "is float32; got bfloat16"),
    ):
        with pytest.raises(FeatvizError, match=message):
            convert(run_folder, tmp_path / out, **options)
        assert not (tmp_path / out).exists()


def test_a_run_folder_is_called_by_its_name_from_inside_too(run_folder, monkeypatch):
    monkeypatch.chdir(run_folder)
    for source in (".", "generator.safetensors", "../my-run"):
        assert load_generator(source).name == "my-run"


def test_a_shipped_name_means_the_shipped_one_whatever_lies_in_the_folder(tmp_path, monkeypatch):
    shipped = tmp_path / "pretrained"
    shipped.mkdir()
    monkeypatch.setattr(checkpoints, "PRETRAINED", shipped)
    (shipped / "modified.safetensors").touch()
    (tmp_path / "modified").mkdir()
    monkeypatch.chdir(tmp_path)
    assert checkpoints.find_checkpoint("modified") == shipped / "modified.safetensors"
    with pytest.raises(FeatvizError, match="not a run folder"):
        checkpoints.find_checkpoint("./modified")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1, 2]",
        "{}",
        '{"kind": "generator"}',
        '{"kind": "generator", "architecture": []}',
        '{"kind": "generator", "architecture": {"width": 2.0}}',
        '{"kind": "generator", "architecture": {"width": -1}}',
        '{"kind": "generator", "architecture": {"depth": 3}}',
        '{"kind": "generator", "architecture": {"variant": "odd"}}',
        '{"kind": "generator", "architecture": {"width": 1000000}}',
        '{"kind": "generator", "architecture": {"residual_blocks": 1000000000}}',
        '{"kind": "generator", "architecture": {"enhancers": 1000000000}}',
        '{"kind": "generator", "architecture": {"downsamplings": 60}}',
        '{"kind": "discriminator", "architecture": {"scales": 1000000000}}',
        '{"kind": "discriminator", "architecture": {"layers": 1000000000}}',
        '{"kind": "generator", "architecture": {"norm": ["instance"]}}',
        '{"kind": "generator", "architecture": {}, "step": [7]}',
        '{"kind": "generator", "architecture": {}, "step": NaN}',
        '{"kind": "generator", "architecture": {}, "data": "faces"}',
        '{"kind": "generator", "architecture": {}, "sketch_size": 1000000000}',
        '{"kind": "generator", "architecture": {}, "conditions": {"boundaries": "yes"}}',
        "[" * 100_000,
        '{"kind":' * 100_000,
    ],
)
def test_a_description_that_makes_no_sense_is_an_error_of_one_line(tmp_path, text):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", {"featviz": text})
    for load in (load_generator, load_discriminator):
        with pytest.raises(FeatvizError, match=r"x\.safetensors") as caught:
            load(tmp_path / "x.safetensors")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"model.1.weight": torch.zeros(4)},
        {"model.1.weight": torch.zeros(4, 3, 7, 7)},
        {"model.1.weight": torch.zeros(4, 3, 7, 7), "model.4.weight": torch.zeros(2)},
        {"scale1_layer0.0.weight": torch.zeros(1)},
        {"layer0.0.weight": torch.zeros(1)},
        [1, 2],
        {"model.1.weight": 3},
        {"epoch": 3, "state_dict": {"model.1.weight": torch.zeros(4, 3, 7, 7)}},
        {"model.1.weight": torch.zeros(4, 3, 7, 7).to_sparse()},
        {"model.1.weight": torch.zeros(1).expand(1 << 20, 1 << 20, 7, 7)},
    ],
)
def test_a_pth_of_something_else_is_an_error_of_one_line(tmp_path, state):
    torch.save(state, tmp_path / "x.pth")
    for load in (load_generator, load_discriminator):
        with pytest.raises(FeatvizError) as caught:
            load(tmp_path / "x.pth")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"\x80\x02" + bytes(range(200)), b"PK\x03"])
def test_bytes_that_are_no_pth_are_an_error_of_one_line(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(FeatvizError, match=r"x\.pth") as caught:
        load_generator(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\n <!DOCTYPE html><html><title>Quota exceeded</title></html>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
        (b"hello world\n", "text, which begins 'hello world'"),
        (b"a,b\n1,2\n", "text, which begins 'a,b 1,2'"),
        (("权重" * 40).encode(), "text, which begins '权重权重"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_text_file_in_place_of_a_checkpoint_is_called_what_it_is(
    tmp_path, content, words, ending
):
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(FeatvizError, match=rf"net\.{ending} is no checkpoint but {words}"):
        load_generator(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1j])
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_that_are_no_finite_real_numbers_are_refused_by_name_wherever_they_are_read(
    tmp_path, generator, bad, ending
):
    path = tmp_path / f"bad.{ending}"
    state = generator.state_dict()
    key = "front_end.L1.conv.weight"
    if ending == "pth":
        export_pix2pixhd(generator, path)
        state, key = torch.load(path), "model.4.weight"
    dtype = torch.complex64 if isinstance(bad, complex) else torch.float64
    state[key] = state[key].to(dtype).index_fill(0, torch.tensor(1), bad)
    if ending == "pth":
        torch.save(state, path)
    else:
        save_network(generator, path, "generator", {}, torch.float32)
        save_file(state, path, {"featviz": json.dumps(read_metadata(path))})
    with pytest.raises(
        FeatvizError, match=rf"bad\.{ending}: weight '{key}' (holds NaN|is torch.c)"
    ):
        load_generator(path)
    with pytest.raises(FeatvizError, match=key):
        convert(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_description_of_more_than_the_file_holds_is_refused_before_it_is_built(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "build", lambda _: pytest.fail("was built"))
    text = '{"kind": "generator", "architecture": {"residual_blocks": 1000000000}}'
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors", {"featviz": text})
    with pytest.raises(FeatvizError, match="has residual_blocks 1000000000, but the file holds 1"):
        load_generator(tmp_path / "x.safetensors")


def test_a_name_that_is_no_utf_8_is_an_error_that_can_be_printed(tmp_path, generator):
    path = tmp_path / os.fsdecode(b"\xff.safetensors")
    save_network(generator, tmp_path / "x.safetensors", "generator", {}, torch.float32)
    (tmp_path / "x.safetensors").rename(path)
    with pytest.raises(FeatvizError, match=r"xff.safetensors is not UTF-8; rename it") as caught:
        load_generator(path)
    assert str(caught.value).encode()


def test_a_front_end_cannot_be_exported_to_pix2pixhd(tmp_path):
    front_end = FrontEnd(GeneratorArchitecture(width=2))
    with pytest.raises(FeatvizError, match="no place for a FrontEnd alone"):
        export_pix2pixhd(front_end, tmp_path / "x.pth")
