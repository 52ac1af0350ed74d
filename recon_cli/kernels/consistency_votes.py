# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernel of the geometric consistency of depth maps: a thread owns a pixel and asks every neighbour."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

MAXIMUM_NEIGHBOURS = 16
Values = wp.types.vector(length=16, dtype=wp.float32)


@wp.struct
class Limits:
    """When depths agree, and when they contradict each other."""

    pixels: wp.float32  # [px], there and back
    relative: wp.float32  # share of the depth
    gap: wp.float32  # share of the depth by which a view that looks through a point sees behind it


@wp.struct
class Sample:
    """What a neighbour sees at a point of its picture: 1 / z = inverse + slope * (offset from the point)."""

    inverse: wp.float32  # 0 where it sees nothing
    slope: wp.vec2f
    confidence: wp.float32
    is_smooth: wp.bool


@wp.func
def sample_at(
    depth: wp.array(dtype=wp.float32),
    confidence: wp.array(dtype=wp.float32),
    start: int,
    width: int,
    height: int,
    x: wp.float32,
    y: wp.float32,
    edge: wp.float32,
) -> Sample:
    """Bilinear in 1 / z, which is exact on planes; the nearest pixel where four do not form one surface."""
    found = Sample()
    found.inverse = wp.float32(0.0)
    found.is_smooth = False
    if not (x >= 0.0 and y >= 0.0 and x < wp.float32(width) and y < wp.float32(height)):
        return found
    nearest = start + wp.min(int(y), height - 1) * width + wp.min(int(x), width - 1)
    left = int(wp.floor(x - 0.5))
    top = int(wp.floor(y - 0.5))
    if left >= 0 and top >= 0 and left + 1 < width and top + 1 < height:
        corner = start + top * width + left
        a = depth[corner]
        b = depth[corner + 1]
        c = depth[corner + width]
        d = depth[corner + width + 1]
        low = wp.min(wp.min(a, b), wp.min(c, d))
        high = wp.max(wp.max(a, b), wp.max(c, d))
        if low > 0.0 and high - low <= edge * low:
            s = x - 0.5 - wp.float32(left)
            t = y - 0.5 - wp.float32(top)
            a = 1.0 / a
            b = 1.0 / b
            c = 1.0 / c
            d = 1.0 / d
            found.inverse = (a * (1.0 - s) + b * s) * (1.0 - t) + (c * (1.0 - s) + d * s) * t
            found.slope = wp.vec2f((b - a) * (1.0 - t) + (d - c) * t, (c - a) * (1.0 - s) + (d - b) * s)
            found.confidence = confidence[nearest]
            found.is_smooth = True
            return found
    if depth[nearest] > 0.0:
        found.inverse = 1.0 / depth[nearest]
        found.slope = wp.vec2f(0.0, 0.0)
        found.confidence = confidence[nearest]
    return found


@wp.func
def robust_mean(values: Values, weights: Values, count: int, centre: wp.float32, reach: wp.float32) -> wp.vec2f:
    """Mean under weights that fall to zero at ``reach`` from the centre (Tukey's biweight), and their sum."""
    total = wp.float32(0.0)
    moment = wp.float32(0.0)
    for k in range(count):
        share = (values[k] - centre) / reach
        falling = wp.max(1.0 - share * share, 0.0)
        weight = weights[k] * falling * falling
        total += weight
        moment += weight * (values[k] - centre)
    return wp.vec2f(centre + moment / wp.max(total, 1.0e-20), total)


@wp.kernel
def count_votes(
    first: wp.int32,
    depth: wp.array(dtype=wp.float32),
    confidence: wp.array(dtype=wp.float32),
    width: wp.int32,
    other_depth: wp.array(dtype=wp.float32),
    other_confidence: wp.array(dtype=wp.float32),
    starts: wp.array(dtype=wp.int32),
    sizes: wp.array2d(dtype=wp.int32),
    forward: wp.array2d(dtype=wp.float32),
    offset: wp.array2d(dtype=wp.float32),
    back: wp.array2d(dtype=wp.float32),
    edges: wp.array(dtype=wp.float32),
    limits: Limits,
    mean: wp.array(dtype=wp.float32),
    support: wp.array(dtype=wp.float32),
    agreeing: wp.array(dtype=wp.uint8),
    conflicting: wp.array(dtype=wp.uint8),
):
    pixel = first + wp.tid()
    z = depth[pixel]
    mean[pixel] = wp.float32(0.0)
    support[pixel] = wp.float32(0.0)
    agreeing[pixel] = wp.uint8(0)
    conflicting[pixel] = wp.uint8(0)
    if not (z > 0.0):
        return
    u = wp.float32(pixel % width) + 0.5
    v = wp.float32(pixel / width) + 0.5
    values = Values()
    weights = Values()
    count = wp.int32(0)
    conflicts = wp.int32(0)
    for k in range(starts.shape[0]):
        mx = forward[k, 0] * u + forward[k, 1] * v + forward[k, 2]
        my = forward[k, 3] * u + forward[k, 4] * v + forward[k, 5]
        mz = forward[k, 6] * u + forward[k, 7] * v + forward[k, 8]
        seen_z = z * mz + offset[k, 2]
        if seen_z > 0.0:
            x = (z * mx + offset[k, 0]) / seen_z
            y = (z * my + offset[k, 1]) / seen_z
            found = sample_at(other_depth, other_confidence, starts[k], sizes[k, 0], sizes[k, 1], x, y, edges[k])
            if found.inverse > 0.0:
                ratio = 1.0 / (found.inverse * seen_z)
                back_z = ratio * z + (ratio - 1.0) * back[k, 2]
                du = (ratio * z * u + (ratio - 1.0) * back[k, 0]) / back_z - u
                dv = (ratio * z * v + (ratio - 1.0) * back[k, 1]) / back_z - v
                is_near = wp.abs(ratio - 1.0) <= limits.relative and du * du + dv * dv <= limits.pixels * limits.pixels
                # Where this pixel's ray meets the plane that the neighbour sees: a . q = 1 with q = z m + t.
                az = found.inverse - found.slope[0] * x - found.slope[1] * y
                along = found.slope[0] * mx + found.slope[1] * my + az * mz
                across = found.slope[0] * offset[k, 0] + found.slope[1] * offset[k, 1] + az * offset[k, 2]
                met = back_z
                if found.is_smooth and along > 0.0:
                    met = (1.0 - across) / along
                if is_near and wp.abs(met - z) <= limits.relative * z:
                    values[count] = met
                    weights[count] = found.confidence
                    if not found.is_smooth:
                        # Up to half a pixel away from the place: good enough to agree, not to be averaged.
                        weights[count] = wp.float32(0.0)
                    count += 1
                elif found.is_smooth and ratio - 1.0 > limits.gap:
                    conflicts += 1
    own = confidence[pixel]
    agreeing[pixel] = wp.uint8(count)
    conflicting[pixel] = wp.uint8(conflicts)
    # Twice: around the pixel's own depth, then around the mean.
    reach = limits.relative * z
    others = robust_mean(values, weights, count, z, reach)
    centre = (own * z + others[1] * others[0]) / wp.max(own + others[1], 1.0e-20)
    if not (own + others[1] > 0.0):
        centre = z
    share = (z - centre) / reach
    kept = own * (1.0 - share * share) * (1.0 - share * share)
    others = robust_mean(values, weights, count, centre, reach)
    total = kept + others[1]
    mean[pixel] = centre
    if total > 0.0:
        mean[pixel] = (kept * z + others[1] * others[0]) / total
    support[pixel] = total
