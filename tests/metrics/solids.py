"""Closed meshes whose volume is known, and surfaces that move the same way whatever their triangles."""

from __future__ import annotations

import torch

from recon_cli.core.mesh import Mesh

CUBE = torch.tensor(
    [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]]
)


def box(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0)) -> Mesh:
    """An axis-aligned box of twelve triangles."""
    low, high = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
    corner = torch.tensor([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=torch.float64)
    return Mesh(low + corner * (high - low), CUBE)


def sphere(resolution=30, centre=(0.0, 0.0, 0.0), radius=1.0) -> Mesh:
    """A ball of 4 r (r - 1) triangles, its corners on the sphere."""
    import numpy as np
    import open3d

    ball = open3d.geometry.TriangleMesh.create_sphere(radius, resolution)
    vertices = torch.tensor(np.asarray(ball.vertices)) + torch.tensor(centre, dtype=torch.float64)
    return Mesh(vertices, torch.tensor(np.asarray(ball.triangles), dtype=torch.int64))


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as the pieces of one."""
    starts = [0]
    for mesh in meshes:
        starts.append(starts[-1] + len(mesh.vertices))
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts)]
    return Mesh(torch.cat([mesh.vertices for mesh in meshes]), torch.cat(faces))


def bumpy(vertices: torch.Tensor) -> torch.Tensor:  # [V, 3] -> [V, 3]
    """A ball made long, flat and uneven, so that it looks the same from no two sides."""
    x, y, z = vertices.unbind(dim=-1)
    swollen = vertices * (1 + 0.25 * torch.sin(3 * x) * torch.cos(2 * y) + 0.2 * z**3 + 0.15 * y)[:, None]
    return swollen * torch.tensor([0.6, 1.0, 0.3], dtype=torch.float64)


def waving(vertices: torch.Tensor, time: float) -> torch.Tensor:  # [V, 3] -> [V, 3]
    """The vertices, bent by an amount that grows with time."""
    x, y, z = vertices.unbind(dim=-1)
    return torch.stack([x + 0.2 * time * y**2, y, z + 0.1 * time * torch.sin(2 * x)], dim=-1)
