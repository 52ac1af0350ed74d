# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels of the search for slanted patches: sweep, spread and refine, measure."""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp
from recon_cli.kernels.patch_match import (
    NOTHING,
    Patch,
    Pictures,
    Relations,
    is_inside,
    landing,
    parallax,
    plane_cost,
    read_patch,
    source_step,
)

start_warp()
# Loops over taps are unrolled: else each reading of a window copies the whole of it.
wp.set_module_options({"enable_backward": False, "max_unroll": 25})


NEIGHBOURS = 8
Eight = wp.types.vector(length=NEIGHBOURS, dtype=wp.float32)


@wp.struct
class Surroundings:
    """What the pixels around one hold: their inverse depths, and how much each counts."""

    inverse_depths: Eight
    weights: Eight
    unit: wp.float32  # inverse depth per pixel of disparity


@wp.struct
class Refinement:
    """What one round of the search tries."""

    reach: wp.int32  # farthest neighbour whose plane is tried [px], odd
    same: wp.float32  # a neighbour's plane that differs by less is not tried [px of disparity]
    tries: wp.int32  # random changes
    disparity: wp.float32  # their scale [px of disparity]
    steps: wp.int32  # Gauss-Newton steps
    damping: wp.float32  # added to the normal matrix, whose entries are (deviations per px of disparity)²
    radius: wp.float32  # of the window [px]
    contrast: wp.float32  # [grey]
    smoothness: wp.float32  # weight of the distance of a plane from the surroundings, beside 1 - NCC
    jump: wp.float32  # distance beyond which it costs no more [px of disparity]
    seed: wp.int32


@wp.struct
class Hypothesis:
    """The best plane so far at a pixel."""

    plane: wp.vec3f
    cost: wp.float32  # 1 - NCC
    energy: wp.float32  # strength * cost + roughness


@wp.func
def pixel_unit(pictures: Pictures, relations: Relations, x: wp.float32, y: wp.float32, inverse_depth: wp.float32) -> wp.float32:
    """Inverse depth that moves the pixel by one pixel in the average source that sees it."""
    total = wp.float32(0.0)
    count = wp.float32(0.0)
    for source in range(relations.sources.shape[0]):
        at = landing(relations, source, x, y, inverse_depth)
        if is_inside(pictures, relations.sources[source], at):
            total += wp.length(parallax(relations, source, at))
            count += 1.0
    return wp.max(count, 1.0) / wp.max(total, 1.0e-9)


@wp.func
def solve_symmetric(a: wp.mat33f, b: wp.vec3f) -> wp.vec3f:
    """Solution of a positive definite 3 x 3 system by Cholesky's square-root-free factors."""
    d0 = a[0, 0]
    l10 = a[1, 0] / d0
    l20 = a[2, 0] / d0
    d1 = a[1, 1] - l10 * a[1, 0]
    l21 = (a[2, 1] - l20 * a[1, 0]) / d1
    d2 = a[2, 2] - l20 * a[2, 0] - l21 * (a[2, 1] - l20 * a[1, 0])
    y1 = b[1] - l10 * b[0]
    y2 = b[2] - l20 * b[0] - l21 * y1
    z = y2 / d2
    y = y1 / d1 - l21 * z
    return wp.vec3f(b[0] / d0 - l10 * y - l20 * z, y, z)


@wp.func
def neighbour_offset(index: wp.int32) -> wp.vec2i:
    """Right, left, below, above, at distances 1 and 3: all of the checkerboard's other colour."""
    distance = wp.int32(1) + 2 * (index // 4)
    side = index % 4
    dx = wp.int32(side == 0) - wp.int32(side == 1)
    dy = wp.int32(side == 2) - wp.int32(side == 3)
    return wp.vec2i(dx * distance, dy * distance)


@wp.func
def read_surroundings(
    pictures: Pictures,
    relations: Relations,
    refinement: Refinement,
    planes: wp.array2d(dtype=wp.vec3f),
    costs: wp.array2d(dtype=wp.float32),
    strengths: wp.array2d(dtype=wp.float32),
    column: wp.int32,
    row: wp.int32,
    unit: wp.float32,
) -> Surroundings:
    """A neighbour counts the more the better it matches and the more alike it looks."""
    around = Surroundings()
    around.unit = unit
    width = planes.shape[1]
    offset = pictures.offsets[relations.reference]
    middle = pictures.values[offset + wp.int64(row * width + column)]
    for index in range(NEIGHBOURS):
        move = neighbour_offset(index)
        x = column + move[0]
        y = row + move[1]
        if x >= 0 and y >= 0 and x < width and y < planes.shape[0]:
            cost = costs[y, x]
            if cost < 2.5:
                difference = (pictures.values[offset + wp.int64(y * width + x)] - middle) / refinement.contrast
                around.inverse_depths[index] = planes[y, x][0]
                around.weights[index] = (0.02 + strengths[y, x] * wp.max(1.0 - cost, 0.0)) / (1.0 + difference * difference)
    return around


@wp.func
def roughness(around: Surroundings, refinement: Refinement, plane: wp.vec3f) -> wp.float32:
    """Mean of d² / (1 + (d / jump)²) over the neighbours, d their distance from the plane [px of disparity], times its weight."""
    total = wp.float32(0.0)
    sum_of_weights = wp.float32(1.0e-6)
    for index in range(NEIGHBOURS):
        move = neighbour_offset(index)
        there = plane[0] + plane[1] * wp.float32(move[0]) + plane[2] * wp.float32(move[1])
        distance = (there - around.inverse_depths[index]) / around.unit
        total += around.weights[index] * distance * distance / (1.0 + distance * distance / (refinement.jump * refinement.jump))
        sum_of_weights += around.weights[index]
    return refinement.smoothness * total / sum_of_weights


@wp.func
def newton_plane(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    refinement: Refinement,
    patch: Patch,
    x: wp.float32,
    y: wp.float32,
    around: Surroundings,
    plane: wp.vec3f,
    cost: wp.float32,
) -> wp.vec3f:
    """The plane after one Gauss-Newton step over the sources that match about as well as the best ones do, and the surroundings."""
    unit = around.unit
    matrix = wp.diag(wp.vec3f(refinement.damping, refinement.damping, refinement.damping))
    gradient = wp.vec3f()
    matched = wp.float32(0.0)
    for source in range(relations.sources.shape[0]):
        at = landing(relations, source, x, y, plane[0])
        if is_inside(pictures, relations.sources[source], at):
            step = source_step(pictures, relations, taps, patch, source, at, plane, unit, refinement.radius)
            if step.cost < 1.5 * cost + 0.05 and step.cost < 0.9:
                matrix += patch.strength * step.matrix
                gradient += patch.strength * step.gradient
                matched += 1.0
    sum_of_weights = wp.float32(1.0e-6)
    for index in range(NEIGHBOURS):
        sum_of_weights += around.weights[index]
    # A source's residual is about 2 (1 - NCC); the robust function's weight is held during the step.
    scale = 2.0 * wp.max(matched, 1.0) * refinement.smoothness / sum_of_weights
    for index in range(NEIGHBOURS):
        move = neighbour_offset(index)
        dx = wp.float32(move[0])
        dy = wp.float32(move[1])
        residual = (plane[0] + plane[1] * dx + plane[2] * dy - around.inverse_depths[index]) / unit
        j = wp.vec3f(1.0, dx / refinement.radius, dy / refinement.radius)
        robust = 1.0 / (1.0 + residual * residual / (refinement.jump * refinement.jump))
        weight = scale * around.weights[index] * robust * robust
        matrix += weight * wp.outer(j, j)
        gradient += (weight * residual) * j
    change = solve_symmetric(matrix, gradient)
    # The model holds for about a pixel.
    length = wp.max(wp.abs(change[0]), wp.max(wp.abs(change[1]), wp.abs(change[2])))
    change = change * (unit / wp.max(length, 1.0))
    return wp.vec3f(plane[0] - change[0], plane[1] - change[1] / refinement.radius, plane[2] - change[2] / refinement.radius)


@wp.kernel
def sweep_planes(
    first: wp.int32,
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int32),
    ranges: wp.array2d(dtype=wp.vec2f),
    count: wp.int32,
    contrast: wp.float32,
    planes: wp.array2d(dtype=wp.vec3f),
    costs: wp.array2d(dtype=wp.float32),
):
    """The best of ``count`` planes that face the camera, at equal steps of inverse depth, and its sub-step maximum."""
    pixel = pixels[first + wp.tid()]
    width = planes.shape[1]
    column = pixel % width
    row = pixel // width
    x = wp.float32(column) + 0.5
    y = wp.float32(row) + 0.5
    patch = read_patch(pictures, relations, taps, column, row, contrast)
    low = ranges[row, column][0]
    size = (ranges[row, column][1] - low) / wp.float32(count - 1)
    best = wp.float32(NOTHING)
    best_index = wp.int32(0)
    before_best = wp.float32(NOTHING)
    after_best = wp.float32(NOTHING)
    previous = wp.float32(NOTHING)
    for index in range(count):
        cost = plane_cost(pictures, relations, taps, patch, x, y, wp.vec3f(low + size * wp.float32(index), 0.0, 0.0))
        if index == best_index + 1:
            after_best = cost
        if cost < best:
            best = cost
            best_index = index
            before_best = previous
            after_best = wp.float32(NOTHING)
        previous = cost
    part = wp.float32(0.0)
    if before_best < NOTHING and after_best < NOTHING:
        curvature = before_best + after_best - 2.0 * best
        part = wp.clamp(0.5 * (before_best - after_best) / wp.max(curvature, 1.0e-6), -0.5, 0.5)
    planes[row, column] = wp.vec3f(low + size * (wp.float32(best_index) + part), 0.0, 0.0)
    costs[row, column] = best


@wp.func
def distance_of_planes(a: wp.vec3f, b: wp.vec3f, radius: wp.float32) -> wp.float32:
    """Largest difference of inverse depth in the window, roughly."""
    return wp.max(wp.abs(a[0] - b[0]), radius * wp.max(wp.abs(a[1] - b[1]), wp.abs(a[2] - b[2])))


@wp.func
def is_possible(plane: wp.vec3f, range: wp.vec2f) -> bool:
    return plane[0] >= range[0] and plane[0] <= range[1]


@wp.func
def better(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    refinement: Refinement,
    patch: Patch,
    x: wp.float32,
    y: wp.float32,
    around: Surroundings,
    range_here: wp.vec2f,
    held: Hypothesis,
    candidate: wp.vec3f,
) -> Hypothesis:
    """The candidate where it costs less than what is held; its match is looked at only where its distance from the surroundings allows."""
    prior = roughness(around, refinement, candidate)
    if is_possible(candidate, range_here) and prior < held.energy:
        cost = plane_cost(pictures, relations, taps, patch, x, y, candidate)
        if patch.strength * cost + prior < held.energy:
            held.plane = candidate
            held.cost = cost
            held.energy = patch.strength * cost + prior
    return held


@wp.kernel
def spread_and_refine(
    first: wp.int32,
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    refinement: Refinement,
    pixels: wp.array(dtype=wp.int32),
    ranges: wp.array2d(dtype=wp.vec2f),
    planes: wp.array2d(dtype=wp.vec3f),
    costs: wp.array2d(dtype=wp.float32),
    strengths: wp.array2d(dtype=wp.float32),
):
    """Try the planes of neighbours, random changes and Gauss-Newton steps at one pixel; keep what costs less.

    ``pixels`` are all of one colour of a checkerboard: neighbours at odd distances are of the other, which nobody writes.
    """
    pixel = pixels[first + wp.tid()]
    height = planes.shape[0]
    width = planes.shape[1]
    column = pixel % width
    row = pixel // width
    x = wp.float32(column) + 0.5
    y = wp.float32(row) + 0.5
    range_here = ranges[row, column]
    patch = read_patch(pictures, relations, taps, column, row, refinement.contrast)
    held = Hypothesis()
    held.plane = planes[row, column]
    held.cost = costs[row, column]
    if held.cost >= 2.5:
        held.cost = plane_cost(pictures, relations, taps, patch, x, y, held.plane)
    unit = pixel_unit(pictures, relations, x, y, held.plane[0])
    around = read_surroundings(pictures, relations, refinement, planes, costs, strengths, column, row, unit)
    held.energy = patch.strength * held.cost + roughness(around, refinement, held.plane)
    for direction in range(4):
        dx = wp.int32(direction == 0) - wp.int32(direction == 1)
        dy = wp.int32(direction == 2) - wp.int32(direction == 3)
        chosen = wp.int32(0)
        lowest = wp.float32(2.4)
        distance = wp.int32(1)
        while distance <= refinement.reach:
            there_x = column + dx * distance
            there_y = row + dy * distance
            if there_x >= 0 and there_y >= 0 and there_x < width and there_y < height:  # noqa: SIM102 - Warp may read both sides of an `and`
                if costs[there_y, there_x] < lowest:
                    lowest = costs[there_y, there_x]
                    chosen = distance
            distance += 2
        if chosen > 0:
            other = planes[row + dy * chosen, column + dx * chosen]
            shift = other[1] * wp.float32(-dx * chosen) + other[2] * wp.float32(-dy * chosen)
            candidate = wp.vec3f(other[0] + shift, other[1], other[2])
            if distance_of_planes(candidate, held.plane, refinement.radius) > refinement.same * unit:
                held = better(pictures, relations, taps, refinement, patch, x, y, around, range_here, held, candidate)
    state = wp.rand_init(refinement.seed, pixel)
    for attempt in range(refinement.tries):
        # Depth alone, then the slopes with it: half of the pixels of a tilted surface are only wrong in tilt.
        tilt = wp.float32(attempt % 2)
        candidate = held.plane + (unit * refinement.disparity) * wp.vec3f(
            wp.randf(state, -1.0, 1.0),
            tilt * wp.randf(state, -1.0, 1.0) / refinement.radius,
            tilt * wp.randf(state, -1.0, 1.0) / refinement.radius,
        )
        held = better(pictures, relations, taps, refinement, patch, x, y, around, range_here, held, candidate)
    for _step in range(refinement.steps):
        candidate = newton_plane(pictures, relations, taps, refinement, patch, x, y, around, held.plane, held.cost)
        held = better(pictures, relations, taps, refinement, patch, x, y, around, range_here, held, candidate)
    planes[row, column] = held.plane
    costs[row, column] = held.cost
    strengths[row, column] = patch.strength
