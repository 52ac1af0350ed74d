"""A box around what cameras with known depth ranges look at together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras

_STEPS = 8  # samples along each axis of a frustum
_SHARE = 0.5  # of the cameras that must see a point


def shared_volume(
    cameras: Cameras,
    ranges: Sequence[tuple[float, float]],
) -> Tensor | None:  # [2, 3]
    """The box [scene units] around the points that at least half of the cameras (and two) see within their depth ranges.

    Every frustum is sampled at the centres of 8³ cells; the box is as coarse as these. None where no two cameras share a point.
    """
    samples = torch.cat([_frustum(cameras[index], near, far) for index, (near, far) in enumerate(ranges)])
    seen = torch.zeros(len(samples), dtype=torch.long)
    for index, (near, far) in enumerate(ranges):
        pixels, depth = cameras[index].project(samples)
        inside = (pixels[0] >= 0) & (pixels[0] <= cameras.size[index])
        seen += inside.all(dim=-1) & (depth[0] >= near) & (depth[0] <= far)
    kept = samples[seen >= max(2, _SHARE * len(cameras))]
    if len(kept) < 2:
        return None
    low, high = kept.amin(dim=0), kept.amax(dim=0)
    return torch.stack([low, high]) if bool((low < high).all()) else None


def _frustum(camera: Cameras, near: float, far: float) -> Tensor:  # [N, 3]
    share = (torch.arange(_STEPS, dtype=torch.float64) + 0.5) / _STEPS
    # In inverse depth, as plane sweeps are.
    depth = 1 / (1 / near + share * (1 / far - 1 / near))
    x, y, z = torch.meshgrid(share * camera.width, share * camera.height, depth, indexing="ij")
    pixels = torch.stack([x.flatten(), y.flatten()], dim=-1)
    return camera.unproject(pixels[None], z.flatten()[None])[0]
