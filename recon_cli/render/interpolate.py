"""From vertices on screen to per-face functions of the pixel, differentiable with respect to the vertices.

Everything here has the size of the mesh, not of the image, so plain torch is fast enough and carries the gradients of
projection and cameras; the kernels do the rest per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.normals import gather_rows
from recon_cli.kernels.interpolate import interpolate
from recon_cli.kernels.runs import Runs


@dataclass(frozen=True)
class ScreenFaces:
    """Faces on the image plane of one camera.

    Attributes:
        corners: pixels [px] minus ``origin``, shape [F, 3, 2].
        depth: z-depth [scene units], shape [F, 3].
        planes: per corner, the affine function of the pixel whose value is its edge function over its depth, up to a
            positive factor of the face, shape [F, 3, 3].
        origin: a pixel near each face, int32, shape [F, 2].
        facing: 1 where the camera sees the side from which the corners run counter-clockwise, else -1, shape [F].
    """

    corners: Tensor  # [F, 3, 2]
    depth: Tensor  # [F, 3]
    planes: Tensor  # [F, 3, 3]
    origin: Tensor  # [F, 2]
    facing: Tensor  # [F]


def screen_faces(
    pixels_and_depth: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    *,
    near: float,
) -> ScreenFaces:
    """Set faces up for interpolation.

    Faces that the rasteriser leaves out (a corner nearer than ``near``, not finite, no area) become zeros: no pixel
    reads them, and no NaN enters the gradient.
    """
    corners = gather_rows(pixels_and_depth, faces)  # [F, 3, 3]
    is_drawn = (torch.isfinite(corners).all(-1) & (corners[..., 2] > near)).all(-1)
    depth = torch.where(is_drawn[:, None], corners[..., 2], torch.ones_like(corners[..., 2]))
    pixels = torch.where(is_drawn[:, None, None], corners[..., :2], torch.zeros_like(corners[..., :2]))
    # Coordinates relative to the face keep the edge functions accurate in float32.
    origin = pixels.detach()[:, 0].floor().clamp(-(2**30), 2**30)
    local = pixels - origin[:, None]
    doubled_area = _cross(local[:, 1] - local[:, 0], local[:, 2] - local[:, 0]).detach()
    scale = torch.where(doubled_area == 0, torch.zeros_like(doubled_area), 1 / doubled_area)
    planes = _edge_planes(local) * (scale[:, None] / depth)[..., None]
    # v points down: corners that run counter-clockwise on screen enclose a negative area.
    facing = -doubled_area.sign()
    return ScreenFaces(local, depth, planes, origin.to(torch.int32).contiguous(), facing)


def interpolate_corners(
    screen: ScreenFaces,
    attributes: Tensor,  # [F, 3, D]
    runs: Runs,
) -> Tensor:  # [M, D]
    """Perspective-correct attributes at the covered pixels of ``runs``."""
    return interpolate(screen.planes, attributes, screen.origin, runs)


def _edge_planes(corners: Tensor) -> Tensor:  # [F, 3, 2] -> [F, 3, 3]
    """Coefficients of E_i(p) = (c - b) x (p - b), with b and c the corners after corner i: twice a screen area."""
    start, end = corners.roll(-1, dims=1), corners.roll(-2, dims=1)
    edge = end - start
    return torch.stack([-edge[..., 1], edge[..., 0], -_cross(edge, start)], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:  # [..., 2], [..., 2] -> [...]
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
