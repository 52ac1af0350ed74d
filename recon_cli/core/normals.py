"""Normals and areas of triangle meshes, differentiable with respect to the vertices.

Sums over the faces of a vertex run in the order of the faces, so that equal inputs give equal bytes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def face_cross_products(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [F, 3]
    """Cross product of two edges of each face: its normal times twice its area [scene units²]."""
    corners = gather_rows(vertices, faces)
    return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def face_areas(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [F]
    """Areas of the faces [scene units²]."""
    return 0.5 * torch.linalg.vector_norm(face_cross_products(vertices, faces), dim=-1)


def face_normals(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [F, 3]
    """Unit normals of the faces, on the side from which the corners run counter-clockwise; 0 for a face without area."""
    return unit(face_cross_products(vertices, faces))


def vertex_normals(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [V, 3]
    """Unit normals of the vertices, the normals of their faces weighted by area; 0 for a vertex without faces."""
    weighted = face_cross_products(vertices, faces)  # [F, 3]
    return unit(sum_rows(weighted[:, None].expand(-1, 3, -1), faces, count=vertices.shape[0]))


def unit(
    vectors: Tensor,  # [..., 3]
) -> Tensor:  # [..., 3]
    """Vectors of length one; a vector of length zero stays zero, with a gradient of zero."""
    squared = (vectors * vectors).sum(dim=-1, keepdim=True)
    is_null = squared <= torch.finfo(vectors.dtype).tiny
    return torch.where(is_null, torch.zeros_like(vectors), vectors * torch.where(is_null, torch.ones_like(squared), squared).rsqrt())


def gather_rows(
    values: Tensor,  # [N, D]
    index: Tensor,  # [...] int64
) -> Tensor:  # [..., D]
    """``values[index]``, whose gradient is summed in a fixed order.

    PyTorch's own gradient of an indexing adds with float atomics when several threads work on a large index.
    """
    return _GatherRows.apply(values, index)  # pyright: ignore[reportReturnType]


def sum_rows(
    values: Tensor,  # [..., D]
    index: Tensor,  # [...] int64
    *,
    count: int,
) -> Tensor:  # [count, D]
    """Sum of the rows that share an index, in the order in which they come."""
    return _SumRows.apply(values, index, count)  # pyright: ignore[reportReturnType]


def _summed(values: Tensor, index: Tensor, count: int) -> Tensor:
    width = values.shape[-1]
    columns = torch.arange(width, device=values.device)
    flat_index = (index.reshape(-1, 1) * width + columns).reshape(-1)
    total = values.new_zeros(count * width)
    if values.is_cuda:
        # Sorts equal indices first, so that the order of the sum is fixed on this device too.
        total.index_put_((flat_index,), values.reshape(-1), accumulate=True)
    else:
        # In one dimension this is a plain loop on one core.
        total.index_add_(0, flat_index, values.reshape(-1))
    return total.reshape(count, width)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.count = values.shape[0]
        return values[index]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return sum_rows(gradients[0], index, count=ctx.count), None


class _SumRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(index)
        return _summed(values, index, count)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return gather_rows(gradients[0], index), None, None
