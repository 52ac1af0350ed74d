"""Numbers out of text files, with complaints that name the line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.io.streams import read_bytes

_LONGEST_FILE = 2**31


def read_text_lines(path: Path, *, expected: str) -> list[str]:
    """The lines of a UTF-8 text file.

    Raises:
        InputError: the file is missing, empty, very large or no text.
    """
    data = read_bytes(path, expected=expected)
    if b"\0" in data[:4096] or len(data) > _LONGEST_FILE:
        raise InputError(f"is no text, expected {expected}", path=path, hint="check the path")
    return data.decode("utf-8-sig", "surrogateescape").splitlines()


def to_numbers(words: Sequence[str], *, path: Path, place: str) -> list[float]:
    """The words as finite numbers.

    Raises:
        InputError: a word is none.
    """
    numbers = []
    for word in words:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or "_" in word:
            raise InputError(
                f"{place} holds {word[:40]!r}, expected a finite number", path=path, hint="the file is damaged; export it again"
            )
        numbers.append(number)
    return numbers


def to_whole(word: str, *, path: Path, place: str) -> int:
    """The word as a whole number that is not negative.

    Raises:
        InputError: it is none.
    """
    if not (word.isascii() and word.isdigit() and len(word) <= 18):
        raise InputError(f"{place} holds {word[:40]!r}, expected a whole number", path=path, hint="the file is damaged; export it again")
    return int(word)
