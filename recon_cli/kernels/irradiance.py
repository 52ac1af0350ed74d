# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Light arriving at many normals, with gradients to the normals and to the lights."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch import Tensor
from torch.autograd import Function

from recon_cli.kernels.launch import by_precision, launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

# Normals whose share of the lights' gradient one thread sums; fixed, so that the sum does not depend on the machine.
_CHUNK = 4096


def irradiance(
    normals: Tensor,  # [N, 3]
    polynomial: Tensor,  # [9, 3]
    directions: Tensor,  # [L, 3]
    colors: Tensor,  # [L, 3]
) -> tuple[Tensor, Tensor]:  # [N, 3], [N, 3]
    """Unit normals n and, per channel, p · (1, y, z, x, xy, yz, 3z² - 1, xz, x² - y²)(n) + sum_l c_l max(0, n · d_l).

    Args:
        normals: of any length; one of length zero stays zero and carries no gradient.
        polynomial: p, spherical harmonics of order 2 without their constants.
        directions: d, unit vectors towards the lights.
        colors: c.
    """
    return _Irradiance.apply(normals, polynomial, directions, colors)  # pyright: ignore[reportReturnType]


class _Irradiance(Function):
    @staticmethod
    def forward(ctx: Any, normals: Tensor, polynomial: Tensor, directions: Tensor, colors: Tensor) -> tuple[Tensor, Tensor]:
        inputs = [tensor.contiguous() for tensor in (normals, polynomial, directions, colors)]
        units, light = torch.empty_like(inputs[0]), torch.empty_like(inputs[0])
        launch_bands(_FORWARD[normals.dtype], len(normals), (*inputs, units, light), device=normals.device)
        ctx.save_for_backward(*inputs)
        return units, light

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        normals, _, directions, _ = ctx.saved_tensors
        count = len(directions)
        chunks = -(-len(normals) // _CHUNK)
        normal_gradient = torch.empty_like(normals)
        by_chunk = normals.new_zeros(chunks, 27 + 6 * count)
        given = [gradient.contiguous() for gradient in gradients]
        arguments = (*ctx.saved_tensors, *given, _CHUNK, any(ctx.needs_input_grad[1:]), normal_gradient, by_chunk)
        launch_bands(_BACKWARD[normals.dtype], chunks, arguments, device=normals.device)
        if not any(ctx.needs_input_grad[1:]):
            return normal_gradient, None, None, None
        total = by_chunk.sum(dim=0)
        lights = total[27:].reshape(2, count, 3)
        return normal_gradient, total[:27].reshape(9, 3), lights[0], lights[1]


@wp.func
def polynomial_value(p: wp.array2d(dtype=Any), channel: int, x: Any, y: Any, z: Any):
    linear = p[0, channel] + p[1, channel] * y + p[2, channel] * z + p[3, channel] * x
    mixed = p[4, channel] * x * y + p[5, channel] * y * z + p[7, channel] * x * z
    return linear + mixed + p[6, channel] * (type(x)(3.0) * z * z - type(x)(1.0)) + p[8, channel] * (x * x - y * y)


@wp.func
def polynomial_slope(p: wp.array2d(dtype=Any), channel: int, x: Any, y: Any, z: Any):
    two = type(x)(2.0)
    along_x = p[3, channel] + p[4, channel] * y + p[7, channel] * z + two * p[8, channel] * x
    along_y = p[1, channel] + p[4, channel] * x + p[5, channel] * z - two * p[8, channel] * y
    along_z = p[2, channel] + p[5, channel] * y + p[7, channel] * x + type(x)(6.0) * p[6, channel] * z
    return along_x, along_y, along_z


@wp.func
def reciprocal_length(x: Any, y: Any, z: Any):
    squared = x * x + y * y + z * z
    return wp.where(squared > type(x)(1.0e-36), type(x)(1.0) / wp.sqrt(wp.max(squared, type(x)(1.0e-36))), type(x)(0.0))


@wp.func
def add_to(table: wp.array2d(dtype=Any), row: int, column: int, value: Any):
    table[row, column] = table[row, column] + value


@wp.func
def add_polynomial(by_chunk: wp.array2d(dtype=Any), chunk: int, channel: int, g: Any, x: Any, y: Any, z: Any):
    add_to(by_chunk, chunk, channel, g)
    add_to(by_chunk, chunk, 3 + channel, g * y)
    add_to(by_chunk, chunk, 6 + channel, g * z)
    add_to(by_chunk, chunk, 9 + channel, g * x)
    add_to(by_chunk, chunk, 12 + channel, g * x * y)
    add_to(by_chunk, chunk, 15 + channel, g * y * z)
    add_to(by_chunk, chunk, 18 + channel, g * (type(x)(3.0) * z * z - type(x)(1.0)))
    add_to(by_chunk, chunk, 21 + channel, g * x * z)
    add_to(by_chunk, chunk, 24 + channel, g * (x * x - y * y))


@wp.kernel
def irradiance_forward(
    first: wp.int32,
    normals: wp.array2d(dtype=Any),
    polynomial: wp.array2d(dtype=Any),
    directions: wp.array2d(dtype=Any),
    colors: wp.array2d(dtype=Any),
    units: wp.array2d(dtype=Any),
    light: wp.array2d(dtype=Any),
):
    n = first + wp.tid()
    scale = reciprocal_length(normals[n, 0], normals[n, 1], normals[n, 2])
    x = normals[n, 0] * scale
    y = normals[n, 1] * scale
    z = normals[n, 2] * scale
    units[n, 0] = x
    units[n, 1] = y
    units[n, 2] = z
    for channel in range(3):
        light[n, channel] = polynomial_value(polynomial, channel, x, y, z)
    for lamp in range(directions.shape[0]):
        cosine = x * directions[lamp, 0] + y * directions[lamp, 1] + z * directions[lamp, 2]
        if cosine > normals.dtype(0.0):
            for channel in range(3):
                light[n, channel] = light[n, channel] + colors[lamp, channel] * cosine


@wp.kernel
def irradiance_backward(
    first: wp.int32,
    normals: wp.array2d(dtype=Any),
    polynomial: wp.array2d(dtype=Any),
    directions: wp.array2d(dtype=Any),
    colors: wp.array2d(dtype=Any),
    unit_gradient: wp.array2d(dtype=Any),
    light_gradient: wp.array2d(dtype=Any),
    chunk_size: wp.int32,
    needs_lights: wp.bool,
    normal_gradient: wp.array2d(dtype=Any),
    by_chunk: wp.array2d(dtype=Any),
):
    """Gradients of the normals of one chunk, and its sums for polynomial (27), directions (3 L) and colours (3 L)."""
    chunk = first + wp.tid()
    lamps = directions.shape[0]
    for n in range(chunk * chunk_size, wp.min((chunk + 1) * chunk_size, normals.shape[0])):
        scale = reciprocal_length(normals[n, 0], normals[n, 1], normals[n, 2])
        x = normals[n, 0] * scale
        y = normals[n, 1] * scale
        z = normals[n, 2] * scale
        gx = unit_gradient[n, 0]
        gy = unit_gradient[n, 1]
        gz = unit_gradient[n, 2]
        for channel in range(3):
            g = light_gradient[n, channel]
            along_x, along_y, along_z = polynomial_slope(polynomial, channel, x, y, z)
            gx += g * along_x
            gy += g * along_y
            gz += g * along_z
            if needs_lights:
                add_polynomial(by_chunk, chunk, channel, g, x, y, z)
        for lamp in range(lamps):
            cosine = x * directions[lamp, 0] + y * directions[lamp, 1] + z * directions[lamp, 2]
            if cosine > normals.dtype(0.0):
                share = normals.dtype(0.0)
                for channel in range(3):
                    g = light_gradient[n, channel]
                    share += g * colors[lamp, channel]
                    if needs_lights:
                        add_to(by_chunk, chunk, 27 + 3 * lamps + 3 * lamp + channel, g * cosine)
                gx += share * directions[lamp, 0]
                gy += share * directions[lamp, 1]
                gz += share * directions[lamp, 2]
                if needs_lights:
                    add_to(by_chunk, chunk, 27 + 3 * lamp, share * x)
                    add_to(by_chunk, chunk, 28 + 3 * lamp, share * y)
                    add_to(by_chunk, chunk, 29 + 3 * lamp, share * z)
        # d(n / |n|) removes the part along n.
        radial = gx * x + gy * y + gz * z
        normal_gradient[n, 0] = (gx - radial * x) * scale
        normal_gradient[n, 1] = (gy - radial * y) * scale
        normal_gradient[n, 2] = (gz - radial * z) * scale


_FORWARD = by_precision(irradiance_forward)
_BACKWARD = by_precision(irradiance_backward)
