"""How long the rest will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 32


class Pace:
    """Estimates the time left from the most recent units of work."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def seconds_left(self, done: int, total: int) -> float | None:
        """Time [s] for the remaining ``total - done`` units at the pace of late; None until two different counts were seen."""
        if self._recent and done < self._recent[-1][1]:
            self._recent.clear()  # a new stage counts from the start again
        self._recent.append((self._clock(), done))
        (start, first), (now, last) = self._recent[0], self._recent[-1]
        if last <= first:
            return None
        return max(0.0, (now - start) / (last - first) * (total - done))
