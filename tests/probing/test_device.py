"""Where networks compute, and in which precision."""

import time

import torch

from featviz.probing.device import fastest_precision


def test_the_precision_that_is_taken_is_not_the_slower_one():
    def seconds(precision):
        left, right = (torch.randn(512, 512).to(getattr(torch, precision)) for _ in range(2))
        times = []
        for _ in range(5):
            start = time.process_time()
            left @ right
            times.append(time.process_time() - start)
        return min(times)

    threads = torch.get_num_threads()
    taken = fastest_precision(torch.device("cpu"))
    assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    try:
        times = {precision: seconds(precision) for precision in ("float32", "bfloat16")}
    finally:
        torch.set_num_threads(threads)
    # Where both take as long either will do.
    assert times[taken] < 1.5 * min(times.values())


def test_a_gpu_takes_bfloat16():
    assert fastest_precision(torch.device("cuda")) == "bfloat16"
