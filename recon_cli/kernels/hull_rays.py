# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""A Warp kernel that walks rays through a grid of bricks: where each first enters and last leaves what is occupied."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

BRICK = 8
"""Voxels along the side of a brick."""

EMPTY, FULL = -1, -2
"""Entries of the table of bricks beside the numbers of those that are neither."""

_SIDE = wp.constant(8)
_FULL = wp.constant(-2)
_STEP = wp.constant(wp.float32(1.0e-3))  # [voxels] past a wall, where rounding cannot fall back
_MISS = wp.constant(wp.float32(-1.0))


@wp.func
def slab(origin: wp.float32, direction: wp.float32, high: wp.float32) -> wp.vec2f:
    """Where a ray is between 0 and ``high`` on one axis."""
    if wp.abs(direction) < wp.float32(1.0e-12):
        if origin < wp.float32(0.0) or origin > high:
            return wp.vec2f(wp.float32(1.0), wp.float32(0.0))
        return wp.vec2f(wp.float32(-1.0e30), wp.float32(1.0e30))
    a = -origin / direction
    b = (high - origin) / direction
    return wp.vec2f(wp.min(a, b), wp.max(a, b))


@wp.func
def leaving(origin: wp.float32, direction: wp.float32, low: int, side: int) -> wp.float32:
    """Where a ray leaves [low, low + side] on one axis."""
    if direction > wp.float32(1.0e-12):
        return (wp.float32(low + side) - origin) / direction
    if direction < wp.float32(-1.0e-12):
        return (wp.float32(low) - origin) / direction
    return wp.float32(1.0e30)


@wp.func
def first_hit(
    table: wp.array3d(dtype=wp.int32),
    cells: wp.array2d(dtype=wp.uint8),
    shape: wp.vec3i,
    origin: wp.vec3f,
    direction: wp.vec3f,
    last: wp.float32,
) -> wp.float32:
    """Distance along a ray from ``origin``, in units of ``direction``, to the first occupied voxel before ``last``; or _MISS."""
    step = _STEP / wp.max(wp.max(wp.abs(direction[0]), wp.abs(direction[1])), wp.abs(direction[2]))
    t = wp.float32(0.0)
    while t < last:
        place = origin + (t + step) * direction
        i = wp.clamp(int(wp.floor(place[0])), 0, shape[0] - 1)
        j = wp.clamp(int(wp.floor(place[1])), 0, shape[1] - 1)
        k = wp.clamp(int(wp.floor(place[2])), 0, shape[2] - 1)
        side = _SIDE
        low = wp.vec3i((i / _SIDE) * _SIDE, (j / _SIDE) * _SIDE, (k / _SIDE) * _SIDE)
        entry = table[i / _SIDE, j / _SIDE, k / _SIDE]
        if entry == _FULL:
            return t
        if entry >= 0:
            local = ((i - low[0]) * _SIDE + (j - low[1])) * _SIDE + (k - low[2])
            if cells[entry, local] != wp.uint8(0):
                return t
            side = wp.int32(1)
            low = wp.vec3i(i, j, k)
        out = wp.min(leaving(origin[0], direction[0], low[0], side), leaving(origin[1], direction[1], low[1], side))
        out = wp.min(out, leaving(origin[2], direction[2], low[2], side))
        t = wp.max(out, t + step)
    return _MISS


@wp.kernel
def find_intervals(
    first: wp.int32,
    table: wp.array3d(dtype=wp.int32),
    cells: wp.array2d(dtype=wp.uint8),
    shape: wp.vec3i,
    origin: wp.vec3f,
    rotation: wp.mat33f,
    columns: wp.int32,
    offset: wp.float32,
    near: wp.array(dtype=wp.float32),
    far: wp.array(dtype=wp.float32),
):
    """First entry and last exit along the ray through each place of a lattice, as z [voxels]; near > far where there is none.

    Place (row, column) is at the pixel (column + offset, row + offset); ``rotation`` takes it to a direction whose z is a voxel.
    """
    index = first + wp.tid()
    u = wp.float32(index % columns) + offset
    v = wp.float32(index / columns) + offset
    direction = rotation * wp.vec3f(u, v, wp.float32(1.0))
    low = wp.float32(1.0e-6)
    high = wp.float32(1.0e30)
    for axis in range(3):
        span = slab(origin[axis], direction[axis], wp.float32(shape[axis]))
        low = wp.max(low, span[0])
        high = wp.min(high, span[1])
    near[index] = wp.float32(1.0e30)
    far[index] = wp.float32(0.0)
    if low >= high:
        return
    ahead = first_hit(table, cells, shape, origin + low * direction, direction, high - low)
    if ahead < wp.float32(0.0):
        return
    behind = first_hit(table, cells, shape, origin + high * direction, -direction, high - low)
    near[index] = low + ahead
    far[index] = wp.max(high - wp.max(behind, wp.float32(0.0)), low + ahead)
