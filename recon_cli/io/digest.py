"""Fingerprints of inputs, to tell whether two runs were given the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from recon_cli.core.errors import InputError


def digest(text: str, paths: Iterable[Path]) -> str:
    """SHA-256 over a text and the contents of files, and of all files in folders; where they lie does not matter, their names do.

    Raises:
        InputError: a file cannot be read.
    """
    total = hashlib.sha256(text.encode())
    for path in paths:
        for name, file in _files(path):
            try:
                with file.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").digest()
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror}", path=file) from error
            total.update(name.encode() + b"\0" + content)
    return total.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file
    else:
        yield path.name, path
