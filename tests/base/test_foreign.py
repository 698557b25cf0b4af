"""Readers of files that others may have written, given files that are almost right."""

import json
import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from featviz.analysis.claims import read_claims
from featviz.analysis.claims.claim import CLAIMS_FORMAT
from featviz.analysis.embedding import read_embedding
from featviz.analysis.leakage import read_leakage, read_maps
from featviz.analysis.separation.measure import measure_structure
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import describe_features, read_features
from featviz.generators.checkpoint_files import load_discriminator, load_generator
from featviz.generators.weights import read_any_state, require_same_weights
from featviz.report.leakage import picture_leakage
from featviz.studio.history_file import read_history
from tests.base import checkpoints, history
from tests.base.strategies import json_values, mostly, words

INPUTS = 130
"""Of each reader."""

SMALL = (0, 1, 2, 3, 3, None)
COLUMNS = [
    (("a", "G1", "", "$x$", "\x1b[1m", None), pa.string()),
    (("a", "G1", "all", "b", "größe"), pa.large_string()),
    (("a", "G1", "", "b", None), pa.dictionary(pa.int8(), pa.string())),
    ((b"a", b"\xff", None), pa.binary()),
    (SMALL, pa.int8()),
    (SMALL[:-1], pa.uint64()),
    (SMALL, pa.decimal128(8, 2)),
    (SMALL, pa.timestamp("s")),
    (SMALL, pa.duration("ms")),
    ((0.0, 0.1, math.nan, math.inf, 1e300, None), pa.float64()),
    ((1.0, 2.0, 3.0, 4.0), pa.float32()),
    ((True, False), pa.bool_()),
    ((None,), pa.null()),
    (([0.5], [1, 2], [3, None], [], None), pa.list_(pa.float32())),
    (([0.5, 1], [0.1, 2], [3, math.nan]), pa.large_list(pa.float64())),
    (([5, 1], [2, 2], [2**40, 0]), pa.list_(pa.int64())),
    (([5, 1], [2, 2], None), pa.list_(pa.float16(), 2)),
    ((["a"], []), pa.list_(pa.string())),
    (({"a": 1}, None), pa.struct([("a", pa.int8())])),
]
"""Values of many types."""


@st.composite
def columns(draw: Any, count: int) -> pa.Array | None:
    """A column of any type; None for one that is missing."""
    values, kind = draw(st.sampled_from([((), None), *COLUMNS]))
    if kind is None:
        return None
    picks = draw(st.lists(st.integers(0, len(values) - 1), min_size=count, max_size=count))
    return pa.array([values[pick] for pick in picks], kind)


@st.composite
def parquet(draw: Any, right: Callable[[int], dict[str, pa.Array]], metadata: Any) -> bytes:
    """A file of the right columns and metadata, of which some are replaced by others."""
    count = draw(st.integers(0, 4))
    names, arrays = [], []
    for name, values in {**right(count), "further": None}.items():
        array = draw(columns(count)) if draw(st.integers(0, 9)) == 9 else values
        if array is not None:
            names.append(name)
            arrays.append(array)
    if names and draw(st.integers(0, 20)) == 20:
        names[0] = names[-1]
    text = draw(mostly(metadata.map(json.dumps), st.sampled_from(["", "{", "null", "[" * 3000])))
    arrow = pa.table(arrays, names=names, metadata={"featviz": text})
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink)
    content = sink.getvalue().to_pybytes()
    if draw(st.integers(0, 12)) == 12:
        cut = draw(st.integers(0, len(content) - 1))
        content = content[:cut] + bytes([content[cut] ^ 85]) + content[cut + 1 :]
    return content


def feature_columns(count: int) -> dict[str, pa.Array]:
    return {
        "sketch": pa.array([f"s{i}" for i in range(count)], pa.string()),
        "group": pa.array(["G1", "G2", "G1", "G2"][:count], pa.string()),
        "point_x": pa.array([3] * count, pa.int32()),
        "point_y": pa.array([4] * count, pa.int32()),
        "L0": pa.array([[0.5 * i, 1.0] for i in range(count)], pa.list_(pa.float32(), 2)),
    }


feature_metadata = st.fixed_dictionaries(
    {},
    optional={
        "checkpoint": mostly(words),
        "step": mostly(st.integers(0, 9)),
        "size": mostly(st.just(512)),
        "points": mostly(st.just([[3, 4]])),
        "positions": mostly(st.just({"L0": [[3, 4]]})),
        "receptive_fields": mostly(st.just({"L0": 7})),
        "receptive_field_boxes": mostly(st.just({"L0": [[0, 0, 6, 6]]})),
    },
)


def use_features(path: Path) -> None:
    table = read_features(path)
    describe_features(path)
    measure_structure([table], permutations=3)


def embedding_columns(count: int) -> dict[str, pa.Array]:
    text = pa.array(["L0"] * count, pa.string())
    return {
        **dict.fromkeys(("group", "checkpoint", "variant", "layer"), text),
        "sketch": pa.array([f"s{i}" for i in range(count)], pa.string()),
        **dict.fromkeys(("x", "y"), pa.array([0.5] * count, pa.float64())),
        "multiplicity": pa.array([1] * count, pa.int64()),
        "seed_places": pa.array([[0.0, 1.0]] * count, pa.list_(pa.float64())),
    }


embedding_metadata = st.fixed_dictionaries(
    {"panels": mostly(st.just([{"checkpoint": "L0", "layer": "L0"}]))}
)


def use_embedding(path: Path) -> None:
    table = read_embedding(path)
    for checkpoint in table.checkpoints:
        table.panel(checkpoint, table.layers[0])


def leakage_columns(count: int) -> dict[str, pa.Array]:
    from featviz.analysis.leakage.table import LeakageTable

    of = {
        "text": pa.array([f"s{i}" for i in range(count)], pa.string()),
        "number": pa.array([0.5] * count, pa.float64()),
        "flag": pa.array([True] * count, pa.bool_()),
    }
    return {name: of[kind] for name, kind in LeakageTable.columns.items()}


def use_leakage(path: Path) -> None:
    read_leakage(path).values(mode="free")


claims_part = {
    **dict.fromkeys(("claim", "part", "says", "statistic", "reason", "test"), words),
    **dict.fromkeys(("effect_name", "missing", "why"), words),
    "bound": st.just("at least"),
    "decides": st.booleans(),
    **dict.fromkeys(("threshold", "value", "effect", "p_value", "p_adjusted"), st.just(0.5)),
    "details": st.just({}),
    "verdict": st.just("holds"),
}
claims_entry = {
    **dict.fromkeys(("claim", "says", "why"), mostly(words)),
    "verdict": mostly(st.sampled_from(["holds", "does not hold"])),
    "parts": mostly(
        st.lists(st.fixed_dictionaries({k: mostly(v) for k, v in claims_part.items()}), max_size=1)
    ),
}
claims = st.fixed_dictionaries(
    {
        "format": mostly(st.just(CLAIMS_FORMAT)),
        "metadata": mostly(st.just({})),
        "claims": mostly(st.lists(mostly(st.fixed_dictionaries(claims_entry)), max_size=2)),
    }
).map(lambda content: json.dumps(content).encode())


def use_claims(path: Path) -> None:
    for claim in read_claims(path).claims:
        for part in claim.parts:
            part.definition.met_by(0.0)


@st.composite
def maps(draw: Any) -> bytes:
    kinds = st.sampled_from(["<f2", "<u1", "<i8", "<c8", "<U3", "<M8[s]", "|b1"])
    shapes = st.sampled_from([(4, 6), (0, 3), (3,), (), (2, 2, 2), (1, 200)])
    arrays = {
        name: np.zeros(draw(mostly(st.just((4, 6)), shapes)), draw(mostly(st.just("<f2"), kinds)))
        for name in draw(
            st.lists(
                st.sampled_from(
                    ["change|free|G|L0", "change|all|G|L0", "reach|G|L0", "x", "a|b|c"]
                ),
                unique=True,
            )
        )
    }
    text = draw(mostly(st.just('{"checkpoint": "a"}'), json_values.map(json.dumps)))
    arrays["metadata"] = draw(mostly(st.just(np.array(text)), st.just(np.zeros(3))))
    with tempfile.TemporaryFile() as file:
        np.savez_compressed(file, **arrays)
        file.seek(0)
        content = file.read()
    return content[: draw(mostly(st.just(len(content)), st.integers(0, len(content))))]


def use_maps(path: Path) -> None:
    picture_leakage([read_maps(path)])


def use_generator(path: Path) -> None:
    """Of a size that its file pays for: a description may not ask for more memory."""
    network = load_generator(path).generator
    held = sum(weight.numel() for weight in network.parameters())
    assert held * 2 <= path.stat().st_size


def use_state(path: Path) -> None:
    """As weights of somebody else's network are used: fitted, and copied into it."""
    expected, state = checkpoints.generator_state(), read_any_state(path)
    require_same_weights(expected, state, path, "the network")
    for key, tensor in state.items():
        torch.empty_like(expected[key]).copy_(tensor)


READERS = {
    "features.parquet": (use_features, parquet(feature_columns, feature_metadata)),
    "embedding.parquet": (use_embedding, parquet(embedding_columns, embedding_metadata)),
    "leakage.parquet": (use_leakage, parquet(leakage_columns, st.just({"checkpoints": {}}))),
    "claims.json": (use_claims, claims),
    "maps.npz": (use_maps, maps()),
    "generator.pth": (use_generator, checkpoints.pickles(checkpoints.generator_state())),
    "discriminator.pth": (
        load_discriminator,
        checkpoints.pickles(checkpoints.discriminator_state()),
    ),
    "state.pth": (use_state, checkpoints.pickles(checkpoints.generator_state())),
    "net.safetensors": (use_generator, checkpoints.safetensors()),
    "history.jsonl": (read_history, history.lines()),
}
"""By the name of a file: what reads and uses it, and contents that it may have."""


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_almost_right_is_read_or_refused_in_one_line(name, tmp_path):
    use, contents = READERS[name]
    path, outcomes = tmp_path / name, []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @seed(1)
    @settings(max_examples=INPUTS, suppress_health_check=list(HealthCheck))
    @given(contents)
    def attempt(content: bytes) -> None:
        path.write_bytes(content)
        start = time.process_time()
        try:
            use(path)
        except FeatvizError as error:
            assert "\n" not in str(error)
            outcomes.append(str(error))
        else:
            outcomes.append("read")
        assert time.process_time() - start < 5

    attempt()
    # In kB: no file of a few kB asks for a gigabyte.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 1_000_000
    # Neither are all of them refused at the door, nor are all of them right.
    assert INPUTS * 0.02 < outcomes.count("read") < INPUTS * 0.98
    assert len(set(outcomes)) > 8
