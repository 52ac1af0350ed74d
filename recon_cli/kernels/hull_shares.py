# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""A Warp kernel that measures how far inside the silhouettes the neighbourhood of a voxel lies, for smooth surfaces."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.hull_footprints import Footprint, Silhouette, footprint_of, levels_under, pixels_over, shows_middle, silhouette_of
from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

MOST_OBJECTIONS = 7
"""Largest number of views whose objection can be passed over."""

_SLOTS = wp.constant(8)
Shares = wp.types.vector(length=8, dtype=wp.float32)


@wp.func
def level_integral(integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, x: wp.float32, y: wp.float32) -> wp.float64:
    """Levels above and to the left of a place [px] inside the picture, linear within a pixel."""
    column = wp.min(int(x), silhouette.stride - 2)
    row = wp.min(int(y), int(wp.ceil(silhouette.height)) - 1)
    along = wp.float64(x) - wp.float64(column)
    down = wp.float64(y) - wp.float64(row)
    place = silhouette.start + wp.int64(row * silhouette.stride + column)
    below = place + wp.int64(silhouette.stride)
    upper = wp.float64(integrals[place]) * (wp.float64(1.0) - along) + wp.float64(integrals[place + wp.int64(1)]) * along
    lower = wp.float64(integrals[below]) * (wp.float64(1.0) - along) + wp.float64(integrals[below + wp.int64(1)]) * along
    return upper * (wp.float64(1.0) - down) + lower * down


@wp.func
def share_under(integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, box: Footprint) -> wp.float32:
    """Mean level in [0, 1] under a footprint where it meets the picture; negative where the picture does not show its middle."""
    if not box.is_before:
        return wp.float32(-1.0)
    if not shows_middle(silhouette, box):
        return wp.float32(-1.0)
    u = wp.float32(0.5) * (box.left + box.right)
    v = wp.float32(0.5) * (box.top + box.bottom)
    # Mostly all or nothing, which whole pixels tell in four reads.
    whole = pixels_over(silhouette, box)
    levels = levels_under(integrals, silhouette, whole[0], whole[1], whole[2], whole[3])
    if levels == 0:
        return wp.float32(0.0)
    if levels == 255 * (whole[1] - whole[0]) * (whole[3] - whole[2]):
        return wp.float32(1.0)
    # At least a pixel wide: narrower ones would see steps.
    left = wp.max(wp.min(box.left, u - wp.float32(0.5)), wp.float32(0.0))
    right = wp.min(wp.max(box.right, u + wp.float32(0.5)), silhouette.width)
    top = wp.max(wp.min(box.top, v - wp.float32(0.5)), wp.float32(0.0))
    bottom = wp.min(wp.max(box.bottom, v + wp.float32(0.5)), silhouette.height)
    below = level_integral(integrals, silhouette, right, bottom) - level_integral(integrals, silhouette, left, bottom)
    above = level_integral(integrals, silhouette, right, top) - level_integral(integrals, silhouette, left, top)
    return wp.float32((below - above) / (wp.float64(255.0) * wp.float64(right - left) * wp.float64(bottom - top)))


@wp.func
def with_share(smallest: Shares, share: wp.float32) -> Shares:
    """The smallest shares in their order, with another one among them."""
    for slot in range(_SLOTS):
        held = smallest[slot]
        if share < held:
            smallest[slot] = share
            share = held
    return smallest


@wp.kernel
def measure_shares(
    first: wp.int32,
    matrices: wp.array2d(dtype=wp.float32),
    starts: wp.array(dtype=wp.int64),
    sizes: wp.array2d(dtype=wp.float32),
    integrals: wp.array(dtype=wp.int32),
    voxels: wp.array2d(dtype=wp.int32),
    tolerance: wp.int32,
    minimum_views: wp.int32,
    values: wp.array(dtype=wp.float32),
):
    """How much of a cube of two voxels' side around a voxel's centre lies inside the silhouettes, minus a half.

    Of the views' shares the smallest counts after ``tolerance`` smaller ones; near a straight outline it is linear in the distance.
    """
    index = first + wp.tid()
    half = wp.vec3f(wp.float32(0.5), wp.float32(0.5), wp.float32(0.5))
    centre = wp.vec3f(wp.float32(voxels[index, 0]), wp.float32(voxels[index, 1]), wp.float32(voxels[index, 2])) + half
    smallest = Shares()
    for slot in range(_SLOTS):
        smallest[slot] = wp.float32(1.0)
    seen = wp.int32(0)
    for view in range(matrices.shape[0]):
        box = footprint_of(matrices, view, centre, wp.float32(1.0))
        share = share_under(integrals, silhouette_of(starts, sizes, view), box)
        if share >= wp.float32(0.0):
            seen += 1
            if share < smallest[tolerance]:
                smallest = with_share(smallest, share)
                if smallest[tolerance] <= wp.float32(0.0):
                    values[index] = wp.float32(-0.5)
                    return
    values[index] = smallest[tolerance] - wp.float32(0.5)
    if seen < minimum_views:
        values[index] = wp.float32(-0.5)
