"""The balance of one implicit Euler step (φ-SfT, Eq. 3-5), as a residual and as a linear system.

Eq. 4 and 5 give, for the new velocity u = v + Δv and a step h,

    M (u - v) = h (f(x, v) + ∂f/∂v (u - v) + h ∂f/∂x u)

f holds gravity, corrective, elastic, damping and wind forces. For elastic forces -∂f/∂x is the positive semi-definite matrix K of
``stretching`` and ``bending``; damping is -(mass_damping M + stretching_damping Ks + bending_damping Kb) v, whose own change with x through
K is left out; the derivatives of the wind force are exact. Collected,

    A u = b,   A = (1 + h mass_damping) M + Σ (h damping + h²) K - h ∂fw/∂v - h² ∂fw/∂x
               b = M v + h (fe + fw + M gravity + F) - h ∂fw/∂v v

``residual`` is A u - b without building A, for any number of steps at once; ``system`` builds A's element matrices. The residual is what
corrective forces must supply, and its derivatives are what the adjoint needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.sft.bending import Bending, bend, bending_forces, bending_matrices, bending_product
from recon_cli.systems.sft.cloth import Cloth
from recon_cli.systems.sft.materials import Material
from recon_cli.systems.sft.stretching import Stretching, stretch, stretching_forces, stretching_matrices, stretching_product
from recon_cli.systems.sft.wind import Wind, air_flow, wind_derivatives, wind_forces, wind_matrices, wind_product


@dataclass(frozen=True)
class Physics:
    """What acts besides the material, the wind and the corrective forces.

    Attributes:
        gravity: acceleration [m/s²] in world axes; zero in φ-SfT.
        mass_damping: share of the velocity lost per time [1/s].
        stretching_damping: damping force per stretching stiffness [s].
        bending_damping: damping force per bending stiffness [s].
    """

    gravity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mass_damping: float = 0.0
    stretching_damping: float = 0.0
    bending_damping: float = 0.0


def masses(
    cloth: Cloth,
    material: Material,
) -> Tensor:  # [V]
    """Mass of every vertex [kg]."""
    return material.density * cloth.vertex_area


def elastic_forces(
    cloth: Cloth,
    material: Material,
    positions: Tensor,  # [..., V, 3]
) -> Tensor:  # [..., V, 3]
    """Stretching and bending forces [N]."""
    stretched = stretching_forces(cloth, stretch(cloth, positions, material.stretching))
    bent = bending_forces(bend(cloth, positions, material.bending))
    return gather(cloth, stretched, bent)


def residual(
    cloth: Cloth,
    material: Material,
    wind: Wind | None,
    physics: Physics,
    h: float,
    *,
    positions: Tensor,  # [..., V, 3]
    velocities: Tensor,  # [..., V, 3]
    new_velocities: Tensor,  # [..., V, 3]
) -> Tensor:  # [..., V, 3]
    """A u - b [N s] without corrective forces; divided by ``h`` it is the force [N] that the motion asks for."""
    stretched = stretch(cloth, positions, material.stretching)
    bent = bend(cloth, positions, material.bending)
    per_face = stretching_residual(cloth, stretched, physics, h, new_velocities[..., cloth.faces, :])
    per_hinge = bending_residual(bent, physics, h, new_velocities[..., cloth.hinges, :])
    if wind is not None:
        per_face = per_face - wind_impulse(cloth, wind, h, positions, velocities, new_velocities)[..., None, :]
    mass = masses(cloth, material)[:, None]
    gravity = positions.new_tensor(physics.gravity)
    inertia = mass * ((1 + h * physics.mass_damping) * new_velocities - velocities - h * gravity)
    return inertia + gather(cloth, per_face, per_hinge)


def stretching_residual(
    cloth: Cloth,
    state: Stretching,
    physics: Physics,
    h: float,
    motion: Tensor,  # [..., F, 3, 3]
) -> Tensor:  # [..., F, 3, 3]
    """Share of stretching in ``residual`` on the corners of every face [N s]."""
    product = stretching_product(cloth, state, motion)
    return (h * physics.stretching_damping + h * h) * product - h * stretching_forces(cloth, state)


def bending_residual(
    state: Bending,
    physics: Physics,
    h: float,
    motion: Tensor,  # [..., H, 4, 3]
) -> Tensor:  # [..., H, 4, 3]
    """Share of bending in ``residual`` on the corners of every hinge [N s]."""
    return (h * physics.bending_damping + h * h) * bending_product(state, motion) - h * bending_forces(state)


def wind_impulse(
    cloth: Cloth,
    wind: Wind,
    h: float,
    positions: Tensor,  # [..., V, 3]
    velocities: Tensor,  # [..., V, 3]
    new_velocities: Tensor,  # [..., V, 3]
) -> Tensor:  # [..., F, 3]
    """Linearised wind on each corner of every face over the step [N s]."""
    old, new = velocities[..., cloth.faces, :], new_velocities[..., cloth.faces, :]
    flow = air_flow(wind, positions[..., cloth.faces, :], old)
    return h * (wind_forces(wind, flow) + wind_product(flow, wind_derivatives(wind, flow), h * new, new - old))


def system(
    cloth: Cloth,
    material: Material,
    wind: Wind | None,
    physics: Physics,
    h: float,
    *,
    positions: Tensor,  # [V, 3]
    velocities: Tensor,  # [V, 3]
) -> tuple[tuple[Tensor, Tensor], Tensor]:  # ([F, 9, 9], [H, 12, 12]), [V]
    """Element matrices and diagonal [kg] of A at one state."""
    stretched = stretch(cloth, positions, material.stretching)
    bent = bend(cloth, positions, material.bending)
    per_face = (h * physics.stretching_damping + h * h) * stretching_matrices(cloth, stretched)
    per_hinge = (h * physics.bending_damping + h * h) * bending_matrices(bent)
    if wind is not None:
        flow = air_flow(wind, positions[cloth.faces], velocities[cloth.faces])
        by_position, by_velocity = wind_matrices(flow, wind_derivatives(wind, flow))
        per_face = per_face - h * by_velocity - h * h * by_position
    return (per_face, per_hinge), (1 + h * physics.mass_damping) * masses(cloth, material)


def gather(
    cloth: Cloth,
    per_face: Tensor,  # [..., F, 3, 3]
    per_hinge: Tensor,  # [..., H, 4, 3]
) -> Tensor:  # [..., V, 3]
    """Sum corner values over the elements around each vertex."""
    indices = torch.cat([cloth.faces.flatten(), cloth.hinges.flatten()])
    values = torch.cat([per_face.flatten(-3, -2), per_hinge.flatten(-3, -2)], dim=-2)
    total = values.new_zeros((*values.shape[:-2], len(cloth.vertex_area), 3))
    return total.index_add(-2, indices, values)
