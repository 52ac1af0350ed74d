"""Bending forces of measured cloth (Wang et al. 2011) at hinges, with the positive semi-definite stiffness of the implicit step.

Two faces that share an edge of rest length l and have rest areas of A together resist a change of their dihedral angle t with the energy

    k l² / (2 A) (t - t0)² / 4

the small-angle form of the hinge of Bridson et al. 2003, for which the constants k [N·m] were measured, and the one of Narain et al. 2012.
k is interpolated linearly by the edge's direction from the warp and by the curvature |t - t0| l / (2 A); the measured curvatures end at
20 1/m and the last constant goes on beyond. Its own change with the angle is not part of the force. Interpolated constants below zero
count as zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.sft.cloth import Cloth, dihedral_angles
from recon_cli.systems.sft.materials import BENDING_CURVATURES


@dataclass(frozen=True)
class Bending:
    """Angle and stiffness of every hinge.

    Attributes:
        change: dihedral angle less its rest value [rad], shape [..., H].
        slope: derivative of the angle by the four corners [1/m], shape [..., H, 4, 3].
        coefficient: moment per angle [N·m], shape [..., H].
    """

    change: Tensor  # [..., H]
    slope: Tensor  # [..., H, 4, 3]
    coefficient: Tensor  # [..., H]


def bend(
    cloth: Cloth,
    positions: Tensor,  # [..., V, 3]
    samples: Tensor,  # [3, 5]
) -> Bending:
    """Angle, its derivative and the stiffness of every hinge for sampled constants [N·m]."""
    change, slope = angles_of(cloth, positions)
    constants = (curvature_weights(cloth, change) * (cloth.hinge_direction @ samples)).sum(-1)
    return resist(cloth, change, slope, constants)


def angles_of(
    cloth: Cloth,
    positions: Tensor,  # [..., V, 3]
) -> tuple[Tensor, Tensor]:  # [..., H], [..., H, 4, 3]
    """Change of the dihedral angles [rad] and the angles' derivatives by the corners [1/m]."""
    corners = positions[..., cloth.hinges, :]
    return dihedral_angles(corners) - cloth.hinge_rest_angle, dihedral_slopes(corners)


def resist(
    cloth: Cloth,
    change: Tensor,  # [..., H]
    slope: Tensor,  # [..., H, 4, 3]
    constants: Tensor,  # [..., H]
) -> Bending:
    """The hinges for interpolated constants [N·m]."""
    return Bending(change, slope, 0.5 * cloth.hinge_shape * constants.clamp(min=0))


def bending_forces(
    state: Bending,
) -> Tensor:  # [..., H, 4, 3]
    """Forces [N] on the four corners of every hinge."""
    return -(state.coefficient * state.change)[..., None, None] * state.slope


def bending_product(
    state: Bending,
    motion: Tensor,  # [..., H, 4, 3]
) -> Tensor:  # [..., H, 4, 3]
    """Stiffness matrix of every hinge, coefficient ∂tᵀ ∂t (without ∂²t, which may be indefinite), times a motion of its corners."""
    return (state.coefficient * (state.slope * motion).sum((-1, -2)))[..., None, None] * state.slope


def bending_matrices(
    state: Bending,
) -> Tensor:  # [H, 12, 12]
    """The matrices of ``bending_product`` [N/m], rows and columns by corner, then axis."""
    rows = state.slope.flatten(-2)
    return (state.coefficient[:, None] * rows)[:, :, None] * rows[:, None, :]


def dihedral_slopes(
    corners: Tensor,  # [..., H, 4, 3]
) -> Tensor:  # [..., H, 4, 3]
    """Derivative of ``dihedral_angles`` by the corners [1/m] (Bridson et al. 2003, Sec. 4)."""
    edge = corners[..., 1, :] - corners[..., 0, :]
    first, second = corners[..., 2, :] - corners[..., 0, :], corners[..., 3, :] - corners[..., 0, :]
    squared = (edge * edge).sum(-1, keepdim=True)
    length = squared.sqrt()
    normal0, normal1 = torch.linalg.cross(edge, first), torch.linalg.cross(second, edge)
    pull0 = -normal0 * (length / (normal0 * normal0).sum(-1, keepdim=True))
    pull1 = -normal1 * (length / (normal1 * normal1).sum(-1, keepdim=True))
    along0, along1 = (first * edge).sum(-1, keepdim=True) / squared, (second * edge).sum(-1, keepdim=True) / squared
    end = -along0 * pull0 - along1 * pull1
    return torch.stack([-pull0 - pull1 - end, end, pull0, pull1], dim=-2)


def curvature_weights(
    cloth: Cloth,
    change: Tensor,  # [..., H]
) -> Tensor:  # [..., H, 5]
    """Weights of the five measured curvatures; they sum to one."""
    spacing = BENDING_CURVATURES[1] - BENDING_CURVATURES[0]
    place = (change.abs() * (cloth.hinge_curvature / spacing)).clamp(max=len(BENDING_CURVATURES) - 1)
    return (1 - (place[..., None] - torch.arange(5, dtype=change.dtype)).abs()).clamp(min=0)
