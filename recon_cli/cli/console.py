"""Words and progress on stderr, data on stdout."""

from __future__ import annotations

import json as json_text
import math
import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

PLAIN_SECONDS = 5.0
"""Seconds between two progress lines where stderr is not a terminal."""


def emit(value: Mapping[str, Any] | str | os.PathLike[str], *, json: bool = False) -> None:
    """Print one result to stdout: a path, or a record.

    With ``json`` it is one line of JSON (a path becomes ``{"path": …}``, a number that is not finite becomes null); otherwise a path is
    printed as it is, and a record as a ``key: value`` line for each value, nested keys joined with dots.
    """
    if json:
        record = value if isinstance(value, Mapping) else {"path": os.fspath(value)}
        text = json_text.dumps(_finite(record), ensure_ascii=False, allow_nan=False)
    elif isinstance(value, Mapping):
        text = "\n".join(f"{key}: {_plain(item)}" for key, item in _flat(value))
    else:
        text = os.fspath(value)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def command_line() -> list[str]:
    """The words that started this program, for the record of a run."""
    return ["recon", *sys.argv[1:]]


class Console:
    """What a running command says; everything goes to stderr.

    On a terminal the progress is one line that is rewritten, elsewhere a line every few seconds. It is a context manager: leaving it
    ends the progress line.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.verbose = verbose and not quiet
        self._stream = stream or sys.stderr
        self._live: Any = None
        self._task: Any = None
        self._next_plain = 0.0

    def note(self, text: str) -> None:
        """A sentence for the person watching."""
        if not self.quiet:
            self._line(text)

    def detail(self, text: str) -> None:
        """A sentence that only ``-v`` asks for."""
        if self.verbose:
            self._line(text)

    def warn(self, text: str) -> None:
        """A sentence that even ``-q`` lets through."""
        self._line(f"warning: {text}")

    def progress(self, done: int, total: int, numbers: Mapping[str, float], *, seconds_left: float | None = None) -> None:
        """``done`` of ``total`` units are finished; ``seconds_left`` is None while it cannot be told."""
        if self.quiet:
            return
        words = _progress_words(done, total, numbers, seconds_left)
        if self._stream.isatty():
            self._show_live(done, total, words)
            return
        now = time.monotonic()
        if now >= self._next_plain or done == total:
            self._next_plain = now + PLAIN_SECONDS
            self._line(words)

    def close(self) -> None:
        """End the progress line; what follows starts on a line of its own."""
        if self._live is not None:
            self._live.stop()
            self._live = self._task = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _line(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def _show_live(self, done: int, total: int, words: str) -> None:
        if self._live is None:
            from rich.console import Console as Terminal
            from rich.progress import BarColumn, Progress, TextColumn

            terminal = Terminal(file=self._stream, force_terminal=True)
            columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
            # Without these two, rich would send what is meant for stdout to the terminal.
            self._live = Progress(*columns, console=terminal, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
            self._task = self._live.add_task(words, total=total)
        self._live.update(self._task, completed=done, total=total, description=words)


def _progress_words(done: int, total: int, numbers: Mapping[str, float], seconds_left: float | None) -> str:
    words = [f"{done}/{total}", *(f"{name} {value:.4g}" for name, value in numbers.items())]
    if seconds_left is not None and done < total:
        words.append(f"{_clock(seconds_left)} left")
    return "  ".join(words)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in record.items():
        if isinstance(value, Mapping):
            rows.extend(_flat(value, f"{prefix}{key}."))
        else:
            rows.append((f"{prefix}{key}", value))
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return json_text.dumps(_finite(value), ensure_ascii=False) if isinstance(value, list | tuple) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value
