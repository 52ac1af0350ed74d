# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""What a cube covers in the views, and reading their silhouettes there.

Space is counted in voxels of a grid; a view's matrix takes a place in the grid to pixels of its silhouette. A silhouette is an integral
image of levels 0 to 255, so the levels under any rectangle cost four reads.
"""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


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
    """Bounds of a cube of half side ``radius``; with u = a.x / c.x, |u(x + d) - u(x)| <= |(a - u c).d| / (c.x - |c.d|)."""
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
def whole(value: wp.float32) -> wp.int32:
    """A pixel number of any float: cameras with absurd numbers give ones that no integer holds, or NaN."""
    return int(wp.max(wp.min(value, wp.float32(1.0e6)), wp.float32(-1.0e6)))


@wp.func
def pixels_over(silhouette: Silhouette, box: Footprint) -> wp.vec4i:
    """Columns [0, 1) and rows [2, 3) of the picture's pixels that a footprint touches, and one more on each side."""
    left = wp.max(whole(wp.floor(box.left)) - 1, 0)
    top = wp.max(whole(wp.floor(box.top)) - 1, 0)
    right = wp.min(whole(wp.ceil(box.right)) + 1, int(wp.ceil(silhouette.width)))
    bottom = wp.min(whole(wp.ceil(box.bottom)) + 1, int(wp.ceil(silhouette.height)))
    return wp.vec4i(left, right, top, bottom)


@wp.func
def shows_middle(silhouette: Silhouette, box: Footprint) -> bool:
    u = wp.float32(0.5) * (box.left + box.right)
    v = wp.float32(0.5) * (box.top + box.bottom)
    return u >= wp.float32(0.0) and v >= wp.float32(0.0) and u <= silhouette.width and v <= silhouette.height
