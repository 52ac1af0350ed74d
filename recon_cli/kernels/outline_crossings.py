# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Where the outline of a surface passes between the centres of neighbouring pixels.

Not differentiable: which edge crosses is piecewise constant; ``recon_cli.render.antialias`` adds the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

# Faces that the search passes between two neighbouring pixel centres before it gives up.
_LONGEST_WALK = wp.constant(16)


@dataclass(frozen=True)
class Crossings:
    """Q places where an outline passes between the centres of two neighbouring pixels.

    Attributes:
        inner: pixel of the nearer face, whose outline it is, index into [H * W], shape [Q].
        outer: its neighbour, shape [Q].
        corner: number 3 f + i of the corner opposite the edge that crosses, shape [Q].
        is_upright: the neighbours lie in a column, not in a row, shape [Q].
    """

    inner: Tensor  # [Q]
    outer: Tensor  # [Q]
    corner: Tensor  # [Q]
    is_upright: Tensor  # [Q]


def find_crossings(
    face: Tensor,  # [H, W]
    depth: Tensor,  # [H, W]
    pixels_and_depth: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    opposite: Tensor,  # [F, 3]
    *,
    near: float,
) -> Crossings:
    """Find the outline edges between neighbouring pixels that see different faces.

    From the centre of the pixel whose face is nearer, the search walks towards the other over the surface, from face
    to face, until it meets an edge where the surface ends or folds over. Edges that run rather along the pair than
    across it are left to the pairs of the other axis; one at exactly 45 degrees belongs to pairs in a row.

    Args:
        face: the face each pixel sees, -1 for none, int32.
        depth: its z-depth [scene units], float32.
        pixels_and_depth: u [px], v [px] and z-depth [scene units] of the vertices.
        faces: vertex indices.
        opposite: for each corner the number of its neighbour's corner across the edge between them, -1 for none.
        near: faces that reach this depth are not drawn, so the surface ends there.
    """
    height, width = face.shape
    found = torch.empty((2, height, width), dtype=torch.int32, device=face.device)
    points = pixels_and_depth.detach().to(torch.float64).contiguous()
    integers = (faces.to(torch.int32).contiguous(), opposite.to(torch.int32).contiguous())
    launch_bands(search_row, height, (face, depth, points, *integers, near, found), device=face.device)
    axis, row, column = torch.nonzero(found >= 0, as_tuple=True)
    code = found[axis, row, column].long()
    first = row * width + column
    second = first + torch.where(axis == 0, 1, width)
    is_first_inner = code % 2 == 0
    inner, outer = torch.where(is_first_inner, first, second), torch.where(is_first_inner, second, first)
    return Crossings(inner, outer, torch.div(code, 2, rounding_mode="floor"), axis == 1)


@wp.func
def is_outline(
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    opposite: wp.array2d(dtype=wp.int32),
    face: int,
    i: int,
    near: wp.float64,
) -> bool:
    """Whether the surface ends or folds over at the edge opposite corner i."""
    across = opposite[face, i]
    if across < 0:
        return True
    neighbour = faces[across / 3, across % 3]
    if points[neighbour, 2] <= near:
        return True
    a = faces[face, (i + 1) % 3]
    b = faces[face, (i + 2) % 3]
    own = faces[face, i]
    dx = points[b, 0] - points[a, 0]
    dy = points[b, 1] - points[a, 1]
    own_side = dx * (points[own, 1] - points[a, 1]) - dy * (points[own, 0] - points[a, 0])
    other_side = dx * (points[neighbour, 1] - points[a, 1]) - dy * (points[neighbour, 0] - points[a, 0])
    return own_side * other_side >= wp.float64(0.0)


@wp.func
def exit_of(
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    face: int,
    axis: int,
    start: wp.float64,
    across: wp.float64,
    sign: wp.float64,
):
    """Corner opposite the edge by which a line along an axis leaves a face (-1: none), and how far on that is [px]."""
    best = wp.int32(-1)
    farthest = wp.float64(-1.0e30)
    for i in range(3):
        a = faces[face, (i + 1) % 3]
        b = faces[face, (i + 2) % 3]
        if (points[a, 1 - axis] < across) != (points[b, 1 - axis] < across):
            part = (across - points[a, 1 - axis]) / (points[b, 1 - axis] - points[a, 1 - axis])
            reach = (points[a, axis] + part * (points[b, axis] - points[a, axis]) - start) * sign
            if reach > farthest:
                best = i
                farthest = reach
    return best, farthest


@wp.func
def walk(
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    opposite: wp.array2d(dtype=wp.int32),
    near: wp.float64,
    inner_face: int,
    outer_face: int,
    axis: int,
    start: wp.float64,
    across: wp.float64,
    sign: wp.float64,
) -> int:
    """Corner opposite the outline edge between two pixels, -1 where there is none."""
    face = inner_face
    steps = wp.int32(0)
    while steps < _LONGEST_WALK:
        i, reach = exit_of(points, faces, face, axis, start, across, sign)
        if i < 0 or reach > wp.float64(1.0):
            return -1
        if is_outline(points, faces, opposite, face, i, near):
            a = faces[face, (i + 1) % 3]
            b = faces[face, (i + 2) % 3]
            rise = wp.abs(points[b, 1 - axis] - points[a, 1 - axis])
            run = wp.abs(points[b, axis] - points[a, axis])
            if rise > run or (rise == run and axis == 0):
                return 3 * face + i
            return -1
        face = opposite[face, i] / 3
        # The surface goes on to what the other pixel sees.
        if face == outer_face:
            return -1
        steps += 1
    return -1


@wp.kernel
def search_row(
    first: wp.int32,
    face_image: wp.array2d(dtype=wp.int32),
    depth_image: wp.array2d(dtype=wp.float32),
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    opposite: wp.array2d(dtype=wp.int32),
    near: wp.float64,
    found: wp.array3d(dtype=wp.int32),
):
    """Twice the corner, plus one if the second pixel is the inner one, for the pairs that start in one row; -1 for none."""
    row = first + wp.tid()
    half = wp.float64(0.5)
    for column in range(face_image.shape[1]):
        for axis in range(2):
            found[axis, row, column] = -1
            other_row = row + axis
            other_column = column + 1 - axis
            if other_row < face_image.shape[0] and other_column < face_image.shape[1]:
                one = face_image[row, column]
                two = face_image[other_row, other_column]
                if one != two:
                    is_first = one >= 0 and (two < 0 or depth_image[row, column] <= depth_image[other_row, other_column])
                    here = wp.vec2d(wp.float64(column) + half, wp.float64(row) + half)
                    corner = wp.int32(-1)
                    if is_first:
                        corner = walk(points, faces, opposite, near, one, two, axis, here[axis], here[1 - axis], wp.float64(1.0))
                    else:
                        there = here[axis] + wp.float64(1.0)
                        corner = walk(points, faces, opposite, near, two, one, axis, there, here[1 - axis], wp.float64(-1.0))
                    if corner >= 0:
                        found[axis, row, column] = 2 * corner + wp.where(is_first, 0, 1)
