import threading
import time

import pytest
import torch

from featviz.extraction.sparse import in_parallel


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_from_single_threads_and_little_is_taken_ahead(threads):
    taken, running, making = [], [], []

    def items():
        for number in range(12):
            taken.append(number)
            making.append(torch.get_num_threads())
            yield number

    def read(number):
        running.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
        time.sleep(0.002 * (number % 3))
        return number * 10

    for expected, (item, result) in enumerate(in_parallel(read, items())):
        assert (item, result) == (expected, expected * 10)
        assert len(taken) <= expected + threads + 1
    assert running == [(1, True)] * 12
    assert making == [1] * 12
    assert torch.get_num_threads() == threads
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [threads]


def test_an_error_arrives_and_ends_it(threads):
    done = []

    def read(number):
        if number == 2:
            raise ValueError("two")
        done.append(number)
        return number

    with pytest.raises(ValueError, match="two"):
        list(in_parallel(read, range(100)))
    assert len(done) <= 3 + threads
    assert torch.get_num_threads() == threads


def test_who_stops_early_has_the_threads_back_when_closing(threads):
    results = in_parallel(lambda number: number, range(100))
    next(results)
    assert torch.get_num_threads() == 1
    results.close()
    assert torch.get_num_threads() == threads


def test_another_call_at_the_same_time_has_all_threads_too_and_leaves_them_all(threads):
    outer = in_parallel(lambda number: number, range(3))
    next(outer)
    together = threading.Barrier(threads)

    def other():
        # Would wait for ever if fewer than `threads` were at it.
        list(in_parallel(lambda _: together.wait(timeout=300), range(threads)))
        seen.append(torch.get_num_threads())

    seen = []
    for work in (other, lambda: list(outer), lambda: seen.append(torch.get_num_threads())):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [threads, threads]
