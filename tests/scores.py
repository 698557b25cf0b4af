"""Every score that featviz prints, on data that have nothing in common and on equal data.

A score says something only beside these two values. A new score gets a line here, and the test that
goes through SCORES holds it to both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from featviz.analysis.embedding.objective import exact_objective, student
from featviz.analysis.embedding.quality import neighbourhood_quality
from featviz.analysis.embedding.seeds import align_maps, spread
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.lpips import load_lpips
from featviz.analysis.evaluation.pixels import psnr, ssim
from featviz.analysis.leakage.change import relative_change
from featviz.analysis.leakage.table import IMAGE
from featviz.analysis.separation import energy_test, group_distances, permanova, permdisp
from featviz.analysis.separation.distances import distance_matrix
from featviz.analysis.separation.silhouettes import neighbour_purity, silhouettes
from featviz.analysis.similarity import linear_cka, rsa
from featviz.sketches.tensors import encode_image

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]

GROUPS = np.repeat([0, 1, 2], [8, 12, 20])
BY_CHANCE = (3 - 1) / (40 - 1)
"""The share of any total that 3 groups of 40 sketches explain if they mean nothing."""


@dataclass(frozen=True)
class Score:
    """A score, and what it is where nothing is to be found and where all is.

    of_unrelated, of_identical: a generator of random numbers -> the score. unrelated: the mean over
    `draws`, from theory, to `within`. identical: the value that equal data have, to the last bit or
    its rounding.
    """

    name: str
    of_unrelated: Callable[[np.random.Generator], float]
    unrelated: float
    within: float
    of_identical: Callable[[np.random.Generator], float]
    identical: float
    draws: int = 20


def _two(measure: Callable[..., float], *shape: int) -> tuple[Callable[..., float], ...]:
    """A measure of two arrays: of two independent ones, and of one with itself."""

    def unrelated(rng: np.random.Generator) -> float:
        return float(measure(rng.normal(size=shape), rng.normal(size=shape)))

    def identical(rng: np.random.Generator) -> float:
        one = rng.normal(size=shape)
        return float(measure(one, one.copy()))

    return unrelated, identical


def _groups(measure: Callable[..., float]) -> tuple[Callable[..., float], ...]:
    """A measure of distances and groups: of groups drawn alike, and of one vector a group."""

    def unrelated(rng: np.random.Generator) -> float:
        return float(measure(distance_matrix(rng.normal(size=(40, 6))), GROUPS))

    def identical(rng: np.random.Generator) -> float:
        return float(measure(distance_matrix(rng.normal(size=(3, 6))[GROUPS]), GROUPS))

    return unrelated, identical


def _photos(measure: Callable[..., float]) -> tuple[Callable[..., float], ...]:
    """A measure of two images: of independent noise, and of an image with itself."""

    def noise(rng: np.random.Generator) -> NDArray[np.uint8]:
        return rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def unrelated(rng: np.random.Generator) -> float:
        return measure(noise(rng), noise(rng))

    def identical(rng: np.random.Generator) -> float:
        one = noise(rng)
        return measure(one, one.copy())

    return unrelated, identical


def _spread(maps: NDArray[np.float64]) -> float:
    return spread(np.stack([align_maps(one, maps[0]) for one in maps]), maps[0])


def _divergence(points: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    return float(exact_objective(student, p)(points, p, should_eval_error=True)[0])


def _closeness(points: NDArray[np.float64]) -> NDArray[np.float64]:
    close = 1 / (1 + distance_matrix(points) ** 2)
    np.fill_diagonal(close, 0)
    return np.asarray(close / close.sum())


def _lpips(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(load_lpips()(encode_image(one)[None], encode_image(other)[None]))


def _change(layer: str) -> Callable[..., float]:
    def measure(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        maps = (torch.from_numpy(array)[None].float() for array in (one, other))
        return float(relative_change(layer, *maps).mean())

    return measure


def _ratio(distances: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    # Principal coordinates: vectors of these distances.
    centre = np.eye(len(groups)) - 1 / len(groups)
    values, axes = np.linalg.eigh(-centre @ distances**2 @ centre / 2)
    vectors = axes * np.sqrt(np.maximum(values, 0))
    # Rounding keeps equal vectors from being equal.
    within, between, _ = group_distances(vectors.round(6), groups.astype(str).tolist())
    assert within is not None and between is not None
    return within / between


def _spread_apart(rng: np.random.Generator) -> float:
    """Two groups whose members are all at one distance from their means, and another of each."""
    pairs = np.array([[-1.0], [1.0], [-3.0], [3.0]])
    return permdisp(distance_matrix(pairs), list("aabb")).effect


def _random_trust(count: int, neighbours: int) -> float:
    """Trustworthiness where a neighbour's rank is any: Venna and Kaski's sum, in expectation."""
    n, k = count, neighbours
    return 1 - (n - 1 - k) * (n - k) / ((2 * n - 3 * k - 1) * (n - 1))


def _quality(name: str) -> tuple[Callable[..., float], ...]:
    return _two(lambda one, other: neighbourhood_quality(one, other)[name], 60, 2)  # type: ignore[arg-type, return-value]


def _uniform_surprise(rng: np.random.Generator) -> float:
    """The divergence of a map whose points all lie in one place, less what theory says of it."""
    p = _closeness(rng.normal(size=(30, 2)))
    there = p[p > 0]
    expected = math.log(30 * 29) + float((there * np.log(there)).sum())
    return _divergence(np.zeros((30, 2)), p) - expected


def _own_divergence(rng: np.random.Generator) -> float:
    points = rng.normal(size=(30, 2))
    return _divergence(points, _closeness(points))


def _score(
    name: str,
    of: tuple[Callable[..., float], ...],
    unrelated: float,
    within: float,
    identical: float,
    draws: int = 20,
) -> Score:
    return Score(name, of[0], unrelated, within, of[1], identical, draws)


_OWN_SPREAD = (
    lambda rng: _spread(rng.normal(size=(10, 100, 2))),
    lambda rng: _spread(np.stack([rng.normal(size=(100, 2))] * 10)),
)
_PURITY = float(np.mean([(n - 1) / 39 for n in (8, 12, 20) for _ in range(n)]))

SCORES = (
    # Ten maps of equal size: their mean has a tenth of the variance.
    _score("spread", _OWN_SPREAD, math.sqrt(0.9), 0.02, 0),
    _score("trustworthiness", _quality("trustworthiness"), _random_trust(60, 15), 0.02, 1),
    _score("continuity", _quality("continuity"), _random_trust(60, 15), 0.02, 1),
    Score("kl_divergence", _uniform_surprise, 0, 1e-9, _own_divergence, 0, draws=3),
    _score("cka", _two(linear_cka, 40, 100), 0, 0.05, 1),
    _score("rsa", _two(rsa, 40, 100), 0, 0.05, 1),
    _score("silhouette", _groups(lambda d, g: silhouettes(d, g).mean()), 0, 0.07, 1),
    _score("purity", _groups(lambda d, g: neighbour_purity(d, g).mean()), _PURITY, 0.07, 1),
    _score("ratio", _groups(_ratio), 1, 0.03, 0),
    _score("permanova", _groups(lambda d, g: permanova(d, g).effect), BY_CHANCE, 0.02, 1),
    Score(
        "permdisp",
        _groups(lambda d, g: permdisp(d, g, permutations=1).effect)[0],
        BY_CHANCE,
        0.03,
        _spread_apart,
        1,
    ),
    _score("energy", _groups(lambda d, g: energy_test(d, g).effect), BY_CHANCE, 0.02, 1),
    _score("kernel distance", _two(lambda a, b: kernel_distance(a, b).value, 60, 20), 0, 0.02, 0),
    _score("ssim", _photos(ssim), 0, 0.03, 1, draws=3),
    # Two independent uniform values of 0 to 255 differ by 2 (256^2 - 1) / 12 in the mean square.
    _score("psnr", _photos(psnr), 10 * math.log10(255**2 * 6 / (256**2 - 1)), 0.1, math.inf, 3),
    # Measured: there is no theory of what noise looks like to a network.
    _score("lpips", _photos(_lpips), 0.35, 0.02, 0, draws=3),
    # Differences of independent vectors are longer by the root of 2.
    _score("change", _two(_change("L0"), 50, 12, 12), math.sqrt(2), 0.03, 0, draws=3),
    _score("change of the image", _two(_change(IMAGE), 3, 60, 60), 1 / math.sqrt(math.pi), 0.02, 0),
)
