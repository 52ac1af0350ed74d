"""Samples on disk: one individual in the folder itself, several in numbered folders, listed in a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recon_cli.core.errors import UsageError
from recon_cli.io.records import append_line
from recon_cli.io.whole_folder import whole_folder

MANIFEST = "manifest.jsonl"


def write_individuals(
    out: Path, write: Callable[[int, Path, str], dict[str, Any]], *, count: int, contents: Sequence[str], overwrite: bool
) -> None:
    """Make ``count`` individuals and list them in ``manifest.jsonl``.

    Args:
        out: the folder, which appears when it is whole.
        write: puts individual number i into a folder and gives its record, whose paths start with the text that it is given.
        count: number of individuals.
        contents: names that such a folder may have.
        overwrite: whether an earlier folder may be replaced.

    Raises:
        UsageError: ``count`` is too small.
        InputError: the folder cannot be made.
    """
    if count < 1:
        raise UsageError(f"--count {count}: expected at least one individual")
    with whole_folder(out, overwrite=overwrite, contents=contents) as folder:
        for index in range(count):
            place = "" if count == 1 else f"{index:06d}/"
            append_line(folder / MANIFEST, write(index, folder / place, place))
