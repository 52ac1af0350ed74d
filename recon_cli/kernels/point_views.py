# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""What views say of points in space: who sees them, whose mask misses them, and their colour."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import warp as wp
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.kernels.launch import launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

TILT = wp.constant(10.0)
"""Tangent of the largest tilt against the picture; steeper steps between neighbouring pixels are edges."""


def count_views(
    points: Tensor,  # [N, 3]
    normals: Tensor | None,  # [N, 3]
    maps: DepthMaps,
    *,
    relative: float = 0.005,
) -> Tensor:  # [N] int32
    """How many depth maps see each point: its depth is the map's within a share ``relative`` of it, between pixels too.

    Args:
        points: positions [scene units].
        normals: with them, a point that is turned away from a camera is not seen by it; null normals count.
        maps: depth maps, 0 where nothing is known.
        relative: largest difference of depth, as a share of the depth.
    """
    counts = torch.zeros(len(points), dtype=torch.int32, device=points.device)
    anchor, local = _anchored(points)
    turned = torch.zeros_like(local) if normals is None else normals.float().contiguous()
    for view in range(len(maps)):
        camera = _camera(maps.cameras, view, anchor)
        arguments = (local, turned, maps.depth[view].contiguous(), *camera, relative, counts)
        launch_bands(_count_views, len(points), arguments, device=points.device)
    return counts


def count_mask_misses(
    points: Tensor,  # [N, 3]
    cameras: Cameras,
    masks: Sequence[Tensor],  # C of [H, W] bool
    *,
    margin: int = 2,
) -> Tensor:  # [N] int32
    """How many views have a point in their picture but outside their mask, grown by ``margin`` [px]."""
    counts = torch.zeros(len(points), dtype=torch.int32, device=points.device)
    anchor, local = _anchored(points)
    for view in range(len(cameras)):
        arguments = (local, masks[view].to(points.device, torch.uint8).contiguous(), *_camera(cameras, view, anchor), margin, counts)
        launch_bands(_count_misses, len(points), arguments, device=points.device)
    return counts


def color_points(
    points: Tensor,  # [N, 3]
    normals: Tensor,  # [N, 3]
    maps: DepthMaps,
    cameras: Cameras,
    images: Sequence[Tensor],  # C of [H, W, 3] uint8
    *,
    relative: float = 0.005,
) -> tuple[Tensor, Tensor]:  # [N, 3], [N]
    """Mean colour of each point over the views that see it, those that see it sharply and frontally first.

    A view weighs by the sixth power of the cosine of its angle times its pixels per length: the best few decide.

    Args:
        points: positions [scene units].
        normals: unit normals.
        maps: depth maps, which decide who sees a point.
        cameras: cameras of the images, the same views in the same order, perhaps of another size.
        images: 8-bit sRGB.
        relative: largest difference of depth, as a share of the depth.

    Returns:
        Colours in [0, 1], sRGB, 0 where nobody sees the point, and the sum of the weights.
    """
    total = torch.zeros(len(points), 4, device=points.device)
    anchor, local = _anchored(points)
    scale = float(torch.median(cameras.K[:, 0, 0])) if len(cameras) else 1.0
    depths = [float(depth[depth > 0].median()) for depth in maps.depth if bool((depth > 0).any())]
    sharpness = sorted(depths)[len(depths) // 2] / scale if depths else 1.0
    for view in range(len(maps)):
        arguments = (
            local,
            normals.float().contiguous(),
            maps.depth[view].contiguous(),
            *_camera(maps.cameras, view, anchor),
            images[view].contiguous(),
            *_camera(cameras, view, anchor),
            relative,
            sharpness,
            total,
        )
        launch_bands(_add_colors, len(points), arguments, device=points.device)
    weight = total[:, 3]
    return total[:, :3] / weight.clamp(min=1e-20)[:, None] / 255, weight


def _anchored(points: Tensor) -> tuple[Tensor, Tensor]:  # [3], [N, 3] float32
    """Points relative to one among them, so that float32 keeps scenes far from the origin exact."""
    anchor = points[0].double() if len(points) else points.new_zeros(3, dtype=torch.float64)
    return anchor, (points.double() - anchor).float().contiguous()


def _camera(cameras: Cameras, view: int, anchor: Tensor) -> tuple[wp.mat33f, wp.vec3f, wp.vec3f, wp.float32]:
    """Pixel from point, q = M x + t; the camera's place among the points; its focal length [px]."""
    camera = cameras[view].to("cpu", torch.float64)
    K, pose = camera.K[0], camera.camera_from_world[0]
    origin = anchor.cpu()
    centre = camera.world_from_camera[0, :3, 3] - origin
    offset = K @ (pose[:3, :3] @ origin + pose[:3, 3])
    matrix = (K @ pose[:3, :3]).flatten().tolist()
    return wp.mat33f(*matrix), wp.vec3f(*offset.tolist()), wp.vec3f(*centre.tolist()), wp.float32(float(K[0, 0]))


@wp.func
def point_of(points: wp.array2d(dtype=wp.float32), index: int) -> wp.vec3f:
    return wp.vec3f(points[index, 0], points[index, 1], points[index, 2])


@wp.func
def is_seen(depth: wp.array2d(dtype=wp.float32), q: wp.vec3f, focal: wp.float32, relative: wp.float32) -> wp.bool:
    """Whether the map has the point's depth: between those of the four pixels around it, or the nearest one's at an edge."""
    if not (q[2] > 0.0):
        return False
    x = q[0] / q[2]
    y = q[1] / q[2]
    if not (x >= 0.0 and y >= 0.0 and x < wp.float32(depth.shape[1]) and y < wp.float32(depth.shape[0])):
        return False
    row = int(y)
    column = int(x)
    z = depth[row, column]
    low = z
    high = z
    other_row = wp.clamp(row + wp.where(y - wp.float32(row) < 0.5, -1, 1), 0, depth.shape[0] - 1)
    other_column = wp.clamp(column + wp.where(x - wp.float32(column) < 0.5, -1, 1), 0, depth.shape[1] - 1)
    for corner in range(3):
        other = depth[wp.where(corner == 0, row, other_row), wp.where(corner == 1, column, other_column)]
        if other > 0.0 and wp.abs(other - z) <= TILT / focal * z:
            low = wp.min(low, other)
            high = wp.max(high, other)
    return z > 0.0 and q[2] >= low - relative * z and q[2] <= high + relative * z


@wp.kernel
def _count_views(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float32),
    normals: wp.array2d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    project: wp.mat33f,
    offset: wp.vec3f,
    centre: wp.vec3f,
    focal: wp.float32,
    relative: wp.float32,
    counts: wp.array(dtype=wp.int32),
):
    index = first + wp.tid()
    point = point_of(points, index)
    if wp.dot(point_of(normals, index), centre - point) >= 0.0 and is_seen(depth, project * point + offset, focal, relative):
        counts[index] = counts[index] + 1


@wp.kernel
def _count_misses(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float32),
    mask: wp.array2d(dtype=wp.uint8),
    project: wp.mat33f,
    offset: wp.vec3f,
    centre: wp.vec3f,
    focal: wp.float32,
    margin: wp.int32,
    counts: wp.array(dtype=wp.int32),
):
    index = first + wp.tid()
    q = project * point_of(points, index) + offset
    if q[2] > 0.0:
        x = q[0] / q[2]
        y = q[1] / q[2]
        if x >= 0.0 and y >= 0.0 and x < wp.float32(mask.shape[1]) and y < wp.float32(mask.shape[0]):
            row = int(y)
            column = int(x)
            found = wp.int32(0)
            for other_row in range(wp.max(row - margin, 0), wp.min(row + margin, mask.shape[0] - 1) + 1):
                for other_column in range(wp.max(column - margin, 0), wp.min(column + margin, mask.shape[1] - 1) + 1):
                    if found == 0:
                        found += int(mask[other_row, other_column])
            if found == 0:
                counts[index] = counts[index] + 1


@wp.func
def color_at(image: wp.array3d(dtype=wp.uint8), x: wp.float32, y: wp.float32) -> wp.vec3f:
    """Bilinear, the border repeated [grey levels]."""
    left = wp.clamp(x - 0.5, 0.0, wp.float32(image.shape[1] - 1))
    top = wp.clamp(y - 0.5, 0.0, wp.float32(image.shape[0] - 1))
    column = int(left)
    row = int(top)
    right = wp.min(column + 1, image.shape[1] - 1)
    below = wp.min(row + 1, image.shape[0] - 1)
    s = left - wp.float32(column)
    t = top - wp.float32(row)
    color = wp.vec3f()
    for channel in range(3):
        upper = wp.float32(image[row, column, channel]) * (1.0 - s) + wp.float32(image[row, right, channel]) * s
        lower = wp.float32(image[below, column, channel]) * (1.0 - s) + wp.float32(image[below, right, channel]) * s
        color[channel] = upper * (1.0 - t) + lower * t
    return color


@wp.kernel
def _add_colors(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float32),
    normals: wp.array2d(dtype=wp.float32),
    depth: wp.array2d(dtype=wp.float32),
    project: wp.mat33f,
    offset: wp.vec3f,
    centre: wp.vec3f,
    focal: wp.float32,
    image: wp.array3d(dtype=wp.uint8),
    image_project: wp.mat33f,
    image_offset: wp.vec3f,
    image_centre: wp.vec3f,
    image_focal: wp.float32,
    relative: wp.float32,
    sharpness: wp.float32,
    total: wp.array2d(dtype=wp.float32),
):
    index = first + wp.tid()
    point = point_of(points, index)
    cosine = wp.dot(point_of(normals, index), wp.normalize(centre - point))
    if cosine > 0.05 and is_seen(depth, project * point + offset, focal, relative):
        q = image_project * point + image_offset
        color = color_at(image, q[0] / q[2], q[1] / q[2])
        share = cosine * wp.clamp(sharpness * image_focal / q[2], 0.1, 4.0)
        weight = share * share * share
        weight *= weight
        for channel in range(3):
            total[index, channel] += weight * color[channel]
        total[index, 3] += weight
