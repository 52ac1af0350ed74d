"""Which samples of the surface a camera sees: not behind another part of the cloth, and not from its back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.kernels.rasterize import RasterSettings, rasterize

# The z-buffer's longest side [px]: enough to resolve folds of the meshes that the tracker can carry.
BUFFER_SIZE = 640


def seen_samples(
    positions: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [F, 3]
    barycentric: Tensor,  # [S, 3]
    camera: Cameras,
) -> Tensor:  # [F, S] float32, 0 or 1
    """1 where a sample is the front-most surface of its pixel.

    A sample may lie behind the z-buffer by as much as the depth changes over one of the buffer's pixels, so that a surface does not hide
    itself.
    """
    pixels, depth = camera.project(torch.from_numpy(positions).to(camera.K))
    pixels, depth = pixels[0].double().cpu(), depth[0].double().cpu()
    low = pixels.amin(dim=0)
    extent = (pixels.amax(dim=0) - low).clamp_min(1.0)
    scale = min(1.0, BUFFER_SIZE / float(extent.max()))
    local = (pixels - low) * scale + 1.0
    width, height = (int(v) + 3 for v in (extent * scale).tolist())
    index = torch.from_numpy(faces)
    corners = torch.cat([local, depth[:, None]], dim=1).float()
    buffer = rasterize(corners, index, width, height, settings=RasterSettings(has_barycentrics=False))
    nearest = torch.where(buffer.face[..., 0] >= 0, buffer.depth[..., 0], torch.full_like(buffer.depth[..., 0], torch.inf))
    return _in_front(local[index], depth[index], barycentric, nearest)


def _in_front(
    pixels: Tensor,  # [F, 3, 2]
    depth: Tensor,  # [F, 3]
    barycentric: Tensor,  # [S, 3]
    nearest: Tensor,  # [H, W]
) -> Tensor:  # [F, S]
    z = depth @ barycentric.T  # [F, S]
    # Perspective: a point's pixel is the depth-weighted mean of the corners' pixels.
    weight = barycentric[None] * depth[:, None] / z[..., None]
    place = torch.einsum("fsv,fvd->fsd", weight, pixels)
    column = place[..., 0].long().clamp(0, nearest.shape[1] - 1)
    row = place[..., 1].long().clamp(0, nearest.shape[0] - 1)
    slope = (depth.amax(dim=1) - depth.amin(dim=1)) / _height(pixels).clamp_min(0.5)
    behind = z - nearest[row, column].double()
    return (behind <= 2.0 * slope[:, None] + 1e-3 * z.abs()).float()


def _height(pixels: Tensor) -> Tensor:  # [F]
    """Smallest altitude of the projected triangles [px]: depth changes over that distance by at most the face's depth range."""
    first, second, third = pixels[:, 1] - pixels[:, 0], pixels[:, 2] - pixels[:, 1], pixels[:, 0] - pixels[:, 2]
    double_area = (first[:, 0] * third[:, 1] - first[:, 1] * third[:, 0]).abs()
    longest = torch.stack([first.norm(dim=1), second.norm(dim=1), third.norm(dim=1)]).amax(dim=0)
    return double_area / longest.clamp_min(1e-9)
