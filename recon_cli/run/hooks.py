"""What happens while a system runs: progress, metrics, checkpoints, and the wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.folder import RunFolder
from recon_cli.run.pace import Pace
from recon_cli.run.signals import StopSignals

CHECKPOINT_SECONDS = 5.0
STOP_SECONDS = 10.0
"""After a request to stop, how long to wait for the next checkpoint before stopping without one [s]; schedulers give about 30."""


class Display(Protocol):
    """Whoever shows words and progress to a person."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def progress(self, done: int, total: int, numbers: Mapping[str, float], *, seconds_left: float | None = None) -> None: ...


class RunHooks:
    """``core.hooks.Hooks`` of one run folder.

    Args:
        folder: where metrics, notes and checkpoints go.
        display: who shows them.
        stop: requests to stop; None never stops.
        checkpoint_seconds: least time between two checkpoints [s].
        clock: seconds from any origin.
        shown_as: words for numbers of the progress whose names say nothing to a person; metrics keep the names.
    """

    def __init__(
        self,
        folder: RunFolder,
        display: Display,
        *,
        stop: StopSignals | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        shown_as: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._display, self._stop = folder, display, stop
        self._words, self._progress = shown_as or {}, {}
        self._checkpoints = Checkpoints(folder.checkpoints)
        self._interval, self._clock = checkpoint_seconds, clock
        self._pace = Pace(clock=clock)
        self._saved_at, self._start = -float("inf"), clock()
        self._offered = self._saved_for_stop = False

    def progress(self, done: int, total: int, **numbers: float) -> None:
        """Show and log a step."""
        self._progress = {"done": done, "total": total}
        self._folder.metric({**self._progress, "seconds": round(self._clock() - self._start, 3), **numbers})
        shown = {self._words.get(name, name): value for name, value in numbers.items()}
        self._display.progress(done, total, shown, seconds_left=self._pace.seconds_left(done, total))

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """Save the state, with the progress so far, if the last one is old enough, or if the run is about to stop."""
        self._offered = True
        asked_to_stop = self._stop is not None and self._stop.request is not None
        if not asked_to_stop and self._clock() - self._saved_at < self._interval:
            return
        self._checkpoints.save(tensors, {**self._progress, **numbers})
        self._saved_at = self._clock()
        self._saved_for_stop = asked_to_stop

    def note(self, text: str) -> None:
        """Show and log a sentence."""
        self._folder.log({"note": text})
        self._display.note(text)

    def warn(self, text: str) -> None:
        """Show and log what the person should not miss."""
        self._folder.log({"warning": text})
        self._display.warn(text)

    def should_stop(self) -> bool:
        """True once a stop was asked for and the state is saved, or cannot be saved in time."""
        if self._stop is None or self._stop.request is None:
            return False
        return self._saved_for_stop or not self._offered or self._stop.seconds_since_request > STOP_SECONDS


class DisplayHooks:
    """``core.hooks.Hooks`` of a computation without a run folder: everything is shown, nothing is kept."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._pace = Pace()

    def progress(self, done: int, total: int, **numbers: float) -> None:
        """Show a step."""
        self._display.progress(done, total, numbers, seconds_left=self._pace.seconds_left(done, total))

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """There is nowhere to keep a state."""

    def note(self, text: str) -> None:
        """Show a sentence."""
        self._display.note(text)

    def warn(self, text: str) -> None:
        """Show what the person should not miss."""
        self._display.warn(text)

    def should_stop(self) -> bool:
        """Signals end such a computation by themselves."""
        return False
