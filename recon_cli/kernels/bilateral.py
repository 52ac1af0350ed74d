# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Edge-keeping smoothing of depth maps: a bilateral filter of what is left of 1 / z after the local plane."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import launch_bands, start_warp
from recon_cli.kernels.slopes import fit_slopes

start_warp()
wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class BilateralReach:
    """How far a pixel's say goes.

    Attributes:
        radius: half the side of the window [px]; the standard deviation in the picture is half of it.
        relative: standard deviation of the distance from the local plane, as a share of the depth.
        color: standard deviation of the colour difference [grey levels].
        edge: jump between neighbouring pixels that is an edge, as a share of the depth.
    """

    radius: int = 2
    relative: float = 0.002
    color: float = 24.0
    edge: float = 0.01


def bilateral(
    depth: Tensor,  # [H, W] float32
    *,
    confidence: Tensor | None = None,  # [H, W]
    image: Tensor | None = None,  # [H, W, 3] uint8
    reach: BilateralReach = BilateralReach(),
) -> Tensor:  # [H, W]
    """Smooth a depth map without moving its edges and without flattening slants.

    The filter of Tomasi and Manduchi (1998) on the residuals of 1 / z against the plane through each pixel with the
    tilt of its surroundings; a planar map stays as it is. Pixels weigh in by confidence and likeness of colour.

    Args:
        depth: z [scene units], 0 where nothing is known; such pixels stay 0.
        confidence: weights in [0, 1]; None counts every depth as 1.
        image: the view's picture; None compares no colours.
        reach: how far a pixel's say goes.
    """
    height, width = depth.shape
    device = depth.device
    depth = depth.contiguous()
    slopes = fit_slopes(depth, radius=reach.radius, edge=reach.edge)
    smooth = torch.empty_like(depth)
    confidence = torch.ones_like(depth) if confidence is None else confidence.float()
    picture = torch.zeros(1, 1, 3, dtype=torch.uint8, device=device) if image is None else image.contiguous()
    color = 0.0 if image is None else reach.color
    arguments = (depth, slopes, confidence, picture, reach.radius, reach.relative, color, smooth)
    launch_bands(_bilateral, height * width, arguments, device=device)
    return smooth


@wp.func
def color_distance(image: wp.array3d(dtype=wp.uint8), row: int, column: int, other_row: int, other_column: int) -> wp.float32:
    """Squared distance of two pixels' colours [grey levels²], the mean over channels."""
    total = wp.float32(0.0)
    for channel in range(3):
        gap = wp.float32(image[row, column, channel]) - wp.float32(image[other_row, other_column, channel])
        total += gap * gap
    return total / 3.0


@wp.kernel
def _bilateral(
    first: wp.int32,
    depth: wp.array2d(dtype=wp.float32),
    slopes: wp.array3d(dtype=wp.float32),
    confidence: wp.array2d(dtype=wp.float32),
    image: wp.array3d(dtype=wp.uint8),
    radius: wp.int32,
    relative: wp.float32,
    color: wp.float32,
    smooth: wp.array2d(dtype=wp.float32),
):
    pixel = first + wp.tid()
    width = depth.shape[1]
    row = pixel / width
    column = pixel % width
    z = depth[row, column]
    smooth[row, column] = wp.float32(0.0)
    if not (z > 0.0):
        return
    slope_x = slopes[row, column, 0] * z
    slope_y = slopes[row, column, 1] * z
    total = wp.float32(0.0)
    moment = wp.float32(0.0)
    falling = 2.0 / wp.float32(radius * radius)
    for dy in range(wp.max(-radius, -row), wp.min(radius, depth.shape[0] - 1 - row) + 1):
        for dx in range(wp.max(-radius, -column), wp.min(radius, width - 1 - column) + 1):
            other = depth[row + dy, column + dx]
            if other > 0.0:
                residual = (z - other) / other - slope_x * wp.float32(dx) - slope_y * wp.float32(dy)
                share = residual / relative
                exponent = falling * wp.float32(dx * dx + dy * dy) + 0.5 * share * share
                if color > 0.0:
                    exponent += 0.5 * color_distance(image, row, column, row + dy, column + dx) / (color * color)
                weight = confidence[row + dy, column + dx] * wp.exp(-exponent)
                total += weight
                moment += weight * residual
    if total > 0.0:
        z = z / (1.0 + moment / total)
    smooth[row, column] = z
