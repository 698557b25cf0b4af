import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from featviz.analysis.evaluation.images import Painter
from featviz.analysis.evaluation.lpips import load_lpips, reduce_to
from featviz.analysis.evaluation.pairs import choose_pairs, measure_pairs
from featviz.analysis.evaluation.pixels import psnr, ssim
from featviz.analysis.evaluation.robustness import moves_for
from featviz.base.errors import FeatvizError
from featviz.faces.augmentation import move_landmarks
from featviz.faces.pairs import PairSet
from featviz.generators.checkpoint import Checkpoint
from featviz.sketches.drawing import rasterize
from featviz.sketches.tensors import encode_image


@pytest.fixture(scope="module")
def lpips():
    return load_lpips()


class Remembers(nn.Module):
    """Gives back its sketch, and keeps all that it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, sketch):
        self.seen.append(sketch.clone())
        return sketch


def painter_of(generator, size=64):
    checkpoint = Checkpoint("mine", generator, {"kind": "generator"}, "", "mine")
    return Painter(checkpoint, size, torch.device("cpu"))


def test_images_that_are_the_photos_are_perfect(held_out, lpips):
    class KnowsThePhotos(nn.Module):
        def __init__(self):
            super().__init__()
            self.next = iter(range(2))

        def forward(self, sketch):
            return encode_image(held_out.photo(next(self.next), 64))[None]

    two = first_pairs(held_out, 2)
    result = measure_pairs(painter_of(KnowsThePhotos()), lpips, two, lpips_size=64)
    assert result.images["lpips"].tolist() == [0, 0]
    assert result.images["ssim"].tolist() == pytest.approx([1, 1])
    assert np.isinf(result.images["psnr"]).all()
    assert np.array_equal(result.descriptors, result.of_photos)


def first_pairs(pairs: PairSet, count: int) -> PairSet:
    return replace(
        pairs,
        names=pairs.names[:count],
        landmarks=pairs.landmarks[:count],
        splits=pairs.splits[:count],
    )


def test_contours_move_and_photos_do_not(held_out, lpips):
    generator = Remembers()
    two = first_pairs(held_out, 2)
    result = measure_pairs(painter_of(generator), lpips, two, lpips_size=32, moved=1, seed=5)
    moves = moves_for(two.names[0], 5)
    images = result.images
    assert images["pair"].tolist() == [0] * 8 + [1]
    assert images["move"].tolist() == ["", *(move.kind for move in moves), ""]
    assert images["amount"].tolist() == [0, *(move.amount for move in moves), 0]
    assert result.of_photos.shape == (2, 512)
    assert result.descriptors.shape == (9, 512)

    photo = two.photo(0, 64)
    reference = reduce_to(encode_image(photo)[None], 32)
    for number in (0, 3, 7):
        landmarks = two.landmarks[0]
        if number:
            move = moves[number - 1]
            landmarks = move_landmarks(landmarks, 512, move.shift, move.degrees)
        sketch = rasterize(two.contour(0, 64, landmarks))
        assert torch.equal(generator.seen[number], encode_image(sketch)[None])
        image = np.repeat(sketch[:, :, None], 3, axis=2)
        row = images.iloc[number]
        small = reduce_to(encode_image(image)[None], 32)
        assert row["lpips"] == pytest.approx(float(lpips(small, reference)), rel=1e-5)
        assert row["ssim"] == pytest.approx(ssim(image, photo))
        assert row["psnr"] == pytest.approx(psnr(image, photo))


def test_only_held_out_pairs_are_chosen(pairs, held_out):
    mixed = replace(held_out, splits=("test", "train", "test", "test", "train", "test"))
    chosen, skipped = choose_pairs(mixed, 100, seed=0)
    assert sorted(chosen.names) == sorted(mixed.split("test").names)
    assert skipped == []
    with pytest.raises(FeatvizError, match="has 1 readable pairs in its test split; expected at"):
        choose_pairs(pairs, 100, seed=0)


def test_the_choice_depends_on_the_seed_and_no_other_photo(held_out):
    all_six, _ = choose_pairs(held_out, 6, seed=1)
    four, _ = choose_pairs(held_out, 4, seed=1)
    assert four.names == all_six.names[:4]
    assert {choose_pairs(held_out, 6, seed=seed)[0].names for seed in range(3)} != {all_six.names}
    fewer = first_pairs(held_out, 5)
    without, _ = choose_pairs(fewer, 5, seed=1)
    assert without.names == tuple(name for name in all_six.names if name in fewer.names)


def test_landmarks_stay_with_their_photos(held_out):
    chosen, _ = choose_pairs(held_out, 4, seed=2)
    for name, landmarks in zip(chosen.names, chosen.landmarks, strict=True):
        assert np.array_equal(landmarks, held_out.landmarks[held_out.names.index(name)])


def test_unreadable_photos_are_passed_over_and_listed(tmp_path, held_out):
    shutil.copytree(held_out.folder / "photos", tmp_path / "photos")
    order = choose_pairs(held_out, 6, seed=0)[0].names
    (tmp_path / "photos" / order[1]).write_bytes(b"no photo")
    (tmp_path / "photos" / order[2]).unlink()
    chosen, skipped = choose_pairs(replace(held_out, folder=tmp_path), 3, seed=0)
    assert chosen.names == (order[0], order[3], order[4])
    assert len(skipped) == 2
    assert order[1] in skipped[0] and "not a readable image" in skipped[0]
    assert order[2] in skipped[1] and "no such photo" in skipped[1]
