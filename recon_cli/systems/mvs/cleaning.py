"""Cleaning of a fused surface: what no mask allows, what too few depth maps see, and crumbs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas, face_normals
from recon_cli.core.scene import Scene
from recon_cli.core.topology import components, half_edges
from recon_cli.kernels.point_views import count_mask_misses, count_views
from recon_cli.systems.mvs.config import FusionConfig

# Faces of a patch that too few maps see and that is kept nevertheless where the surface goes on all around it.
_PINHOLE = 40


@dataclass(frozen=True)
class Cleaned:
    """A cleaned mesh and how much of the surface went for what reason.

    Attributes:
        mesh: what is left; vertices without faces are gone.
        removed: shares of the raw surface's area, by reason.
    """

    mesh: Mesh
    removed: dict[str, float]


def view_counts(mesh: Mesh, maps: DepthMaps, *, relative: float = 0.005) -> Tensor:  # [F] int32
    """How many depth maps see each face.

    A map sees a face that is turned towards its camera and whose centre projects to a pixel with the centre's depth,
    within a share ``relative`` of it.

    Args:
        mesh: triangles, counter-clockwise from outside.
        maps: depth maps, 0 where nothing is known.
        relative: largest difference of depth, as a share of the depth.
    """
    corners = mesh.vertices[mesh.faces]  # [F, 3, 3]
    return count_views(corners.mean(dim=1), face_normals(mesh.vertices, mesh.faces), maps, relative=relative)


def clean(mesh: Mesh, maps: DepthMaps, scene: Scene | None, config: FusionConfig) -> Cleaned:
    """Remove faces outside masks, faces that too few maps see (bridges over occlusion strips are among them) and small pieces.

    A closed surface stays closed: with ``config.watertight`` only whole pieces go.
    """
    whole = max(float(face_areas(mesh.vertices, mesh.faces).sum()), 1e-30)
    removed: dict[str, float] = {}

    def keep(part: Mesh, is_kept: Tensor, reason: str) -> Mesh:
        gone = face_areas(part.vertices, part.faces)[~is_kept].sum()
        removed[reason] = float(gone) / whole
        return with_faces(part, is_kept)

    if not config.watertight:
        if scene is not None and scene.masks is not None and len(mesh.faces):
            mesh = keep(mesh, _within_masks(mesh, scene, config.mask_views), "outside masks")
        is_seen = view_counts(mesh, maps, relative=config.view_tolerance) >= config.views
        mesh = keep(mesh, is_seen | _pinholes(mesh, ~is_seen), "seen by too few")
    mesh = keep(mesh, _large_pieces(mesh, config), "small pieces")
    return Cleaned(mesh, removed)


def with_faces(
    mesh: Mesh,
    is_kept: Tensor,  # [F] bool
) -> Mesh:
    """The mesh of these faces and their vertices, with their colours and normals."""
    faces = mesh.faces[is_kept]
    used = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=faces.device)
    used[faces.flatten()] = True
    index = used.cumsum(0) - 1
    colors, normals = (None if part is None else part[used] for part in (mesh.colors, mesh.normals))
    return Mesh(mesh.vertices[used], index[faces], colors=colors, normals=normals)


def _within_masks(mesh: Mesh, scene: Scene, tolerated: int) -> Tensor:  # [F] bool
    assert scene.masks is not None
    misses = count_mask_misses(mesh.vertices, scene.cameras, scene.masks)
    return (misses <= tolerated)[mesh.faces].all(dim=1)


def _pinholes(mesh: Mesh, is_gone: Tensor) -> Tensor:  # [F] bool -> [F] bool
    """Patches of few faces away from the rim: their loss would only pierce the surface."""
    patch = mesh.faces[is_gone]
    if not len(patch):
        return is_gone
    label = components(patch, len(mesh.vertices))
    size = torch.bincount(label[patch[:, 0]], minlength=int(label.max()) + 1)
    is_large = size > _PINHOLE
    is_large[label[_rim(mesh.faces)]] = True
    found = torch.zeros_like(is_gone)
    found[is_gone] = ~is_large[label[patch[:, 0]]]
    return found


def _rim(faces: Tensor) -> Tensor:  # [F, 3] -> [N]
    """Vertices of edges that only one face has."""
    pairs = half_edges(faces).sort(dim=1).values
    edges, counts = torch.unique((pairs[:, 0] << 32) | pairs[:, 1], return_counts=True)
    lonely = edges[counts == 1]
    return torch.cat([lonely >> 32, lonely & 0xFFFFFFFF])


def _large_pieces(mesh: Mesh, config: FusionConfig) -> Tensor:  # [F] bool
    if not len(mesh.faces):
        return torch.ones(0, dtype=torch.bool, device=mesh.faces.device)
    piece = components(mesh.faces, len(mesh.vertices))[mesh.faces[:, 0]]  # [F]
    area = torch.zeros(int(piece.max()) + 1, dtype=torch.float64, device=piece.device)
    area.index_add_(0, piece, face_areas(mesh.vertices.double(), mesh.faces))
    if config.largest_component:
        return piece == area.argmax()
    return (area >= config.component * area.max())[piece]
