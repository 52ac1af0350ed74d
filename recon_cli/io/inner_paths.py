"""Paths that a file names: what belongs to a folder must lie in it."""

from __future__ import annotations

import posixpath
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.io.atomic import PathText


def leads_out(name: str) -> bool:
    """Whether a path is absolute, or leads above the folder that it starts from; links are not followed."""
    plain = posixpath.normpath(name.replace("\\", "/"))
    return posixpath.isabs(plain) or plain.split("/")[0] == ".."


def inner_path(folder: Path, name: str, *, place: str, path: PathText) -> Path:
    """The file of that name in a folder.

    Args:
        folder: where the name starts from.
        name: a relative path, with slashes of either kind.
        place: who names it, for the complaint.
        path: the file that the name stands in.

    Raises:
        InputError: it does not lie in the folder.
    """
    if leads_out(name):
        raise InputError(
            f"{place} names {name!r}, which lies outside of {folder}; expected a path in that folder",
            path=path,
            hint="copy or link the file into the folder, and name it as it lies there",
        )
    return folder / name.replace("\\", "/")
