# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Closing a sparse volume: silhouettes as its outer bound, and a smooth field where little or nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import warp as wp
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.tsdf import BLOCK, SparseGrid, block_keys
from recon_cli.kernels.launch import launch_bands, start_warp
from recon_cli.kernels.tsdf import view_struct
from recon_cli.kernels.tsdf_steps import View, key_of

start_warp()
wp.set_module_options({"enable_backward": False})

# How strongly neighbouring voxels are pulled together, beside what is known of them.
_PULL = 0.05
_STEPS = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))


def outline_distances(masks: Sequence[Tensor]) -> list[Tensor]:
    """Signed distance of each pixel's centre to the mask's outline [px], negative inside, C of shape [H, W], float32.

    The outline runs between pixels; the picture's border is none, for the object may go on beyond it.
    """
    from scipy.ndimage import distance_transform_edt

    found = []
    for mask in masks:
        inside = mask.cpu().numpy().astype(bool)
        if inside.all() or not inside.any():
            distance = np.full(inside.shape, -1e6 if inside.all() else 1e6)
        else:
            outer, inner = (np.asarray(distance_transform_edt(part)) for part in (~inside, inside))
            distance = np.where(inside, 0.5 - inner, outer - 0.5)
        found.append(torch.from_numpy(distance.astype(np.float32)).to(mask.device))
    return found


def silhouette_bound(
    grid: SparseGrid,
    points: Tensor,  # [..., 3]
    cameras: Cameras,
    distances: Sequence[Tensor],  # C of [H, W]
    *,
    tolerated: int = 0,
    fewest: int = 1,
) -> Tensor:  # [...]
    """A bound of the signed distance to the visual hull [voxels], positive outside: the largest over the views.

    Args:
        grid: whose coordinates ``points`` are in.
        points: places [voxels from the grid's origin], float32.
        cameras: of the masks.
        distances: from ``outline_distances``.
        tolerated: so many views may object: the largest distances that are left out.
        fewest: views that must have a place in their picture; it is far outside otherwise.
    """
    flat = points.reshape(-1, 3).contiguous()
    largest = torch.full((len(flat), tolerated + 1), -1e6, device=points.device)
    seen = torch.zeros(len(flat), dtype=torch.int32, device=points.device)
    for view, distance in enumerate(distances):
        struct = view_struct(cameras, view, grid.origin, grid.voxel)
        arguments = (flat, distance.to(points.device).contiguous(), struct, grid.voxel, largest, seen)
        launch_bands(_raise_bound, len(flat), arguments, device=points.device)
    return torch.where(seen < fewest, 1e6, largest[:, tolerated]).reshape(points.shape[:-1])


def relax(
    grid: SparseGrid,
    target: Tensor,  # [B, 512]
    certainty: Tensor,  # [B, 512]
    *,
    rounds: int = 60,
) -> Tensor:  # [B, 512]
    """The field that stays near its target where that is certain and is smooth where it is not.

    Jacobi's rounds towards the minimum of the sum of ``certainty (f - target)²`` over voxels and a fixed share of
    ``(f - f')²`` over neighbouring voxels. A voxel beyond the blocks pulls at nothing.
    """
    offsets = torch.tensor(_STEPS, dtype=torch.int32, device=target.device)
    neighbours = grid.find(grid.blocks[:, None] + offsets)
    field, following = target.clone(), torch.empty_like(target)
    for _ in range(rounds):
        arguments = (neighbours, target, certainty, field, _PULL, following)
        launch_bands(_relax, len(grid) * BLOCK**2, arguments, device=target.device)
        field, following = following, field
    return field


def missed_voxels(
    grid: SparseGrid,
    field: Tensor,  # [B, 512]
    is_possible: Tensor,  # [B, 512] bool
    cameras: Cameras,
    masks: Sequence[Tensor],  # C of [H, W]
) -> Tensor:  # [M]
    """Voxels that are nearest to the solid on the rays of mask pixels that pass it by, as places in the flat field, each once.

    Args:
        grid: of the field.
        field: signed distances, negative inside.
        is_possible: voxels that may belong to the solid.
        cameras: of the masks.
        masks: true on the object.
    """
    if not len(grid):
        return torch.zeros(0, dtype=torch.int64, device=field.device)
    keys = block_keys(grid.blocks)
    low = wp.vec3f(*(BLOCK * grid.blocks.amin(dim=0)).tolist())
    high = wp.vec3f(*(BLOCK * (grid.blocks.amax(dim=0) + 1) - 1).tolist())
    found = []
    for view, mask in enumerate(masks):
        pixels = mask.to(field.device).reshape(-1).nonzero()[:, 0].to(torch.int32)
        nearest = torch.full((len(pixels),), -1, dtype=torch.int64, device=field.device)
        struct = view_struct(cameras, view, grid.origin, grid.voxel)
        arguments = (pixels, int(mask.shape[1]), struct, keys, low, high, field, is_possible.view(torch.uint8), nearest)
        launch_bands(_find_nearest, len(pixels), arguments, device=field.device)
        found.append(nearest[nearest >= 0])
    return torch.cat(found).unique()


@wp.kernel
def _find_nearest(
    first: wp.int32,
    pixels: wp.array(dtype=wp.int32),
    width: wp.int32,
    view: View,
    keys: wp.array(dtype=wp.int64),
    low: wp.vec3f,
    high: wp.vec3f,
    field: wp.array2d(dtype=wp.float32),
    is_possible: wp.array2d(dtype=wp.uint8),
    nearest: wp.array(dtype=wp.int64),
):
    """The voxel of the smallest distance along a pixel's ray, where none is negative; half a voxel a step."""
    index = first + wp.tid()
    start = view.centre
    step = view.ray * wp.vec3f(wp.float32(pixels[index] % width) + 0.5, wp.float32(pixels[index] / width) + 0.5, 1.0)
    near = wp.float32(0.0)
    far = wp.float32(1.0e30)
    for axis in range(3):
        if wp.abs(step[axis]) > 1.0e-20:
            a = (low[axis] - start[axis]) / step[axis]
            b = (high[axis] - start[axis]) / step[axis]
            near = wp.max(near, wp.min(a, b))
            far = wp.min(far, wp.max(a, b))
        elif start[axis] < low[axis] or start[axis] > high[axis]:
            return
    count = wp.int32(wp.ceil((far - near) * 2.0 * wp.length(step)))
    least = wp.float32(2.0)
    found = wp.int64(-1)
    held = wp.int64(-1)
    block = wp.int32(-1)
    for i in range(count):
        place = start + (near + (far - near) * (wp.float32(i) + 0.5) / wp.float32(count)) * step
        place = wp.vec3f(wp.round(place[0]), wp.round(place[1]), wp.round(place[2]))
        key = key_of(place)
        if key != held:
            held = key
            at = wp.lower_bound(keys, key)
            block = wp.int32(-1)
            if at < keys.shape[0]:  # noqa: SIM102 - Warp may read both sides of an `and`
                if keys[at] == key:
                    block = at
        if block >= 0:
            x = wp.int32(place[0] - 8.0 * wp.floor(place[0] / 8.0))
            y = wp.int32(place[1] - 8.0 * wp.floor(place[1] / 8.0))
            z = wp.int32(place[2] - 8.0 * wp.floor(place[2] / 8.0))
            voxel = x + 8 * y + 64 * z
            if is_possible[block, voxel] > wp.uint8(0):
                value = field[block, voxel]
                if value < 0.0:
                    return
                if value < least:
                    least = value
                    found = wp.int64(block) * wp.int64(512) + wp.int64(voxel)
    nearest[index] = found


@wp.kernel
def _raise_bound(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float32),
    distance: wp.array2d(dtype=wp.float32),
    view: View,
    voxel: wp.float32,
    largest: wp.array2d(dtype=wp.float32),
    seen: wp.array(dtype=wp.int32),
):
    """Put one view's distance among the largest of a place, in descending order."""
    index = first + wp.tid()
    q = view.project * wp.vec3f(points[index, 0], points[index, 1], points[index, 2]) + view.offset
    if not (q[2] > 0.0):
        return
    x = q[0] / q[2]
    y = q[1] / q[2]
    if not (x >= 0.0 and y >= 0.0 and x < wp.float32(distance.shape[1]) and y < wp.float32(distance.shape[0])):
        return
    seen[index] = seen[index] + 1
    left = wp.clamp(x - 0.5, 0.0, wp.float32(distance.shape[1] - 1))
    top = wp.clamp(y - 0.5, 0.0, wp.float32(distance.shape[0] - 1))
    column = wp.min(int(left), wp.max(distance.shape[1] - 2, 0))
    row = wp.min(int(top), wp.max(distance.shape[0] - 2, 0))
    right = wp.min(column + 1, distance.shape[1] - 1)
    below = wp.min(row + 1, distance.shape[0] - 1)
    s = left - wp.float32(column)
    t = top - wp.float32(row)
    upper = distance[row, column] * (1.0 - s) + distance[row, right] * s
    lower = distance[below, column] * (1.0 - s) + distance[below, right] * s
    value = (upper * (1.0 - t) + lower * t) * q[2] / (view.focal[0] * voxel)
    for slot in range(largest.shape[1]):
        held = largest[index, slot]
        if value > held:
            largest[index, slot] = value
            value = held


@wp.kernel
def _relax(
    first: wp.int32,
    neighbours: wp.array2d(dtype=wp.int32),
    target: wp.array2d(dtype=wp.float32),
    certainty: wp.array2d(dtype=wp.float32),
    field: wp.array2d(dtype=wp.float32),
    pull: wp.float32,
    following: wp.array2d(dtype=wp.float32),
):
    index = first + wp.tid()
    block = index / 64
    row = index % 64
    for i in range(8):
        voxel = 8 * row + i
        weight = certainty[block, voxel]
        total = weight
        moment = weight * target[block, voxel]
        for axis in range(3):
            stride = wp.int32(1)
            place = i
            if axis == 1:
                stride = wp.int32(8)
                place = row % 8
            elif axis == 2:
                stride = wp.int32(64)
                place = row / 8
            for side in range(2):
                other = block
                at = voxel + (2 * side - 1) * stride
                if (side == 0 and place == 0) or (side == 1 and place == 7):
                    other = neighbours[block, 2 * axis + side]
                    at = voxel - (2 * side - 1) * 7 * stride
                if other >= 0:
                    total += pull
                    moment += pull * field[other, at]
        following[block, voxel] = moment / total
