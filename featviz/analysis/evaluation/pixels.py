"""Similarity of two images pixel by pixel, by scikit-image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from featviz.base.errors import needing

_Pixels = NDArray[np.uint8]


def require_scikit_image() -> None:
    """Raise FeatvizError naming the command that installs scikit-image if it is not there."""
    with needing("evaluation", "evaluate"):
        import skimage.metrics  # noqa: F401


def ssim(first: _Pixels, second: _Pixels) -> float:
    """Structural similarity of two images (H, W, 3): 1 for equal ones (Wang et al. 2004).

    The paper's settings: Gaussian window of sigma 1.5, K = (0.01, 0.03); the mean of the three
    channels.
    """
    from skimage import metrics

    similarity: Callable[..., float] = metrics.structural_similarity
    return float(
        similarity(
            first,
            second,
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def psnr(first: _Pixels, second: _Pixels) -> float:
    """Peak signal-to-noise ratio of two images (H, W, 3) in dB; infinite for equal ones."""
    from skimage import metrics

    ratio: Callable[..., float] = metrics.peak_signal_noise_ratio
    with np.errstate(divide="ignore"):
        return float(ratio(first, second, data_range=255))
