from __future__ import annotations

import pytest

from recon_cli.run.pace import WINDOW, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_steady_pace_gives_the_exact_time_left():
    clock = Clock()
    pace = Pace(clock=clock)
    assert pace.seconds_left(1, 50) is None
    for done in range(2, 51):
        clock.now += 0.5
        assert pace.seconds_left(done, 50) == pytest.approx(0.5 * (50 - done))


def test_the_pace_of_late_counts():
    clock = Clock()
    pace = Pace(clock=clock)
    for done in range(200):
        clock.now += 10.0 if done < 100 else 1.0
        left = pace.seconds_left(done, 300)
    assert left == pytest.approx(101.0)
    assert WINDOW < 100


def test_a_new_stage_starts_over():
    clock = Clock()
    pace = Pace(clock=clock)
    pace.seconds_left(9, 10)
    clock.now = 1.0
    pace.seconds_left(10, 10)
    clock.now = 5.0
    assert pace.seconds_left(1, 10) is None
    clock.now = 7.0
    assert pace.seconds_left(2, 10) == pytest.approx(16.0)


def test_no_work_done_gives_no_answer():
    pace = Pace(clock=Clock())
    assert pace.seconds_left(0, 10) is None
    assert pace.seconds_left(0, 10) is None
