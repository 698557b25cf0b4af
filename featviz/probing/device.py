"""Where networks compute, and that they give the same numbers there every time."""

from contextlib import AbstractContextManager, nullcontext

import torch


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
