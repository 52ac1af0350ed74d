"""nerfstudio's (and Instant-NGP's) transforms.json: camera → world in OpenGL axes, pixel centres at halves, black mask = ignore.

A number that a frame lacks is taken from the top of the file. ``applied_transform`` is left alone: poses and points are already in the
frame that it led to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.images import IMAGE_SUFFIXES, image_orientation, image_size
from recon_cli.io.importers.imported import Imported, View, gather
from recon_cli.io.importers.pictures import Masks, picture_folder
from recon_cli.io.inner_paths import inner_path
from recon_cli.io.points import read_points
from recon_cli.io.records import read_json

_PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_FISHEYE = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # y up and z back become y down and z forward


def find_nerfstudio(source: Path) -> Path | None:
    """The transforms.json of a dataset, if it is one."""
    path = source
    if source.is_dir():  # Blender's data sets have a file for training and others for testing
        names = [source / name for name in ("transforms.json", "transforms_train.json")]
        path = next((name for name in names if name.is_file()), source)
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return path if path.name.startswith("transforms") else None
    return path if isinstance(document, dict) and "frames" in document else None


def read_nerfstudio(path: Path, *, images: Path | None = None, masks: Path | None = None, first_pixel: float = 0.5) -> Imported:
    """The cameras of a transforms.json, in the file's order.

    Raises:
        InputError: the file is damaged, a camera's model is not read here, or a picture is missing or outside of its folder.
    """
    document = read_json(path)
    frames = document.get("frames") if isinstance(document, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise InputError("has no list of frames, expected a transforms.json", path=path, hint="export it again")
    if images is not None:
        picture_folder(images, (), source=path)
    outlines = Masks(masks, []) if masks is not None else None
    views = [_view(_Frame({**document, **frame}, path, f"frames[{index}]"), images, outlines) for index, frame in enumerate(frames)]
    return gather(views, first_pixel=first_pixel, path=path, points=_points(document, path))


class _Frame:
    """The numbers and words of one frame."""

    def __init__(self, values: Mapping[str, Any], path: Path, place: str) -> None:
        self.values, self.path, self.place = values, path, place

    def complaint(self, key: str, expected: str) -> InputError:
        seen = repr(self.values[key])[:80] if key in self.values else "missing"
        return InputError(f"{self.place}.{key} is {seen}, expected {expected}", path=self.path, hint="export the dataset again")

    def number(self, key: str, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self.complaint(key, "a finite number")
        return float(value)

    def name(self, key: str) -> str | None:
        """A path as the frame has it, or None where there is none."""
        value = self.values.get(key)
        if value is not None and (not isinstance(value, str) or not value or "\0" in value):
            raise self.complaint(key, "a path relative to the file")
        return value

    def file(self, key: str) -> Path | None:
        """A path of the frame in the file's folder, or None where there is none."""
        name = self.name(key)
        return None if name is None else inner_path(self.path.parent, name, place=f"{self.place}.{key}", path=self.path)


def _view(frame: _Frame, images: Path | None, outlines: Masks | None) -> View:
    picture, image = _picture(frame, images)
    size = _size(frame, image)
    return View(
        picture,
        image,
        _intrinsics(frame, size),
        _pose(frame),
        size=size,
        mask=_mask(frame) if outlines is None else outlines.of(picture),
        distortion=_distortion(frame),
        place=frame.place,
    )


def _mask(frame: _Frame) -> Path | None:
    mask = frame.file("mask_path")
    if mask is not None and not mask.is_file():
        raise InputError(f"{frame.place}.mask_path names {mask}, which does not exist", path=frame.path, hint="give the masks with --masks")
    return mask


def _picture(frame: _Frame, images: Path | None) -> tuple[str, Path]:
    name = frame.name("file_path")
    image = frame.file("file_path") if images is None or name is None else images / PurePosixPath(name.replace("\\", "/")).name
    if image is None:
        raise frame.complaint("file_path", "the picture's path")
    if not image.is_file():  # Blender's data sets leave the suffix out
        with_suffix = [image.with_name(image.name + suffix) for suffix in IMAGE_SUFFIXES]
        image = next((path for path in with_suffix if path.is_file()), image)
    try:
        return image.relative_to(frame.path.parent).as_posix(), image
    except ValueError:
        return image.name, image


def _size(frame: _Frame, image: Path) -> tuple[int, int] | None:
    if "w" not in frame.values or "h" not in frame.values:
        if not image.is_file():  # said later, for all pictures that are missing
            return None
        width, height = image_size(image)
        return (height, width) if image_orientation(image) >= 5 else (width, height)
    width, height = frame.number("w"), frame.number("h")
    for key, value in (("w", width), ("h", height)):
        if not (value.is_integer() and value >= 1):
            raise frame.complaint(key, "a whole number of pixels")
    return int(width), int(height)


def _intrinsics(frame: _Frame, size: tuple[int, int] | None) -> np.ndarray:
    width, height = size or (1, 1)
    if "fl_x" in frame.values:
        fx = frame.number("fl_x")
    elif "camera_angle_x" in frame.values:
        fx = 0.5 * width / math.tan(0.5 * frame.number("camera_angle_x"))
    else:
        raise frame.complaint("fl_x", "a focal length [px], or camera_angle_x")
    fy = frame.number("fl_y", fx)
    return np.array([[fx, 0.0, frame.number("cx", width / 2)], [0.0, fy, frame.number("cy", height / 2)], [0.0, 0.0, 1.0]])


def _pose(frame: _Frame) -> np.ndarray:
    try:
        matrix = np.array(frame.values.get("transform_matrix"), dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        matrix = np.empty(0)
    if matrix.shape not in ((3, 4), (4, 4)) or not np.isfinite(matrix).all():
        raise frame.complaint("transform_matrix", "4 rows of 4 finite numbers")
    if matrix.shape == (4, 4) and matrix[3].tolist() != [0, 0, 0, 1]:
        raise frame.complaint("transform_matrix", "a last row of 0, 0, 0, 1")
    world_from_opengl = np.vstack([matrix[:3], [0.0, 0.0, 0.0, 1.0]])
    if abs(np.linalg.det(world_from_opengl)) < 1e-12:
        raise frame.complaint("transform_matrix", "a rotation and a translation")
    return np.linalg.inv(world_from_opengl @ _OPENCV_FROM_OPENGL)


def _distortion(frame: _Frame) -> Distortion:
    model = frame.values.get("camera_model", "OPENCV_FISHEYE" if frame.values.get("is_fisheye") is True else "OPENCV")
    if model not in (*_PERSPECTIVE, *_FISHEYE):
        raise InputError(
            f"{frame.place} has the camera model {model!r}, expected one of {', '.join((*_PERSPECTIVE, *_FISHEYE))}",
            path=frame.path,
            hint="undistort the pictures first; from a COLMAP model: "
            "`colmap image_undistorter --image_path IMAGES --input_path SPARSE --output_path UNDISTORTED`",
        )
    if isinstance(model, str) and model.endswith("PINHOLE"):
        return Distortion()
    k1, k2, k3, k4, p1, p2 = (frame.number(key, 0.0) for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
    return Distortion(is_fisheye=model in _FISHEYE, radial=(k1, k2, k3, k4), tangential=(p1, p2))


def _points(document: Mapping[str, Any], path: Path) -> PointSet | None:
    name = document.get("ply_file_path")
    if name is None:
        return None
    if not isinstance(name, str) or not name:
        raise InputError(f"ply_file_path is {name!r}, expected a path relative to the file", path=path)
    return read_points(inner_path(path.parent, name, place="ply_file_path", path=path))
