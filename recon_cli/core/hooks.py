"""What a running system tells, and asks of, whoever started it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class Hooks(Protocol):
    """Callbacks of a long computation; a system calls them and never prints or opens a file itself."""

    def progress(self, done: int, total: int, **numbers: float) -> None:
        """``done`` of ``total`` units (frames, iterations) are finished; ``numbers`` are shown and logged."""
        ...

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """State from which the computation can go on; the callee may skip some to save time."""
        ...

    def note(self, text: str) -> None:
        """A sentence for the person watching."""
        ...

    def should_stop(self) -> bool:
        """True when the computation should raise ``StoppedError`` at its next safe point."""
        ...


class NoHooks:
    """Hooks that do nothing, for notebooks and tests."""

    def progress(self, done: int, total: int, **numbers: float) -> None: ...

    def checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None: ...

    def note(self, text: str) -> None: ...

    def should_stop(self) -> bool:
        return False
