"""Where networks compute, and in which precision."""

import time

import pytest
import torch

from featviz.probing import device


def test_the_faster_of_two_precisions_is_taken():
    def seconds(precision):
        left, right = (torch.randn(512, 512).to(precision) for _ in range(2))
        left @ right
        start = time.process_time()
        for _ in range(5):
            left @ right
        return time.process_time() - start

    times = {precision: seconds(precision) for precision in (torch.float32, torch.bfloat16)}
    fast, slow = sorted(times, key=times.get)
    if times[slow] < 1.5 * times[fast]:
        pytest.skip("both take as long on this processor")
    assert device.fastest_precision(torch.device("cpu")) == fast


def test_a_gpu_takes_bfloat16():
    assert device.fastest_precision(torch.device("cuda")) == torch.bfloat16
