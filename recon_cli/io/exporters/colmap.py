"""COLMAP sparse models out of cameras: PINHOLE cameras, one a view, text or binary."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.atomic import write_bytes

_PINHOLE = 1
_LARGEST_SKEW = 0.05  # px that a point may move when K's skew, which COLMAP does not have, is dropped


def write_colmap(folder: Path, cameras: Cameras, pictures: Sequence[str], points: PointSet | None = None, *, text: bool = False) -> None:
    """Write cameras, images and points3D, as .txt or .bin.

    Pictures and points get numbers from 1 on; there are no observations, since none are known.

    Args:
        folder: where the three files go.
        cameras: the cameras.
        pictures: each camera's picture, relative to COLMAP's image folder.
        points: sparse points; without colours they are gray.
        text: whether to write text.

    Raises:
        InputError: a camera's skew is too large to be dropped, or the place is not writable.
    """
    rows = [_view(cameras, index) for index in range(len(cameras))]
    positions, colors = _cloud(points)
    if text:
        _write_text(folder, rows, pictures, positions, colors)
    else:
        _write_binary(folder, rows, pictures, positions, colors)


_Row = tuple[tuple[int, int], list[float], list[float]]  # size; fx, fy, cx, cy; quaternion and translation


def _write_text(folder: Path, rows: Sequence[_Row], pictures: Sequence[str], positions: np.ndarray, colors: np.ndarray) -> None:
    cameras, images = ["# ID MODEL WIDTH HEIGHT FX FY CX CY"], ["# ID QW QX QY QZ TX TY TZ CAMERA NAME, then a line of observations"]
    for number, ((size, pinhole, pose), picture) in enumerate(zip(rows, pictures, strict=True), start=1):
        cameras.append(f"{number} PINHOLE {size[0]} {size[1]} {' '.join(map(repr, pinhole))}")
        images += [f"{number} {' '.join(map(repr, pose))} {number} {picture}", ""]
    cloud = ["# ID X Y Z R G B ERROR TRACK"]
    for number, (position, color) in enumerate(zip(positions.tolist(), colors.tolist()), start=1):
        cloud.append(f"{number} {' '.join(map(repr, position))} {' '.join(map(str, color))} 0")
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", cloud)):
        write_bytes(folder / f"{name}.txt", ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def _write_binary(folder: Path, rows: Sequence[_Row], pictures: Sequence[str], positions: np.ndarray, colors: np.ndarray) -> None:
    count = struct.pack("<Q", len(rows))
    cameras, images = [count], [count]
    for number, ((size, pinhole, pose), picture) in enumerate(zip(rows, pictures, strict=True), start=1):
        cameras.append(struct.pack("<IiQQ4d", number, _PINHOLE, *size, *pinhole))
        name = picture.encode("utf-8", "surrogateescape") + b"\0"
        images.append(struct.pack("<I7dI", number, *pose, number) + name + struct.pack("<Q", 0))
    record = np.dtype([("number", "<u8"), ("position", "<f8", 3), ("color", "u1", 3), ("error", "<f8"), ("track", "<u8")])
    cloud = np.zeros(len(positions), dtype=record)
    cloud["number"], cloud["position"], cloud["color"] = np.arange(1, len(positions) + 1), positions, colors
    write_bytes(folder / "cameras.bin", b"".join(cameras))
    write_bytes(folder / "images.bin", b"".join(images))
    write_bytes(folder / "points3D.bin", struct.pack("<Q", len(positions)) + cloud.tobytes())


def _view(cameras: Cameras, index: int) -> _Row:
    K, pose = cameras.K[index].to(torch.float64), cameras.camera_from_world[index].to(torch.float64).numpy()
    width, height = cameras.size[index].tolist()
    fx, skew, cx = K[0].tolist()
    _, fy, cy = K[1].tolist()
    moved = abs(skew) * max(cy, height - cy) / fy
    if moved > _LARGEST_SKEW:
        raise InputError(
            f"camera {cameras.names[index]} has a skew of {skew:g}, which COLMAP's pinhole lacks: pixels would move by {moved:.2g}",
            hint="export to a format that knows a skew, or resample the picture",
        )
    return (width, height), [fx, fy, cx, cy], [*_quaternion(pose[:3, :3]), *pose[:3, 3].tolist()]


def _quaternion(rotation: np.ndarray) -> list[float]:
    """w, x, y, z of the nearest rotation: the main axis of the symmetric matrix of Bar-Itzhack (2000)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    matrix = np.array(
        [
            [a - e - i, b + d, c + g, h - f],
            [b + d, e - a - i, f + h, c - g],
            [c + g, f + h, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    x, y, z, w = np.linalg.eigh(matrix)[1][:, -1].tolist()
    sign = -1.0 if w < 0 else 1.0
    return [sign * w, sign * x, sign * y, sign * z]


def _cloud(points: PointSet | None) -> tuple[np.ndarray, np.ndarray]:  # [N, 3] float64, [N, 3] uint8
    if points is None:
        return np.empty((0, 3)), np.empty((0, 3), dtype=np.uint8)
    positions = points.points.detach().cpu().to(torch.float64).numpy()
    if points.colors is None:
        return positions, np.full(positions.shape, 128, dtype=np.uint8)
    return positions, (points.colors.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
