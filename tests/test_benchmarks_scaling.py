"""The benchmarks of extraction on other machines than a test runs on."""

import pytest
import torch

from benchmarks import extraction_gpu, scale_out_cost
from featviz.extraction.cost import Rates, extraction_cost


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_so_and_measures_nothing(capsys):
    extraction_gpu.main(extraction_gpu.Settings())
    assert capsys.readouterr().out == (
        "no GPU: PyTorch finds no CUDA device here; nothing was measured\n"
    )


def test_the_gpu_benchmark_runs_through_on_a_cpu_and_names_a_bound(capsys):
    settings = extraction_gpu.Settings("cpu", width=1, sketches=3, batch_size=2, runs=1)
    extraction_gpu.main(settings)
    said = capsys.readouterr().out
    for precision in ("float32", "bfloat16"):
        for name in ("whole", "loading", "computing"):
            assert f"{precision:<10} {name}" in said
        assert f"{precision:<10} bound by " in said


def test_the_cost_of_scaling_out_adds_up(capsys):
    rates = Rates(seconds=0.5, load_seconds=3.0, start_seconds=6.0)
    cost = extraction_cost(7200, 10, 4, rates, numbers=100, price_per_worker_hour=2.0)
    # 10 h of reading, and 4 workers that load 10 checkpoints for 3 s each and start for 6 s.
    assert cost.worker_hours == pytest.approx(10 + (4 * 10 * 3 + 4 * 6) / 3600)
    assert cost.hours == pytest.approx(cost.worker_hours / 4)
    assert cost.bytes == 7200 * 10 * 100 * 4
    assert cost.price == pytest.approx(2 * cost.worker_hours)
    scale_out_cost.main(
        scale_out_cost.Settings(0.036, 1_000_000, 10, (100,), load_seconds=0, start_seconds=0)
    )
    # 1e7 x 0.036 s = 100 h of workers.
    assert ["100", "1.0", "100", "-"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]
