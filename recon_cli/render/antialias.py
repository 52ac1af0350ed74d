"""Antialiased outlines: the blend that gives a picture its gradient with respect to where outlines lie.

Between two neighbouring pixels that see different faces, the outline of the nearer face crosses the line that joins
their centres. The pixel on whose half the crossing lies takes the other's value by the share that the outline cuts off
(Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering, Section 3.4). Each edge is treated
along the axis that it is steeper against, so that the covered area is the sum of its crossings over rows or columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.normals import gather_rows
from recon_cli.core.topology import unique_edges
from recon_cli.kernels.outline_crossings import Crossings, find_crossings


@dataclass(frozen=True)
class Outline:
    """The mesh on screen, as far as outlines need it.

    Attributes:
        points: u [px], v [px] and z-depth [scene units] of the vertices, shape [V, 3].
        faces: shape [F, 3].
        opposite: from ``opposite_corners``, shape [F, 3].
        near: faces that reach this depth [scene units] are not drawn.
    """

    points: Tensor  # [V, 3]
    faces: Tensor  # [F, 3]
    opposite: Tensor  # [F, 3]
    near: float


def antialias(
    image: Tensor,  # [H, W, D]
    face: Tensor,  # [H, W]
    depth: Tensor,  # [H, W]
    outline: Outline,
) -> Tensor:  # [H, W, D]
    """Blend neighbouring pixels across the outlines between them.

    Args:
        image: any values a pixel, from the faces at the pixel centres.
        face: the faces seen, -1 for none, int32.
        depth: their z-depth [scene units], float32, which decides whose outline it is.
        outline: the mesh whose faces these are.
    """
    height, width, channels = image.shape
    crossings = find_crossings(face, depth, outline.points, outline.faces, outline.opposite, near=outline.near)
    if not len(crossings.inner):
        return image
    flat = image.reshape(-1, channels)
    reach = _reach(crossings, outline, width)
    is_in_inner = reach.detach() < 0.5
    target = torch.where(is_in_inner, crossings.inner, crossings.outer)
    source = torch.where(is_in_inner, crossings.outer, crossings.inner)
    share = torch.where(is_in_inner, 0.5 - reach, reach - 0.5)
    pairs = gather_rows(flat, torch.stack([source, target]))  # [2, Q, D]
    return flat.index_add(0, target, share[:, None] * (pairs[0] - pairs[1])).reshape(height, width, channels)


def opposite_corners(
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [F, 3]
    """For each corner, the corner that its face's neighbour has across the edge between them.

    Corner i of face f has the number 3 f + i; -1 where the edge does not belong to exactly two faces.
    """
    pairs = torch.stack([faces.roll(-1, dims=1), faces.roll(-2, dims=1)], dim=-1).reshape(-1, 2)
    _, edge_of_corner, count = unique_edges(pairs)
    order = torch.argsort(edge_of_corner, stable=True)
    first = torch.cumsum(count, 0) - count
    has_two = count == 2
    one, other = order[first[has_two]], order[first[has_two] + 1]
    opposite = torch.full_like(faces.reshape(-1), -1)
    opposite[one], opposite[other] = other, one
    return opposite.reshape(-1, 3)


def _reach(crossings: Crossings, outline: Outline, width: int) -> Tensor:  # [Q]
    """Distance [px] from the inner pixel's centre to the outline, towards the outer pixel."""
    start, end = _ends(crossings, outline)
    inner = torch.stack([crossings.inner % width, torch.div(crossings.inner, width, rounding_mode="floor")], dim=-1).to(start) + 0.5
    # Coordinates along and across the pair.
    is_upright = crossings.is_upright[:, None]
    start, end, inner = (torch.where(is_upright, place.flip(-1), place) for place in (start, end, inner))
    part = (inner[:, 1] - start[:, 1]) / (end[:, 1] - start[:, 1])
    place = start[:, 0] + part * (end[:, 0] - start[:, 0])
    return (place - inner[:, 0]) * torch.where(crossings.outer > crossings.inner, 1, -1)


def _ends(crossings: Crossings, outline: Outline) -> tuple[Tensor, Tensor]:  # [Q, 2], [Q, 2]
    """The ends of the edges that cross, on screen."""
    face, corner = torch.div(crossings.corner, 3, rounding_mode="floor"), crossings.corner % 3
    flat = outline.faces.reshape(-1)
    vertices = torch.stack([flat[3 * face + (corner + k) % 3] for k in (1, 2)])
    ends = gather_rows(outline.points, vertices)[..., :2]
    return ends[0], ends[1]
