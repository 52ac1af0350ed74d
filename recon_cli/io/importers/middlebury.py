"""Middlebury's multi-view par.txt: a line a picture of name, K, R and t; P = K [R t], pixel centres at integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import Masks, picture_folder
from recon_cli.io.importers.words import read_text_lines, to_numbers, to_whole
from recon_cli.io.inner_paths import inner_path

_EXPECTED = "a Middlebury par.txt"
_HINT = "expected the number of pictures, then `name k11 … k33 r11 … r33 t1 t2 t3` for each"


def find_middlebury(source: Path) -> Path | None:
    """The par.txt of a dataset, if it is one."""
    if source.is_file():
        return source if source.name.endswith("par.txt") else None
    found = sorted(source.glob("*par.txt")) if source.is_dir() else []
    return found[0] if found else None


def read_middlebury(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.0) -> Imported:
    """The cameras of a Middlebury dataset, in the file's order.

    Raises:
        InputError: the file is damaged, or a picture is missing or outside of its folder.
    """
    lines = [line.split() for line in read_text_lines(path, expected=_EXPECTED) if line.strip()]
    count = to_whole(lines[0][0], path=path, place="line 1") if lines and len(lines[0]) == 1 else -1
    if count != len(lines) - 1:
        stated = f"states {count} cameras" if count >= 0 else "states no number of cameras in its first line"
        raise InputError(f"{stated} and holds {max(len(lines) - 1, 0)} lines after it", path=path, hint=_HINT)
    folder = picture_folder(images, [path.parent], source=path)
    outlines = Masks(masks, [path.parent / "masks", path.parent / "mask"], pictures=folder)
    views = []
    for number, words in enumerate(lines[1:], start=2):
        if len(words) != 22:
            raise InputError(f"line {number} holds {len(words)} words, expected 22", path=path, hint=_HINT)
        values = np.array(to_numbers(words[1:], path=path, place=f"line {number}"))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = values[9:18].reshape(3, 3), values[18:]
        K = values[:9].reshape(3, 3)
        image = inner_path(folder, words[0], place=f"line {number}", path=path)
        views.append(View(words[0], image, K, pose, mask=outlines.of(words[0]), place=f"line {number}"))
    return gather(views, first_pixel=first_pixel, path=path)
