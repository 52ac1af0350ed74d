# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Perspective-correct interpolation of corner attributes at covered pixels, with its gradient."""

from __future__ import annotations

from typing import Any

import warp as wp
from torch import Tensor
from torch.autograd import Function

from recon_cli.kernels.launch import by_precision, launch_bands, start_warp
from recon_cli.kernels.runs import Runs, sum_runs

start_warp()
wp.set_module_options({"enable_backward": False})


def interpolate(
    planes: Tensor,  # [F, 3, 3]
    attributes: Tensor,  # [F, 3, D]
    origin: Tensor,  # [F, 2] int32
    runs: Runs,
) -> Tensor:  # [M, D]
    """Attributes at the centres of the covered pixels, in the order of ``runs``.

    Weight i of a pixel p is b_i = max(q_i, 0) / sum_j max(q_j, 0) with q_i = planes_i · (p - origin, 1). Where q_i is
    the edge function of corner i over its depth, b is perspective-correct (Heckbert and Moreton 1991), and a pixel
    beside the face takes the attributes of a point on its outline.

    Args:
        planes: per corner, the affine function of the pixel above; a common factor of a face does not matter.
        attributes: values at the corners.
        origin: a pixel near each face, to keep the planes accurate in float32; not differentiated.
        runs: the covered pixels.
    """
    return _Interpolate.apply(planes, attributes, origin, runs)  # pyright: ignore[reportReturnType]


class _Interpolate(Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, attributes: Tensor, origin: Tensor, runs: Runs) -> Tensor:
        planes, attributes = planes.contiguous(), attributes.contiguous()
        values = attributes.new_empty(len(runs.entry), attributes.shape[2])
        arguments = (runs.entry, runs.face_of_run, runs.start_of_run, runs.width, runs.slots, planes, attributes, origin, values)
        launch_bands(_FORWARD[planes.dtype], len(runs.face_of_run), arguments, device=planes.device)
        ctx.save_for_backward(planes, attributes, origin)
        ctx.runs = runs
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        planes, attributes, origin = ctx.saved_tensors
        runs: Runs = ctx.runs
        depth = attributes.shape[2]
        by_run = planes.new_zeros(len(runs.face_of_run), 9 + 3 * depth)
        pixels = (runs.entry, runs.face_of_run, runs.start_of_run, runs.width, runs.slots)
        arguments = (*pixels, planes, attributes, origin, gradients[0].contiguous(), by_run)
        launch_bands(_BACKWARD[planes.dtype], len(runs.face_of_run), arguments, device=planes.device)
        by_face = sum_runs(by_run, runs)  # [F, 9 + 3 D]
        return by_face[:, :9].reshape(-1, 3, 3), by_face[:, 9:].reshape(-1, 3, depth), None, None


@wp.func
def offset_from(entry: int, axis: int, width: int, slots: int, origin: int) -> int:
    """Column (axis 0) or row (axis 1) of an entry's pixel, counted from an origin."""
    pixel = entry / slots
    if axis == 0:
        return pixel % width - origin
    return pixel / width - origin


@wp.kernel
def interpolate_forward(
    first: wp.int32,
    entry: wp.array(dtype=wp.int32),
    face_of_run: wp.array(dtype=wp.int32),
    start_of_run: wp.array(dtype=wp.int32),
    width: wp.int32,
    slots: wp.int32,
    planes: wp.array3d(dtype=Any),
    attributes: wp.array3d(dtype=Any),
    origin: wp.array2d(dtype=wp.int32),
    values: wp.array2d(dtype=Any),
):
    run = first + wp.tid()
    face = face_of_run[run]
    zero = planes.dtype(0.0)
    half = planes.dtype(0.5)
    for m in range(start_of_run[run], start_of_run[run + 1]):
        x = planes.dtype(offset_from(entry[m], 0, width, slots, origin[face, 0])) + half
        y = planes.dtype(offset_from(entry[m], 1, width, slots, origin[face, 1])) + half
        q0 = wp.max(planes[face, 0, 0] * x + planes[face, 0, 1] * y + planes[face, 0, 2], zero)
        q1 = wp.max(planes[face, 1, 0] * x + planes[face, 1, 1] * y + planes[face, 1, 2], zero)
        q2 = wp.max(planes[face, 2, 0] * x + planes[face, 2, 1] * y + planes[face, 2, 2], zero)
        scale = planes.dtype(1.0) / (q0 + q1 + q2)
        for d in range(attributes.shape[2]):
            values[m, d] = scale * (q0 * attributes[face, 0, d] + q1 * attributes[face, 1, d] + q2 * attributes[face, 2, d])


@wp.kernel
def interpolate_backward(
    first: wp.int32,
    entry: wp.array(dtype=wp.int32),
    face_of_run: wp.array(dtype=wp.int32),
    start_of_run: wp.array(dtype=wp.int32),
    width: wp.int32,
    slots: wp.int32,
    planes: wp.array3d(dtype=Any),
    attributes: wp.array3d(dtype=Any),
    origin: wp.array2d(dtype=wp.int32),
    value_gradient: wp.array2d(dtype=Any),
    by_run: wp.array2d(dtype=Any),
):
    """Gradients of planes (9) and attributes (3 D) summed over the entries of one run."""
    run = first + wp.tid()
    face = face_of_run[run]
    zero = planes.dtype(0.0)
    half = planes.dtype(0.5)
    p0 = planes.dtype(0.0)
    p1 = planes.dtype(0.0)
    p2 = planes.dtype(0.0)
    p3 = planes.dtype(0.0)
    p4 = planes.dtype(0.0)
    p5 = planes.dtype(0.0)
    p6 = planes.dtype(0.0)
    p7 = planes.dtype(0.0)
    p8 = planes.dtype(0.0)
    for m in range(start_of_run[run], start_of_run[run + 1]):
        x = planes.dtype(offset_from(entry[m], 0, width, slots, origin[face, 0])) + half
        y = planes.dtype(offset_from(entry[m], 1, width, slots, origin[face, 1])) + half
        q0 = wp.max(planes[face, 0, 0] * x + planes[face, 0, 1] * y + planes[face, 0, 2], zero)
        q1 = wp.max(planes[face, 1, 0] * x + planes[face, 1, 1] * y + planes[face, 1, 2], zero)
        q2 = wp.max(planes[face, 2, 0] * x + planes[face, 2, 1] * y + planes[face, 2, 2], zero)
        scale = planes.dtype(1.0) / (q0 + q1 + q2)
        g0 = planes.dtype(0.0)
        g1 = planes.dtype(0.0)
        g2 = planes.dtype(0.0)
        for d in range(attributes.shape[2]):
            g = value_gradient[m, d]
            g0 += g * attributes[face, 0, d]
            g1 += g * attributes[face, 1, d]
            g2 += g * attributes[face, 2, d]
            by_run[run, 9 + d] = by_run[run, 9 + d] + g * q0 * scale
            by_run[run, 9 + attributes.shape[2] + d] = by_run[run, 9 + attributes.shape[2] + d] + g * q1 * scale
            by_run[run, 9 + 2 * attributes.shape[2] + d] = by_run[run, 9 + 2 * attributes.shape[2] + d] + g * q2 * scale
        # b_i = q_i / sum(q), hence dL/dq_i = (dL/db_i - sum_j b_j dL/db_j) / sum(q); a clipped q_i does not move b.
        mean = scale * (q0 * g0 + q1 * g1 + q2 * g2)
        g0 = wp.where(q0 > zero, (g0 - mean) * scale, zero)
        g1 = wp.where(q1 > zero, (g1 - mean) * scale, zero)
        g2 = wp.where(q2 > zero, (g2 - mean) * scale, zero)
        p0 += g0 * x
        p1 += g0 * y
        p2 += g0
        p3 += g1 * x
        p4 += g1 * y
        p5 += g1
        p6 += g2 * x
        p7 += g2 * y
        p8 += g2
    by_run[run, 0] = p0
    by_run[run, 1] = p1
    by_run[run, 2] = p2
    by_run[run, 3] = p3
    by_run[run, 4] = p4
    by_run[run, 5] = p5
    by_run[run, 6] = p6
    by_run[run, 7] = p7
    by_run[run, 8] = p8


_FORWARD = by_precision(interpolate_forward)
_BACKWARD = by_precision(interpolate_backward)
