"""Meshes made ready to be photographed: merged, measured, and coarse ones smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold


def merged(parts: Sequence[Mesh]) -> Mesh:
    """One mesh of several, in their order; appearance is dropped."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + int(start) for part, start in zip(parts, starts[:-1], strict=True)]
    return Mesh(torch.cat([part.vertices for part in parts]), torch.cat(faces))


def extent(mesh: Mesh) -> tuple[Tensor, float]:  # [3]
    """Middle of the box around a mesh, float64, and the length of its diagonal [scene units]."""
    low, high = mesh.vertices.double().amin(dim=0), mesh.vertices.double().amax(dim=0)
    return (low + high) / 2, float(torch.linalg.vector_norm(high - low))


def check_photographable(mesh: Mesh) -> None:
    """Refuse a mesh that no picture could show.

    Raises:
        InputError: the mesh has no faces, no extent, or a vertex that is not finite.
    """
    if not len(mesh.faces):
        raise InputError("the mesh has no faces", hint="give a surface, not points")
    if not bool(torch.isfinite(mesh.vertices).all()):
        raise InputError("a vertex of the mesh is NaN or infinite; expected finite positions")
    if extent(mesh)[1] <= 0:
        raise InputError("all vertices of the mesh are at one place; expected a surface with an extent")


def smoothed(mesh: Mesh, *, at_least: int) -> Mesh:
    """Loop's subdivision (1987), as often as it takes to have so many faces: no facet shows; appearance is dropped.

    The surface shrinks a little towards its smooth limit, so depth must come from the result.

    Raises:
        InputError: the mesh is not an oriented manifold.
    """
    check_manifold(mesh)
    rounds = 0
    while len(mesh.faces) * 4**rounds < at_least:
        rounds += 1
    if not rounds:
        return Mesh(mesh.vertices, mesh.faces)
    import open3d as o3d

    utility: Any = o3d.utility
    coarse = o3d.geometry.TriangleMesh(
        utility.Vector3dVector(mesh.vertices.detach().cpu().double().numpy()),
        utility.Vector3iVector(mesh.faces.cpu().numpy().astype(np.int32)),
    )
    fine = coarse.subdivide_loop(number_of_iterations=rounds)
    vertices = torch.from_numpy(np.asarray(fine.vertices).copy()).to(mesh.vertices.dtype)
    return Mesh(vertices, torch.from_numpy(np.asarray(fine.triangles).astype(np.int64)))
