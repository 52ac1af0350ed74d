"""nerfstudio's transforms.json out of cameras: camera → world in OpenGL axes, intrinsics of every frame, pixel centres at halves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.io.records import write_json

_LARGEST_SKEW = 0.05  # px that a point may move when K's skew, which nerfstudio does not have, is dropped


def write_nerfstudio(
    path: Path, cameras: Cameras, pictures: Sequence[str], *, masks: Sequence[str | None] | None = None, points: str | None = None
) -> None:
    """Write a transforms.json.

    Args:
        path: the file.
        cameras: the cameras.
        pictures: each camera's picture, relative to the file.
        masks: each camera's mask, relative to the file; black is ignored.
        points: a PLY file of sparse points, relative to the file.

    Raises:
        InputError: a camera's skew is too large to be dropped, or the place is not writable.
    """
    frames = [_frame(cameras, index, picture) for index, picture in enumerate(pictures)]
    for frame, mask in zip(frames, masks or ()):
        if mask is not None:
            frame["mask_path"] = mask
    document: dict[str, Any] = {"camera_model": "OPENCV"}
    if points is not None:
        document["ply_file_path"] = points
    write_json(path, {**document, "frames": frames})


def _frame(cameras: Cameras, index: int, picture: str) -> dict[str, Any]:
    K = cameras.K[index].to(torch.float64)
    width, height = cameras.size[index].tolist()
    fx, skew, cx = K[0].tolist()
    _, fy, cy = K[1].tolist()
    if abs(skew) * max(cy, height - cy) / fy > _LARGEST_SKEW:
        raise InputError(f"camera {cameras.names[index]} has a skew of {skew:g}, which nerfstudio lacks", hint="resample the picture")
    # Columns are the camera's axes in the world; y and z turn around.
    matrix = torch.linalg.inv(cameras.camera_from_world[index].to(torch.float64)) @ torch.diag(torch.tensor([1.0, -1, -1, 1]).double())
    matrix[3] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    intrinsics = {"w": width, "h": height, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy}
    return {"file_path": picture, **intrinsics, "transform_matrix": matrix.tolist()}
