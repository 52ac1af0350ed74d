"""Random points on the surface of a triangle mesh."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


def sample_surface(
    vertices: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    count: int,
    *,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:  # [N, 3], [N], [N, 3]
    """Draw independent points, uniform over the area of a mesh.

    Every draw happens in float64 on the CPU, so that a seed gives the same points on every device; gradients flow to ``vertices``.

    Args:
        vertices: positions [scene units].
        faces: vertex indices.
        count: number N of points.
        generator: CPU source of the draws.

    Returns:
        Points [scene units], the face of each and its barycentric coordinates in it (rows sum to one).

    Raises:
        InputError: the mesh has no area, or a vertex is not finite.
    """
    with torch.no_grad():
        corners = vertices.detach().to("cpu", torch.float64)[faces.cpu()]  # [F, 3, 3]
        cumulative = _cumulative_areas(corners)  # [F]
        ticket = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]  # [N]
        # right=True skips faces without area; the clamp catches a ticket that rounds up to the total.
        face_index = torch.searchsorted(cumulative, ticket, right=True).clamp(max=_last_with_area(cumulative))
        barycentric = _uniform_barycentric(count, generator)
    face_index, barycentric = face_index.to(vertices.device), barycentric.to(vertices)
    points = (barycentric[:, :, None] * vertices[faces[face_index]]).sum(dim=1)
    return points, face_index, barycentric


def _cumulative_areas(corners: Tensor) -> Tensor:  # [F, 3, 3] -> [F]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = 0.5 * normals.norm(dim=-1)  # [F]
    total = float(areas.sum()) if len(areas) else 0.0
    if not 0.0 < total < float("inf"):
        seen = "no faces" if not len(areas) else f"{len(areas)} faces with a total area of {total:g}"
        raise InputError(f"cannot sample points on a mesh that has {seen}; expected a positive, finite area")
    return areas.cumsum(dim=0)


def _last_with_area(cumulative: Tensor) -> int:  # [F]
    return int(torch.searchsorted(cumulative, cumulative[-1]))


def _uniform_barycentric(count: int, generator: torch.Generator) -> Tensor:  # [N, 3]
    draws = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    # The square root makes the parallel strips of a triangle equally likely per area.
    root, share = draws[:, 0].sqrt(), draws[:, 1]
    return torch.stack([1 - root, root * (1 - share), root * share], dim=-1)
