"""Every way a command can end badly, as text on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer

from recon_cli import __version__
from recon_cli.core.errors import InputError, ReconError

BUG, USAGE, INPUT, INTERRUPTED = 1, 2, InputError.exit_code, 130


def exit_code_of(error: BaseException, *, debug: bool = False) -> int:
    """Say on stderr what went wrong (nothing for a reader that hung up), and return the exit code.

    An error that the user can act on is two lines: what was seen and expected, and what to try. Anything unforeseen is called a bug. With
    ``debug`` the traceback comes first.
    """
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError | SystemExit):  # rich, which draws the help pages, answers a broken pipe with SystemExit
        _let_go_of_stdout()
        return 0
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        _say("interrupted", getattr(error.__cause__, "hint", None))
        return INTERRUPTED
    if isinstance(error, ReconError):
        _say(f"error: {error}", error.hint)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        _say(f"error: {_usage_words(error)}", _usage_hint(error))
        return USAGE
    if isinstance(error, OSError) and error.strerror:
        _say(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}", None)
        return INPUT
    _say(
        f"error: {type(error).__name__}: {error}",
        f"this is a bug in recon {__version__}: run it again with --debug and report the traceback",
    )
    return BUG


def _say(text: str, hint: str | None) -> None:
    sys.stderr.write(f"{text}\n" + (f"  try: {hint}\n" if hint else ""))
    sys.stderr.flush()


def _usage_words(error: Any) -> str:
    """Typer's sentence in the shape of ours: no capital at the start, no full stop at the end, a guess after a semicolon."""
    close = sorted(getattr(error, "possibilities", None) or ())
    message = f"{error.message}. Did you mean {' or '.join(close)}?" if close else error.format_message()
    return message[:1].lower() + message[1:].rstrip(".").replace(". Did you", "; did you")


def _usage_hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} -h" if context is not None else "recon -h"


def _let_go_of_stdout() -> None:
    # The reader is gone: point stdout at nothing, or the interpreter complains when it flushes on the way out.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
