# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Bilinear texture lookup with gradients to the texture and to where it is read."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch import Tensor
from torch.autograd import Function

from recon_cli.kernels.launch import by_precision, launch_bands, start_warp, worker_count

start_warp()
wp.set_module_options({"enable_backward": False})


def sample_texture(
    texture: Tensor,  # [H, W, D]
    uvs: Tensor,  # [N, 2]
) -> Tensor:  # [N, D]
    """Read a texture between its texel centres.

    (0, 0) is the bottom-left corner of the texture, v points up. Beyond the outermost texel centres the border texels
    are repeated. The lookup has no mip levels: a texture much finer than the image aliases.
    """
    return _Sample.apply(texture, uvs)  # pyright: ignore[reportReturnType]


class _Sample(Function):
    @staticmethod
    def forward(ctx: Any, texture: Tensor, uvs: Tensor) -> Tensor:
        texture, uvs = texture.contiguous(), uvs.contiguous()
        values = texture.new_empty(len(uvs), texture.shape[2])
        launch_bands(_FORWARD[texture.dtype], len(uvs), (texture, uvs, values), device=uvs.device)
        ctx.save_for_backward(texture, uvs)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        texture, uvs = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        uv_gradient = None
        if ctx.needs_input_grad[1]:
            uv_gradient = torch.empty_like(uvs)
            launch_bands(_UV_BACKWARD[texture.dtype], len(uvs), (texture, uvs, gradient, uv_gradient), device=uvs.device)
        return _texture_gradient(texture, uvs, gradient) if ctx.needs_input_grad[0] else None, uv_gradient


def _texture_gradient(texture: Tensor, uvs: Tensor, gradient: Tensor) -> Tensor:
    if texture.is_cuda:
        return _sorted_texture_gradient(texture, uvs, gradient)
    total = torch.zeros_like(texture)
    # Each strip of texture rows reads all samples in order, so the sum of a texel does not depend on the strips.
    rows = max(1, -(-texture.shape[0] // worker_count()))
    strips = -(-texture.shape[0] // rows)
    launch_bands(_TEXTURE_BACKWARD[texture.dtype], strips, (uvs, gradient, rows, total), device=uvs.device)
    return total


def _sorted_texture_gradient(texture: Tensor, uvs: Tensor, gradient: Tensor) -> Tensor:
    """The same sum on CUDA, where ``index_put_`` sorts equal indices and so fixes the order."""
    height, width, depth = texture.shape
    size = torch.tensor([width, height], device=uvs.device)
    place = torch.stack([uvs[:, 0], 1 - uvs[:, 1]], dim=-1) * size - 0.5
    place = place.maximum(torch.zeros_like(place)).minimum((size - 1).to(place))
    low = place.floor().clamp(max=(size - 2).clamp(min=0).to(place)).long()
    part = place - low
    total = texture.new_zeros(height * width, depth)
    for right in (0, 1):
        for down in (0, 1):
            weight = (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if down else 1 - part[:, 1])
            column, row = (low[:, 0] + right).clamp(max=width - 1), (low[:, 1] + down).clamp(max=height - 1)
            total.index_put_((row * width + column,), weight[:, None] * gradient, accumulate=True)
    return total.reshape(height, width, depth)


@wp.func
def texel(coordinate: Any, size: int):
    """Position [texels] between the centres of the first and the last texel."""
    place = coordinate * type(coordinate)(size) - type(coordinate)(0.5)
    return wp.clamp(place, type(coordinate)(0.0), type(coordinate)(size - 1))


@wp.func
def lower(place: Any, size: int) -> int:
    """The texel at or before a position that still has a right neighbour, if there is one."""
    return wp.clamp(int(wp.floor(place)), 0, wp.max(size - 2, 0))


@wp.kernel
def sample_forward(first: wp.int32, texture: wp.array3d(dtype=Any), uvs: wp.array2d(dtype=Any), values: wp.array2d(dtype=Any)):
    n = first + wp.tid()
    one = uvs.dtype(1.0)
    px = texel(uvs[n, 0], texture.shape[1])
    py = texel(one - uvs[n, 1], texture.shape[0])
    x0 = lower(px, texture.shape[1])
    y0 = lower(py, texture.shape[0])
    x1 = wp.min(x0 + 1, texture.shape[1] - 1)
    y1 = wp.min(y0 + 1, texture.shape[0] - 1)
    sx = px - uvs.dtype(x0)
    sy = py - uvs.dtype(y0)
    for d in range(texture.shape[2]):
        top = (one - sx) * texture[y0, x0, d] + sx * texture[y0, x1, d]
        bottom = (one - sx) * texture[y1, x0, d] + sx * texture[y1, x1, d]
        values[n, d] = (one - sy) * top + sy * bottom


@wp.kernel
def uv_backward(
    first: wp.int32,
    texture: wp.array3d(dtype=Any),
    uvs: wp.array2d(dtype=Any),
    value_gradient: wp.array2d(dtype=Any),
    uv_gradient: wp.array2d(dtype=Any),
):
    n = first + wp.tid()
    one = uvs.dtype(1.0)
    px = texel(uvs[n, 0], texture.shape[1])
    py = texel(one - uvs[n, 1], texture.shape[0])
    x0 = lower(px, texture.shape[1])
    y0 = lower(py, texture.shape[0])
    x1 = wp.min(x0 + 1, texture.shape[1] - 1)
    y1 = wp.min(y0 + 1, texture.shape[0] - 1)
    sx = px - uvs.dtype(x0)
    sy = py - uvs.dtype(y0)
    along_x = uvs.dtype(0.0)
    along_y = uvs.dtype(0.0)
    for d in range(texture.shape[2]):
        g = value_gradient[n, d]
        along_x += g * ((one - sy) * (texture[y0, x1, d] - texture[y0, x0, d]) + sy * (texture[y1, x1, d] - texture[y1, x0, d]))
        along_y += g * ((one - sx) * (texture[y1, x0, d] - texture[y0, x0, d]) + sx * (texture[y1, x1, d] - texture[y0, x1, d]))
    # The repeated border is flat.
    is_between_x = px > uvs.dtype(0.0) and px < uvs.dtype(texture.shape[1] - 1)
    is_between_y = py > uvs.dtype(0.0) and py < uvs.dtype(texture.shape[0] - 1)
    uv_gradient[n, 0] = wp.where(is_between_x, along_x * uvs.dtype(texture.shape[1]), uvs.dtype(0.0))
    uv_gradient[n, 1] = wp.where(is_between_y, -along_y * uvs.dtype(texture.shape[0]), uvs.dtype(0.0))


@wp.kernel
def texture_backward(
    first: wp.int32, uvs: wp.array2d(dtype=Any), value_gradient: wp.array2d(dtype=Any), rows: wp.int32, total: wp.array3d(dtype=Any)
):
    """Gradient of one strip of ``rows`` rows of the texture."""
    strip = first + wp.tid()
    one = uvs.dtype(1.0)
    for n in range(uvs.shape[0]):
        py = texel(one - uvs[n, 1], total.shape[0])
        y0 = lower(py, total.shape[0])
        y1 = wp.min(y0 + 1, total.shape[0] - 1)
        if y1 >= strip * rows and y0 < (strip + 1) * rows:
            px = texel(uvs[n, 0], total.shape[1])
            x0 = lower(px, total.shape[1])
            x1 = wp.min(x0 + 1, total.shape[1] - 1)
            sx = px - uvs.dtype(x0)
            sy = py - uvs.dtype(y0)
            for d in range(total.shape[2]):
                g = value_gradient[n, d]
                if y0 >= strip * rows:
                    total[y0, x0, d] = total[y0, x0, d] + (one - sy) * (one - sx) * g
                    total[y0, x1, d] = total[y0, x1, d] + (one - sy) * sx * g
                if y1 < (strip + 1) * rows:
                    total[y1, x0, d] = total[y1, x0, d] + sy * (one - sx) * g
                    total[y1, x1, d] = total[y1, x1, d] + sy * sx * g


_FORWARD = by_precision(sample_forward)
_UV_BACKWARD = by_precision(uv_backward)
_TEXTURE_BACKWARD = by_precision(texture_backward)
