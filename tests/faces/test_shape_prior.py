import numpy as np
import pytest
from scipy.optimize import minimize

from featviz.base.errors import FeatvizError
from featviz.faces.pairs import PairSet
from featviz.faces.shape_prior import ShapeNeighbours, ShapePrior, fit_prior, shapes_of

NOISE = 4.0 * np.eye(68)


def pairs_of(shapes, size=512):
    count = len(shapes)
    landmarks = shapes.reshape(count, 68, 2).astype(np.float32)
    return PairSet(None, tuple(map(str, range(count))), landmarks, ("train",) * count, size)


@pytest.fixture
def planted(rng):
    """Shapes of three components and a little noise, and their covariance."""
    ways = rng.normal(0, 8, (3, 136))
    shapes = 250 + rng.normal(0, 1, (4000, 3)) @ ways + rng.normal(0, 0.5, (4000, 136))
    return shapes, ways.T @ ways + 0.25 * np.eye(136)


def test_the_gaussian_has_the_covariance_that_shapes_were_drawn_from(planted):
    shapes, covariance = planted
    prior = fit_prior(pairs_of(shapes), 3)
    assert np.abs(prior.mean - 250).max() < 1.5
    assert np.abs(prior.covariance - covariance).max() < 0.1 * np.abs(covariance).max()


def test_the_likely_face_is_the_most_probable_one_of_what_was_drawn(planted, rng):
    prior = ShapePrior(np.full(136, 250.0), planted[1])
    drawn = 250 + rng.normal(0, 10, (68, 2))
    drawn[40:] = np.nan
    spread = rng.normal(0, 1, (68, 68))
    noise = spread @ spread.T + np.eye(68)
    found = prior(drawn, noise).reshape(-1)
    told = np.isfinite(drawn.reshape(-1))
    seen = np.linalg.inv(np.kron(noise, np.eye(2))[np.ix_(told, told)])
    inverse = np.linalg.inv(prior.covariance)

    def unlikely(shape):
        off, beside = shape - prior.mean, shape[told] - drawn.reshape(-1)[told]
        gradient = inverse @ off
        gradient[told] += seen @ beside
        return (off @ inverse @ off + beside @ seen @ beside) / 2, gradient

    lowest, gradient = unlikely(found)
    assert np.abs(gradient).max() < 1e-8 * np.abs(inverse @ (found - prior.mean)).max()
    other = minimize(unlikely, prior.mean, jac=True, method="BFGS").fun
    assert lowest <= other + 1e-6


def test_of_what_is_not_drawn_the_mean_is_likely_if_nothing_is():
    prior = ShapePrior(np.arange(136.0), np.eye(136))
    assert np.array_equal(prior(np.full((68, 2), np.nan), NOISE).reshape(-1), prior.mean)


def test_neighbours_give_back_one_of_them_and_a_mixture_of_two(planted):
    neighbours = ShapeNeighbours(planted[0][:200], 5)
    one = planted[0][7].reshape(68, 2)
    assert np.abs(neighbours(one, NOISE) - one).max() < 0.1
    between = (planted[0][7] + planted[0][8]).reshape(68, 2) / 2
    two = ShapeNeighbours(planted[0][7:9], 2)
    assert np.abs(two(between, NOISE) - between).max() < 0.1
    half = between.copy()
    half[30:] = np.nan
    assert np.abs(two(half, NOISE) - between).max() < 0.1


def test_shapes_are_of_the_canvas_whatever_the_photos_size(planted):
    shapes = planted[0][:5]
    halved = (shapes + 0.5) / 2 - 0.5
    assert np.allclose(shapes_of(pairs_of(halved, 256)), shapes, atol=1e-3)


def test_more_components_than_contours_are_refused(planted):
    with pytest.raises(FeatvizError, match=r"30 components takes more contours than that.* has 20"):
        fit_prior(pairs_of(planted[0][:20]))
