"""Bytes of input files and of the two standard streams."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText, write_bytes

STREAM = "-"


def is_stream(path: PathText) -> bool:
    """Whether ``path`` is the dash that means standard input or output."""
    return os.fspath(path) == STREAM


def existing_file(path: PathText, *, expected: str) -> Path:
    """``path`` as a Path, after checking that it is a readable, non-empty file.

    Args:
        path: the file.
        expected: what the file should be, with its article ("a PLY file"), for the message.

    Raises:
        InputError: it is missing, a folder, empty or not readable.
    """
    file = Path(path)
    with _told_as(file, expected):
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"is a folder, expected {expected}", path=path, hint="give the path of a file")
        # A pipe says nothing of its length, and opening it here would eat its bytes.
        if stat.S_ISREG(status.st_mode):
            with open(file, "rb"):
                _expect_bytes(path, status.st_size, expected)
    return file


def read_bytes(path: PathText, *, expected: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``.

    Raises:
        InputError: it is missing, a folder, empty or not readable.
    """
    if is_stream(path):
        data = sys.stdin.buffer.read()
        if not data:
            raise InputError(f"standard input is empty, expected {expected}", hint="pipe a file in, or give a path instead of -")
        return data
    file = existing_file(path, expected=expected)
    with _told_as(file, expected):
        data = file.read_bytes()
    _expect_bytes(path, len(data), expected)
    return data


def deliver_bytes(path: PathText, data: bytes | bytearray) -> None:
    """Write a file atomically, or to standard output for ``-``.

    Raises:
        InputError: the disk is full, or the place is not writable.
    """
    if is_stream(path):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_bytes(path, data)


def _expect_bytes(path: PathText, count: int, expected: str) -> None:
    if not count:
        raise InputError(f"is empty (0 bytes), expected {expected}", path=path, hint="make or copy the file again")


@contextmanager
def _told_as(file: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"does not exist, expected {expected}", path=file, hint=_similar_name(file)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read ({reason}), expected {expected}", path=file, hint="check the path and its permissions") from error


def _similar_name(file: Path) -> str:
    try:
        names = sorted(os.listdir(file.parent))
    except OSError:
        return f"check the path: the folder {file.parent} cannot be listed"
    close = difflib.get_close_matches(file.name, names, n=1)
    return f"did you mean {file.parent / close[0]}?" if close else "check the path"
