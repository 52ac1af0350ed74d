"""A sheet of cloth at rest: what the simulator knows of it before anything moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.flatten import EdgeStrain, edge_strain, flatten
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold, edge_faces
from recon_cli.systems.sft.materials import BENDING_ANGLES
from recon_cli.systems.sft.step_matrix import StepMatrix


@dataclass(frozen=True)
class Cloth:
    """Rest geometry of a sheet; all of it float64 on the CPU.

    Attributes:
        faces: shape [F, 3].
        material_coordinates: (warp, weft) coordinates of every vertex in the flat sheet [m], shape [V, 2].
        gradients: derivative of the two columns of the deformation gradient by the three corners [1/m], shape [F, 3, 2].
        face_area: rest areas [m²], shape [F].
        vertex_area: a third of the areas around each vertex [m²], shape [V].
        hinges: edge ends and the two opposite vertices of every inner edge, shape [H, 4].
        hinge_rest_angle: dihedral angles without bending force [rad], shape [H].
        hinge_shape: edge length squared over twice the area of both faces, shape [H].
        hinge_curvature: curvature [1/m] of one radian at the edge: length over twice the area of both faces, shape [H].
        hinge_direction: weights of the three measured directions, shape [H, 3].
        is_free: whether a vertex moves, shape [V]; the others are pinned where they start.
        flattening: how much the material coordinates differ from an isometry.
    """

    faces: Tensor  # [F, 3]
    material_coordinates: Tensor  # [V, 2]
    gradients: Tensor  # [F, 3, 2]
    face_area: Tensor  # [F]
    vertex_area: Tensor  # [V]
    hinges: Tensor  # [H, 4]
    hinge_rest_angle: Tensor  # [H]
    hinge_shape: Tensor  # [H]
    hinge_curvature: Tensor  # [H]
    hinge_direction: Tensor  # [H, 3]
    is_free: Tensor  # [V] bool
    flattening: EdgeStrain

    @cached_property
    def matrix(self) -> StepMatrix:
        """The places of element matrices in the banded system."""
        return StepMatrix(self.faces.numpy(), self.hinges.numpy(), self.is_free.numpy(), self.material_coordinates.numpy())


def make_cloth(
    template: Mesh,
    *,
    warp_axis: float = 0.0,
    rest: str = "flat",
    pins: Sequence[int] | Tensor = (),
) -> Cloth:
    """Build a cloth from a template by isometric flattening; its texture coordinates play no part.

    Args:
        template: an oriented manifold disk, possibly with holes, in metres.
        warp_axis: angle [degrees] from the flat sheet's first axis (the world's x, as well as the sheet can follow it) to the warp,
            counter-clockwise as seen from outside.
        rest: "flat": the flattened sheet has no force, so a curved template starts bent; "template": the template itself has none.
        pins: indices of vertices that never move.

    Raises:
        InputError: the template is not an oriented manifold disk, or a pin is out of range.
        UsageError: ``rest`` is neither of the two.
    """
    if rest not in ("flat", "template"):
        raise UsageError(f"rest shape is {rest!r}, expected 'flat' or 'template'")
    check_manifold(template)
    vertices = template.vertices.detach().double().cpu()
    faces = template.faces.cpu()
    flat = flatten(vertices, faces)
    strain = edge_strain(vertices, faces, flat)
    turn = math.radians(warp_axis)
    rotation = flat.new_tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return _assemble(vertices, faces, flat @ rotation, strain, rest == "template", _free(pins, len(vertices)))


def _free(pins: Sequence[int] | Tensor, count: int) -> Tensor:  # [V] bool
    indices = torch.as_tensor(pins, dtype=torch.int64)
    if indices.numel() and (int(indices.min()) < 0 or int(indices.max()) >= count):
        raise InputError(f"a pin names vertex {int(indices.max())}, but there are {count}", hint="vertices count from 0")
    is_free = torch.ones(count, dtype=torch.bool)
    is_free[indices] = False
    return is_free


def _assemble(vertices: Tensor, faces: Tensor, flat: Tensor, strain: EdgeStrain, keeps_shape: bool, is_free: Tensor) -> Cloth:
    corners = flat[faces]  # [F, 3, 2]
    sides = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], dim=2)  # [F, 2, 2], columns
    if keeps_shape:
        sides = _unstrained(sides, vertices[faces])
    inverse = torch.linalg.inv(sides)
    area = 0.5 * torch.linalg.det(sides)
    vertex_area = torch.zeros(len(vertices), dtype=torch.float64).index_add_(0, faces.flatten(), (area / 3).repeat_interleave(3))
    info = edge_faces(faces)
    inner = ~info.is_boundary
    hinges = torch.cat([info.edges[inner], info.opposite[inner]], dim=1)
    both = area[info.faces[inner]].sum(dim=1)
    along = flat[hinges[:, 1]] - flat[hinges[:, 0]]
    length = torch.linalg.vector_norm(along, dim=1)
    angle = dihedral_angles(vertices[hinges]) if keeps_shape else torch.zeros(len(hinges), dtype=torch.float64)
    return Cloth(
        faces=faces,
        material_coordinates=flat,
        gradients=torch.cat([-inverse.sum(dim=1, keepdim=True), inverse], dim=1),
        face_area=area,
        vertex_area=vertex_area,
        hinges=hinges,
        hinge_rest_angle=angle,
        hinge_shape=length.square() / (2 * both),
        hinge_curvature=length / (2 * both),
        hinge_direction=_direction_weights(along),
        is_free=is_free,
        flattening=strain,
    )


def _unstrained(sides: Tensor, corners: Tensor) -> Tensor:  # [F, 2, 2]
    """The flat triangles' orientation with the lengths of the triangles in space: the deformation gradient becomes a pure rotation."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    deformation = torch.stack([first, second], dim=2) @ torch.linalg.inv(sides)  # [F, 3, 2]
    values, vectors = torch.linalg.eigh(deformation.mT @ deformation)
    stretch = vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT
    return stretch @ sides


def _direction_weights(along: Tensor) -> Tensor:  # [H, 3]
    """Linear interpolation of the edge's angle to the warp, folded into 0 to 90 degrees, between the measured directions."""
    degrees = torch.rad2deg(torch.atan2(along[:, 1].abs(), along[:, 0].abs()))
    spacing = BENDING_ANGLES[1] - BENDING_ANGLES[0]
    return (1 - (degrees[:, None] - degrees.new_tensor(BENDING_ANGLES)).abs() / spacing).clamp(min=0)


def dihedral_angles(
    corners: Tensor,  # [..., H, 4, 3]
) -> Tensor:  # [..., H]
    """Signed angle between the faces at each hinge [rad], 0 when flat, positive when the fold opens away from the normals."""
    edge = corners[..., 1, :] - corners[..., 0, :]
    normal0 = torch.linalg.cross(edge, corners[..., 2, :] - corners[..., 0, :])
    normal1 = torch.linalg.cross(corners[..., 3, :] - corners[..., 0, :], edge)
    sine = (torch.linalg.cross(normal0, normal1) * edge).sum(-1)
    return torch.atan2(sine, (normal0 * normal1).sum(-1) * torch.linalg.vector_norm(edge, dim=-1))
