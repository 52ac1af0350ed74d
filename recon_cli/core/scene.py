"""A scene as multi-view stereo sees it: calibrated pictures of something that holds still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet


@dataclass(frozen=True)
class Scene:
    """C calibrated views, which may differ in size and focal length.

    Attributes:
        cameras: float64, each at the size of its picture.
        images: 8-bit sRGB, C of shape [H, W, 3], uint8.
        masks: True on the object, C of shape [H, W], bool; None where nothing is known of the outlines.
        points: sparse points on the surface [scene units], where the calibration gave some.
        bounds: lowest and highest corner of a box around the object [scene units], shape [2, 3], where known.

    Raises:
        InputError: a picture or mask does not fit its camera.
    """

    cameras: Cameras
    images: tuple[Tensor, ...]
    masks: tuple[Tensor, ...] | None = None
    points: PointSet | None = None
    bounds: Tensor | None = None

    def __post_init__(self) -> None:
        _check_sizes(self.cameras, self.images, "image")
        if self.masks is not None:
            _check_sizes(self.cameras, self.masks, "mask")

    def __len__(self) -> int:
        return len(self.cameras)

    def mask(self, view: int) -> Tensor:  # [H, W] bool
        """The object's pixels of a view: all of them without masks."""
        if self.masks is not None:
            return self.masks[view]
        return torch.ones(self.images[view].shape[:2], dtype=torch.bool, device=self.images[view].device)

    def chosen(self, views: Sequence[int]) -> Scene:
        """The scene of these views alone, in this order."""
        masks = None if self.masks is None else tuple(self.masks[i] for i in views)
        return Scene(self.cameras.chosen(views), tuple(self.images[i] for i in views), masks, self.points, self.bounds)


def _check_sizes(cameras: Cameras, pictures: Sequence[Tensor], noun: str) -> None:
    if len(pictures) != len(cameras):
        raise InputError(f"{len(cameras)} cameras but {len(pictures)} {noun}s")
    for name, size, picture in zip(cameras.names, cameras.size.tolist(), pictures, strict=True):
        height, width = picture.shape[:2]
        if [width, height] != size:
            raise InputError(f"{noun} of view {name} is {width}x{height}, its camera {size[0]}x{size[1]}")
