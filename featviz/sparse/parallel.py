"""Reading several images at a time, one a processor core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_WORKERS = 16


def in_parallel(
    read: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Each item with what `read` makes of it, in order; as many at a time as torch has threads.

    Every call of `read` has one thread, so that its result does not depend on how many there are.
    So has the caller until the end. At most one item more than the calls that run is taken ahead.
    """
    threads = torch.get_num_threads()
    workers = min(threads, _MOST_WORKERS)
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    # After an operation in several threads OpenMP's keep their cores busy waiting for the next one.
    # Making the items that way cost the readers a third of their time.
    torch.set_num_threads(1)
    try:
        for item in items:
            waiting.append((item, pool.submit(_without_gradients, read, item)))
            del item
            if len(waiting) > workers:
                first, future = waiting.popleft()
                yield first, future.result()
                del first, future
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
            del first, future
    finally:
        pool.shutdown(cancel_futures=True)
        # What a worker sets is also the default of threads to come.
        torch.set_num_threads(threads)


def _without_gradients(read: Callable[[Item], Result], item: Item) -> Result:
    with torch.inference_mode():
        return read(item)
