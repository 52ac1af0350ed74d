"""Strecha's PICTURE.camera files: K, radial coefficients, R camera → world, centre C, size; pixel centres at integers.

The benchmark's own pages do not say where a pixel's centre is; integers are what its contemporaries use. ``first_pixel`` changes that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import Masks, picture_folder
from recon_cli.io.importers.words import read_text_lines, to_numbers

_EXPECTED = "a Strecha .camera file"
_NUMBERS = 9 + 3 + 9 + 3 + 2


def find_strecha(source: Path) -> Path | None:
    """The folder of .camera files of a dataset, if it is one."""
    if source.is_file():
        return source.parent if source.suffix == ".camera" else None
    folders = [source, source / "cameras", source / "gt_dense_cameras"]
    return next((folder for folder in folders if any(folder.glob("*.camera"))), None)


def read_strecha(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.0) -> Imported:
    """The cameras of a folder of .camera files, in the order of their names.

    Raises:
        InputError: a file is damaged or its lens bends, or a picture is missing.
    """
    files = sorted(path.glob("*.camera"), key=lambda file: natural_key(file.name))
    if not files:
        raise InputError("holds no .camera files", path=path)
    beside = [] if any((path / file.stem).is_file() for file in files) else [path / "images", path.parent / "images", path.parent / "urd"]
    folder = picture_folder(images, [*beside, path], source=path)
    outlines = Masks(masks, [path / "masks", path.parent / "masks"], pictures=folder)
    views = []
    for file in files:
        K, pose, size = _read_camera(file)
        views.append(View(file.stem, folder / file.stem, K, pose, size=size, mask=outlines.of(file.stem), place=file.name))
    return gather(views, first_pixel=first_pixel, path=path)


def _read_camera(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    words = " ".join(read_text_lines(path, expected=_EXPECTED)).split()
    if len(words) != _NUMBERS:
        raise InputError(
            f"holds {len(words)} numbers, expected {_NUMBERS}", path=path, hint="K (9), radial (3), R (9), centre (3), width, height"
        )
    values = np.array(to_numbers(words, path=path, place="it"))
    if bool(values[9:12].any()):
        raise InputError(
            f"has the radial coefficients {values[9:12].tolist()}, expected zeros",
            path=path,
            hint="undistort the pictures first (Strecha's `urd` pictures are), and set the coefficients to 0",
        )
    pose = np.eye(4)
    pose[:3, :3] = values[12:21].reshape(3, 3).T  # the file has camera → world
    pose[:3, 3] = -pose[:3, :3] @ values[21:24]
    width, height = values[24:].tolist()
    if not (width >= 1 and height >= 1 and width.is_integer() and height.is_integer()):
        raise InputError(f"states a size of {width:g} x {height:g}, expected whole numbers of pixels", path=path)
    return values[:9].reshape(3, 3), pose, (int(width), int(height))
