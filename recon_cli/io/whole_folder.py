"""Folders that appear whole or not at all."""

from __future__ import annotations

import fnmatch
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText, write_error


def check_new_folder(path: PathText, *, overwrite: bool, contents: Sequence[str]) -> None:
    """Prove before a long computation that ``whole_folder`` would accept the same arguments.

    Raises:
        InputError: as ``whole_folder``.
    """
    if str(path) == "-":
        raise InputError("a folder cannot go to stdout, expected a folder", path=path, hint="choose another output folder")
    folder = Path(os.path.realpath(path))
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file, expected a folder", path=path, hint="choose another output folder")
    try:
        names = sorted(os.listdir(folder)) if folder.exists() else []
    except OSError as error:
        raise write_error(path, error) from error
    if names and not overwrite:
        raise InputError(
            f"is not empty: {len(names)} entries, first {names[0]}", path=path, hint="choose another folder, or replace it with --overwrite"
        )
    foreign = [name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in contents)]
    if foreign:
        raise InputError(
            f"cannot be replaced: it holds {foreign[0]}, and this command makes only {', '.join(contents)}",
            path=path,
            hint="choose another folder, or move what else is in this one",
        )


@contextmanager
def whole_folder(path: PathText, *, overwrite: bool, contents: Sequence[str]) -> Iterator[Path]:
    """A hidden sibling of ``path`` to fill; it takes the place of ``path`` when the block ends well and is deleted when it does not.

    Args:
        path: the folder to make; parents are made too.
        overwrite: whether a folder that has something in it may be replaced.
        contents: patterns of the names that may be replaced; a folder with anything else in it is never deleted.

    Raises:
        InputError: a file is in the way, the folder is not empty, holds foreign names, or cannot be written.
    """
    check_new_folder(path, overwrite=overwrite, contents=contents)
    folder = Path(os.path.realpath(path))
    temporary = folder.with_name(f".{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield temporary
        try:
            _exchange(temporary, folder)
        except OSError as error:
            raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(temporary: Path, folder: Path) -> None:
    if not folder.exists() or not os.listdir(folder):
        os.replace(temporary, folder)
        return
    old = folder.with_name(f".{secrets.token_hex(6)}")
    os.replace(folder, old)
    try:
        os.replace(temporary, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
