"""Surfaces between samples of a lattice: surface nets (Gibson 1998), on a sparse set of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh


def surface_net(
    samples: Tensor,  # [S, 3] int64
    values: Tensor,  # [S]
) -> Mesh:
    """The closed surface where the values pass 0, positive inside, with a vertex a cell and a quadrangle (two faces) an edge that it cuts.

    A vertex lies in the middle of where the surface cuts its cell's edges. Two sheets that meet in one cell share a vertex there.

    Args:
        samples: places on the lattice, each once; both ends of every edge that the surface cuts must be among them.
        values: their values; 0 counts as outside.

    Returns:
        The mesh in the lattice's units, float64, faces counter-clockwise from outside; empty where no value is positive.
    """
    if not len(samples):
        return Mesh(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 3, dtype=torch.int64))
    low = samples.amin(dim=0) - 1
    sides = samples.amax(dim=0) - low + 2
    strides = torch.tensor([int(sides[1] * sides[2]), int(sides[2]), 1])
    keys, order = ((samples - low) @ strides).sort()
    samples, values = samples[order], values[order].double()
    crossings, quads = [], []
    for axis in range(3):
        start, end = _cut_edges(keys, values, int(strides[axis]))
        place = samples[start].double()
        place[:, axis] += values[start] / (values[start] - values[end])
        corners = _cells_around(keys[start], strides, axis)
        # Seen against the axis the four cells run counter-clockwise; that is from outside where the edge leaves the inside.
        corners = torch.where((values[start] > 0)[:, None], corners, corners.flip(1))
        crossings.append(place.repeat_interleave(4, dim=0))
        quads.append(corners)
    cells, index = torch.cat(quads).reshape(-1).unique(return_inverse=True)
    vertices = torch.zeros(len(cells), 3, dtype=torch.float64).index_add_(0, index, torch.cat(crossings))
    vertices /= torch.bincount(index, minlength=len(cells)).clamp(min=1)[:, None]
    return Mesh(vertices, _triangles(vertices, index.view(-1, 4)))


def _cut_edges(keys: Tensor, values: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Indices of the two ends of the edges along one axis whose signs differ."""
    end = torch.searchsorted(keys, keys + stride).clamp(max=len(keys) - 1)
    is_cut = (keys[end] == keys + stride) & ((values > 0) != (values[end] > 0))
    start = torch.nonzero(is_cut)[:, 0]
    return start, end[start]


def _cells_around(keys: Tensor, strides: Tensor, axis: int) -> Tensor:  # [E, 4]
    """The cells, named by their lowest samples, around edges along an axis, counter-clockwise seen against it."""
    second, third = int(strides[(axis + 1) % 3]), int(strides[(axis + 2) % 3])
    return torch.stack([keys - second - third, keys - third, keys, keys - second], dim=1)


def _triangles(vertices: Tensor, quads: Tensor) -> Tensor:  # [Q, 4] -> [2 Q, 3]
    """Each quadrangle cut along its shorter diagonal."""
    corners = vertices[quads]
    is_other = (corners[:, 0] - corners[:, 2]).norm(dim=-1) > (corners[:, 1] - corners[:, 3]).norm(dim=-1)
    turned = torch.where(is_other[:, None], quads.roll(-1, dims=1), quads)
    return torch.stack([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]], dim=1).reshape(-1, 3)
