"""The numbers behind C2 to C9, against plain loops over pairs of sketches."""

from itertools import combinations, product

import numpy as np
import pytest

from featviz.analysis.claims import STUDY, judge
from tests.analysis.claims.worlds import BASELINE, MODIFIED

UNITS = [["G1"], ["G2"], ["G3"], ["G4"], ["G8", "G11"], ["G9", "G10"]]


def apart(a, b):
    return float(np.sqrt(((a.astype(float) - b.astype(float)) ** 2).sum()))


class Plain:
    """A table, asked without any of the package's own statistics."""

    def __init__(self, world):
        self.table = world.table()
        self.names = self.table.rows["sketch"].tolist()

    def of(self, layer, groups):
        chosen = self.table.rows["group"].isin(groups).to_numpy()
        return list(self.table.vectors[layer][chosen])

    def scale(self, layer):
        vectors = self.table.vectors[layer].astype(float)
        return np.sqrt(np.mean([((v - vectors.mean(axis=0)) ** 2).sum() for v in vectors]))

    def within(self, layer, groups=STUDY.unchanged):
        each = []
        for group in groups:
            pairs = combinations(self.of(layer, [group]), 2)
            each.append(np.mean([apart(a, b) for a, b in pairs]))
        return np.mean(each)

    def between_units(self, layer):
        each = []
        for first, second in combinations(UNITS, 2):
            pairs = product(self.of(layer, first), self.of(layer, second))
            each.append(np.mean([apart(a, b) for a, b in pairs]))
        return np.mean(each)

    def between_centers(self, layer):
        centers = [np.mean(self.of(layer, unit), axis=0) for unit in UNITS]
        return np.mean([apart(a, b) for a, b in combinations(centers, 2)])

    def silhouette(self, layer):
        found = []
        members = [self.of(layer, unit) for unit in UNITS]
        for i, unit in enumerate(members):
            for j, one in enumerate(unit):
                own = np.mean([apart(one, other) for k, other in enumerate(unit) if k != j])
                others = [
                    np.mean([apart(one, other) for other in members[m]])
                    for m in range(len(UNITS))
                    if m != i
                ]
                found.append((min(others) - own) / max(min(others), own))
        return np.mean(found)


@pytest.fixture(scope="module")
def networks():
    # Unequal and overlapping, so that no number is 0 or 1 by design.
    modified = MODIFIED.but(within=(0.3, 0.4, 0.5, 0.4, 0.6), unevenness=0.4, members=4)
    baseline = BASELINE.but(unevenness=0.4, members=4)
    claims = judge([baseline.table(), modified.table()], permutations=19)
    return claims, Plain(baseline), Plain(modified)


def value(networks, claim, part):
    return networks[0][claim].part(part).finding.value


def change(before, after):
    return (after - before) / max(after, before)


def test_growth_and_nearing_are_the_least_steps_from_layer_to_layer(networks):
    modified = networks[2]
    for reading in ("relative", "absolute"):
        unit = [modified.scale(k) if reading == "relative" else 1 for k in ("L2", "L3", "L4")]
        within = [modified.within(k) / u for k, u in zip(("L2", "L3", "L4"), unit, strict=True)]
        expected = min(change(within[0], within[1]), change(within[1], within[2]))
        assert value(networks, "C4", reading) == pytest.approx(expected)
        between = [
            modified.between_centers(k) / u for k, u in zip(("L2", "L3", "L4"), unit, strict=True)
        ]
        expected = min(-change(between[0], between[1]), -change(between[1], between[2]))
        assert value(networks, "C5", f"nearer, {reading}") == pytest.approx(expected)


def test_blurring_is_the_least_fall_of_the_silhouette(networks):
    first, second, third = (networks[2].silhouette(layer) for layer in ("L2", "L3", "L4"))
    expected = min(first - second, second - third)
    assert value(networks, "C5", "borders blur") == pytest.approx(expected)


def test_scattering_and_closeness_compare_within_in_units_of_the_scale(networks):
    _, baseline, modified = networks
    relative = {
        (network, layer): network.within(layer) / network.scale(layer)
        for network in (baseline, modified)
        for layer in ("L0", "L1", "L2", "L3", "L4")
    }
    scattered = min(relative[baseline, layer] for layer in ("L0", "L1"))
    assert value(networks, "C6", "scattered") == pytest.approx(scattered)
    closer = [-change(relative[baseline, k], relative[modified, k]) for k in ("L2", "L3", "L4")]
    assert value(networks, "C7", "relative") == pytest.approx(min(closer))
    closer = [-change(baseline.within(k), modified.within(k)) for k in ("L2", "L3", "L4")]
    assert value(networks, "C7", "absolute") == pytest.approx(min(closer))


def test_tightness_compares_within_in_units_of_the_distance_between_units(networks):
    _, baseline, modified = networks
    least = []
    for layer in ("L0", "L1"):
        ratios = [one.within(layer) / one.between_units(layer) for one in (baseline, modified)]
        least.append(-change(*ratios))
    assert value(networks, "C8", "tighter") == pytest.approx(min(least))
    tight = min(modified.silhouette(layer) for layer in ("L0", "L1"))
    loose = max(baseline.silhouette(layer) for layer in ("L0", "L1"))
    assert value(networks, "C8", "tight") == pytest.approx(tight)
    assert value(networks, "C8", "loose") == pytest.approx(loose)


def test_together_is_the_least_share_of_sketches_nearest_to_the_partner(networks):
    modified = networks[2]
    rows = modified.table.rows
    shares = []
    for group, partner in (("G8", "G11"), ("G11", "G8"), ("G9", "G10"), ("G10", "G9")):
        near = []
        for one in modified.of("L4", [group]):
            others = [
                (apart(one, vector), other)
                for vector, other in zip(modified.table.vectors["L4"], rows["group"], strict=True)
                if other != group
            ]
            near.append(min(others)[1] == partner)
        shares.append(np.mean(near))
    assert value(networks, "C9", "together") == pytest.approx(min(shares))


def test_chance_brings_two_pairs_of_eleven_groups_together_once_in_990():
    claims = judge([MODIFIED.table()], permutations=9999)
    p = claims["C9"].part("together").finding.p_value
    # The number of ways to choose two pairs of 11 groups: 55 * 36 / 2.
    assert p == pytest.approx(1 / 990, abs=4 * np.sqrt(1 / 990 / 9999))


def test_differing_pairs_count_pairs_not_sketches():
    def two_the_same(vectors, _everything, _rows):
        return np.concatenate([vectors[:1], vectors[:1], vectors[2:]])

    baseline = BASELINE.but(members=5, nudges={"L2 G4": two_the_same})
    claims = judge([baseline.table()], permutations=19)
    assert claims["C2"].part("differ").finding.value == pytest.approx(9 / 10)
    assert list(claims["C2"].part("differ").finding.details) == ["G4 L2"]
