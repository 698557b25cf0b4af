import math

import numpy as np
import pytest
import skimage.data
from scipy.ndimage import gaussian_filter

from featviz.analysis.evaluation.pixels import psnr, ssim


@pytest.fixture(scope="module")
def images():
    face = skimage.data.astronaut()[:96, 150:246]
    noise = np.random.default_rng(0).normal(0, 20, face.shape)
    return face, np.clip(face + noise, 0, 255).astype(np.uint8)


def test_psnr_is_ten_times_the_logarithm_of_the_peak_over_the_squared_error(images):
    face, noisy = images
    error = np.mean((face.astype(float) - noisy) ** 2)
    assert psnr(face, noisy) == pytest.approx(10 * math.log10(255**2 / error))
    assert psnr(face, face) == math.inf


def by_the_paper(first, second):
    """Equation 13 of Wang et al. 2004 with an 11 x 11 Gaussian window, mean over what it fits."""
    a, b = first.astype(float), second.astype(float)

    def mean(x):
        return gaussian_filter(x, (1.5, 1.5, 0), truncate=3.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, vab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    above, below = (2 * ma * mb + c1) * (2 * vab + c2), (ma**2 + mb**2 + c1) * (va + vb + c2)
    return float((above / below)[5:-5, 5:-5].mean())


def test_ssim_is_the_papers(images):
    face, noisy = images
    assert ssim(face, noisy) == pytest.approx(by_the_paper(face, noisy), abs=1e-6)
    assert ssim(face, face) == pytest.approx(1)
    assert ssim(face, noisy) == pytest.approx(ssim(noisy, face))
