"""Surfaces between samples of a lattice: surface nets (Gibson 1998), on a sparse set of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.dual_cells import APART, JOINED, NO_FACE, pinched_faces, sheets_of_edges
from recon_cli.core.marching_cubes import CELL_EDGES
from recon_cli.core.mesh import Mesh

_SHEETS = 4  # of a cell, at most


def surface_net(
    samples: Tensor,  # [S, 3] int64
    values: Tensor,  # [S]
) -> Mesh:
    """The closed surface where the values pass 0, positive inside, with a quadrangle (two faces) for each edge that it cuts.

    It has a vertex for each of its sheets in a cell, in the middle of where the sheet cuts the cell's edges, and so is manifold.

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
    crossings, quads, edges = [], [], []
    for axis in range(3):
        start, end = _cut_edges(keys, values, int(strides[axis]))
        place = samples[start].double()
        place[:, axis] += values[start] / (values[start] - values[end])
        # Seen against the axis the four cells run counter-clockwise; that is from outside where the edge leaves the inside.
        around = torch.where((values[start] > 0)[:, None], torch.arange(4), torch.arange(3, -1, -1))
        crossings.append(place.repeat_interleave(4, dim=0))
        corners, own_edges = _cells_around(keys[start], strides, axis)
        quads.append(corners.gather(1, around))
        edges.append(own_edges[around])
    cells, cell = torch.cat(quads).reshape(-1).unique(return_inverse=True)
    cases = _cases(cells, keys, values > 0, strides)
    sheet = sheets_of_edges()[_rules(cells, cases, strides)[cell], cases[cell], torch.cat(edges).reshape(-1)]
    found, index = (_SHEETS * cell + sheet).unique(return_inverse=True)
    vertices = torch.zeros(len(found), 3, dtype=torch.float64).index_add_(0, index, torch.cat(crossings))
    vertices /= torch.bincount(index, minlength=len(found)).clamp(min=1)[:, None]
    return Mesh(vertices, _triangles(vertices, index.view(-1, 4)))


def _cut_edges(keys: Tensor, values: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Indices of the two ends of the edges along one axis whose signs differ."""
    end = torch.searchsorted(keys, keys + stride).clamp(max=len(keys) - 1)
    is_cut = (keys[end] == keys + stride) & ((values > 0) != (values[end] > 0))
    start = torch.nonzero(is_cut)[:, 0]
    return start, end[start]


def _cells_around(keys: Tensor, strides: Tensor, axis: int) -> tuple[Tensor, Tensor]:  # [E, 4], [4]
    """The cells, named by their lowest samples, around edges along an axis, counter-clockwise seen against it; and which of its own edges
    each of the four has there."""
    second, third = (axis + 1) % 3, (axis + 2) % 3
    corners = (1 << second | 1 << third, 1 << third, 0, 1 << second)
    cells = [keys - _step(torch.tensor(corner), strides) for corner in corners]
    return torch.stack(cells, dim=1), torch.tensor([CELL_EDGES.index((corner, corner | 1 << axis)) for corner in corners])


def _step(corner: Tensor, strides: Tensor) -> Tensor:  # [...] -> [...]
    """How far a corner's key is from that of its cell."""
    return ((corner[..., None] >> torch.arange(3) & 1) * strides).sum(dim=-1)


def _cases(cells: Tensor, keys: Tensor, is_inside: Tensor, strides: Tensor) -> Tensor:  # [N] -> [N]
    """Which corners of each cell are inside, bit c for corner c."""
    corner = torch.arange(8)
    wanted = cells[:, None] + _step(corner, strides)
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    is_known, inside = keys[place] == wanted, is_inside[place]
    for axis in range(3):  # no cut edge ends in a corner without a sample: it is like those beside it
        beside = corner ^ 1 << axis
        inside = torch.where(is_known, inside, inside[:, beside])
        is_known = is_known | is_known[:, beside]
    return (inside.long() << corner).sum(dim=1)


def _rules(cells: Tensor, cases: Tensor, strides: Tensor) -> Tensor:  # [N] -> [N]
    """JOINED for two cells that would have one sheet each pass their common face twice, APART for all others."""
    face = pinched_faces()[cases]
    axis, is_upper = face.clamp(min=0) // 2, face % 2 == 1
    beyond = cells + torch.where(is_upper, 1, -1) * strides[axis]
    place = torch.searchsorted(cells, beyond).clamp(max=len(cells) - 1)
    is_pinched = (face != NO_FACE) & (cells[place] == beyond) & (face[place] == (face ^ 1))
    return torch.where(is_pinched, JOINED, APART)


def _triangles(vertices: Tensor, quads: Tensor) -> Tensor:  # [Q, 4] -> [2 Q, 3]
    """Each quadrangle cut along its shorter diagonal."""
    corners = vertices[quads]
    is_other = (corners[:, 0] - corners[:, 2]).norm(dim=-1) > (corners[:, 1] - corners[:, 3]).norm(dim=-1)
    turned = torch.where(is_other[:, None], quads.roll(-1, dims=1), quads)
    return torch.stack([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]], dim=1).reshape(-1, 3)
