# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels that fill a sparse volume from depth maps: which blocks a map touches, and what it says of their voxels."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.consistency_votes import sample_at
from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

SLOTS = 11
SEGMENT = 32
Keys = wp.types.vector(length=11, dtype=wp.int64)


@wp.struct
class View:
    """One camera over the grid: q = project g + offset for grid position g [voxels]; g = z (ray p) + centre for pixel p."""

    project: wp.mat33f
    offset: wp.vec3f
    ray: wp.mat33f
    centre: wp.vec3f
    focal: wp.vec3f  # fx, skew, fy [px]
    middle: wp.vec2f  # cx, cy [px]


@wp.func
def key_of(g: wp.vec3f) -> wp.int64:
    """The key of the block around a grid position, as ``core.tsdf.block_keys``."""
    bias = wp.int64(524288)
    x = wp.int64(wp.floor(g[0] / 8.0)) + bias
    y = wp.int64(wp.floor(g[1] / 8.0)) + bias
    z = wp.int64(wp.floor(g[2] / 8.0)) + bias
    return (z << wp.int64(40)) | (y << wp.int64(20)) | x


@wp.kernel
def touch_blocks(
    first: wp.int32,
    depth: wp.array2d(dtype=wp.float32),
    view: View,
    stride: wp.int32,
    truncation: wp.float32,
    margin: wp.float32,
    keys: wp.array2d(dtype=wp.int64),
):
    """Blocks around the surface of a run of pixels; a key is written when it differs from that of the pixel before."""
    index = first + wp.tid()
    columns = (depth.shape[1] + stride - 1) / stride
    segments = (columns + SEGMENT - 1) / SEGMENT
    row = (index / segments) * stride
    start = (index % segments) * SEGMENT
    last = Keys()
    for slot in range(SLOTS):
        last[slot] = wp.int64(-1)
    for step in range(SEGMENT):
        column = (start + step) * stride
        z = wp.float32(0.0)
        if column < depth.shape[1]:
            z = depth[row, column]
        for slot in range(SLOTS):
            written = wp.int64(-1)
            if z > 0.0:
                ray = view.ray * wp.vec3f(wp.float32(column) + 0.5, wp.float32(row) + 0.5, 1.0)
                g = z * ray + view.centre
                if slot < 8:
                    g += margin * wp.vec3f(wp.float32(2 * (slot & 1) - 1), wp.float32((slot & 2) - 1), wp.float32((slot & 4) / 2 - 1))
                elif slot == 8:
                    g += wp.normalize(ray) * truncation
                elif slot == 9:
                    g -= wp.normalize(ray) * truncation
                key = key_of(g)
                if key != last[slot]:
                    written = key
                last[slot] = key
            keys[index, step * SLOTS + slot] = written


@wp.kernel
def integrate(
    first: wp.int32,
    blocks: wp.array2d(dtype=wp.int32),
    chosen: wp.array(dtype=wp.int32),
    depth: wp.array(dtype=wp.float32),
    slopes: wp.array2d(dtype=wp.float32),
    confidence: wp.array(dtype=wp.float32),
    width: wp.int32,
    height: wp.int32,
    view: View,
    voxel: wp.float32,
    truncation: wp.float32,
    footprint: wp.float32,
    edge: wp.float32,
    moment: wp.array2d(dtype=wp.float32),
    weight: wp.array2d(dtype=wp.float32),
    free: wp.array2d(dtype=wp.float32),
):
    """A thread owns eight voxels in a row and adds what one view says of them."""
    index = first + wp.tid()
    block = chosen[index / 64]
    row = index % 64
    g = wp.vec3f(
        wp.float32(8 * blocks[block, 0]),
        wp.float32(8 * blocks[block, 1] + row % 8),
        wp.float32(8 * blocks[block, 2] + row / 8),
    )
    q = view.project * g + view.offset
    step = wp.vec3f(view.project[0, 0], view.project[1, 0], view.project[2, 0])
    for i in range(8):
        at = q + wp.float32(i) * step
        if at[2] > 0.0:
            x = at[0] / at[2]
            y = at[1] / at[2]
            found = sample_at(depth, confidence, 0, width, height, x, y, edge)
            if found.inverse > 0.0:
                nearest = wp.min(int(y), height - 1) * width + wp.min(int(x), width - 1)
                slope = wp.vec2f(slopes[nearest, 0], slopes[nearest, 1])
                w = found.inverse
                if not found.is_smooth:
                    # The plane through the nearest pixel, taken to the point itself.
                    w += slope[0] * (x - wp.floor(x) - 0.5) + slope[1] * (y - wp.floor(y) - 0.5)
                # The plane n . X = 1 in the camera's axes; |n| turns the gap along the ray into a distance.
                normal = wp.vec3f(
                    view.focal[0] * slope[0],
                    view.focal[1] * slope[0] + view.focal[2] * slope[1],
                    w + slope[0] * (view.middle[0] - x) + slope[1] * (view.middle[1] - y),
                )
                length = wp.length(normal)
                distance = (1.0 - at[2] * w) / (length * voxel)
                ray_y = (y - view.middle[1]) / view.focal[2]
                ray_x = (x - view.middle[0] - view.focal[1] * ray_y) / view.focal[0]
                reach = wp.sqrt(ray_x * ray_x + ray_y * ray_y + 1.0)
                # Behind a slanted surface the ray soon leaves what the plane stands for: there the gap along the ray counts.
                behind = (at[2] - 1.0 / w) * reach / voxel
                if behind < truncation and w > 0.0:
                    cosine = w / (length * reach)
                    sharpness = wp.min(footprint * view.focal[0] * w, 4.0)
                    share = found.confidence * wp.max(cosine * cosine, 0.01) * sharpness * sharpness
                    if behind > 0.5 * truncation:
                        share *= 2.0 - 2.0 * behind / truncation
                    if distance < truncation:
                        moment[block, 8 * row + i] += share * distance / truncation
                        weight[block, 8 * row + i] += share
                    else:
                        free[block, 8 * row + i] += share
