"""Being asked to stop: SIGTERM and SIGUSR2 from a scheduler, SIGINT from Ctrl-C.

The first request lets the computation reach a checkpoint; a second Ctrl-C ends it at once.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from recon_cli.core.errors import StoppedError

REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class StopSignals:
    """Catches requests to stop while it is entered.

    A ``StoppedError`` that leaves it after Ctrl-C becomes a ``KeyboardInterrupt`` (exit code 130); after the other signals it stays what
    it is (exit code 75). Outside the main thread, where Python cannot catch signals, it does nothing.
    """

    def __init__(self) -> None:
        self.request: signal.Signals | None = None
        self._since = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def seconds_since_request(self) -> float:
        """How long ago the first request came [s]; 0 without one."""
        return time.monotonic() - self._since if self.request is not None else 0.0

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in REQUESTS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
        if isinstance(error, StoppedError) and self.request is signal.SIGINT:
            raise KeyboardInterrupt from error

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.request is not None:
            raise KeyboardInterrupt
        if self.request is None:
            self.request, self._since = signal.Signals(number), time.monotonic()
