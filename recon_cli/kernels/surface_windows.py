# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Windows that follow the surface: Gauss-Newton steps on depth alone, each tap of a window where the map itself says that it lies.

A plane through a window is a mean of the surface in it, too far inside wherever it bulges. Here the shape in the window is the map's, and
the step moves all of it along the rays: what is left of the difference between the pictures is the middle's own error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import launch_bands, start_warp
from recon_cli.kernels.patch_match import (
    TAPS,
    Costs,
    Patch,
    Pictures,
    Relations,
    Window,
    best_mean,
    correlation,
    is_inside,
    is_object,
    landing,
    parallax,
    picture_slope,
    read_patch,
    seen_at,
)
from recon_cli.kernels.patch_search import Problem
from recon_cli.kernels.patch_search_steps import pixel_unit

start_warp()
# Loops over taps are unrolled: else each reading of a window copies the whole of it.
wp.set_module_options({"enable_backward": False, "max_unroll": 25})

_LARGEST_STEP = 0.5  # px of disparity


@dataclass(frozen=True)
class SurfaceStep:
    """How a map is moved.

    Attributes:
        damping: added to the normal equation [deviations² per px²].
        smoothness: weight of squared second differences [px²], beside 1 - NCC.
        jump: a tap that is farther from the middle's plane lies on it instead [px of disparity].
    """

    damping: float = 0.01
    smoothness: float = 0.002
    jump: float = 1.0

    def struct(self, contrast: float) -> Any:
        """As the kernel takes it."""
        rule = Rule()
        rule.damping, rule.smoothness, rule.jump, rule.contrast = self.damping, self.smoothness, self.jump, contrast
        return rule


def follow_surface(
    problem: Problem,
    inverse_depths: Tensor,  # [H, W] float32
    slopes: Tensor,  # [H, W, 2] float32
    costs: Tensor,  # [H, W] float32
    step: SurfaceStep = SurfaceStep(),
) -> tuple[Tensor, Tensor]:  # [H, W], [H, W]
    """One step of every pixel at once, each from the map as it is now, and the cost in [0, 2] of the map before the step.

    Args:
        problem: the view and its sources.
        inverse_depths: the map, 0 where nothing is known.
        slopes: its change per pixel along x and y.
        costs: of each pixel; a source that matches far worse is not heard.
        step: how far the map may move.
    """
    moved, measured = inverse_depths.clone(), costs.clone()
    rule = step.struct(problem.match.contrast)
    arguments = [*problem.arguments(), rule, problem.pixels, inverse_depths, slopes, costs, moved, measured]
    launch_bands(_follow_surface, len(problem.pixels), arguments, device=problem.device)
    return moved, measured


@wp.struct
class Rule:
    """``SurfaceStep`` and the contrast of the windows [grey]."""

    damping: wp.float32
    smoothness: wp.float32
    jump: wp.float32
    contrast: wp.float32


@wp.struct
class Equation:
    """Gauss-Newton's equation of one source for a move along the ray [px of disparity]."""

    matrix: wp.float32
    gradient: wp.float32
    cost: wp.float32


@wp.func
def read_surface(
    inverse_depths: wp.array2d(dtype=wp.float32),
    slopes: wp.array3d(dtype=wp.float32),
    taps: wp.array2d(dtype=wp.float32),
    column: wp.int32,
    row: wp.int32,
    limit: wp.float32,
) -> Window:
    """Inverse depth at each tap: the map's, or the plane's of the middle beyond an edge."""
    surface = Window()
    for tap in range(TAPS):
        x = column + wp.int32(taps[tap, 0])
        y = row + wp.int32(taps[tap, 1])
        plane = inverse_depths[row, column] + slopes[row, column, 0] * taps[tap, 0] + slopes[row, column, 1] * taps[tap, 1]
        value = plane
        if x >= 0 and y >= 0 and x < inverse_depths.shape[1] and y < inverse_depths.shape[0]:
            there = inverse_depths[y, x]
            if there > 0.0 and wp.abs(there - plane) < limit:
                value = there
        surface[tap] = value
    return surface


@wp.func
def source_equation(
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    patch: Patch,
    surface: Window,
    source: wp.int32,
    x: wp.float32,
    y: wp.float32,
    line: wp.vec2f,
) -> Equation:
    """For the residual gain * (source - its mean) - (reference - its mean), over the reference's deviation; ``line`` moves every tap."""
    picture = relations.sources[source]
    offset = pictures.offsets[picture]
    width = pictures.sizes[picture, 0]
    height = pictures.sizes[picture, 1]
    mean = wp.float32(0.0)
    square = wp.float32(0.0)
    product = wp.float32(0.0)
    first = wp.float32(0.0)
    with_source = wp.float32(0.0)
    with_reference = wp.float32(0.0)
    second = wp.float32(0.0)
    # A tap falls on M (p + d) + w q: what the taps share is taken out of the loop.
    m = relations.rotations[source]
    q = relations.translations[source]
    middle = m * wp.vec3f(x, y, 1.0)
    across = wp.vec3f(m[0, 0], m[1, 0], m[2, 0])
    down = wp.vec3f(m[0, 1], m[1, 1], m[2, 1])
    for tap in range(TAPS):
        h = middle + taps[tap, 0] * across + taps[tap, 1] * down + surface[tap] * q
        at = seen_at(h)
        if at[2] > 0.0:
            weight = patch.weights[tap]
            slope = picture_slope(pictures, offset, width, height, at[0], at[1])
            j = slope[1] * line[0] + slope[2] * line[1]
            mean += weight * slope[0]
            square += weight * slope[0] * slope[0]
            product += weight * slope[0] * patch.values[tap]
            first += weight * j
            with_source += weight * slope[0] * j
            with_reference += weight * patch.values[tap] * j
            second += weight * j * j
    equation = Equation()
    equation.cost = 1.0 - correlation(patch, relations.noise, mean, square, product)
    mean = mean / patch.total
    variance = wp.max(square / patch.total - mean * mean, 0.0)
    gain = (product / patch.total) / (variance + relations.noise)
    scale = gain / ((patch.variance + relations.noise) * patch.total)
    equation.gradient = scale * (gain * (with_source - mean * first) - with_reference)
    equation.matrix = scale * gain * (second - first * first / patch.total)
    return equation


@wp.func
def bend(inverse_depths: wp.array2d(dtype=wp.float32), column: wp.int32, row: wp.int32, unit: wp.float32, jump: wp.float32) -> wp.vec2f:
    """Mean over four lines of d / (1 + (d / jump)²)² and of its factor of d, d the distance from the line's two ends [px of disparity]."""
    total = wp.vec2f()
    for direction in range(4):
        dx = wp.int32(direction != 1)
        dy = wp.int32(direction == 1) + wp.int32(direction == 2) - wp.int32(direction == 3)
        low = wp.min(row - dy, row + dy)
        high = wp.max(row - dy, row + dy)
        if column - dx >= 0 and column + dx < inverse_depths.shape[1] and low >= 0 and high < inverse_depths.shape[0]:
            before = inverse_depths[row - dy, column - dx]
            after = inverse_depths[row + dy, column + dx]
            if before > 0.0 and after > 0.0:
                distance = (inverse_depths[row, column] - 0.5 * (before + after)) / unit
                robust = 1.0 / (1.0 + distance * distance / (jump * jump))
                total += 0.25 * robust * robust * wp.vec2f(distance, 1.0)
    return total


@wp.kernel
def _follow_surface(
    first: wp.int32,
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    rule: Rule,
    pixels: wp.array(dtype=wp.int32),
    inverse_depths: wp.array2d(dtype=wp.float32),
    slopes: wp.array3d(dtype=wp.float32),
    costs: wp.array2d(dtype=wp.float32),
    moved: wp.array2d(dtype=wp.float32),
    measured: wp.array2d(dtype=wp.float32),
):
    pixel = pixels[first + wp.tid()]
    column = pixel % inverse_depths.shape[1]
    row = pixel // inverse_depths.shape[1]
    x = wp.float32(column) + 0.5
    y = wp.float32(row) + 0.5
    inverse_depth = inverse_depths[row, column]
    if inverse_depth <= 0.0:
        return
    patch = read_patch(pictures, relations, taps, column, row, rule.contrast)
    unit = pixel_unit(pictures, relations, x, y, inverse_depth)
    surface = read_surface(inverse_depths, slopes, taps, column, row, rule.jump * unit)
    matrix = rule.damping + wp.float32(0.0)
    gradient = wp.float32(0.0)
    matched = wp.float32(0.0)
    background = wp.float32(0.0)
    each = Costs()
    for source in range(relations.sources.shape[0]):
        at = landing(relations, source, x, y, inverse_depth)
        cost = wp.float32(1.0)
        if is_inside(pictures, relations.sources[source], at):
            if is_object(pictures, relations.sources[source], at):
                line = parallax(relations, source, at) * unit
                equation = source_equation(pictures, relations, taps, patch, surface, source, x, y, line)
                cost = equation.cost
                if cost < 1.5 * costs[row, column] + 0.05 and cost < 0.9:
                    matrix += patch.strength * equation.matrix
                    gradient += patch.strength * equation.gradient
                    matched += 1.0
            else:
                background += relations.background_cost
        each[source] = cost
    # A source's residual is about 2 (1 - NCC); the robust function's weight is held during the step.
    bent = (2.0 * wp.max(matched, 1.0) * rule.smoothness) * bend(inverse_depths, column, row, unit, rule.jump)
    change = (gradient + bent[0]) / (matrix + bent[1])
    moved[row, column] = inverse_depth - unit * wp.clamp(change, -_LARGEST_STEP, _LARGEST_STEP)
    measured[row, column] = wp.min(best_mean(each, relations.sources.shape[0], relations.best) + background, 2.0)
