"""COLMAP's sparse models, text and binary: world → camera, pixel centres at halves."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key
from recon_cli.core.points import PointSet
from recon_cli.io.importers.colmap_binary import read_cameras_binary, read_images_binary, read_points_binary
from recon_cli.io.importers.colmap_models import lens
from recon_cli.io.importers.colmap_records import ColmapCamera, ColmapImage
from recon_cli.io.importers.colmap_text import read_cameras_text, read_images_text, read_points_text
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import Masks, picture_folder
from recon_cli.io.inner_paths import inner_path

_SUFFIXES = (".bin", ".txt")


def find_colmap(source: Path) -> Path | None:
    """The folder of a dataset's sparse model, the one with the most pictures where there are several; None if it is no such dataset."""
    if source.is_file():
        return source.parent if source.stem in ("cameras", "images", "points3D") and _suffix(source.parent) else None
    for folder in (source, source / "sparse"):
        if _suffix(folder):
            return folder
    models = sorted((child for child in source.glob("sparse/*") if _suffix(child)), key=lambda child: natural_key(child.name))
    return max(models, key=_picture_count, default=None)


def read_colmap(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.5) -> Imported:
    """The cameras and points of a sparse model, in the order of the pictures' names.

    Raises:
        InputError: a file is missing or damaged, a camera's model is not read here, or a picture is missing or outside of its folder.
    """
    suffix = _suffix(path)
    if suffix is None:
        raise InputError("holds no cameras.bin and images.bin, and none of their .txt", path=path)
    is_text = suffix == ".txt"
    cameras = (read_cameras_text if is_text else read_cameras_binary)(path / f"cameras{suffix}")
    pictures = (read_images_text if is_text else read_images_binary)(path / f"images{suffix}")
    by_number = {camera.number: camera for camera in cameras}
    folder = picture_folder(images, [place / "images" for place in (path, path.parent, path.parent.parent)], source=path)
    outlines = Masks(masks, [folder.parent / "masks"], pictures=folder)
    views = []
    for picture in sorted(pictures, key=lambda picture: natural_key(picture.name)):
        view = _view(picture, by_number, folder, path / f"images{suffix}")
        views.append(replace(view, mask=outlines.of(picture.name)))
    return gather(views, first_pixel=first_pixel, path=path, points=_points(path, suffix), notes=_notes(path))


def _view(picture: ColmapImage, cameras: dict[int, ColmapCamera], folder: Path, path: Path) -> View:
    camera = cameras.get(picture.camera)
    if camera is None:
        raise InputError(f"{picture.name} is of camera {picture.camera}, which the cameras file lacks", path=path)
    try:
        K, distortion = lens(camera.model, camera.parameters)
    except InputError as error:
        raise InputError(f"camera {camera.number}: {error.message}", path=path, hint=error.hint) from error
    pose = np.eye(4)
    pose[:3, :3] = _rotation(picture, path)
    pose[:3, 3] = picture.translation
    image = inner_path(folder, picture.name, place="the view", path=path)
    name = picture.name.replace("\\", "/")
    return View(name, image, K, pose, size=camera.size, distortion=distortion, place=f"the camera of {picture.name}")


def _rotation(picture: ColmapImage, path: Path) -> np.ndarray:
    w, x, y, z = picture.quaternion
    length = np.sqrt(w * w + x * x + y * y + z * z)
    if not (np.isfinite(length) and abs(length - 1) < 1e-3):
        raise InputError(f"{picture.name} has a quaternion of length {length:.4g}, expected 1", path=path)
    w, x, y, z = (value / length for value in (w, x, y, z))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _points(folder: Path, suffix: str) -> PointSet | None:
    path = folder / f"points3D{suffix}"
    if not path.is_file():
        return None
    found = read_points_text(path) if suffix == ".txt" else read_points_binary(path)
    if not len(found.positions):
        return None
    if not np.isfinite(found.positions).all():
        raise InputError("has a point with a NaN or infinite coordinate", path=path)
    return PointSet(torch.from_numpy(found.positions), colors=torch.from_numpy(found.colors).to(torch.float64) / 255)


def _suffix(folder: Path) -> str | None:
    return next((suffix for suffix in _SUFFIXES if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images"))), None)


def _picture_count(folder: Path) -> int:
    suffix = _suffix(folder)
    if suffix == ".bin":
        with open(folder / "images.bin", "rb") as file:
            head = file.read(8)
        return struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    return (folder / "images.txt").stat().st_size


def _notes(folder: Path) -> list[str]:
    others = [child.name for child in folder.parent.iterdir() if child != folder and child.is_dir() and _suffix(child)]
    if not others or folder.parent.name != "sparse":
        return []
    return [
        f"{folder.parent} holds {len(others) + 1} models, each in a frame of its own; this is {folder.name}, which has the most pictures"
    ]
