"""COLMAP's cameras.txt, images.txt and points3D.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.io.importers.colmap_models import model_number
from recon_cli.io.importers.colmap_records import ColmapCamera, ColmapImage, ColmapPoints
from recon_cli.io.importers.words import read_text_lines, to_numbers, to_whole


def read_cameras_text(path: Path) -> list[ColmapCamera]:
    """Cameras of a cameras.txt.

    Raises:
        InputError: the file is missing or damaged, or has a model that is not read here.
    """
    cameras = []
    for number, line in _lines(path, "COLMAP's cameras.txt"):
        words, place = line.split(), f"line {number}"
        if len(words) < 5:
            raise InputError(f"{place} holds {len(words)} words, expected ID MODEL WIDTH HEIGHT PARAMETERS…", path=path)
        try:
            model = model_number(words[1])
        except InputError as error:
            raise InputError(f"{place} {error.message}", path=path, hint=error.hint) from error
        identity, width, height = (to_whole(words[index], path=path, place=place) for index in (0, 2, 3))
        cameras.append(ColmapCamera(identity, model, (width, height), to_numbers(words[4:], path=path, place=place)))
    return cameras


def read_images_text(path: Path) -> list[ColmapImage]:
    """Pictures of an images.txt; the observations in every second line are skipped.

    Raises:
        InputError: the file is missing or damaged.
    """
    images = []
    # A line of observations may be empty, so that lines are taken two by two and only comments are left out.
    lines = list(_lines(path, "COLMAP's images.txt", keep_empty=True))
    while lines and not lines[-1][1].strip():
        lines.pop()
    for number, line in lines[::2]:
        words, place = line.split(maxsplit=9), f"line {number}"
        if len(words) != 10:
            raise InputError(
                f"{place} holds {len(words)} words, expected ID QW QX QY QZ TX TY TZ CAMERA NAME",
                path=path,
                hint="every picture takes two lines, the second of which may be empty",
            )
        numbers = to_numbers(words[1:8], path=path, place=place)
        images.append(ColmapImage(words[9].strip(), to_whole(words[8], path=path, place=place), numbers[:4], numbers[4:]))
    return images


def read_points_text(path: Path) -> ColmapPoints:
    """Points of a points3D.txt; errors and tracks are skipped.

    Raises:
        InputError: the file is missing or damaged.
    """
    rows: list[tuple[int, list[str]]] = []
    for number, line in _lines(path, "COLMAP's points3D.txt"):
        words = line.split(maxsplit=7)
        if len(words) < 7:
            raise InputError(f"line {number} holds {len(words)} words, expected ID X Y Z R G B ERROR TRACK…", path=path)
        rows.append((number, words[1:7]))
    table = _table(rows, path)
    return ColmapPoints(table[:, :3], np.clip(table[:, 3:], 0, 255).astype(np.uint8))


def _table(rows: list[tuple[int, list[str]]], path: Path) -> np.ndarray:  # [N, 6]
    """All words as numbers at once; one by one only to say which line is wrong."""
    try:
        table = np.array([words for _, words in rows], dtype=np.float64).reshape(-1, 6)
    except ValueError:
        table = np.full((1, 6), np.nan)
    if not np.isfinite(table).all():
        table = np.array([to_numbers(words, path=path, place=f"line {number}") for number, words in rows])
    return table


def _lines(path: Path, expected: str, *, keep_empty: bool = False) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_text_lines(path, expected=expected), start=1):
        if not line.startswith("#") and (keep_empty or line.strip()):
            yield number, line
