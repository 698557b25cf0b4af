"""Weights of pix2pixHD: an independent forward that knows nothing but the names of the keys."""

import re

import pytest
import torch
from torch.nn import functional as F

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.cli import main
from featviz.generators.checkpoint_files import export_pix2pixhd, load_discriminator, load_generator
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator


def conv_state(state, name, outputs, inputs, kernel, transposed=False):
    shape = (inputs, outputs) if transposed else (outputs, inputs)
    state[f"{name}.weight"] = torch.randn(*shape, kernel, kernel) * 0.1
    state[f"{name}.bias"] = torch.randn(outputs) * 0.1


def affine_state(state, name, channels):
    state[f"{name}.weight"] = torch.rand(channels) + 0.5
    state[f"{name}.bias"] = torch.randn(channels) * 0.1


def blocks_state(state, prefix, first, count, channels, affine):
    for block in range(first, first + count):
        for index in (1, 5):
            conv_state(state, f"{prefix}.{block}.conv_block.{index}", channels, channels, 3)
            if affine:
                affine_state(state, f"{prefix}.{block}.conv_block.{index + 1}", channels)


def global_state(width, downsamplings, blocks, affine=False, with_output=True):
    """A state dict with the keys of NVIDIA's GlobalGenerator."""
    state = {}
    channels = [width << level for level in range(downsamplings + 1)]
    conv_state(state, "model.1", width, 3, 7)
    if affine:
        affine_state(state, "model.2", width)
    for level in range(downsamplings):
        conv_state(state, f"model.{4 + 3 * level}", channels[level + 1], channels[level], 3)
        if affine:
            affine_state(state, f"model.{5 + 3 * level}", channels[level + 1])
    position = 4 + 3 * downsamplings
    blocks_state(state, "model", position, blocks, channels[-1], affine)
    position += blocks
    for level in reversed(range(downsamplings)):
        conv_state(state, f"model.{position}", channels[level], channels[level + 1], 3, True)
        if affine:
            affine_state(state, f"model.{position + 1}", channels[level])
        position += 3
    if with_output:
        conv_state(state, f"model.{position + 1}", 3, width, 7)
    return state


def local_state(width, downsamplings, blocks, levels, local_blocks):
    """A state dict with the keys of NVIDIA's LocalEnhancer."""
    state = global_state(width << levels, downsamplings, blocks, with_output=False)
    for level in range(1, levels + 1):
        channels = width << (levels - level)
        conv_state(state, f"model{level}_1.1", channels, 3, 7)
        conv_state(state, f"model{level}_1.4", 2 * channels, channels, 3)
        blocks_state(state, f"model{level}_2", 0, local_blocks, 2 * channels, False)
        conv_state(state, f"model{level}_2.{local_blocks}", channels, 2 * channels, 3, True)
    conv_state(state, f"model{levels}_2.{local_blocks + 4}", 3, width, 7)
    return state


def apply(state, name, x, transposed=False, stride=1, reflect=0, zero=0):
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    if transposed:
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
    if reflect:
        x = F.pad(x, (reflect,) * 4, mode="reflect")
    return F.conv2d(x, weight, bias, stride=stride, padding=zero)


def norm(state, name, x):
    return F.instance_norm(x, weight=state.get(f"{name}.weight"), bias=state.get(f"{name}.bias"))


def run_sequential(state, prefix, x):
    """Run `prefix`.* by the key names: 7x7 convolutions mirror, 3x3 ones halve or double."""
    positions = sorted(
        {int(m[1]) for key in state if (m := re.match(rf"{re.escape(prefix)}\.(\d+)\.", key))}
    )
    for position in positions:
        name = f"{prefix}.{position}"
        if f"{name}.conv_block.1.weight" in state:
            y = apply(state, f"{name}.conv_block.1", x, reflect=1)
            y = norm(state, f"{name}.conv_block.2", y).relu()
            y = apply(state, f"{name}.conv_block.5", y, reflect=1)
            x = x + norm(state, f"{name}.conv_block.6", y)
            continue
        weight = state.get(f"{name}.weight")
        if weight is None or weight.ndim == 1:
            continue
        following = f"{prefix}.{position + 1}"
        if weight.shape[-1] == 7 and weight.shape[0] == 3:
            x = apply(state, name, x, reflect=3).tanh()
        elif weight.shape[-1] == 7:
            x = norm(state, following, apply(state, name, x, reflect=3)).relu()
        elif weight.shape[0] > weight.shape[1] and x.shape[1] == weight.shape[1]:
            x = norm(state, following, apply(state, name, x, stride=2, zero=1)).relu()
        else:
            x = norm(state, following, apply(state, name, x, transposed=True)).relu()
    return x


def run_local(state, x, levels):
    pyramid = [x]
    for _ in range(levels):
        pyramid.append(F.avg_pool2d(pyramid[-1], 3, 2, 1, count_include_pad=False))
    features = run_sequential(state, "model", pyramid.pop())
    for level in range(1, levels + 1):
        coarse = features + run_sequential(state, f"model{level}_1", pyramid.pop())
        features = run_sequential(state, f"model{level}_2", coarse)
    return features


def discriminator_state(width, layers, scales):
    """A state dict with the keys of NVIDIA's MultiscaleDiscriminator."""
    state = {}
    for scale in range(scales):
        channels = [6, *[min(width << i, 512) for i in range(layers + 1)], 1]
        for layer in range(layers + 2):
            name = f"scale{scale}_layer{layer}.0"
            conv_state(state, name, channels[layer + 1], channels[layer], 4)
    return state


def run_discriminator(state, x, layers, scales):
    results = []
    for index in range(scales):
        y = x
        for _ in range(index):
            y = F.avg_pool2d(y, 3, 2, 1, count_include_pad=False)
        maps = []
        for layer in range(layers + 2):
            # scale0 is the coarsest.
            name = f"scale{scales - 1 - index}_layer{layer}.0"
            y = apply(state, name, y, stride=2 if layer < layers else 1, zero=2)
            if 0 < layer < layers + 1:
                y = F.instance_norm(y)
            if layer < layers + 1:
                y = F.leaky_relu(y, 0.2)
            maps.append(y)
        results.append(maps)
    return results


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("width", "downsamplings", "blocks"), [(4, 4, 3), (6, 2, 1), (4, 3, 0)])
def test_a_global_generator_loads_and_computes_what_its_keys_mean(
    tmp_path, width, downsamplings, blocks, affine
):
    state = global_state(width, downsamplings, blocks, affine)
    torch.save(state, tmp_path / "latest_net_G.pth")
    loaded = load_generator(tmp_path / "latest_net_G.pth")
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.generator(x), run_sequential(state, "model", x), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("levels", [1, 2])
def test_a_local_enhancer_loads_and_computes_what_its_keys_mean(tmp_path, levels):
    state = local_state(4, 2, 2, levels, local_blocks=2)
    torch.save(state, tmp_path / "G.pth")
    loaded = load_generator(tmp_path / "G.pth")
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.generator(x), run_local(state, x, levels), rtol=1e-5, atol=1e-5
        )


def test_a_discriminator_loads_and_computes_what_its_keys_mean(tmp_path):
    state = discriminator_state(width=4, layers=3, scales=3)
    torch.save(state, tmp_path / "D.pth")
    x = torch.rand(1, 6, 64, 64)
    with torch.no_grad():
        got = load_discriminator(tmp_path / "D.pth")(x)
    for got_maps, want_maps in zip(got, run_discriminator(state, x, 3, 3), strict=True):
        for got_map, want_map in zip(got_maps, want_maps, strict=True):
            torch.testing.assert_close(got_map, want_map, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "architecture",
    [
        GeneratorArchitecture(width=4, residual_blocks=2),
        GeneratorArchitecture(width=4, residual_blocks=1, norm="instance-affine"),
        GeneratorArchitecture("modified", width=2, downsamplings=2, residual_blocks=1, enhancers=2),
        DiscriminatorArchitecture(width=4, scales=2),
    ],
)
def test_export_gives_back_the_same_keys_and_values(tmp_path, architecture):
    is_generator = isinstance(architecture, GeneratorArchitecture)
    build = build_generator if is_generator else MultiScaleDiscriminator
    network = build(architecture)
    export_pix2pixhd(network, tmp_path / "net.pth")
    if is_generator:
        again = load_generator(tmp_path / "net.pth", architecture.variant).generator
    else:
        again = load_discriminator(tmp_path / "net.pth")
    assert again.architecture == architecture
    for key, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_prefixes_of_wrappers_are_taken_off_all_names_and_said(tmp_path, prefix):
    state = global_state(4, 1, 1)
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "G.pth")
    with pytest.warns(FeatvizWarning, match=rf"G\.pth has weights named with '{prefix}' in front"):
        found = load_generator(tmp_path / "G.pth").generator.state_dict()
    assert torch.equal(found["front_end.L0.conv.weight"], state["model.1.weight"])


def with_statistics(state, *more):
    """A state dict whose norms have kept statistics too."""
    for key in [key for key in state if key.endswith(".bias")]:
        norm = re.sub(r"\d+(?=\.bias$)", lambda m: str(int(m[0]) + 1), key).removesuffix(".bias")
        for leaf in ("running_mean", "running_var", *more):
            state[f"{norm}.{leaf}"] = torch.ones(len(state[key]))
    return state


def test_statistics_of_instance_norms_that_old_pytorch_never_used_are_left_out_and_said(tmp_path):
    state = global_state(4, 2, 1)
    torch.save(with_statistics(dict(state)), tmp_path / "G.pth")
    with pytest.warns(FeatvizWarning, match=r"G\.pth holds running statistics of \d+ inst"):
        loaded = load_generator(tmp_path / "G.pth")
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = run_sequential(state, "model", x)
        torch.testing.assert_close(loaded.generator(x), expected, rtol=1e-5, atol=1e-5)


def test_the_command_line_says_in_one_line_what_it_left_out(tmp_path, capsys):
    torch.save(with_statistics(global_state(4, 2, 1)), tmp_path / "G.pth")
    main(["convert", str(tmp_path / "G.pth"), str(tmp_path / "G.safetensors")])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"featviz: warning: {tmp_path / 'G.pth'} holds running statistics of 8 ins"
    )


@pytest.mark.parametrize("load", [load_generator, load_discriminator])
@pytest.mark.parametrize(
    ("affine", "more", "words"),
    [
        (True, (), "is a batch norm"),
        (True, ("num_batches_tracked",), "is a batch norm"),
        (False, ("num_batches_tracked",), "track_running_stats=True"),
    ],
)
def test_norms_whose_statistics_count_are_refused_by_their_name(
    tmp_path, affine, more, words, load
):
    if load is load_generator:
        state = with_statistics(global_state(4, 2, 1, affine), *more)
    else:
        state = discriminator_state(width=4, layers=3, scales=1)
        state |= {"scale0_layer1.1.running_mean": torch.ones(8)}
        leaves = ["weight"] * affine + list(more)
        state |= {f"scale0_layer1.1.{leaf}": torch.ones(8) for leaf in leaves}
    torch.save(state, tmp_path / "G.pth")
    with pytest.raises(FeatvizError, match=rf"G\.pth: '[a-z].*' .*{words}"):
        load(tmp_path / "G.pth")


@pytest.mark.parametrize("spoil", ["missing", "extra"])
def test_a_state_dict_that_does_not_fit_exactly_is_refused(tmp_path, spoil):
    state = global_state(4, 2, 1)
    if spoil == "missing":
        del state["model.4.bias"]
    else:
        state["model.99.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "G.pth")
    with pytest.raises(FeatvizError, match=r"G\.pth|no place"):
        load_generator(tmp_path / "G.pth")
