# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""How well a slanted patch of one picture matches the others: the measure behind every photometric kernel.

A hypothesis is the inverse depth w of a pixel and its change per pixel along x and y. Inverse depth is linear over the picture
of a plane, so the three numbers are a plane, and a pixel p of the reference falls on M p + w(p) q in a source (M = K_s R K_r⁻¹,
q = K_s t). The window is warped by the derivative of that map at its centre.
"""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
# Loops over taps are unrolled: else each reading of a window copies the whole of it.
wp.set_module_options({"enable_backward": False, "max_unroll": 25})

TAPS = 25
MOST_SOURCES = 16
NOTHING = 3.0
"""Cost of a pixel for which no hypothesis has been tried; matched ones cost at most 2."""

Window = wp.types.vector(length=TAPS, dtype=wp.float32)
Costs = wp.types.vector(length=MOST_SOURCES, dtype=wp.float32)


@wp.struct
class Pictures:
    """Grey pictures and masks of all views, row by row, one after the other."""

    values: wp.array(dtype=wp.float32)
    objects: wp.array(dtype=wp.uint8)
    offsets: wp.array(dtype=wp.int64)  # of each picture
    sizes: wp.array2d(dtype=wp.int32)  # width, height of each picture


@wp.struct
class Relations:
    """The sources of one reference picture."""

    reference: wp.int32  # index of the reference among the pictures
    sources: wp.array(dtype=wp.int32)  # [S] indices of the sources
    rotations: wp.array(dtype=wp.mat33f)  # [S] M
    translations: wp.array(dtype=wp.vec3f)  # [S] q
    best: wp.int32  # sources whose mean decides
    noise: wp.float32  # variance of the pictures' noise [grey²]
    mismatch: wp.float32  # variance of what differs between views for other reasons, as a share of a window's own
    background_cost: wp.float32  # for every source where the pixel falls on background


@wp.struct
class Patch:
    """A window of the reference picture: values about their mean, and the weight of each tap."""

    values: Window
    weights: Window
    total: wp.float32
    variance: wp.float32
    strength: wp.float32  # what a difference of NCC is worth, from 0 in a window that is all noise to 1


@wp.struct
class Step:
    """Normal equations of one source for a change of the plane, in pixels of disparity (the slopes over the window's radius)."""

    matrix: wp.mat33f
    gradient: wp.vec3f
    cost: wp.float32


@wp.func
def picture_value(pictures: Pictures, offset: wp.int64, width: wp.int32, height: wp.int32, x: wp.float32, y: wp.float32) -> wp.float32:
    """Bilinear; beyond the outermost pixel centres the border repeats."""
    u = wp.clamp(x - 0.5, 0.0, wp.float32(width) - 1.001)
    v = wp.clamp(y - 0.5, 0.0, wp.float32(height) - 1.001)
    column = wp.int32(u)
    row = wp.int32(v)
    right = u - wp.float32(column)
    below = v - wp.float32(row)
    at = offset + wp.int64(row * width + column)
    under = at + wp.int64(width)
    upper = pictures.values[at] + right * (pictures.values[at + wp.int64(1)] - pictures.values[at])
    lower = pictures.values[under] + right * (pictures.values[under + wp.int64(1)] - pictures.values[under])
    return upper + below * (lower - upper)


@wp.func
def picture_slope(pictures: Pictures, offset: wp.int64, width: wp.int32, height: wp.int32, x: wp.float32, y: wp.float32) -> wp.vec3f:
    """Value, and its derivatives along x and y, of the bilinear picture."""
    u = wp.clamp(x - 0.5, 0.0, wp.float32(width) - 1.001)
    v = wp.clamp(y - 0.5, 0.0, wp.float32(height) - 1.001)
    column = wp.int32(u)
    row = wp.int32(v)
    right = u - wp.float32(column)
    below = v - wp.float32(row)
    at = offset + wp.int64(row * width + column)
    under = at + wp.int64(width)
    a = pictures.values[at]
    b = pictures.values[at + wp.int64(1)]
    c = pictures.values[under]
    d = pictures.values[under + wp.int64(1)]
    upper = a + right * (b - a)
    lower = c + right * (d - c)
    return wp.vec3f(upper + below * (lower - upper), (b - a) + below * ((d - c) - (b - a)), lower - upper)


@wp.func
def read_patch(
    pictures: Pictures, relations: Relations, taps: wp.array2d(dtype=wp.float32), x: wp.int32, y: wp.int32, contrast: wp.float32
) -> Patch:
    """The window about a pixel; a tap weighs less the more its value differs from the centre's, and nothing off the object."""
    patch = Patch()
    offset = pictures.offsets[relations.reference]
    width = pictures.sizes[relations.reference, 0]
    height = pictures.sizes[relations.reference, 1]
    middle = pictures.values[offset + wp.int64(y * width + x)]
    total = wp.float32(0.0)
    mean = wp.float32(0.0)
    square = wp.float32(0.0)
    for tap in range(TAPS):
        column = x + wp.int32(taps[tap, 0])
        row = y + wp.int32(taps[tap, 1])
        weight = wp.float32(0.0)
        value = wp.float32(0.0)
        if column >= 0 and row >= 0 and column < width and row < height:
            at = offset + wp.int64(row * width + column)
            value = pictures.values[at]
            if pictures.objects[at] > wp.uint8(0):
                difference = (value - middle) / contrast
                weight = taps[tap, 2] / (1.0 + difference * difference)
        patch.values[tap] = value
        patch.weights[tap] = weight
        total += weight
        mean += weight * value
        square += weight * value * value
    mean = mean / wp.max(total, 1.0e-6)
    patch.total = wp.max(total, 1.0e-6)
    patch.variance = wp.max(square / patch.total - mean * mean, 0.0)
    seen = relations.mismatch * wp.max(patch.variance - relations.noise, 0.0)
    patch.strength = seen / (relations.noise + seen + 1.0e-12)
    for tap in range(TAPS):
        patch.values[tap] = patch.values[tap] - mean
    return patch


@wp.func
def seen_at(h: wp.vec3f) -> wp.vec3f:
    """Pixel of a homogeneous one and the reciprocal of its last entry, 0 where that is not positive: behind the camera."""
    if h[2] <= 1.0e-9:
        return wp.vec3f(0.0, 0.0, 0.0)
    scale = 1.0 / h[2]
    return wp.vec3f(h[0] * scale, h[1] * scale, scale)


@wp.func
def landing(relations: Relations, source: wp.int32, x: wp.float32, y: wp.float32, inverse_depth: wp.float32) -> wp.vec3f:
    """Where a reference pixel falls in a source, as ``seen_at`` tells it."""
    return seen_at(relations.rotations[source] * wp.vec3f(x, y, 1.0) + inverse_depth * relations.translations[source])


@wp.func
def window_warp(relations: Relations, source: wp.int32, at: wp.vec3f, slope: wp.float32, axis: wp.int32) -> wp.vec2f:
    """Move of a tap in the source per pixel along an axis of the reference."""
    m = relations.rotations[source]
    q = relations.translations[source]
    a = wp.vec3f(m[0, axis] + slope * q[0], m[1, axis] + slope * q[1], m[2, axis] + slope * q[2])
    return wp.vec2f((a[0] - at[0] * a[2]) * at[2], (a[1] - at[1] * a[2]) * at[2])


@wp.func
def parallax(relations: Relations, source: wp.int32, at: wp.vec3f) -> wp.vec2f:
    """Move in the source per unit of inverse depth [px]."""
    q = relations.translations[source]
    return wp.vec2f((q[0] - at[0] * q[2]) * at[2], (q[1] - at[1] * q[2]) * at[2])


@wp.func
def is_sane(across: wp.vec2f, down: wp.vec2f) -> bool:
    """Whether a window's warp is one that a picture can show: false for NaN, too, which would become any address."""
    return wp.length_sq(across) + wp.length_sq(down) < 1.0e4


@wp.func
def is_inside(pictures: Pictures, picture: wp.int32, at: wp.vec3f) -> bool:
    if at[2] <= 0.0:
        return False
    return at[0] > 0.0 and at[1] > 0.0 and at[0] < wp.float32(pictures.sizes[picture, 0]) and at[1] < wp.float32(pictures.sizes[picture, 1])


@wp.func
def is_object(pictures: Pictures, picture: wp.int32, at: wp.vec3f) -> bool:
    """Of a point that falls inside the picture."""
    pixel = wp.int32(at[1]) * pictures.sizes[picture, 0] + wp.int32(at[0])
    return pictures.objects[pictures.offsets[picture] + wp.int64(pixel)] > wp.uint8(0)


@wp.func
def correlation(patch: Patch, noise: wp.float32, mean: wp.float32, square: wp.float32, product: wp.float32) -> wp.float32:
    """Weighted normalised cross-correlation from sums over the window; near 0 where either window is flat."""
    mean = mean / patch.total
    variance = wp.max(square / patch.total - mean * mean, 0.0)
    return (product / patch.total) / wp.sqrt((patch.variance + noise) * (variance + noise))


@wp.func
def source_cost(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    patch: Patch,
    source: wp.int32,
    at: wp.vec3f,
    plane: wp.vec3f,
) -> wp.float32:
    """1 - NCC of the window against one source."""
    picture = relations.sources[source]
    offset = pictures.offsets[picture]
    width = pictures.sizes[picture, 0]
    height = pictures.sizes[picture, 1]
    across = window_warp(relations, source, at, plane[1], 0)
    down = window_warp(relations, source, at, plane[2], 1)
    if not is_sane(across, down):
        return 1.0
    mean = wp.float32(0.0)
    square = wp.float32(0.0)
    product = wp.float32(0.0)
    for tap in range(TAPS):
        dx = taps[tap, 0]
        dy = taps[tap, 1]
        x = at[0] + across[0] * dx + down[0] * dy
        y = at[1] + across[1] * dx + down[1] * dy
        value = picture_value(pictures, offset, width, height, x, y)
        weight = patch.weights[tap]
        mean += weight * value
        square += weight * value * value
        product += weight * value * patch.values[tap]
    return 1.0 - correlation(patch, relations.noise, mean, square, product)


@wp.func
def best_mean(costs: Costs, count: wp.int32, best: wp.int32) -> wp.float32:
    """Mean of the lowest costs; a source that does not see the point counts as one without correlation."""
    total = wp.float32(0.0)
    floor = wp.float32(-1.0)
    taken = wp.int32(0)
    while taken < best:
        lowest = wp.float32(4.0)
        copies = wp.int32(0)
        for source in range(count):
            value = costs[source]
            if value > floor:
                if value < lowest:
                    lowest = value
                    copies = 1
                elif value == lowest:
                    copies += 1
        if copies == 0:
            break
        used = wp.min(copies, best - taken)
        total += lowest * wp.float32(used)
        taken += used
        floor = lowest
    return (total + wp.float32(best - taken)) / wp.float32(best)


@wp.func
def plane_cost(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    patch: Patch,
    x: wp.float32,
    y: wp.float32,
    plane: wp.vec3f,
) -> wp.float32:
    """Cost of a hypothesis in [0, 2]: mean of 1 - NCC over the best sources, more where it falls on background."""
    costs = Costs()
    count = relations.sources.shape[0]
    background = wp.float32(0.0)
    for source in range(count):
        at = landing(relations, source, x, y, plane[0])
        cost = wp.float32(1.0)
        if is_inside(pictures, relations.sources[source], at):
            if is_object(pictures, relations.sources[source], at):
                cost = source_cost(pictures, relations, taps, patch, source, at, plane)
            else:
                background += relations.background_cost
        costs[source] = cost
    return wp.min(best_mean(costs, count, relations.best) + background, 2.0)


@wp.func
def source_step(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    patch: Patch,
    source: wp.int32,
    at: wp.vec3f,
    plane: wp.vec3f,
    unit: wp.float32,
    radius: wp.float32,
) -> Step:
    """Gauss-Newton's equations for the residual gain * (source - its mean) - (reference - its mean), over the reference's deviation.

    A tap at d moves along the epipolar line by parallax * (dw + ds · d), so its derivative is the picture's slope along that line
    times (1, d / radius).
    """
    step = Step()
    picture = relations.sources[source]
    offset = pictures.offsets[picture]
    width = pictures.sizes[picture, 0]
    height = pictures.sizes[picture, 1]
    across = window_warp(relations, source, at, plane[1], 0)
    down = window_warp(relations, source, at, plane[2], 1)
    step.cost = 1.0
    if not is_sane(across, down):
        return step
    line = parallax(relations, source, at) * unit
    mean = wp.float32(0.0)
    square = wp.float32(0.0)
    product = wp.float32(0.0)
    first = wp.vec3f()
    with_source = wp.vec3f()
    with_reference = wp.vec3f()
    second = wp.mat33f()
    for tap in range(TAPS):
        dx = taps[tap, 0]
        dy = taps[tap, 1]
        x = at[0] + across[0] * dx + down[0] * dy
        y = at[1] + across[1] * dx + down[1] * dy
        slope = picture_slope(pictures, offset, width, height, x, y)
        weight = patch.weights[tap]
        value = slope[0]
        mean += weight * value
        square += weight * value * value
        product += weight * value * patch.values[tap]
        j = (slope[1] * line[0] + slope[2] * line[1]) * wp.vec3f(1.0, dx / radius, dy / radius)
        first += weight * j
        with_source += (weight * value) * j
        with_reference += (weight * patch.values[tap]) * j
        second += weight * wp.outer(j, j)
    step.cost = 1.0 - correlation(patch, relations.noise, mean, square, product)
    mean = mean / patch.total
    variance = wp.max(square / patch.total - mean * mean, 0.0)
    gain = (product / patch.total) / (variance + relations.noise)
    scale = gain / ((patch.variance + relations.noise) * patch.total)
    step.gradient = scale * (gain * (with_source - mean * first) - with_reference)
    step.matrix = scale * gain * (second - wp.outer(first, first) / patch.total)
    return step
