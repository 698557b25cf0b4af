import threading
import time

from featviz.studio.line import Line


def test_turns_come_in_the_order_of_arrival_and_one_at_a_time() -> None:
    line = Line()
    assert line.acquire(0)
    order: list[int] = []
    inside = 0

    def work(number: int) -> None:
        nonlocal inside
        assert line.acquire(300)
        inside += 1
        assert inside == 1
        order.append(number)
        time.sleep(0.001)
        inside -= 1
        line.release()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        while len(line._waiting) <= number:
            time.sleep(0.001)
    line.release()
    for thread in threads:
        thread.join(300)
    assert order == list(range(20))
    assert line.acquire(0)


def test_who_gives_up_is_passed_over() -> None:
    line = Line()
    assert line.acquire(0)
    assert not line.acquire(0.01)
    line.release()
    assert line.acquire(0)
