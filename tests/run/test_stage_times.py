import pytest

from recon_cli.run.stage_times import StageTimes, peak_memory_mb


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_inner_stage_does_not_count_for_the_outer_one():
    clock = Clock()
    times = StageTimes(clock=clock)
    with times.stage("outer"):
        clock.now += 2
        for _ in range(2):
            with times.stage("inner"):
                clock.now += 3
        clock.now += 1
    with times.stage("outer"):
        clock.now += 10
    assert times.seconds == {"outer": 13.0, "inner": 6.0}
    assert 0 < times.peaks["inner"] <= times.peaks["outer"] <= peak_memory_mb()
    assert sum(times.seconds.values()) == clock.now


def test_a_stage_that_fails_is_counted():
    clock = Clock()
    times = StageTimes(clock=clock)

    def fail() -> None:
        with times.stage("a"), times.stage("b"):
            clock.now += 4
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert times.seconds == {"a": 0.0, "b": 4.0}


def test_this_process_has_some_memory():
    assert 10 < peak_memory_mb() < 100_000
