"""In-plane forces of measured cloth (Wang et al. 2011) on triangles, with the positive semi-definite stiffness of the implicit step.

Strain is the Green strain E = (FᵀF - 1) / 2 of each face. The published constants multiply twice the strain, FᵀF - 1: that is how the
simulator that the paper builds on (Narain et al. 2012) reads them. With a = 2 E11, b = 2 E22 and g = 2 E12 the stress is

    S11 = c11 a + c12 b,    S22 = c12 a + c22 b,    S12 = c33 g

and the force on the corners is -area ∂E/∂xᵀ S. The constants depend on the strain: they are interpolated between the six samples by the
largest principal stretch (none to a sixth) and its direction from the warp. Interpolated constants below zero count as zero, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from recon_cli.systems.sft.cloth import Cloth
from recon_cli.systems.sft.materials import STRETCHING_ANGLES

# The interpolation weights are tabulated over (E11, E22, |E12|) in cells of 1/30, from -1/4 on, as Narain et al. do: principal directions
# alone would jump where both stretches are equal.
CELLS = 30
LOWEST = -0.25
FULL_STRETCH = 1 / 6


@dataclass(frozen=True)
class Stretching:
    """Deformation and stress of every face.

    Attributes:
        deformation: the deformation gradient's columns as rows, shape [..., F, 2, 3].
        stress: second Piola-Kirchhoff stress [N/m], shape [..., F, 2, 2].
        tension: the positive part of ``stress``, shape [..., F, 2, 2].
        stiffness: (h11, h12, h22, h33) of the stress increment [N/m], positive semi-definite, shape [..., F, 4].
    """

    deformation: Tensor  # [..., F, 2, 3]
    stress: Tensor  # [..., F, 2, 2]
    tension: Tensor  # [..., F, 2, 2]
    stiffness: Tensor  # [..., F, 4]


def stretch(
    cloth: Cloth,
    positions: Tensor,  # [..., V, 3]
    samples: Tensor,  # [6, 4]
) -> Stretching:
    """Deformation, stress and stiffness of every face for sampled constants [N/m]."""
    deformation, strain = strain_of(cloth, positions)
    return respond(deformation, strain, sample_weights(strain) @ samples)


def strain_of(
    cloth: Cloth,
    positions: Tensor,  # [..., V, 3]
) -> tuple[Tensor, Tensor]:  # [..., F, 2, 3], [..., F, 3]
    """Deformation gradients and twice the Green strains (2 E11, 2 E22, 2 E12)."""
    deformation = cloth.gradients.mT @ positions[..., cloth.faces, :]
    warp, weft = deformation.unbind(-2)
    strain = torch.stack([(warp * warp).sum(-1) - 1, (weft * weft).sum(-1) - 1, (warp * weft).sum(-1)], dim=-1)
    return deformation, strain


def respond(
    deformation: Tensor,  # [..., F, 2, 3]
    strain: Tensor,  # [..., F, 3]
    constants: Tensor,  # [..., F, 4]
) -> Stretching:
    """Stress and positive semi-definite stiffness for interpolated constants (c11, c12, c22, c33) [N/m] of every face."""
    c11, c12, c22, c33 = constants.clamp(min=0).unbind(-1)
    warp, weft, shear = strain.unbind(-1)
    s11, s22, s12 = c11 * warp + c12 * weft, c12 * warp + c22 * weft, c33 * shear
    t11, t12, t22 = positive_part(s11, s12, s22)
    h11, h12, h22 = positive_part(c11, c12, c22)
    return Stretching(
        deformation,
        _symmetric(s11, s12, s22),
        _symmetric(t11, t12, t22),
        torch.stack([2 * h11, 2 * h12, 2 * h22, c33], dim=-1),
    )


def stretching_forces(
    cloth: Cloth,
    state: Stretching,
) -> Tensor:  # [..., F, 3, 3]
    """Forces [N] on the corners of every face."""
    return -(cloth.face_area[:, None, None] * cloth.gradients) @ (state.stress @ state.deformation)


def stretching_product(
    cloth: Cloth,
    state: Stretching,
    motion: Tensor,  # [..., F, 3, 3]
) -> Tensor:  # [..., F, 3, 3]
    """Stiffness matrix of every face times a motion of its corners.

    The matrix is area (∂Eᵀ H ∂E + ∂²E : T), with H the secant constants and T the stress, both replaced by their positive parts. It is what
    the step uses in place of -∂f/∂x: compression adds no negative stiffness and the constants' own change with strain is left out.
    """
    change = cloth.gradients.mT @ motion  # [..., F, 2, 3]
    mixed = state.deformation @ change.mT  # [..., F, 2, 2]
    warp, weft, shear = mixed[..., 0, 0], mixed[..., 1, 1], mixed[..., 0, 1] + mixed[..., 1, 0]
    h11, h12, h22, h33 = state.stiffness.unbind(-1)
    increment = _symmetric(h11 * warp + h12 * weft, h33 * shear, h12 * warp + h22 * weft)
    return (cloth.face_area[:, None, None] * cloth.gradients) @ (increment @ state.deformation + state.tension @ change)


def stretching_matrices(
    cloth: Cloth,
    state: Stretching,
) -> Tensor:  # [F, 9, 9]
    """The matrices of ``stretching_product`` [N/m], rows and columns by corner, then axis."""
    warp, weft = state.deformation.unbind(-2)
    strains = torch.zeros(len(warp), 3, 2, 3, dtype=warp.dtype)  # rows: strains; columns: both columns of the deformation gradient
    strains[:, 0, 0] = warp
    strains[:, 1, 1] = weft
    strains[:, 2, 0] = weft
    strains[:, 2, 1] = warp
    rows = strains.transpose(-1, -2) @ cloth.gradients.mT[:, None]  # [F, 3 strains, 3 axes, 3 corners]
    rows = rows.transpose(-1, -2).reshape(-1, 3, 9)
    h11, h12, h22, h33 = state.stiffness.unbind(-1)
    zero = torch.zeros_like(h11)
    law = torch.stack([h11, h12, zero, h12, h22, zero, zero, zero, h33], dim=-1).view(-1, 3, 3)
    matrix = rows.mT @ (cloth.face_area[:, None, None] * law @ rows)
    geometric = cloth.gradients @ (cloth.face_area[:, None, None] * state.tension) @ cloth.gradients.mT
    matrix.view(-1, 3, 3, 3, 3).diagonal(dim1=2, dim2=4).add_(geometric[..., None])
    return matrix


def positive_part(
    m11: Tensor,
    m12: Tensor,
    m22: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Entries of symmetric 2x2 matrices with their negative eigenvalues set to zero; differentiable where no eigenvalue is zero."""
    mean, half = 0.5 * (m11 + m22), 0.5 * (m11 - m22)
    radius = (half * half + m12 * m12 + 1e-60).sqrt()
    upper, lower = (mean + radius).clamp(min=0), (mean - radius).clamp(min=0)
    level, tilt = 0.5 * (upper + lower), 0.5 * (upper - lower) / radius
    # Equal positive eigenvalues have no directions to differentiate: the matrix itself is its positive part there.
    is_positive = mean.detach() >= radius.detach()
    cut = (level + tilt * half, tilt * m12, level - tilt * half)
    return tuple(torch.where(is_positive, whole, part) for whole, part in zip((m11, m12, m22), cut))  # pyright: ignore[reportReturnType]


def sample_weights(
    strain: Tensor,  # [..., F, 3]
) -> Tensor:  # [..., F, 6]
    """Weights of the six samples for twice the Green strains (2 E11, 2 E22, 2 E12); they sum to one."""
    lowest = strain.new_tensor([LOWEST, LOWEST, 0.0])
    folded = torch.cat([strain[..., :2], strain[..., 2:].abs()], dim=-1) / 2
    place = ((folded - lowest) * CELLS).clamp(0, CELLS - 1 - 1e-5)
    cell = place.detach().floor()
    share = place - cell  # [..., F, 3]
    share = torch.stack([1 - share, share], dim=-1)  # [..., F, 3, 2]
    corner = share[..., 0, :, None, None] * share[..., 1, None, :, None] * share[..., 2, None, None, :]
    start = (cell.long() * torch.tensor([CELLS * CELLS, CELLS, 1])).sum(-1)
    steps = torch.tensor([0, 1, CELLS, CELLS + 1, CELLS * CELLS, CELLS * CELLS + 1, CELLS * CELLS + CELLS, CELLS * CELLS + CELLS + 1])
    return (corner.flatten(-3)[..., None, :] @ _weight_table()[start[..., None] + steps])[..., 0, :]


@lru_cache(maxsize=1)
def _weight_table() -> Tensor:  # [CELLS³, 6]
    """Weights of the six samples on a grid of Green strains."""
    axis = torch.arange(CELLS, dtype=torch.float64) / CELLS
    e11, e22, e12 = torch.meshgrid(axis + LOWEST, axis + LOWEST, axis, indexing="ij")
    half = e11 - e22  # half the difference of the diagonal of FᵀF = 2 E + 1
    radius = torch.hypot(half, 2 * e12)
    stretched = (((1 + e11 + e22 + radius).clamp(min=0).sqrt() - 1) / FULL_STRETCH).clamp(0, 1)
    angle = torch.rad2deg(0.5 * torch.atan2(2 * e12, half))
    angle = torch.where(radius < 1e-12, torch.full_like(angle, STRETCHING_ANGLES[2]), angle)  # no direction: between warp and weft
    spacing = STRETCHING_ANGLES[1] - STRETCHING_ANGLES[0]
    direction = (1 - (angle[..., None] - angle.new_tensor(STRETCHING_ANGLES)).abs() / spacing).clamp(min=0)
    return torch.cat([1 - stretched[..., None], stretched[..., None] * direction], dim=-1).view(-1, 6)


def _symmetric(m11: Tensor, m12: Tensor, m22: Tensor) -> Tensor:  # [..., 2, 2]
    return torch.stack([m11, m12, m12, m22], dim=-1).unflatten(-1, (2, 2))
