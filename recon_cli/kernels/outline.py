# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Signed squared distance from pixels to the outlines of the faces near them, with its gradient."""

from __future__ import annotations

from typing import Any

import warp as wp
from torch import Tensor
from torch.autograd import Function

from recon_cli.kernels.launch import by_precision, launch_bands, start_warp
from recon_cli.kernels.runs import Runs, sum_runs

start_warp()
wp.set_module_options({"enable_backward": False})


def signed_squared_distance(
    corners: Tensor,  # [F, 3, 2]
    origin: Tensor,  # [F, 2] int32
    runs: Runs,
) -> Tensor:  # [M]
    """Squared distance [px²] from each entry's pixel centre to its face's outline, positive inside the face.

    This is delta * d² of Liu et al. 2019 (Soft Rasterizer), in pixels.

    Args:
        corners: corners of the faces on screen [px], minus ``origin``.
        origin: a pixel near each face; not differentiated.
        runs: the pixels and their faces.
    """
    return _Distance.apply(corners, origin, runs)  # pyright: ignore[reportReturnType]


class _Distance(Function):
    @staticmethod
    def forward(ctx: Any, corners: Tensor, origin: Tensor, runs: Runs) -> Tensor:
        corners = corners.contiguous()
        distance = corners.new_empty(len(runs.entry))
        arguments = (runs.entry, runs.face_of_run, runs.start_of_run, runs.width, runs.slots, corners, origin, distance)
        launch_bands(_FORWARD[corners.dtype], len(runs.face_of_run), arguments, device=corners.device)
        ctx.save_for_backward(corners, origin)
        ctx.runs = runs
        return distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        corners, origin = ctx.saved_tensors
        runs: Runs = ctx.runs
        by_run = corners.new_zeros(len(runs.face_of_run), 6)
        pixels = (runs.entry, runs.face_of_run, runs.start_of_run, runs.width, runs.slots)
        arguments = (*pixels, corners, origin, gradients[0].contiguous(), by_run)
        launch_bands(_BACKWARD[corners.dtype], len(runs.face_of_run), arguments, device=corners.device)
        return sum_runs(by_run, runs).reshape(-1, 3, 2), None, None


@wp.func
def position_along(ax: Any, ay: Any, bx: Any, by: Any, x: Any, y: Any):
    """Where on the segment from a (0) to b (1) the point nearest to (x, y) lies."""
    squared = (bx - ax) * (bx - ax) + (by - ay) * (by - ay)
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / wp.max(squared, type(x)(1.0e-30))
    return wp.clamp(along, type(x)(0.0), type(x)(1.0))


@wp.func
def edge_product(ax: Any, ay: Any, bx: Any, by: Any, x: Any, y: Any):
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


@wp.func
def nearest_edge(corners: wp.array3d(dtype=Any), face: int, x: Any, y: Any):
    """First corner of the edge nearest to (x, y), the position along it and the squared distance."""
    best = wp.int32(0)
    best_along = type(x)(0.0)
    best_squared = type(x)(1.0e30)
    for i in range(3):
        j = (i + 1) % 3
        ax = corners[face, i, 0]
        ay = corners[face, i, 1]
        bx = corners[face, j, 0]
        by = corners[face, j, 1]
        along = position_along(ax, ay, bx, by, x, y)
        gap_x = x - ax - along * (bx - ax)
        gap_y = y - ay - along * (by - ay)
        squared = gap_x * gap_x + gap_y * gap_y
        if squared < best_squared:
            best = i
            best_along = along
            best_squared = squared
    return best, best_along, best_squared


@wp.func
def side(corners: wp.array3d(dtype=Any), face: int, x: Any, y: Any):
    """1 inside the face, -1 outside."""
    zero = type(x)(0.0)
    a = edge_product(corners[face, 0, 0], corners[face, 0, 1], corners[face, 1, 0], corners[face, 1, 1], x, y)
    b = edge_product(corners[face, 1, 0], corners[face, 1, 1], corners[face, 2, 0], corners[face, 2, 1], x, y)
    c = edge_product(corners[face, 2, 0], corners[face, 2, 1], corners[face, 0, 0], corners[face, 0, 1], x, y)
    is_inside = (a >= zero and b >= zero and c >= zero) or (a <= zero and b <= zero and c <= zero)
    return wp.where(is_inside, type(x)(1.0), type(x)(-1.0))


@wp.kernel
def distance_forward(
    first: wp.int32,
    entry: wp.array(dtype=wp.int32),
    face_of_run: wp.array(dtype=wp.int32),
    start_of_run: wp.array(dtype=wp.int32),
    width: wp.int32,
    slots: wp.int32,
    corners: wp.array3d(dtype=Any),
    origin: wp.array2d(dtype=wp.int32),
    distance: wp.array(dtype=Any),
):
    run = first + wp.tid()
    face = face_of_run[run]
    half = corners.dtype(0.5)
    for m in range(start_of_run[run], start_of_run[run + 1]):
        pixel = entry[m] / slots
        x = corners.dtype(pixel % width - origin[face, 0]) + half
        y = corners.dtype(pixel / width - origin[face, 1]) + half
        _edge, _along, squared = nearest_edge(corners, face, x, y)
        distance[m] = squared * side(corners, face, x, y)


@wp.kernel
def distance_backward(
    first: wp.int32,
    entry: wp.array(dtype=wp.int32),
    face_of_run: wp.array(dtype=wp.int32),
    start_of_run: wp.array(dtype=wp.int32),
    width: wp.int32,
    slots: wp.int32,
    corners: wp.array3d(dtype=Any),
    origin: wp.array2d(dtype=wp.int32),
    distance_gradient: wp.array(dtype=Any),
    by_run: wp.array2d(dtype=Any),
):
    """Gradients of the corners (3 x 2). The position along the edge is optimal or at an end: it adds nothing."""
    run = first + wp.tid()
    face = face_of_run[run]
    half = corners.dtype(0.5)
    one = corners.dtype(1.0)
    for m in range(start_of_run[run], start_of_run[run + 1]):
        pixel = entry[m] / slots
        x = corners.dtype(pixel % width - origin[face, 0]) + half
        y = corners.dtype(pixel / width - origin[face, 1]) + half
        i, along, _squared = nearest_edge(corners, face, x, y)
        j = (i + 1) % 3
        gap_x = x - corners[face, i, 0] - along * (corners[face, j, 0] - corners[face, i, 0])
        gap_y = y - corners[face, i, 1] - along * (corners[face, j, 1] - corners[face, i, 1])
        factor = corners.dtype(-2.0) * side(corners, face, x, y) * distance_gradient[m]
        by_run[run, 2 * i] = by_run[run, 2 * i] + factor * (one - along) * gap_x
        by_run[run, 2 * i + 1] = by_run[run, 2 * i + 1] + factor * (one - along) * gap_y
        by_run[run, 2 * j] = by_run[run, 2 * j] + factor * along * gap_x
        by_run[run, 2 * j + 1] = by_run[run, 2 * j + 1] + factor * along * gap_y


_FORWARD = by_precision(distance_forward)
_BACKWARD = by_precision(distance_backward)
