"""Claim C1 of the study on the shipped front ends, all 200 sketches, to the last bit."""

from pathlib import Path

import numpy as np
import pytest

from featviz.extraction import extract
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.sketch_set import read_sketches

SKETCHES = Path(__file__).parent.parent / "sketches"
UNCHANGED_EYES = ("G1", "G2", "G3", "G4", "G8", "G9", "G10", "G11")
CHANGED_EYES = ("G5", "G6", "G7")


def distinct_vectors(checkpoint):
    """layer -> group -> how many different vectors the group has."""
    table = extract(
        load_generator(checkpoint).generator, read_sketches(SKETCHES), layers=("L0", "L1")
    )
    groups = table.rows["group"].to_numpy()
    return {
        layer: {group: len(np.unique(vectors[groups == group], axis=0)) for group in set(groups)}
        for layer, vectors in table.vectors.items()
    }


@pytest.fixture(scope="module")
def sizes():
    return read_sketches(SKETCHES).index["group"].value_counts().to_dict()


def test_c1_holds_exactly_for_paper_modified(sizes):
    for distinct in distinct_vectors("paper-modified").values():
        unchanged = {group: distinct[group] for group in UNCHANGED_EYES}
        assert unchanged == dict.fromkeys(UNCHANGED_EYES, 1)
        assert all(distinct[group] == sizes[group] for group in CHANGED_EYES)


def test_c1_fails_for_paper_baseline_where_every_sketch_has_a_vector_of_its_own(sizes):
    for distinct in distinct_vectors("paper-baseline").values():
        assert distinct == sizes
