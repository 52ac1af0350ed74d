"""The colour of a mesh's surface: texture, vertex colours, or grey."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import gather_rows
from recon_cli.kernels.sample_texture import sample_texture

# Colour of a mesh that has none.
_GREY = 0.7


def corner_appearance(mesh: Mesh) -> Tensor:  # [F, 3, 2] or [F, 3, 3]
    """What ``surface_color`` needs to know at the corners: texture coordinates, or colours when there is no texture.

    Texture coordinates belong to corners of faces, not to vertices, so nothing is interpolated across a seam.

    Raises:
        InputError: the mesh has a texture but no texture coordinates.
    """
    if mesh.texture is not None:
        if mesh.uvs is None or mesh.face_uvs is None:
            raise InputError("the mesh has a texture but no texture coordinates", hint="give the mesh uvs, or drop its texture")
        return gather_rows(mesh.uvs, mesh.face_uvs)
    if mesh.colors is not None:
        return gather_rows(mesh.colors, mesh.faces)
    return torch.full((len(mesh.faces), 3, 3), _GREY, dtype=mesh.vertices.dtype, device=mesh.vertices.device)


def surface_color(
    mesh: Mesh,
    appearance: Tensor,  # [N, 2] or [N, 3]
) -> Tensor:  # [N, 3]
    """Colour at interpolated values of ``corner_appearance``."""
    return appearance if mesh.texture is None else sample_texture(mesh.texture, appearance)
