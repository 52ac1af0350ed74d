# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels that let silhouettes vote on blocks of space. A view that does not see a place does not vote on it."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.hull_footprints import (
    Footprint,
    Silhouette,
    footprint_of,
    levels_under,
    pixels_over,
    shows_middle,
    silhouette_of,
    whole,
)
from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

OUTSIDE, MIXED, INSIDE = 0, 1, 2
"""What is known of a block: no point of it belongs to the hull, some may, all do."""

_UNSEEN = wp.constant(0)
_AGAINST = wp.constant(1)
_FOR = wp.constant(2)
_UNDECIDED = wp.constant(3)
_PARTLY_SEEN = wp.constant(4)
_FOR_WHERE_SEEN = wp.constant(5)


@wp.func
def is_blank(integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, box: Footprint) -> bool:
    """Whether nothing is inside under a footprint where it meets the picture.

    An outline may run half a pixel beyond the pixels whose centres it holds, so the footprint is widened by that.
    """
    left = wp.max(whole(wp.floor(box.left - wp.float32(0.5))), 0)
    top = wp.max(whole(wp.floor(box.top - wp.float32(0.5))), 0)
    right = wp.min(whole(wp.ceil(box.right + wp.float32(0.5))), int(wp.ceil(silhouette.width)))
    bottom = wp.min(whole(wp.ceil(box.bottom + wp.float32(0.5))), int(wp.ceil(silhouette.height)))
    return levels_under(integrals, silhouette, left, right, top, bottom) == 0


@wp.func
def vote(integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, box: Footprint, is_last: bool) -> wp.int32:
    """What a view says of a block; ``is_last`` where it will not be split, so that a block is seen where its middle is."""
    if box.z_high <= wp.float32(0.0):
        return _UNSEEN
    if not box.is_before:
        return wp.where(is_last, _UNSEEN, _PARTLY_SEEN)
    if box.right <= wp.float32(0.0) or box.bottom <= wp.float32(0.0) or box.left >= silhouette.width or box.top >= silhouette.height:
        return _UNSEEN
    is_cut = box.left < wp.float32(0.0) or box.top < wp.float32(0.0) or box.right > silhouette.width or box.bottom > silhouette.height
    if is_cut and is_last:
        if not shows_middle(silhouette, box):
            return _UNSEEN
        is_cut = False
    if not is_cut and is_blank(integrals, silhouette, box):
        return _AGAINST
    whole = pixels_over(silhouette, box)
    if levels_under(integrals, silhouette, whole[0], whole[1], whole[2], whole[3]) == 255 * (whole[1] - whole[0]) * (whole[3] - whole[2]):
        return wp.where(is_cut, _FOR_WHERE_SEEN, _FOR)
    return wp.where(is_cut, _PARTLY_SEEN, _UNDECIDED)


@wp.func
def touches_rim(blocks: wp.array2d(dtype=wp.int32), block: int, side: int, shape: wp.vec3i) -> bool:
    """Whether a block reaches the outermost layer of voxels."""
    low = wp.min(wp.min(blocks[block, 0], blocks[block, 1]), blocks[block, 2])
    room = wp.min(shape[0] - (blocks[block, 0] + 1) * side, shape[1] - (blocks[block, 1] + 1) * side)
    return low == 0 or wp.min(room, shape[2] - (blocks[block, 2] + 1) * side) <= 0


@wp.func
def is_inside(
    matrices: wp.array2d(dtype=wp.float32),
    starts: wp.array(dtype=wp.int64),
    sizes: wp.array2d(dtype=wp.float32),
    integrals: wp.array(dtype=wp.int32),
    centre: wp.vec3f,
    radius: wp.float32,
    tolerance: wp.int32,
    minimum_views: wp.int32,
) -> bool:
    """Whether every point of a cube belongs to the hull."""
    maybe_against = wp.int32(0)
    seen = wp.int32(0)
    for view in range(matrices.shape[0]):
        said = vote(integrals, silhouette_of(starts, sizes, view), footprint_of(matrices, view, centre, radius), False)
        if said != _UNSEEN and said != _FOR and said != _FOR_WHERE_SEEN:
            maybe_against += 1
            if maybe_against > tolerance:
                return False
        if said != _UNSEEN and said != _PARTLY_SEEN and said != _FOR_WHERE_SEEN:
            seen += 1
    return seen >= minimum_views


@wp.kernel
def classify_blocks(
    first: wp.int32,
    matrices: wp.array2d(dtype=wp.float32),
    starts: wp.array(dtype=wp.int64),
    sizes: wp.array2d(dtype=wp.float32),
    integrals: wp.array(dtype=wp.int32),
    blocks: wp.array2d(dtype=wp.int32),
    side: wp.int32,
    shape: wp.vec3i,
    tolerance: wp.int32,
    minimum_views: wp.int32,
    states: wp.array(dtype=wp.int8),
):
    """OUTSIDE, MIXED or INSIDE for blocks of ``side`` voxels.

    INSIDE blocks lie apart from whatever is OUTSIDE and from the grid's rim, so that surfaces close; single voxels are never called so.
    """
    block = first + wp.tid()
    radius = wp.float32(0.5) * wp.float32(side)
    corner = wp.vec3f(wp.float32(blocks[block, 0]), wp.float32(blocks[block, 1]), wp.float32(blocks[block, 2]))
    centre = wp.float32(side) * corner + wp.vec3f(radius, radius, radius)
    against = wp.int32(0)
    seen = wp.int32(0)
    for view in range(matrices.shape[0]):
        said = vote(integrals, silhouette_of(starts, sizes, view), footprint_of(matrices, view, centre, radius), side == 1)
        if said == _AGAINST:
            against += 1
            if against > tolerance:
                states[block] = wp.int8(OUTSIDE)
                return
        if said != _UNSEEN:
            seen += 1
    if seen < minimum_views:
        states[block] = wp.int8(OUTSIDE)
        return
    states[block] = wp.int8(MIXED)
    # A voxel more on each side, so that what touches a block inside is never outside.
    if side > 1 and not touches_rim(blocks, block, side, shape):  # noqa: SIM102 - Warp works out both sides of an `and`
        if is_inside(matrices, starts, sizes, integrals, centre, radius + wp.float32(1.0), tolerance, minimum_views):
            states[block] = wp.int8(INSIDE)


@wp.kernel
def count_objections(
    first: wp.int32,
    matrices: wp.array2d(dtype=wp.float32),
    starts: wp.array(dtype=wp.int64),
    sizes: wp.array2d(dtype=wp.float32),
    integrals: wp.array(dtype=wp.int32),
    blocks: wp.array2d(dtype=wp.int32),
    objections: wp.array2d(dtype=wp.int8),
):
    """1 where a view sees a voxel outside its silhouette, -1 where it does not see it, else 0; a row a voxel, a column a view."""
    block = first + wp.tid()
    radius = wp.float32(0.5)
    corner = wp.vec3f(wp.float32(blocks[block, 0]), wp.float32(blocks[block, 1]), wp.float32(blocks[block, 2]))
    centre = corner + wp.vec3f(radius, radius, radius)
    for view in range(matrices.shape[0]):
        said = vote(integrals, silhouette_of(starts, sizes, view), footprint_of(matrices, view, centre, radius), True)
        objections[block, view] = wp.int8(wp.where(said == _AGAINST, 1, wp.where(said == _UNSEEN, -1, 0)))
