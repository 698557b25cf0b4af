"""Reading several images at a time, one a processor core."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST_WORKERS = 16


def in_parallel(
    read: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Generator[tuple[_Item, _Result], None, None]:
    """Each item with what `read` makes of it, in order; as many at a time as torch has threads.

    Every call of `read` has one thread, so that its result does not depend on how many there are.
    So has the caller until the end; who stops earlier has to close the iterator. At most one item
    more than the calls that run is taken ahead.
    """
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    with _one_thread() as threads:
        workers = min(threads, _MOST_WORKERS)
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
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


class _Threads:
    """torch's number of threads, and how many callers have set it to one."""

    lock = Lock()
    number = 1
    callers = 0


@contextmanager
def _one_thread() -> Iterator[int]:
    """Let the caller's operations have one thread; gives how many they had.

    After an operation in several threads OpenMP's keep their cores busy waiting for the next one:
    making the items that way cost the readers a third of their time.
    """
    with _Threads.lock:
        # Where another call runs, what torch tells a new thread is that call's one.
        if _Threads.callers == 0:
            _Threads.number = torch.get_num_threads()
        _Threads.callers += 1
        threads = _Threads.number
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        # What a thread sets, a worker for instance, is also the default of threads to come.
        torch.set_num_threads(threads)
        with _Threads.lock:
            _Threads.callers -= 1


def _without_gradients(read: Callable[[_Item], _Result], item: _Item) -> _Result:
    with torch.inference_mode():
        return read(item)
