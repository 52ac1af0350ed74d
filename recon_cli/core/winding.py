"""How often a closed surface winds around points: what lies inside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.core.nearest import finite_array
from recon_cli.core.topology import components

# Oblique, so that rays do not graze faces and edges along the axes of the coordinates; its length is 1.
_DIRECTION = (0.36, 0.48, 0.8)

CHUNK = 1 << 18
"""Rays that are cast at once."""


class Winding:
    """The winding number of a closed surface around points, for any number of calls.

    A ray from the point to infinity crosses the surface; each crossing outwards counts 1, each inwards -1, and the sum is the winding
    number whatever the ray. It is 0 outside, 1 inside, and 2 where two pieces overlap. Crossings are found by Embree in float32 around
    the mesh's middle: about one ray in a million meets an edge so that a crossing is missed or counted twice.

    Args:
        mesh: closed, as ``closed_mesh`` gives it [scene units].
    """

    def __init__(self, mesh: Mesh) -> None:
        import open3d

        vertices = finite_array(mesh.vertices, "vertices")
        self._middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        self._scene = open3d.t.geometry.RaycastingScene()
        pieces = _pieces(mesh)
        centred = torch.from_numpy(vertices - self._middle)
        for faces in pieces:
            # Open3D drops a second crossing at the same place of the same geometry, so pieces that touch are geometries of their own.
            self._scene.add_triangles(*_piece(centred, faces))
        counts = torch.tensor([len(faces) for faces in pieces])
        self._first_face = counts.cumsum(0) - counts  # [P]
        self._signs = _outwards(centred[torch.cat(pieces)])  # [F]

    def __call__(self, points: Tensor) -> Tensor:  # [N, 3] -> [N] int64
        """Winding number around every point [scene units].

        Raises:
            InputError: a coordinate is not finite.
        """
        origins = torch.from_numpy(finite_array(points, "points") - self._middle).float()
        return torch.cat([self._crossings(chunk) for chunk in origins.split(CHUNK)])

    def _crossings(self, origins: Tensor) -> Tensor:  # [N, 3] -> [N]
        import numpy as np
        import open3d

        rays = torch.cat([origins, torch.tensor(_DIRECTION).expand_as(origins)], dim=1)
        hits = self._scene.list_intersections(open3d.core.Tensor.from_numpy(rays.numpy()))
        ray, geometry, face = (torch.from_numpy(hits[f"{name}_ids"].numpy().astype(np.int64)) for name in ("ray", "geometry", "primitive"))
        return torch.zeros(len(origins), dtype=torch.int64).index_add_(0, ray, self._signs[self._first_face[geometry] + face])


def _pieces(mesh: Mesh) -> list[Tensor]:  # of [F, 3]
    """Faces of each connected piece."""
    faces = mesh.faces.detach().cpu()
    label = components(faces, len(mesh.vertices))[faces[:, 0]]
    order = torch.argsort(label, stable=True)
    return list(faces[order].split(torch.unique_consecutive(label[order], return_counts=True)[1].tolist()))


def _piece(vertices: Tensor, faces: Tensor) -> tuple[Any, Any]:  # [V, 3], [F, 3]
    """Vertices that the faces use, and the faces, as Open3D takes them."""
    import numpy as np
    import open3d

    used, index = torch.unique(faces, return_inverse=True)
    tensor = open3d.core.Tensor.from_numpy
    return tensor(vertices[used].numpy().astype(np.float32)), tensor(index.numpy().astype(np.uint32))


def _outwards(corners: Tensor) -> Tensor:  # [F, 3, 3] -> [F] int64
    """1 for faces through which the ray leaves, -1 where it enters, 0 for those along it."""
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return torch.sign(normals @ corners.new_tensor(_DIRECTION)).long()
