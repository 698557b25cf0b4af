import numpy as np
import pytest
import skimage.data
import torch
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import load_file
from scipy.ndimage import gaussian_filter

from featviz.analysis.evaluation.lpips import Lpips, descriptors, load_lpips, lpips_file, reduce_to
from featviz.base.errors import FeatvizError
from featviz.sketches.tensors import encode_image

LAYOUT = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    return load_lpips()


@pytest.fixture(scope="module")
def face():
    """(64, 64, 3) uint8: an astronaut's."""
    return skimage.data.astronaut()[0:256, 100:356][::4, ::4]


def tensor(image):
    return encode_image(np.asarray(image, np.uint8))[None]


def by_the_paper(first, second):
    """Section 3 of the paper and its appendix on plain arrays (H, W, 3) uint8, in float64.

    The weights are read as they were published: kernels (height, width, in, out).
    """
    weights = load_file(lpips_file())
    maps = []
    for image in (first, second):
        x = image / 127.5 - 1
        x = (x - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        number, of_image = 0, []
        for position, entry in enumerate([*LAYOUT, "M"]):
            if entry == "M":
                of_image.append(x)
                height, width = x.shape[0] // 2, x.shape[1] // 2
                x = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).max(axis=(1, 3))
                continue
            assert position < len(LAYOUT)
            kernel = weights[f"VGG16_0/Conv_{number}/kernel"].astype(np.float64)
            bias = weights[f"VGG16_0/Conv_{number}/bias"]
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            windows = sliding_window_view(padded, (3, 3), axis=(0, 1))
            x = np.maximum(np.tensordot(windows, kernel, ((3, 4, 2), (0, 1, 2))) + bias, 0)
            number += 1
        maps.append(of_image)
    total = 0.0
    for layer, (a, b) in enumerate(zip(*maps, strict=True)):
        head = weights[f"NetLinLayer_{layer}/Conv_0/kernel"][0, 0, :, 0]
        a, b = (m / (np.sqrt((m**2).sum(axis=2, keepdims=True)) + 1e-10) for m in (a, b))
        total += float(((a - b) ** 2 @ head).mean())
    return total


def test_distances_are_those_of_an_independent_implementation(lpips, face, rng):
    noisy = np.clip(face + rng.normal(0, 30, face.shape), 0, 255).astype(np.uint8)
    first, second = face[:48, :48], noisy[:48, :48]
    for one, other in ((first, second), (first, first[::-1]), (first[:33, :], second[:33, :])):
        got = float(lpips(tensor(one), tensor(other)))
        assert got == pytest.approx(by_the_paper(one, other), rel=1e-5)


def test_the_weights_are_the_published_ones(lpips):
    # The first filter of VGG16 as every copy of these weights has it, to five digits.
    first = lpips.stages[0][0].weight[0, 0, 0].tolist()
    assert first == pytest.approx([-0.55373, 0.14270, 0.52896], abs=1e-5)
    # The heads weigh squared differences: none of the published weights is negative.
    assert all(float(head.min()) >= 0 for head in lpips.heads)


def test_equal_images_have_no_distance_and_order_does_not_matter(lpips, face):
    one, other = tensor(face), tensor(face[:, ::-1])
    assert float(lpips(one, one)) == 0
    assert float(lpips(one, other)) == pytest.approx(float(lpips(other, one)), rel=1e-6)
    assert float(lpips(one, other)) > 0.1


@pytest.mark.parametrize("kind", ["noise", "blur", "shift"])
def test_the_distance_grows_with_the_distortion(lpips, face, rng, kind):
    noise = rng.normal(size=face.shape)
    distances = []
    for amount in (1, 2, 4, 8):
        match kind:
            case "noise":
                image = face + 8 * amount * noise
            case "blur":
                image = gaussian_filter(face.astype(float), (amount / 2, amount / 2, 0))
            case _:
                image = np.roll(face, amount, axis=1)
        distances.append(float(lpips(tensor(face), tensor(np.clip(image, 0, 255)))))
    assert distances == sorted(distances)
    assert distances[0] > 0.005


def test_one_image_is_compared_with_each_of_a_batch(lpips, face):
    images = torch.cat([tensor(face), tensor(face[::-1]), tensor(face[:, ::-1])])
    got = lpips.distance(lpips.maps(images[:1]), lpips.maps(images))
    want = [float(lpips(images[:1], images[i : i + 1])) for i in range(3)]
    assert got.tolist() == pytest.approx(want, abs=1e-6)


def test_a_descriptor_hardly_knows_where_things_are(lpips, face):
    flipped = descriptors(lpips.maps(tensor(face[:, ::-1])))
    other = descriptors(lpips.maps(tensor(skimage.data.coffee()[:256:4, :256:4])))
    own = descriptors(lpips.maps(tensor(face)))
    assert own.shape == (1, 512)
    assert float((own - flipped).norm()) < 0.5 * float((own - other).norm())


def test_large_images_are_averaged_down_and_small_ones_stay():
    image = torch.arange(3 * 8 * 8, dtype=torch.float32).reshape(1, 3, 8, 8)
    want = image.reshape(1, 3, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(reduce_to(image, 4), want)
    assert torch.equal(reduce_to(image, 8), image)
    assert torch.equal(reduce_to(image, 100), image)


def test_images_that_are_too_small_are_refused_with_the_numbers(lpips):
    with pytest.raises(FeatvizError, match="at least 16x16; got 20x8"):
        lpips.maps(torch.zeros(1, 3, 8, 20))


def test_missing_and_damaged_weights_are_errors_of_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATVIZ_CACHE", str(tmp_path))
    with pytest.raises(FeatvizError, match="featviz assets get lpips"):
        load_lpips()
    folder = tmp_path / "assets" / "lpips"
    folder.mkdir(parents=True)
    (folder / "lpips-vgg16.safetensors").write_bytes(b"nothing")
    with pytest.raises(FeatvizError, match=r"lpips-vgg16\.safetensors: not readable"):
        load_lpips()
