"""Errors that a user can act on, each with its exit code.

An error says what was seen, what was expected and what to do: the message carries the first two, ``hint`` the third.
``recon_cli.cli.errors`` turns them into text on stderr and an exit code; a notebook catches them as exceptions.
"""

from __future__ import annotations

from os import PathLike


class ReconError(Exception):
    """Base of all errors that are not bugs.

    Args:
        message: what was seen and what was expected, without the path and without a final full stop.
        path: the file or folder the message is about, if there is one.
        hint: what to try, as an instruction.
    """

    exit_code = 1

    def __init__(self, message: str, *, path: str | PathLike[str] | None = None, hint: str | None = None) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        self.hint = hint
        super().__init__(f"{self.path}: {message}" if self.path else message)


class UsageError(ReconError):
    """A flag, recipe key or combination of options is wrong."""

    exit_code = 2


class InputError(ReconError):
    """A file is missing, malformed, or does not fit the others; an output cannot be written."""

    exit_code = 3


class NumericsError(ReconError):
    """A computation diverged or met a singular system."""

    exit_code = 4


class PartialError(ReconError):
    """Some scenes of a batch failed, others are done."""

    exit_code = 5


class StoppedError(ReconError):
    """The job was stopped from outside (SIGTERM, a time limit) and can be resumed."""

    exit_code = 75
