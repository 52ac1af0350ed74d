# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""The local tilt of depth maps: planes fitted to 1 / z around each pixel.

On a plane 1 / z is linear in the pixel's column and row, so its two slopes and its value are the plane.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


def fit_slopes(
    depth: Tensor,  # [H, W] float32
    *,
    radius: int = 2,
    edge: float = 0.01,
) -> Tensor:  # [H, W, 2]
    """Change of 1 / z per pixel along x and y: least squares over the window's pixels on the same side of depth edges.

    Args:
        depth: z [scene units], 0 where nothing is known.
        radius: half the side of the window [px].
        edge: a pixel counts when its depth differs from the middle's by less than this share of it per pixel of distance.

    Returns:
        Slopes [1 / scene unit / px]; 0 where the window holds no plane.
    """
    height, width = depth.shape
    slopes = torch.empty(height, width, 2, device=depth.device)
    launch_bands(_fit_slopes, height * width, (depth, radius, edge, slopes), device=depth.device)
    return slopes


@wp.kernel
def _fit_slopes(
    first: wp.int32,
    depth: wp.array2d(dtype=wp.float32),
    radius: wp.int32,
    edge: wp.float32,
    slopes: wp.array3d(dtype=wp.float32),
):
    pixel = first + wp.tid()
    width = depth.shape[1]
    row = pixel / width
    column = pixel % width
    slopes[row, column, 0] = wp.float32(0.0)
    slopes[row, column, 1] = wp.float32(0.0)
    z = depth[row, column]
    if not (z > 0.0):
        return
    # Normal equations of z / z' - 1 = a + b x + c y, whose numbers are near one at any scale.
    n = wp.float32(0.0)
    sx = wp.float32(0.0)
    sy = wp.float32(0.0)
    sxx = wp.float32(0.0)
    sxy = wp.float32(0.0)
    syy = wp.float32(0.0)
    sw = wp.float32(0.0)
    swx = wp.float32(0.0)
    swy = wp.float32(0.0)
    for dy in range(wp.max(-radius, -row), wp.min(radius, depth.shape[0] - 1 - row) + 1):
        for dx in range(wp.max(-radius, -column), wp.min(radius, width - 1 - column) + 1):
            other = depth[row + dy, column + dx]
            reach = edge * wp.float32(wp.max(wp.max(wp.abs(dx), wp.abs(dy)), 1))
            if other > 0.0 and wp.abs(other - z) <= reach * z:
                x = wp.float32(dx)
                y = wp.float32(dy)
                w = (z - other) / other
                n += 1.0
                sx += x
                sy += y
                sxx += x * x
                sxy += x * y
                syy += y * y
                sw += w
                swx += w * x
                swy += w * y
    if n < 4.0:
        return
    sxx -= sx * sx / n
    sxy -= sx * sy / n
    syy -= sy * sy / n
    swx -= sw * sx / n
    swy -= sw * sy / n
    determinant = sxx * syy - sxy * sxy
    if determinant <= 0.01 * sxx * syy or determinant <= 0.0:
        return
    slopes[row, column, 0] = (swx * syy - swy * sxy) / determinant / z
    slopes[row, column, 1] = (swy * sxx - swx * sxy) / determinant / z
