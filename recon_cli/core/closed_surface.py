"""Surfaces without a boundary, which have an inside."""

from __future__ import annotations

from os import PathLike

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_finite, half_edges, unique_edges


def closed_mesh(mesh: Mesh, path: str | PathLike[str] | None = None) -> Mesh:
    """The mesh with a closed surface: as it is, or with coincident vertices merged where that closes it.

    Closed means that every edge is walked as often one way as the other. Then the surface winds around every point a whole number of
    times, however many pieces there are and whether or not they overlap. Files whose faces do not share vertices (flat shading, seams
    of a texture) are closed in space only, hence the merging.

    Args:
        mesh: any mesh.
        path: what the message names.

    Raises:
        InputError: there are no faces, a vertex is not finite, or there are open edges or faces flipped against each other; it says
            how many.
    """
    if not len(mesh.faces):
        raise InputError("has no faces, expected a closed surface", path=path)
    check_finite(mesh, path)
    if not len(_unbalanced(mesh.faces)[0]):
        return mesh
    merged = _merged(mesh)
    counts, total = _unbalanced(merged.faces)
    if len(counts):
        _refuse(counts, total, path)
    return merged


def enclosed_volume(
    vertices: Tensor,  # [..., V, 3]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [...]
    """Volume inside a closed surface whose faces are counter-clockwise from outside [scene units³], differentiable.

    It is the sum of the signed volumes of the tetrahedra that the faces span with a point, here the middle of the vertices.
    """
    centred = vertices - vertices.mean(dim=-2, keepdim=True)
    a, b, c = (centred[..., faces[:, k], :] for k in range(3))
    return (a * torch.linalg.cross(b, c)).sum(dim=(-2, -1)) / 6


def _unbalanced(faces: Tensor) -> tuple[Tensor, int]:  # [F, 3] -> [B], E
    """How many faces have each edge that is not walked as often one way as the other, and how many edges there are."""
    walks = half_edges(faces)
    walks = walks[walks[:, 0] != walks[:, 1]]  # where merging folded a face
    edges, group, counts = unique_edges(walks)
    balance = torch.zeros_like(counts).index_add_(0, group, torch.where(walks[:, 0] < walks[:, 1], 1, -1))
    return counts[balance != 0], len(edges)


def _merged(mesh: Mesh) -> Mesh:
    """The mesh with one vertex where several have the same coordinates."""
    # Adding zero turns -0 into 0, which has other bits.
    vertices, index = torch.unique(mesh.vertices + 0.0, dim=0, return_inverse=True)
    return Mesh(vertices, index[mesh.faces])


def _refuse(counts: Tensor, total: int, path: str | PathLike[str] | None) -> None:
    is_open = counts % 2 == 1
    if bool(is_open.any()):
        raise InputError(
            f"has {int(is_open.sum())} open edges of {total}, expected a closed surface: it has no inside",
            path=path,
            hint="close its holes, or measure the distance of the surfaces with recon eval chamfer",
        )
    raise InputError(
        f"faces are flipped against each other at {len(counts)} edges of {total}, expected a closed surface with one outside",
        path=path,
        hint="orient all faces counter-clockwise as seen from outside",
    )
