"""The numbers behind C2 to C9, against plain loops over pairs of sketches."""

from itertools import combinations, pairwise, permutations, product

import numpy as np
import pytest
from scipy import stats

from featviz.analysis.claims import STUDY, Study, judge
from tests.analysis.claims.worlds import BASELINE, MODIFIED, crossed_table

UNITS = [["G1"], ["G2"], ["G3"], ["G4"], ["G8", "G11"], ["G9", "G10"]]


def apart(a, b):
    return float(np.sqrt(((a.astype(float) - b.astype(float)) ** 2).sum()))


class Plain:
    """A table, asked without any of the package's own statistics."""

    def __init__(self, world):
        self.table = world.table()
        self.names = self.table.rows["sketch"].tolist()

    def of(self, layer, groups, but=None):
        chosen = self.table.rows["group"].isin(groups).to_numpy(copy=True)
        chosen &= self.table.rows["sketch"].to_numpy() != but
        return list(self.table.vectors[layer][chosen])

    def scale(self, layer):
        vectors = self.table.vectors[layer].astype(float)
        return np.sqrt(np.mean([((v - vectors.mean(axis=0)) ** 2).sum() for v in vectors]))

    def within(self, layer, units=UNITS, but=None):
        """Of each group, its mean over the groups of a unit, and the mean of that over units."""
        of_units = []
        for unit in units:
            pairs = [combinations(self.of(layer, [group], but), 2) for group in unit]
            of_units.append(np.mean([np.mean([apart(a, b) for a, b in some]) for some in pairs]))
        return np.mean(of_units)

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
        return np.array(found)

    def mean_silhouette(self, layer):
        return np.mean(self.silhouette(layer))

    def silhouette_of_units(self, layer):
        sizes = [len(self.of(layer, unit)) for unit in UNITS]
        ends = np.cumsum(sizes)[:-1]
        return np.mean([part.mean() for part in np.split(self.silhouette(layer), ends)])


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
    first, second, third = (networks[2].silhouette_of_units(k) for k in ("L2", "L3", "L4"))
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
    tight = min(modified.mean_silhouette(layer) for layer in ("L0", "L1"))
    loose = max(baseline.mean_silhouette(layer) for layer in ("L0", "L1"))
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


def test_weakening_is_the_least_step_down_of_the_eye_edits(networks):
    modified = networks[2]
    within = [modified.within(k, [["G5"], ["G6"]]) / modified.scale(k) for k in ("L2", "L3", "L4")]
    expected = min(-change(a, b) for a, b in pairwise(within))
    assert value(networks, "C15", "weaker") == pytest.approx(expected)


def test_bounds_and_p_of_c7_are_those_of_leaving_out_one_sketch_at_a_time(networks):
    """Of within-group distances, not of distances to the base: what the threshold is about."""
    _, baseline, modified = networks
    layers, unchanged = ("L2", "L3", "L4"), set(STUDY.unchanged)
    scales = {(n, k): n.scale(k) for n in (baseline, modified) for k in layers}

    def statistics(but=None):
        pairs = [
            [n.within(k, but=but) / scales[n, k] for n in (baseline, modified)] for k in layers
        ]
        return np.array([min(-change(*pair) for pair in pairs), *(a - b for a, b in pairs)])

    variance, freedom = np.zeros(4), 0
    for group in unchanged:
        names = [name for name in modified.names if name.split("/")[0] == group]
        without = np.array([statistics(name) for name in names])
        n = len(names)
        variance += (n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
        freedom += n - 1
    error, given = np.sqrt(variance), statistics()
    found = networks[0]["C7"].part("relative").finding
    reach = stats.t.ppf(0.99, freedom) * error[0]
    assert (found.low, found.high) == pytest.approx((given[0] - reach, given[0] + reach))
    assert found.p_value == pytest.approx(stats.t.sf(given[1:] / error[1:], freedom).max())


def test_a_trend_is_tested_by_the_statistic_that_meets_the_threshold():
    study = Study(("G1", "G2", "G3"), ("G5",), (), ("G1",), ("L0",), ("L2", "L3", "L4"))
    world = MODIFIED.but(unevenness=0.5, members=4)
    part = judge([world.table()], study, permutations=999)["C4"].part("relative")
    plain = Plain(world)
    within = np.array(
        [
            [plain.within(k, [[group]]) / plain.scale(k) for k in study.deep]
            for group in study.unchanged
        ]
    )

    def least_step(values):
        return min(change(a, b) for a, b in pairwise(values.mean(axis=0)))

    orders = [list(order) for order in permutations(range(3))]
    arranged = [
        least_step(np.array([row[order] for row, order in zip(within, chosen, strict=True)]))
        for chosen in product(orders, repeat=3)
    ]
    assert part.finding.value == pytest.approx(least_step(within))
    assert part.finding.p_value == np.mean(np.array(arranged) >= least_step(within) - 1e-9)


@pytest.mark.parametrize(("eyes", "faces"), [(1.0, 1.0), (0.9, 1.1), (1.0, 0.2)])
def test_crossed_is_the_share_of_sketches_nearer_to_their_eyes_than_to_their_face(eyes, faces):
    table = crossed_table(eyes, faces)
    names = [tuple(name.split("/")) for name in table.rows["sketch"]]
    vectors = dict(zip(names, table.vectors["L4"], strict=True))
    nearer = []
    for face, pair in names:
        same_eyes = [
            apart(vectors[face, pair], vectors[f, e]) for f, e in names if e == pair and f != face
        ]
        same_face = [
            apart(vectors[face, pair], vectors[f, e]) for f, e in names if f == face and e != pair
        ]
        nearer.append(np.mean(same_eyes) < np.mean(same_face))
    # Whatever order the table is in.
    order = np.random.default_rng(0).permutation(len(names))
    shuffled = type(table)(
        table.rows.iloc[order].reset_index(drop=True), {"L4": table.vectors["L4"][order]}, {}
    )
    found = judge({}, crossed=shuffled, permutations=99)["C9"].part("crossed").finding
    assert found.value == pytest.approx(np.mean(nearer))


def test_eyes_that_say_nothing_of_a_vector_are_told_from_chance_as_often_as_chance_has_it():
    p = [
        judge({}, crossed=crossed_table(0.0, 1.0, 0.5, seed), permutations=99)["C9"]
        .part("crossed")
        .finding.p_value
        for seed in range(40)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.15
