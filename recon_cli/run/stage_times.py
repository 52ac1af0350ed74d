"""Where the time and the memory of a job go."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StageTimes:
    """Wall time of the stages of a job; a stage inside another does not count for the outer one.

    Attributes:
        seconds: of each stage [s].
        peaks: largest memory that the process had had when the stage ended [MB].
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, int] = {}
        self._clock = clock
        self._inner = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage of that name."""
        start, before, self._inner = self._clock(), self._inner, 0.0
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            spent = self._clock() - start
            self.seconds[name] += spent - self._inner
            self.peaks[name] = peak_memory_mb()
            self._inner = before + spent


def peak_memory_mb() -> int:
    """Largest memory that this process has had so far [MB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)
