# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels that let silhouettes vote on blocks of space.

Space is counted in voxels of a grid; a view's matrix takes a place in the grid to pixels of its silhouette. A silhouette is an integral
image of levels 0 to 255, so the levels under any rectangle cost four reads. A view that does not see a place does not vote on it.
"""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

OUTSIDE, MIXED, INSIDE = 0, 1, 2
"""What is known of a block: no point of it belongs to the hull, some may, all do."""

MOST_OBJECTIONS = 7
"""Largest number of views whose objection can be passed over."""

_UNSEEN = wp.constant(0)
_AGAINST = wp.constant(1)
_FOR = wp.constant(2)
_UNDECIDED = wp.constant(3)
_PARTLY_SEEN = wp.constant(4)
_FOR_WHERE_SEEN = wp.constant(5)
_SLOTS = wp.constant(8)
Shares = wp.types.vector(length=8, dtype=wp.float32)


@wp.struct
class Silhouette:
    """One view's integral image in the common array."""

    start: wp.int64
    stride: wp.int32
    width: wp.float32  # [px]; the last column may be cut
    height: wp.float32


@wp.struct
class Footprint:
    """Bounds [px] of what a cube covers in a view, valid where it ``is_before`` the camera; ``z_high`` [voxels] is its farthest depth."""

    left: wp.float32
    right: wp.float32
    top: wp.float32
    bottom: wp.float32
    z_high: wp.float32
    is_before: wp.bool


@wp.func
def footprint_of(matrices: wp.array2d(dtype=wp.float32), view: int, centre: wp.vec3f, radius: wp.float32) -> Footprint:
    """Bounds of a cube of half side ``radius``; with u = a.x / b.x, |u(c + d) - u(c)| <= |(a - u b).d| / (z - |b.d|)."""
    a = wp.vec3f(matrices[view, 0], matrices[view, 1], matrices[view, 2])
    b = wp.vec3f(matrices[view, 4], matrices[view, 5], matrices[view, 6])
    c = wp.vec3f(matrices[view, 8], matrices[view, 9], matrices[view, 10])
    z = wp.dot(c, centre) + matrices[view, 11]
    reach = radius * (wp.abs(c[0]) + wp.abs(c[1]) + wp.abs(c[2]))
    bounds = Footprint()
    z_low = z - reach
    bounds.z_high = z + reach
    bounds.is_before = z_low > wp.float32(0.01) * reach
    if bounds.is_before:
        u = (wp.dot(a, centre) + matrices[view, 3]) / z
        v = (wp.dot(b, centre) + matrices[view, 7]) / z
        across = wp.abs(a[0] - u * c[0]) + wp.abs(a[1] - u * c[1]) + wp.abs(a[2] - u * c[2])
        down = wp.abs(b[0] - v * c[0]) + wp.abs(b[1] - v * c[1]) + wp.abs(b[2] - v * c[2])
        bounds.left = u - radius * across / z_low
        bounds.right = u + radius * across / z_low
        bounds.top = v - radius * down / z_low
        bounds.bottom = v + radius * down / z_low
    return bounds


@wp.func
def silhouette_of(starts: wp.array(dtype=wp.int64), sizes: wp.array2d(dtype=wp.float32), view: int) -> Silhouette:
    silhouette = Silhouette()
    silhouette.start = starts[view]
    silhouette.width = sizes[view, 0]
    silhouette.height = sizes[view, 1]
    silhouette.stride = int(wp.ceil(sizes[view, 0])) + 1
    return silhouette


@wp.func
def levels_under(
    integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, left: wp.int32, right: wp.int32, top: wp.int32, bottom: wp.int32
) -> wp.int32:
    """Sum of the levels of the pixels [left, right) x [top, bottom)."""
    upper = silhouette.start + wp.int64(top * silhouette.stride)
    lower = silhouette.start + wp.int64(bottom * silhouette.stride)
    below = integrals[lower + wp.int64(right)] - integrals[lower + wp.int64(left)]
    return below - (integrals[upper + wp.int64(right)] - integrals[upper + wp.int64(left)])


@wp.func
def pixels_over(silhouette: Silhouette, box: Footprint) -> wp.vec4i:
    """Columns [0, 1) and rows [2, 3) of the picture's pixels that a footprint touches, and one more on each side."""
    left = wp.max(int(wp.floor(box.left)) - 1, 0)
    top = wp.max(int(wp.floor(box.top)) - 1, 0)
    right = wp.min(int(wp.ceil(box.right)) + 1, int(wp.ceil(silhouette.width)))
    bottom = wp.min(int(wp.ceil(box.bottom)) + 1, int(wp.ceil(silhouette.height)))
    return wp.vec4i(left, right, top, bottom)


@wp.func
def is_blank(integrals: wp.array(dtype=wp.int32), silhouette: Silhouette, box: Footprint) -> bool:
    """Whether nothing is inside under a footprint where it meets the picture.

    An outline may run half a pixel beyond the pixels whose centres it holds, so the footprint is widened by that.
    """
    left = wp.max(int(wp.floor(box.left - wp.float32(0.5))), 0)
    top = wp.max(int(wp.floor(box.top - wp.float32(0.5))), 0)
    right = wp.min(int(wp.ceil(box.right + wp.float32(0.5))), int(wp.ceil(silhouette.width)))
    bottom = wp.min(int(wp.ceil(box.bottom + wp.float32(0.5))), int(wp.ceil(silhouette.height)))
    return levels_under(integrals, silhouette, left, right, top, bottom) == 0


@wp.func
def shows_middle(silhouette: Silhouette, box: Footprint) -> bool:
    u = wp.float32(0.5) * (box.left + box.right)
    v = wp.float32(0.5) * (box.top + box.bottom)
    return u >= wp.float32(0.0) and v >= wp.float32(0.0) and u <= silhouette.width and v <= silhouette.height


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
