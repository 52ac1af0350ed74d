"""Points at an even spacing on a triangle mesh, without chance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from recon_cli.core.errors import InputError

_POINTS_AT_ONCE = 2_000_000
_MOST_POINTS = 2e8


def lattice_points(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    spacing: float,
) -> Tensor:  # [N, 3] float64
    """The corners of every face and a lattice along two of its edges whose steps are at most ``spacing``.

    Faces of no area give their corners. Points on edges and corners shared by several faces appear once for each.

    Args:
        vertices: positions [scene units].
        faces: vertex indices.
        spacing: longest step of the lattice [scene units].

    Raises:
        InputError: the spacing is not positive, a vertex is not finite, or there would be more points than memory.
    """
    if not spacing > 0.0:
        raise InputError(f"a surface cannot be sampled every {spacing:g}; expected a positive spacing")
    positions = vertices.detach().cpu().double()
    if not bool(torch.isfinite(positions).all()):
        raise InputError("the mesh has a vertex with a NaN or infinite coordinate")
    corners = _longest_edge_last(positions[faces.cpu()])
    # In floating point, for there is no bound to it; half of a parallelogram's lattice is in the triangle.
    total = float((_whole_steps(corners, spacing) + 1).prod(dim=1).sum()) / 2
    if total > _MOST_POINTS:
        raise InputError(
            f"a point every {spacing:g} would be {total:.2g} points on this mesh, at most {_MOST_POINTS:.0e} are made",
            hint="is the mesh in the units of the spacing? Else take a larger one",
        )
    parts = [_face_points(some, spacing) for some in _chunks(corners, spacing)]
    return torch.cat(parts) if parts else torch.zeros(0, 3, dtype=torch.float64)


def _longest_edge_last(corners: Tensor) -> Tensor:  # [F, 3, 3]
    """The corners turned so that the lattice runs along the two shorter edges, which takes the fewest points."""
    opposite = (corners.roll(-1, 1) - corners.roll(-2, 1)).norm(dim=-1)  # [F, 3], the edge across from each corner
    order = (opposite.argmax(dim=1)[:, None] + torch.arange(3)) % 3
    return corners.gather(1, order[:, :, None].expand(-1, -1, 3))


def _whole_steps(corners: Tensor, spacing: float) -> Tensor:  # [F, 3, 3] -> [F, 2] float64
    """Steps along the edges from the first corner to the second and to the third."""
    edges = (corners[:, 1:] - corners[:, :1]).norm(dim=-1)
    return (edges / spacing).ceil().clamp(min=1)


def _steps(corners: Tensor, spacing: float) -> Tensor:  # [F, 3, 3] -> [F, 2] int64
    """``_whole_steps`` as whole numbers."""
    return _whole_steps(corners, spacing).long()


def _chunks(corners: Tensor, spacing: float) -> Iterator[Tensor]:
    if not len(corners):
        return
    total = (_steps(corners, spacing) + 1).prod(dim=1).cumsum(0)
    edges = torch.arange(1, int(total[-1]) // _POINTS_AT_ONCE + 1) * _POINTS_AT_ONCE
    first = [0, *torch.searchsorted(total, edges).tolist(), len(corners)]
    for start, stop in pairwise(first):
        if stop > start:
            yield corners[start:stop]


def _face_points(corners: Tensor, spacing: float) -> Tensor:  # [F, 3, 3] -> [N, 3]
    steps = _steps(corners, spacing)  # [F, 2]
    count = (steps + 1).prod(dim=1)
    face = torch.repeat_interleave(torch.arange(len(corners)), count)
    place = torch.arange(len(face)) - torch.repeat_interleave(count.cumsum(0) - count, count)
    row, column = place // (steps[face, 1] + 1), place % (steps[face, 1] + 1)
    # In whole numbers, so that the points on the far edge are neither lost nor doubled.
    is_inside = row * steps[face, 1] + column * steps[face, 0] <= steps[face, 0] * steps[face, 1]
    face, row, column = face[is_inside], row[is_inside], column[is_inside]
    first = (row.double() / steps[face, 0])[:, None]
    second = (column.double() / steps[face, 1])[:, None]
    origin = corners[face, 0]
    return origin + first * (corners[face, 1] - origin) + second * (corners[face, 2] - origin)
