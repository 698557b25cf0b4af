"""Bytes of checkpoints that are almost right: small real ones with something wrong."""

import io
import json
import struct
from functools import cache
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from featviz.generators.networks import pix2pixhd
from featviz.generators.networks.discriminators import (
    DiscriminatorArchitecture,
    MultiScaleDiscriminator,
)
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from tests.base.strategies import json_values, mostly, words

SMALL = GeneratorArchitecture(width=2, downsamplings=1, residual_blocks=1)
SHAPES = [(), (0,), (1,), (3,), (2, 3, 7, 7), (4, 2, 3, 3), (0, 3, 7, 7), (1, 1, 1, 1, 1)]
DTYPES = [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64]


@cache
def generator_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    names = [(ours, theirs) for theirs, ours in pix2pixhd.generator_names(SMALL)]
    return pix2pixhd.rename(build_generator(SMALL).state_dict(), names)


@cache
def discriminator_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = MultiScaleDiscriminator(DiscriminatorArchitecture(width=2, scales=2))
    names = [(ours, theirs) for theirs, ours in pix2pixhd.discriminator_names(network.architecture)]
    return pix2pixhd.rename(network.state_dict(), names)


@st.composite
def values(draw: Any, right: Tensor) -> Any:
    """What may stand in a weight's place: tensors of every kind, and what is none."""
    match draw(st.integers(0, 8)):
        case 0:
            return torch.zeros(draw(st.sampled_from(SHAPES)))
        case 1:
            return right.to(draw(st.sampled_from(DTYPES)))
        case 2:
            return torch.zeros(1).expand(draw(st.sampled_from([right.shape, (1 << 40,)])))
        case 3:
            return torch.full_like(right, draw(st.sampled_from([torch.nan, torch.inf])))
        case 4:
            return torch.empty(right.shape, device="meta")
        case 5:
            return right.to_sparse()
        case 6:
            return torch.quantize_per_tensor(right, 0.1, 0, torch.qint8)
        case 7:
            return torch.nn.Parameter(right[:0] if right.dim() else right)
        case _:
            return draw(json_values)


LEAVES = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked", "weight_g"]
NAMES = st.one_of(
    words,
    st.sampled_from([0, None, (1, 2), b"x", 0.5]),
    st.sampled_from([f"model.{n}.{leaf}" for n in (1, 2, 4, 99999999999) for leaf in LEAVES]),
    st.sampled_from([f"scale{n}_layer{n}.{n}.weight" for n in (0, 1, 5, 99999999999)]),
    st.sampled_from([f"model{n}_{n}.{n}.conv_block.1.weight" for n in (1, 2, 99999999999)]),
)


@st.composite
def pickles(draw: Any, right: dict[str, Tensor]) -> bytes:
    """A file of torch.save: one in four is right, others have weights lost, added or replaced."""
    state: dict[Any, Any] = dict(right)
    for _ in range(draw(st.sampled_from([0, 1, 1, 3]))):
        key = draw(st.sampled_from(list(right)))
        match draw(st.integers(0, 3)):
            case 0:
                state.pop(key, None)
            case 1:
                state[draw(NAMES)] = state.pop(key, None)
            case 2:
                state[draw(NAMES)] = draw(values(right[key]))
            case _:
                state[key] = draw(values(right[key]))
    if draw(st.integers(0, 6)) == 6:
        prefix = draw(st.sampled_from(["module.", "_orig_mod.", "module.module.", "."]))
        state = {f"{prefix}{key}": value for key, value in state.items()}
    wrapped: Any = state
    if draw(st.integers(0, 9)) == 9:
        wrapped = draw(st.sampled_from([{"model": state}, [state], (), list(state), "text"]))
    file = io.BytesIO()
    torch.save(wrapped, file, _use_new_zipfile_serialization=draw(st.booleans()))
    return draw(damaged(file.getvalue()))


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """Mostly as it is, sometimes cut off or with one byte changed."""
    match draw(st.integers(0, 11)):
        case 10:
            return content[: draw(st.integers(0, len(content)))]
        case 11:
            at = draw(st.integers(0, len(content) - 1))
            return content[:at] + bytes([content[at] ^ 85]) + content[at + 1 :]
        case _:
            return content


SIDES = st.sampled_from([0, 1, 2, 3, 64, -1, 2**31, 2**63, 10**30, True, 0.5, None, "2"])
FIELDS = ("width", "downsamplings", "residual_blocks", "input_channels", "enhancers", "norm")


@st.composite
def descriptions(draw: Any) -> str:
    """The JSON text in a safetensors file's metadata."""
    architecture = {"width": 2, "downsamplings": 1, "residual_blocks": 1, "norm": "instance"}
    if draw(st.integers(0, 3)) == 3:
        architecture[draw(st.sampled_from(FIELDS) | words)] = draw(SIDES | json_values)
    content = {
        "kind": draw(mostly(st.just("generator"), st.sampled_from(["front-end", "encoder", 3]))),
        "variant": draw(mostly(st.just("baseline"))),
        "architecture": draw(mostly(st.just(architecture))),
        "step": draw(mostly(st.just(3))),
        "sketch_size": draw(mostly(st.sampled_from([None, 64]), SIDES)),
        "conditions": draw(mostly(st.just({}), json_values | st.just({"boundaries": 1}))),
    }
    return draw(mostly(st.just(json.dumps(content)), st.sampled_from(["", "[" * 9999, "null"])))


@st.composite
def safetensors(draw: Any) -> bytes:
    """A file as its format has it, written by hand: its own writer refuses what is wrong."""
    state = build_generator(SMALL).state_dict()
    header: dict[str, Any] = {"__metadata__": draw(mostly(metadata))}
    data = b""
    for key, tensor in state.items():
        raw = tensor.numpy().tobytes()
        entry = {"dtype": "F32", "shape": list(tensor.shape)}
        header[key] = entry | {"data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        key = draw(st.sampled_from(list(state)))
        match draw(st.integers(0, 4)):
            case 0:
                header.pop(key, None)
            case 1:
                header[draw(words)] = header.pop(key, None)
            case 2:
                header[key] = {**header.get(key, {}), "dtype": draw(mostly(st.sampled_from(KINDS)))}
            case 3:
                shape = draw(mostly(st.lists(SIDES, max_size=5)))
                header[key] = {**header.get(key, {}), "shape": shape}
            case _:
                offsets = draw(mostly(st.lists(SIDES, min_size=2, max_size=2)))
                header[key] = {**header.get(key, {}), "data_offsets": offsets}
    text = json.dumps(header).encode()
    length = draw(mostly(st.just(len(text)), st.sampled_from([0, 2, 2**40, 2**64 - 1])))
    return draw(damaged(struct.pack("<Q", length) + text + data))


KINDS = ["F32", "F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "C64", "X", ""]
metadata = st.fixed_dictionaries({"featviz": descriptions()}) | st.sampled_from([{}, None])
