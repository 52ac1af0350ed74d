import threading
import time

import pytest

from recon_cli.run.streaming import map_in_order


def test_answers_come_in_the_order_of_the_items():
    def slow_when_even(item: int) -> int:
        time.sleep(0.004 * (item % 2 == 0))
        return item * item

    assert list(map_in_order(slow_when_even, range(20), workers=4)) == [k * k for k in range(20)]


def test_items_are_drawn_no_faster_than_they_are_used():
    drawn = 0

    def items():
        nonlocal drawn
        for k in range(50):
            drawn += 1
            yield k

    stream = map_in_order(lambda k: k, items(), workers=2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    assert drawn <= 3 + 4


def test_an_error_reaches_the_caller_and_ends_the_threads():
    before = threading.active_count()

    def fail_on_three(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(map_in_order(fail_on_three, range(10), workers=2))
    assert threading.active_count() == before
