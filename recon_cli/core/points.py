"""Point sets and depth views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class PointSet:
    """N points [scene units] with optional unit normals and sRGB colours in [0, 1].

    Raises:
        InputError: a shape does not fit.
    """

    points: Tensor  # [N, 3]
    normals: Tensor | None = None  # [N, 3]
    colors: Tensor | None = None  # [N, 3]

    def __post_init__(self) -> None:
        expected = (self.points.shape[0], 3)
        for name in ("points", "normals", "colors"):
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != expected:
                raise InputError(f"{name} has shape {list(value.shape)}, expected {list(expected)}")

    def __len__(self) -> int:
        return self.points.shape[0]

    def to(self, device: torch.device | str) -> PointSet:
        """The same points on another device."""
        normals, colors = (None if part is None else part.to(device) for part in (self.normals, self.colors))
        return PointSet(self.points.to(device), normals, colors)


@dataclass(frozen=True)
class DepthView:
    """One z-depth map [scene units] and the camera that sees it; 0 or NaN where nothing is seen.

    Raises:
        InputError: the map's size is not the camera's.
    """

    depth: Tensor  # [H, W]
    camera: Cameras  # one camera
    confidence: Tensor | None = None  # [H, W] in [0, 1]

    def __post_init__(self) -> None:
        if len(self.camera) != 1 or tuple(self.depth.shape) != (self.camera.height, self.camera.width):
            raise InputError(f"depth map of shape {list(self.depth.shape)} for a camera of {self.camera.width}x{self.camera.height}")
