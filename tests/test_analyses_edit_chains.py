"""Chains of edits: what they are made of, and what may drift in them."""

import numpy as np
import pytest
import torch

from analyses.edit_chains import chain, drift, main, run_free, run_from_base, run_kept
from featviz.generators.checkpoint_files import LoadedGenerator
from featviz.sketches.drawing import rasterize
from featviz.sketches.edits import absolute_change
from featviz.sketches.sketch_set import SketchSet


def test_each_sketch_differs_from_the_one_before_in_one_part(shipped: SketchSet) -> None:
    drawn = chain(shipped, 4)
    names = list(shipped.index["sketch"])
    mouths = [shipped.drawing(names.index(f"G8/00{n}")).part("mouth") for n in (1, 2, 3)]
    noses = [shipped.drawing(names.index(name)).part("nose") for name in ("G8/001", "G11/001")]
    base = shipped.drawing(names.index("G8/001"))
    np.testing.assert_array_equal(drawn[0], rasterize(base))
    np.testing.assert_array_equal(drawn[1], rasterize(base.with_part("mouth", mouths[1])))
    third = base.with_part("mouth", mouths[2]).with_part("nose", noses[1])
    np.testing.assert_array_equal(drawn[3], rasterize(third))


def test_untouched_pixels_do_not_drift_and_one_base_gives_itself_back(make, shipped) -> None:
    loaded = LoadedGenerator("thin", make(width=2, residual_blocks=1), {}, "0")
    drawn = [image[::4, ::4] for image in chain(shipped, 3)]
    kept = run_kept(loaded, drawn)
    assert len(kept.steps) == 6 and 0 < kept.reach.mean() < 0.5
    of_base = run_from_base(loaded, drawn, kept.reach)
    away = torch.from_numpy(~kept.reach)
    for each in (kept, of_base):
        for image in (*each.steps, each.jump):
            assert torch.equal(image[..., away], each.base[..., away])
        assert drift(each)[0] == "0 (0)"
    assert torch.equal(of_base.steps[-1], of_base.base)
    free = run_free(loaded, drawn, kept.reach)
    assert free.steps[0] is free.steps[-2]
    change = absolute_change(free.steps[2], free.base)[kept.reach]
    assert drift(free)[1] == f"{change.mean():.4g} ({change.max():.4g})"
    assert drift(free)[0] != "0 (0)" and drift(free)[2:] == ["0 (0)", "0 (0)"]


def test_more_edits_than_there_are_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--edits", "400"])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "has 25 edits of G8/001; expected 200" in error
