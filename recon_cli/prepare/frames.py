"""A video as a folder of numbered pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.core.frames import Frames
from recon_cli.io.images import write_image
from recon_cli.io.whole_folder import whole_folder

SUFFIXES = ("png", "jpg")

CONTENTS = tuple(f"[0-9]*.{suffix}" for suffix in SUFFIXES)
"""Names that a folder of frames or masks may have."""


def write_frames(
    frames: Frames,
    out: Path,
    *,
    suffix: str = "png",
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write every image as ``000000.png``, … into a folder that appears when it is whole.

    Args:
        frames: colour frames or masks, uint8.
        out: the folder.
        suffix: "png" or "jpg".
        overwrite: whether an earlier folder of frames may be replaced.
        progress: told the number of written frames and their total.

    Raises:
        InputError: there are no frames, or the folder cannot be made.
    """
    total = len(frames)
    if not total:
        raise InputError("there are no frames to write", hint="check --start, --stop and --stride")
    with whole_folder(out, overwrite=overwrite, contents=CONTENTS) as folder:
        for index in range(total):
            write_image(folder / f"{index:06d}.{suffix}", frames[index])
            progress(index + 1, total)
