"""Depth maps of several views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class DepthMaps:
    """One z-depth map a camera; maps may differ in size.

    Attributes:
        cameras: C cameras, float64, each at the size of its map.
        depth: z along the camera's axis [scene units], 0 where nothing is known, C of shape [H, W], float32.
        normals: unit normals in world axes on the camera's side, 0 where nothing is known, C of shape [H, W, 3], float32.
        confidence: in [0, 1], 0 where nothing is known, C of shape [H, W], float32 or float16 (as files hold it).

    Raises:
        InputError: a map does not fit its camera.
    """

    cameras: Cameras
    depth: tuple[Tensor, ...]
    normals: tuple[Tensor, ...] | None = None
    confidence: tuple[Tensor, ...] | None = None

    def __post_init__(self) -> None:
        for maps, noun in ((self.depth, "depth"), (self.normals, "normal"), (self.confidence, "confidence")):
            if maps is not None:
                _check_maps(self.cameras, maps, noun)

    def __len__(self) -> int:
        return len(self.cameras)

    def chosen(self, views: Sequence[int]) -> DepthMaps:
        """The maps of these views alone, in this order."""
        normals = None if self.normals is None else tuple(self.normals[i] for i in views)
        confidence = None if self.confidence is None else tuple(self.confidence[i] for i in views)
        return DepthMaps(self.cameras.chosen(views), tuple(self.depth[i] for i in views), normals, confidence)

    @staticmethod
    def joined(parts: Sequence[DepthMaps]) -> DepthMaps:
        """The maps of all parts, one after the other; normals and confidence where all have them."""
        normals, confidence = ([getattr(part, name) for part in parts] for name in ("normals", "confidence"))
        return DepthMaps(
            Cameras.joined([part.cameras for part in parts]),
            tuple(depth for part in parts for depth in part.depth),
            None if None in normals else tuple(one for part in normals for one in part),
            None if None in confidence else tuple(one for part in confidence for one in part),
        )


@dataclass(frozen=True)
class DepthIntervals:
    """Where along each pixel's ray the surface may lie.

    Attributes:
        cameras: C cameras at the size of the maps, which may be smaller than the pictures.
        near: smallest z [scene units], 0 where the ray meets nothing, C of shape [H, W], float32.
        far: largest z [scene units], 0 where the ray meets nothing, C of shape [H, W], float32.
        depth: a guess inside the interval where there is one, else 0; None without any.

    Raises:
        InputError: a map does not fit its camera.
    """

    cameras: Cameras
    near: tuple[Tensor, ...]
    far: tuple[Tensor, ...]
    depth: tuple[Tensor, ...] | None = None

    def __post_init__(self) -> None:
        for maps, noun in ((self.near, "near"), (self.far, "far"), (self.depth, "depth")):
            if maps is not None:
                _check_maps(self.cameras, maps, noun)

    def __len__(self) -> int:
        return len(self.cameras)


def cleaned_depth(depth: Tensor) -> Tensor:  # [H, W]
    """A depth map whose NaN, infinite and negative depths are 0; the map itself where it has none."""
    is_depth = torch.isfinite(depth) & (depth >= 0)
    return depth if bool(is_depth.all()) else torch.where(is_depth, depth, 0.0)


def _check_maps(cameras: Cameras, maps: Sequence[Tensor], noun: str) -> None:
    if len(maps) != len(cameras):
        raise InputError(f"{len(cameras)} cameras but {len(maps)} {noun} maps")
    for name, size, values in zip(cameras.names, cameras.size.tolist(), maps, strict=True):
        height, width = values.shape[:2]
        if [width, height] != size:
            raise InputError(f"{noun} map of view {name} is {width}x{height}, its camera {size[0]}x{size[1]}")
