"""What a camera record must hold; each complaint names the place in the file, as in ``cameras[3].K[0][2]``.

``cameras.schema.json`` says the same to other programs; what JSON schema cannot say (rotations, unique names, finite numbers) is said
here only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from recon_cli.core.errors import InputError
from recon_cli.io.inner_paths import leads_out

FORMAT, VERSION = "recon-cameras", 1
LARGEST = 1e15
"""Larger numbers are none of a camera's, and overflow in single precision once they are squared."""
DOCUMENT_KEYS = ("format", "version", "cameras", "bounds")
CAMERA_KEYS = ("name", "width", "height", "K", "camera_from_world", "image", "mask", "time")
REQUIRED_CAMERA_KEYS = CAMERA_KEYS[:5]
PLAIN_KEYS = ("width", "height", "fx", "fy", "cx", "cy")
_LARGEST_SIDE = 1_000_000  # px
_ROTATION_TOLERANCE = 1e-3
# A name becomes part of file names (depth/NAME.exr).
_NAME = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f]{1,200}")


def check_document(document: Any) -> list[dict[str, Any]]:
    """The camera records of a version 1 document, each checked.

    Raises:
        InputError: something is missing, unknown, of another type or out of its range.
    """
    _check_keys(document, "the document", required=DOCUMENT_KEYS[:3], known=DOCUMENT_KEYS)
    if document["format"] != FORMAT:
        raise _complaint("format", document["format"], f'"{FORMAT}"')
    if _is_boolean(document["version"]) or document["version"] != VERSION:
        raise _complaint("version", document["version"], f"{VERSION}", hint="write the file with this version of recon")
    cameras = document["cameras"]
    if not isinstance(cameras, list) or not cameras:
        raise _complaint("cameras", cameras, "a list of at least one camera")
    for index, camera in enumerate(cameras):
        _check_camera(camera, f"cameras[{index}]")
    _check_unique_names([camera["name"] for camera in cameras])
    if "bounds" in document:
        check_bounds(document["bounds"])
    return cameras


def check_bounds(bounds: Any, place: str = "bounds") -> None:
    """Raise InputError unless ``bounds`` is [[x0, y0, z0], [x1, y1, z1]] with the lowest corner first."""
    corners = bounds if isinstance(bounds, list | tuple) else []
    if len(corners) != 2 or any(not isinstance(corner, list | tuple) or len(corner) != 3 for corner in corners):
        raise _complaint(place, bounds, "[[x0, y0, z0], [x1, y1, z1]]")
    for i, corner in enumerate(corners):
        for j, value in enumerate(corner):
            _check_number(value, f"{place}[{i}][{j}]")
    for axis in range(3):
        if not corners[0][axis] < corners[1][axis]:
            raise _complaint(f"{place}[1][{axis}]", corners[1][axis], f"more than {corners[0][axis]!r}, which is the lowest corner's")


def check_plain(document: Any) -> dict[str, float]:
    """The numbers of a plain record of width, height, fx, fy, cx, cy.

    Raises:
        InputError: something is missing, unknown, of another type or out of its range.
    """
    _check_keys(document, "the document", required=PLAIN_KEYS, known=PLAIN_KEYS)
    for key in ("width", "height"):
        _check_size(document[key], key)
    for key in ("fx", "fy"):
        _check_number(document[key], key, positive=True)
    for key in ("cx", "cy"):
        _check_number(document[key], key)
    return {key: float(document[key]) for key in PLAIN_KEYS}


def _check_unique_names(names: Iterable[str]) -> None:
    """Raise InputError when a name is no file name or appears twice."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _complaint(f"cameras[{index}].name", name, "text that can be part of a file name")
        if name in seen:
            raise InputError(f"cameras[{seen[name]}] and cameras[{index}] are both named {name!r}", hint="give each camera its own name")
        seen[name] = index


def _check_intrinsics(K: Any, place: str) -> None:
    """Raise InputError unless ``K`` is [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths."""
    _check_matrix(K, place, 3)
    for row, column, value in ((1, 0, 0), (2, 0, 0), (2, 1, 0), (2, 2, 1)):
        if K[row][column] != value:
            raise _complaint(f"{place}[{row}][{column}]", K[row][column], f"{value} (K is [[fx, skew, cx], [0, fy, cy], [0, 0, 1]])")
    for row in (0, 1):
        _check_number(K[row][row], f"{place}[{row}][{row}]", positive=True)


def _check_rigid(matrix: Any, place: str) -> None:
    """Raise InputError unless ``matrix`` is a rotation (to within 0.001) and a translation."""
    _check_matrix(matrix, place, 4)
    if list(matrix[3]) != [0, 0, 0, 1]:
        raise _complaint(f"{place}[3]", list(matrix[3]), "[0, 0, 0, 1]")
    rotation = np.array(matrix, dtype=np.float64)[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if not deviation <= _ROTATION_TOLERANCE:
        raise InputError(
            f"{place}: the upper left 3x3 block is no rotation: R Rᵀ differs from the identity by {deviation:.3g}, "
            f"expected at most {_ROTATION_TOLERANCE:g}",
            hint="a scale belongs into the scene, not into a camera",
        )
    if np.linalg.det(rotation) < 0:
        raise InputError(
            f"{place}: the upper left 3x3 block mirrors (its determinant is -1), expected a rotation",
            hint="camera axes are x right, y down, z forward; turn two axes around, not one",
        )


def _check_size(value: Any, place: str) -> None:
    """Raise InputError unless ``value`` is a whole number of pixels."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if _is_boolean(value) or not whole or not 1 <= value <= _LARGEST_SIDE:
        raise _complaint(place, value, f"a whole number of pixels from 1 to {_LARGEST_SIDE}")


def _check_camera(camera: Any, place: str) -> None:
    _check_keys(camera, place, required=REQUIRED_CAMERA_KEYS, known=CAMERA_KEYS)
    _check_size(camera["width"], f"{place}.width")
    _check_size(camera["height"], f"{place}.height")
    _check_intrinsics(camera["K"], f"{place}.K")
    _check_rigid(camera["camera_from_world"], f"{place}.camera_from_world")
    for key in ("image", "mask"):
        if key in camera and (not isinstance(camera[key], str) or not camera[key]):
            raise _complaint(f"{place}.{key}", camera[key], "a path relative to this file")
        if key in camera and leads_out(camera[key]):
            raise _complaint(
                f"{place}.{key} (view {camera['name']})",
                camera[key],
                "a path in this file's folder",
                hint="copy or link the file into the folder, and name it as it lies there",
            )
    if "time" in camera:
        _check_number(camera["time"], f"{place}.time")


def _check_keys(record: Any, place: str, *, required: Iterable[str], known: Iterable[str]) -> None:
    if not isinstance(record, dict):
        raise _complaint(place, record, "an object")
    known = tuple(known)
    for key in record:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            distorted = re.fullmatch(r"k\d|p\d|dist.*|distortion.*", key, re.IGNORECASE)
            hint = f"did you mean {close[0]!r}?" if close else f"remove it; the keys are {', '.join(known)}"
            raise InputError(f"{place} has the unknown key {key!r}", hint="undistort the pictures first" if distorted else hint)
    missing = [key for key in required if key not in record]
    if missing:
        raise InputError(f"{place} lacks {', '.join(map(repr, missing))}", hint=f"the keys are {', '.join(known)}")


def _check_matrix(matrix: Any, place: str, side: int) -> None:
    rows = matrix if isinstance(matrix, list | tuple) else []
    if len(rows) != side or any(not isinstance(row, list | tuple) or len(row) != side for row in rows):
        raise _complaint(place, matrix, f"{side} rows of {side} numbers")
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            _check_number(value, f"{place}[{i}][{j}]")


def _check_number(value: Any, place: str, *, positive: bool = False) -> None:
    expected = "a positive number" if positive else "a finite number"
    try:
        good = isinstance(value, int | float) and not _is_boolean(value) and abs(value) <= LARGEST and (value > 0 or not positive)
    except OverflowError:  # an integer of hundreds of digits
        good = False
    if not good:
        raise _complaint(place, value, expected)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _complaint(place: str, seen: Any, expected: str, *, hint: str | None = None) -> InputError:
    text = repr(seen)
    return InputError(f"{place} is {text if len(text) <= 80 else text[:77] + '...'}, expected {expected}", hint=hint or f"correct {place}")
