"""Bounds of the depths of one view: the rays' way through a box, and what lies around given depths."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError

Bounds = tuple[Tensor, Tensor, Tensor | None]
"""Near, far and a guess (None for none), each [H, W] float32 [scene units], 0 where there is nothing."""

_NEAREST = 1e-3  # of the far depth: intervals begin before the camera


def as_box(bounds: Tensor) -> Tensor:  # [2, 3]
    """A box in float64, after checking that it is one.

    Raises:
        InputError: a corner is missing, not finite, or not lower than the other.
    """
    box = bounds.double().cpu()
    if box.shape != (2, 3) or not bool(torch.isfinite(box).all()) or not bool((box[0] < box[1]).all()):
        raise InputError(f"the bounds {box.tolist()} are no box, expected its lowest and its highest corner", hint="correct cameras.json")
    return box


def box_interval(camera: Cameras, box: Tensor) -> Bounds:
    """Where the rays through a pixel's corners and centre are in a box; from ``near`` to ``far`` of any of them."""
    near, far = _box_lattice(camera, box, 0.5, camera.width, camera.height)
    near_corner, far_corner = _box_lattice(camera, box, 0.0, camera.width + 1, camera.height + 1)
    for row in (slice(None, -1), slice(1, None)):
        for column in (slice(None, -1), slice(1, None)):
            near = torch.minimum(near, near_corner[row, column])
            far = torch.maximum(far, far_corner[row, column])
    is_met = torch.isfinite(near)
    low = torch.where(is_met, torch.maximum(near, _NEAREST * far), 0.0)
    return low.float(), torch.where(is_met, far, 0.0).float(), None


def around_depth(depth: Tensor, size: tuple[int, int], share: float, fallback: tuple[float, float]) -> Bounds:  # [H, W]
    """All depths that a pixel and those beside it hold, a share wider.

    Args:
        depth: z-depths of the view [scene units], 0 where nothing is known.
        size: rows and columns of the smaller map that is made.
        share: how much wider, as a share of the depth.
        fallback: near and far where no depth is known; (0, 0) for nothing.
    """
    near, far, guess = _pooled(depth, size)
    is_known = far > 0
    return torch.where(is_known, near * (1 - share), fallback[0]), torch.where(is_known, far * (1 + share), fallback[1]), guess


def _box_lattice(camera: Cameras, box: Tensor, offset: float, width: int, height: int) -> tuple[Tensor, Tensor]:  # [h, w] each
    camera = camera.to("cpu", torch.float64)
    columns, rows = torch.meshgrid(torch.arange(width) + offset, torch.arange(height) + offset, indexing="xy")
    pixels = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).double()
    centre = camera.world_from_camera[0, :3, 3]
    rays = camera.unproject(pixels, torch.ones(1, pixels.shape[1], dtype=torch.float64))[0] - centre
    safe = torch.where(rays.abs() < 1e-12, 1e-12, rays)
    ends = torch.stack([(box[0] - centre) / safe, (box[1] - centre) / safe])  # [2, N, 3]
    near, far = ends.amin(dim=0).amax(dim=1).clamp(min=0), ends.amax(dim=0).amin(dim=1)
    is_met = near < far
    nothing = torch.full_like(near, torch.inf)
    return torch.where(is_met, near, nothing).view(height, width), torch.where(is_met, far, 0.0).view(height, width)


def _pooled(depth: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:  # [H, W] -> [h, w] each
    """Smallest and largest depth in and beside each pixel of a smaller map, and the one nearest to its centre; 0 where there are none."""
    depth = depth.float().cpu()
    row, column = (
        torch.div(torch.arange(count) * small, count, rounding_mode="floor") for count, small in zip(depth.shape, size, strict=True)
    )
    index = (row[:, None] * size[1] + column).reshape(-1)
    values = depth.reshape(-1)
    near = torch.full((size[0] * size[1],), torch.inf).scatter_reduce(0, index, torch.where(values > 0, values, torch.inf), "amin")
    far = torch.zeros(size[0] * size[1]).scatter_reduce(0, index, values.clamp(min=0), "amax")
    near = -torch.nn.functional.max_pool2d(-near.view(1, *size), 3, stride=1, padding=1)[0]
    far = torch.nn.functional.max_pool2d(far.view(1, *size), 3, stride=1, padding=1)[0]
    centre = [((torch.arange(small) + 0.5) * count / small).long() for count, small in zip(depth.shape, size, strict=True)]
    guess = depth[centre[0][:, None], centre[1]].clamp(min=0)
    return torch.where(far > 0, near, 0.0), far, guess
