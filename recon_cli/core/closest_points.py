"""Nearest points on the triangles of a mesh, and points that follow a mesh as it moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.nearest import finite_array


@dataclass(frozen=True)
class SurfacePoints:
    """N points that hang on the triangles of a mesh.

    Attributes:
        corners: vertex indices of each point's triangle, shape [N, 3].
        barycentric: weights of the corners, rows sum to one, shape [N, 3].
    """

    corners: Tensor  # [N, 3]
    barycentric: Tensor  # [N, 3]

    def on(self, vertices: Tensor) -> Tensor:  # [V, 3] -> [N, 3]
        """Where the points are when the vertices are here [scene units]."""
        return (self.barycentric[:, :, None] * vertices[self.corners]).sum(dim=1)


class ClosestPoints:
    """The nearest points of a mesh, for any number of calls.

    The nearest triangle is found in float32 around the mesh's middle, the point on it in float64.

    Args:
        mesh: the surface [scene units].

    Raises:
        InputError: the mesh has no faces, or a vertex is not finite.
    """

    def __init__(self, mesh: Mesh) -> None:
        import numpy as np
        import open3d

        if not len(mesh.faces):
            raise InputError("the mesh has no faces to measure to; expected at least one")
        vertices = finite_array(mesh.vertices, "vertices")
        # Open3D works in float32, which holds 4 digits less after the point far from the origin.
        self._middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        self._vertices = torch.from_numpy(vertices - self._middle)
        self._faces = mesh.faces.detach().cpu()
        self._scene = open3d.t.geometry.RaycastingScene()
        tensor = open3d.core.Tensor.from_numpy
        self._scene.add_triangles(tensor(self._vertices.numpy().astype(np.float32)), tensor(self._faces.numpy().astype(np.uint32)))

    def __call__(self, points: Tensor) -> SurfacePoints:  # [N, 3]
        """The nearest point of any triangle to every point [scene units].

        Raises:
            InputError: a coordinate is not finite.
        """
        import numpy as np
        import open3d

        queries = finite_array(points, "points") - self._middle
        found = self._scene.compute_closest_points(open3d.core.Tensor.from_numpy(queries.astype(np.float32)))
        corners = self._faces[torch.from_numpy(found["primitive_ids"].numpy().astype(np.int64))]
        return SurfacePoints(corners, closest_in_triangles(torch.from_numpy(queries), self._vertices[corners]))


def closest_in_triangles(
    points: Tensor,  # [N, 3]
    corners: Tensor,  # [N, 3, 3]
) -> Tensor:  # [N, 3]
    """Barycentric coordinates of the point of its own triangle that is nearest to every point.

    It is the foot on the plane where that lies inside, else the nearest point of an edge. All four are points of the triangle, whatever
    its shape, so the nearest of them is taken and a sliver needs no care.
    """
    candidates = torch.stack([_foot(points, corners), *_on_edges(points, corners)], dim=1)  # [N, 4, 3]
    squared = (candidates @ corners - points[:, None]).square().sum(dim=-1)  # [N, 4]
    return candidates[torch.arange(len(points)), squared.argmin(dim=1)]


def _foot(points: Tensor, corners: Tensor) -> Tensor:  # [N, 3], [N, 3, 3] -> [N, 3]
    """Weights of the foot on the triangle's plane; where it lies outside, of some point of the triangle."""
    edges = corners.roll(-1, 1) - corners
    normal = torch.linalg.cross(edges[:, 0], edges[:, 1])
    # The share of corner k is that of the triangle which the foot spans with the edge opposite it.
    areas = (torch.linalg.cross(edges, points[:, None] - corners) * normal[:, None]).sum(-1).roll(-1, 1).clamp(min=0)
    total, least = areas.sum(dim=1, keepdim=True), torch.finfo(points.dtype).tiny
    return torch.where(total > least, areas / total.clamp(min=least), torch.full_like(areas, 1 / 3))


def _on_edges(points: Tensor, corners: Tensor) -> list[Tensor]:  # [N, 3], [N, 3, 3] -> 3 of [N, 3]
    """Weights of the nearest point of each edge."""
    edges = corners.roll(-1, 1) - corners
    along = ((points[:, None] - corners) * edges).sum(-1) / edges.square().sum(-1).clamp(min=torch.finfo(points.dtype).tiny)
    share = along.clamp(0, 1)  # [N, 3], of the way from corner k to the next
    nothing = torch.zeros_like(share[:, 0])
    return [torch.stack([1 - share[:, k], share[:, k], nothing], dim=1).roll(k, 1) for k in range(3)]
