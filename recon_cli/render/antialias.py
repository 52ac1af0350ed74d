"""Antialiased outlines: the blend that gives a picture its gradient with respect to where outlines lie.

Between two neighbouring pixels that see different faces, the outline of the nearer face crosses the line that joins
their centres. The pixel on whose half the crossing lies takes the other's value by the share that the outline cuts off
(Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering, Section 3.4). Each edge is treated
along the axis that it is steeper against, so that the covered area is the sum of its crossings over rows or columns.
From the nearer pixel the search walks from face to face over the surface until it meets the outline, so that outlines
are found where faces are smaller than a pixel, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.normals import gather_rows

# Faces that the search for an outline passes between the centres of two neighbouring pixels before it gives up.
_LONGEST_WALK = 16


@dataclass(frozen=True)
class Outline:
    """The mesh on screen, as far as outlines need it.

    Attributes:
        pixels: vertices on screen [px], shape [V, 2].
        depth: their z-depth [scene units], shape [V].
        faces: shape [F, 3].
        opposite: from ``opposite_corners``, shape [F, 3].
        near: faces that reach this depth are not drawn.
    """

    pixels: Tensor  # [V, 2]
    depth: Tensor  # [V]
    faces: Tensor  # [F, 3]
    opposite: Tensor  # [F, 3]
    near: float


@dataclass(frozen=True)
class _Crossings:
    """Q places where an outline passes between the centres of two neighbouring pixels."""

    inner: Tensor  # [Q] pixel of the nearer face
    outer: Tensor  # [Q] its neighbour
    edge: Tensor  # [Q, 2] vertices of the edge that crosses
    axis: int  # 0 for neighbours in a row, 1 for neighbours in a column


def antialias(
    image: Tensor,  # [H, W, D]
    face: Tensor,  # [H, W]
    depth: Tensor,  # [H, W]
    outline: Outline,
) -> Tensor:  # [H, W, D]
    """Blend neighbouring pixels across the outlines between them.

    Args:
        image: any values a pixel, from the faces at the pixel centres.
        face: the faces seen, -1 for none.
        depth: their z-depth [scene units], which decides whose outline it is.
        outline: the mesh whose faces these are.
    """
    height, width, channels = image.shape
    flat = image.reshape(-1, channels)
    blended = flat
    for axis in (0, 1):
        crossings = _find_crossings(face, depth, outline, axis=axis)
        if len(crossings.inner):
            target, change = _changes(flat, crossings, outline.pixels, width)
            blended = blended.index_add(0, target, change)
    return blended.reshape(height, width, channels)


def opposite_corners(
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [F, 3]
    """For each corner, the corner that its face's neighbour has across the edge between them.

    Corner i of face f has the number 3 f + i; -1 where the edge does not belong to exactly two faces.
    """
    edges = torch.stack([faces.roll(-1, dims=1), faces.roll(-2, dims=1)], dim=-1).reshape(-1, 2).sort(dim=-1).values
    _, edge_of_corner, count = torch.unique(edges, dim=0, return_inverse=True, return_counts=True)
    order = torch.argsort(edge_of_corner, stable=True)
    first = torch.cumsum(count, 0) - count
    has_two = count == 2
    one, other = order[first[has_two]], order[first[has_two] + 1]
    opposite = torch.full_like(faces.reshape(-1), -1)
    opposite[one], opposite[other] = other, one
    return opposite.reshape(-1, 3)


def _changes(flat: Tensor, crossings: _Crossings, pixels: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Pixels that an outline enters [Q] and what it adds to them [Q, D]."""
    ends = gather_rows(pixels, crossings.edge)  # [Q, 2, 2]
    along, across = _centre(crossings.inner, width, crossings.axis, pixels.dtype)
    sign = torch.where(crossings.outer > crossings.inner, 1, -1).to(pixels)
    # Distance [px] from the inner pixel's centre to the outline.
    reach = (_place_on_edge(ends[:, 0], ends[:, 1], across, crossings.axis) - along) * sign
    is_in_inner = reach.detach() < 0.5
    target = torch.where(is_in_inner, crossings.inner, crossings.outer)
    source = torch.where(is_in_inner, crossings.outer, crossings.inner)
    share = torch.where(is_in_inner, 0.5 - reach, reach - 0.5)
    return target, share[:, None] * (gather_rows(flat, source) - gather_rows(flat, target))


@torch.no_grad()
def _find_crossings(face: Tensor, depth: Tensor, outline: Outline, *, axis: int) -> _Crossings:
    width = face.shape[1]
    step = 1 if axis == 0 else width
    differs = face[:, 1:] != face[:, :-1] if axis == 0 else face[1:] != face[:-1]
    row, column = torch.nonzero(differs, as_tuple=True)
    first = row * width + column
    flat_face, flat_depth = face.reshape(-1).long(), depth.reshape(-1)
    is_first_nearer = _is_nearer(flat_face, flat_depth, first, first + step)
    inner, outer = torch.where(is_first_nearer, first, first + step), torch.where(is_first_nearer, first + step, first)
    corner = _walk_to_outline(flat_face, inner, outer, outline, width=width, axis=axis)
    is_crossed = corner >= 0
    inner, outer, corner = inner[is_crossed], outer[is_crossed], corner[is_crossed]
    start, end = _edge_opposite(corner, outline.faces)
    return _Crossings(inner, outer, torch.stack([start, end], dim=-1), axis)


def _is_nearer(face: Tensor, depth: Tensor, first: Tensor, second: Tensor) -> Tensor:  # [P] bool
    is_empty = face[second] < 0
    return (face[first] >= 0) & (is_empty | (depth[first] <= depth[second]))


def _walk_to_outline(face: Tensor, inner: Tensor, outer: Tensor, outline: Outline, *, width: int, axis: int) -> Tensor:  # [P]
    """Corner opposite the outline edge between two pixels, -1 where there is none."""
    found = torch.full_like(inner, -1)
    active, current = torch.arange(len(inner), device=inner.device), face[inner]
    along, across = _centre(inner, width, axis, outline.pixels.dtype)
    sign = torch.where(outer > inner, 1, -1).to(outline.pixels)
    for _ in range(_LONGEST_WALK):
        corner, reach = _exit(current, along[active], across[active], sign[active], outline, axis)
        is_before = reach <= 1
        is_outline = _is_outline(corner, outline)
        ends = is_before & is_outline & _is_steep(corner, outline, axis)
        found[active[ends]] = corner[ends]
        current = torch.div(outline.opposite.reshape(-1)[corner], 3, rounding_mode="floor")
        # The surface goes on to what the other pixel sees: no outline between them.
        goes_on = is_before & ~is_outline & (current != face[outer[active]])
        active, current = active[goes_on], current[goes_on]
        if not len(active):
            break
    return found


def _exit(face: Tensor, along: Tensor, across: Tensor, sign: Tensor, outline: Outline, axis: int) -> tuple[Tensor, Tensor]:
    """Corner opposite the edge by which the line through two pixel centres leaves a face, and how far on that is [px]."""
    reaches = []
    for i in range(3):
        start, end = (outline.pixels[vertex] for vertex in _edge_opposite(3 * face + i, outline.faces))
        is_met = (start[:, 1 - axis] < across) != (end[:, 1 - axis] < across)
        reach = (_place_on_edge(start, end, across, axis) - along) * sign
        reaches.append(torch.where(is_met, reach, torch.full_like(reach, -torch.inf)))
    farthest = torch.stack(reaches, dim=-1).max(dim=-1)
    # A face that rounding puts beside the line has no exit.
    return 3 * face + farthest.indices, torch.where(farthest.values.isinf(), torch.inf, farthest.values)


def _is_steep(corner: Tensor, outline: Outline, axis: int) -> Tensor:  # [P] bool
    """Whether an edge runs more across the axis than along it; one at exactly 45 degrees counts for axis 0."""
    start, end = (outline.pixels[vertex] for vertex in _edge_opposite(corner, outline.faces))
    edge = (end - start).abs()
    return edge[:, 1] >= edge[:, 0] if axis == 0 else edge[:, 0] > edge[:, 1]


def _is_outline(corner: Tensor, outline: Outline) -> Tensor:  # [P] bool
    """Whether the surface ends or folds over at the edge opposite a corner."""
    across = outline.opposite.reshape(-1)[corner]
    neighbour, own = (outline.faces.reshape(-1)[index] for index in (across.clamp(min=0), corner))
    has_none = (across < 0) | (outline.depth[neighbour] <= outline.near)
    start, end = (outline.pixels[vertex] for vertex in _edge_opposite(corner, outline.faces))
    return has_none | (_side(start, end, outline.pixels[own]) * _side(start, end, outline.pixels[neighbour]) >= 0)


def _edge_opposite(corner: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:  # [P], [P]
    """The two vertices of the edge opposite a corner."""
    face, i = torch.div(corner, 3, rounding_mode="floor"), corner % 3
    flat = faces.reshape(-1)
    return flat[3 * face + (i + 1) % 3], flat[3 * face + (i + 2) % 3]


def _side(start: Tensor, end: Tensor, point: Tensor) -> Tensor:  # [P]
    """Positive on one side of an edge, negative on the other."""
    edge, offset = end - start, point - start
    return edge[:, 0] * offset[:, 1] - edge[:, 1] * offset[:, 0]


def _centre(pixel: Tensor, width: int, axis: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:  # [P], [P]
    """Coordinates of pixel centres [px] along an axis and across it."""
    column, row = (pixel % width).to(dtype) + 0.5, torch.div(pixel, width, rounding_mode="floor").to(dtype) + 0.5
    return (column, row) if axis == 0 else (row, column)


def _place_on_edge(start: Tensor, end: Tensor, across: Tensor, axis: int) -> Tensor:  # [P]
    """Coordinate [px] along an axis at which an edge meets the line through the pixel centres."""
    rise = end[:, 1 - axis] - start[:, 1 - axis]
    safe = torch.where(rise == 0, torch.ones_like(rise), rise)
    return start[:, axis] + (across - start[:, 1 - axis]) * (end[:, axis] - start[:, axis]) / safe
