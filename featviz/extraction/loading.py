"""Batches for an accelerator, prepared while it computes, and networks on it."""

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TypeVar

import torch
from torch import Tensor, nn

from featviz.base.errors import FeatvizError, one_line
from featviz.extraction.inputs import Input
from featviz.generators.networks.names import Precision

_T = TypeVar("_T")

_AHEAD = 3
_LOOK = 0.05


def place(model: nn.Module, device: str, precision: Precision = "float32") -> None:
    """Move a network to a device and give its weights a precision.

    On a GPU its weights lie as its convolutions run fastest (channels last). Raises FeatvizError
    if there is no such device.
    """
    try:
        where = torch.device(device)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        raise FeatvizError(
            f"cannot compute on the device '{device}' ({one_line(error)}); the CPU is 'cpu'"
        ) from None
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    if where.type == "cuda":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.to(where, dtype)


def load_batches(
    batches: Iterable[list[Input]],
    device: torch.device,
    dtype: torch.dtype,
    overlapped: bool | None = None,
) -> Iterator[tuple[list[Input], Tensor]]:
    """Each batch with its images (N, C, H, W) on the device.

    overlapped: a thread reads, encodes and stacks the next ones meanwhile, and copies do not wait;
    on anything but a CPU if not given.
    """
    if overlapped is None:
        overlapped = device.type != "cpu"
    if not overlapped:
        for batch in batches:
            yield batch, _stack(batch).to(device, dtype)
        return
    is_pinned = device.type == "cuda"

    def prepared() -> Iterator[tuple[list[Input], Tensor]]:
        for batch in batches:
            images = _stack(batch).to(dtype)
            yield batch, images.pin_memory() if is_pinned else images

    for batch, images in ahead(prepared()):
        there = images.to(device, non_blocking=is_pinned)
        if is_pinned:
            there = there.to(memory_format=torch.channels_last)
        yield batch, there


def ahead(items: Iterator[_T], count: int = _AHEAD) -> Iterator[_T]:
    """The items in their order, taken by a thread that is up to `count` of them ahead.

    What taking one raises is raised where it would have come. The thread ends with the iterator,
    also if that is given up early.
    """
    waiting: Queue[tuple[_T] | BaseException | None] = Queue(count)
    is_over = threading.Event()

    def put(entry: tuple[_T] | BaseException | None) -> None:
        while not is_over.is_set():
            with suppress(Full):
                waiting.put(entry, timeout=_LOOK)
                return

    def take() -> None:
        try:
            for item in items:
                put((item,))
                if is_over.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=take, name="featviz-loading", daemon=True)
    thread.start()
    try:
        while True:
            try:
                entry = waiting.get(timeout=_LOOK)
            except Empty:
                continue
            if entry is None:
                return
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        is_over.set()
        thread.join()


def _stack(batch: Sequence[Input]) -> Tensor:
    return torch.stack([item.tensor for item in batch])
