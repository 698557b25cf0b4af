"""Where networks compute, and that they give the same numbers there every time."""

import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

_SIDE = 256
_PRODUCTS = 8


@cache
def fastest_precision(device: torch.device) -> Literal["bfloat16", "float32"]:
    """In which of the two products take less time: bfloat16 on a GPU, measured on a CPU, once and
    within milliseconds.

    A processor's name for what it can do does not tell: of two with vectors of bfloat16 one
    multiplies them twice as fast as float32, one half as fast.
    """
    if device.type != "cpu":
        return "bfloat16"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other where others compute as well
    try:
        is_slower = _product_seconds(torch.bfloat16) > _product_seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)
    return "float32" if is_slower else "bfloat16"


def _product_seconds(precision: torch.dtype) -> float:
    """The least time that the processor spends on one of several products of square matrices."""
    left, right = (torch.ones(_SIDE, _SIDE, dtype=precision) for _ in range(2))
    times = []
    for _ in range(_PRODUCTS):
        start = time.process_time()
        left @ right
        times.append(time.process_time() - start)
    return min(times)


def device_at_hand() -> torch.device:
    """The GPU, if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def exactly(device: torch.device) -> AbstractContextManager[None]:
    """Keep a GPU from rounding float32 to TF32, and to one way of computing a convolution.

    By default it rounds a convolution's input to 10 bits, which an edit's small effects far away
    would not survive, and takes whichever algorithm was fastest.
    """
    if device.type != "cuda":
        return nullcontext()
    flags = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(**flags)
    return context
