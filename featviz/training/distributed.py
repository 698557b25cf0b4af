"""Several processes that train one model: what `torchrun` starts.

Every process has the same weights, sees its own share of each batch, and takes the mean of all
gradients, so the weights stay the same everywhere. Outside torchrun there is one process and
nothing here does anything.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from featviz.base.errors import FeatvizError


@dataclass(frozen=True)
class Processes:
    """Which process this is (`rank`, from 0) and how many there are."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """The one process that writes files and talks."""
        return self.rank == 0


@contextmanager
def joined_processes() -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that torchrun started, if it did; leave them at the end.

    Yields who this process is and its device: the GPU with its local rank, else the CPU. Raises
    FeatvizError if there are GPUs, but fewer than processes on this machine.
    """
    has_gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if has_gpu and local >= torch.cuda.device_count():
        raise FeatvizError(
            f"process {local + 1} of this machine finds {torch.cuda.device_count()} GPUs; expected "
            "one for each (torchrun --nproc-per-node)"
        )
    device = torch.device("cuda", local) if has_gpu else torch.device("cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(), device
        return
    if has_gpu:
        torch.cuda.set_device(device)  # or a barrier would use the first GPU in all of them
    distributed.init_process_group("nccl" if has_gpu else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size()), device
    finally:
        distributed.destroy_process_group()


def average_gradients(network: nn.Module, processes: Processes) -> None:
    """Replace each gradient by its mean over all processes."""
    if processes.count == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:  # nothing of this network learns for now
        return
    # One message for all of them: the time of a small message is mostly waiting.
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes.count
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()


def average_losses(losses: Mapping[str, Tensor], processes: Processes) -> dict[str, float]:
    """The losses by name as numbers, each the mean over all processes."""
    values = torch.stack([loss.double() for loss in losses.values()])
    if processes.count > 1:
        distributed.all_reduce(values)
        values /= processes.count
    return dict(zip(losses, values.tolist(), strict=True))


def wait_for_all(processes: Processes) -> None:
    """Go on when all processes have come here."""
    if processes.count > 1:
        distributed.barrier()


def any_process(wish: bool, processes: Processes, device: torch.device) -> bool:
    """Whether the wish is true in one of the processes; all get the same answer."""
    if processes.count == 1:
        return wish
    flag = torch.tensor(float(wish), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag.item())
