"""C9: is the same pair of eyes on another face nearer than another pair on the same face?"""

import numpy as np
from numpy.typing import NDArray

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import Evidence, NotJudgeableError, Tables
from featviz.analysis.claims.jackknife import jackknife
from featviz.analysis.separation import permutation_test
from featviz.base.errors import FeatvizError

_FEWEST = 3

_NO_CROSSED = "no feature table of a crossed set of sketches: --crossed FILE"


def same_eyes(tables: Tables) -> Finding:
    """C9: the share of sketches that lie nearer to their eyes elsewhere than to their face."""
    if tables.crossed is None:
        raise NotJudgeableError(_NO_CROSSED)
    layer = tables.study.layers[-1]
    apart = _laid_out(tables.crossed, layer)
    faces, eyes = apart.shape[:2]

    def share(order: NDArray[np.int64]) -> float:
        """Of the sketches (face, eyes), eyes in some order on each face."""
        same, other = _mean_distances(apart, order)
        return float(np.mean((same < other) + (same == other) / 2))

    in_place = np.tile(np.arange(eyes), (faces, 1))
    test = permutation_test(
        lambda labels: share(np.argsort(labels.reshape(faces, eyes), axis=1)),
        in_place.ravel(),
        np.repeat(np.arange(faces), eyes),
        permutations=tables.randomness.permutations,
        seed=tables.randomness.seed,
    )

    def without(kept: NDArray[np.bool_]) -> float:
        same, other = _mean_distances(apart[kept][:, :, kept], in_place[kept])
        return float(np.mean((same < other) + (same == other) / 2))

    low, high = jackknife(without, np.zeros(faces)).bounds()
    same, other = _mean_distances(apart, in_place)
    ratio = float(same.mean() / other.mean()) if other.any() else None
    return Finding(
        share(in_place),
        ratio,
        "distance to the same eyes / to the same face",
        test.p_value,
        {"faces": faces, "pairs of eyes": eyes},
        low=low,
        high=high,
    )


def _mean_distances(
    apart: NDArray[np.float64], order: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(faces, eyes) mean distance to the same eyes on other faces, to other eyes on this face.

    order: (faces, eyes), which drawn eyes are taken to be which on each face.
    """
    faces, eyes = order.shape
    face = np.arange(faces)
    # (face, other face, eyes)
    across = apart[face[:, None, None], order[:, None, :], face[None, :, None], order[None, :, :]]
    along = apart[face[:, None, None], order[:, :, None], face[:, None, None], order[:, None, :]]
    # What a sketch is from itself is 0.
    return across.sum(axis=1) / (faces - 1), along.sum(axis=2) / (eyes - 1)


def _laid_out(network: Evidence, layer: str) -> NDArray[np.float64]:
    """Distances (faces, eyes, faces, eyes) of sketches named FACE/EYES.

    Raises FeatvizError unless every pair of eyes is on every face, three of each at least.
    """
    names = [tuple(sketch.rsplit("/", 1)) for sketch in network.sketches]
    faces, eyes = (sorted({name[k] for name in names if len(name) == 2}) for k in (0, 1))
    rows = {name: row for row, name in enumerate(names)}
    wanted = [(face, pair) for face in faces for pair in eyes]
    if set(rows) != set(wanted) or min(len(faces), len(eyes)) < _FEWEST:
        missing = next(("/".join(name) for name in wanted if name not in rows), None)
        raise FeatvizError(
            f"a crossed set has sketches FACE/EYES, every pair of eyes on every face, at least "
            f"{_FEWEST} of each; this one has {len(names)} of {len(faces)} faces and {len(eyes)} "
            f"pairs of eyes" + (f", and not {missing}" if missing else "")
        )
    order = [rows[name] for name in wanted]
    distances = network.layer(layer).distances[np.ix_(order, order)]
    return distances.reshape(len(faces), len(eyes), len(faces), len(eyes))
