"""Implicit Euler steps of cloth (φ-SfT, Eq. 1-5) with adjoint gradients, and sequences of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon_cli.core.errors import InputError, NumericsError
from recon_cli.systems.sft.balance import Physics, residual, system
from recon_cli.systems.sft.cloth import Cloth, make_cloth
from recon_cli.systems.sft.materials import Material
from recon_cli.systems.sft.wind import Wind

__all__ = ["Cloth", "ClothState", "Physics", "Wind", "frames_to_steps", "make_cloth", "simulate", "step"]

# A vertex that moves by more than this many sheet sizes within one step has left any meaningful motion.
EXPLOSION = 10.0


@dataclass(frozen=True)
class ClothState:
    """Where the vertices are [m] and how fast they move [m/s], both [V, 3] float64."""

    positions: Tensor  # [V, 3]
    velocities: Tensor  # [V, 3]

    @staticmethod
    def at_rest(positions: Tensor) -> ClothState:
        """Unmoving vertices."""
        return ClothState(positions, torch.zeros_like(positions))


@dataclass(frozen=True)
class _Setting:
    """What a step needs besides the tensors it is differentiated by."""

    cloth: Cloth
    physics: Physics
    h: float
    air: tuple[float, float] | None  # air density, drag

    def wind(self, velocity: Tensor) -> Wind | None:
        return None if self.air is None else Wind(velocity, *self.air)


def step(
    cloth: Cloth,
    material: Material,
    state: ClothState,
    *,
    h: float,
    forces: Tensor | None = None,  # [V, 3]
    wind: Wind | None = None,
    physics: Physics | None = None,
) -> ClothState:
    """One implicit Euler step of ``h`` seconds under corrective ``forces`` [N].

    Differentiable by the state, the forces, the material and the wind's velocity. The gradient is exact for the step as computed, its
    positive semi-definite matrix and interpolation included; the backward pass is one solve with the transposed, already factorised
    matrix.

    Raises:
        InputError: a shape does not fit.
        NumericsError: the system is singular or the state explodes.
    """
    expected = (len(cloth.vertex_area), 3)
    applied = torch.zeros(expected, dtype=torch.float64) if forces is None else forces
    for name, value in (("positions", state.positions), ("velocities", state.velocities), ("forces", applied)):
        if tuple(value.shape) != expected or value.dtype != torch.float64:
            raise InputError(f"{name} are {value.dtype} of shape {list(value.shape)}, expected float64 of shape {list(expected)}")
    setting = _Setting(cloth, physics or Physics(), h, None if wind is None else (wind.air_density, wind.drag))
    air = torch.zeros(3, dtype=torch.float64) if wind is None else wind.velocity
    new: Tensor = _ImplicitEuler.apply(  # pyright: ignore[reportAssignmentType]
        setting, state.positions, state.velocities, applied, material.density, material.stretching, material.bending, air
    )
    return ClothState(state.positions + h * new, new)


def simulate(
    cloth: Cloth,
    material: Material,
    state: ClothState,
    *,
    steps: int,
    h: float,
    forces: Tensor | None = None,  # [steps, V, 3]
    wind: Wind | None = None,
    physics: Physics | None = None,
    steps_per_frame: int = 1,
) -> Tensor:  # [1 + steps / steps_per_frame, V, 3]
    """Positions [m] of every frame, the start included; a real-time clip has h = 1 / (fps steps_per_frame).

    Raises:
        InputError: the number of steps is not that of the forces, or no multiple of ``steps_per_frame``.
        NumericsError: names the step that is singular or explodes.
    """
    if forces is not None and len(forces) != steps:
        raise InputError(f"{len(forces)} corrective forces for {steps} steps", hint="frames_to_steps repeats one force a frame")
    if steps % steps_per_frame:
        raise InputError(f"{steps} steps are not a whole number of frames of {steps_per_frame} steps")
    frames = [state.positions]
    for index in range(steps):
        try:
            force = None if forces is None else forces[index]
            state = step(cloth, material, state, h=h, forces=force, wind=wind, physics=physics)
        except NumericsError as error:
            raise NumericsError(f"simulation step {index + 1} of {steps}: {error.message}", hint=error.hint) from error
        if (index + 1) % steps_per_frame == 0:
            frames.append(state.positions)
    return torch.stack(frames)


def frames_to_steps(
    forces: Tensor,  # [T, V, 3]
    steps_per_frame: int,
) -> Tensor:  # [T steps_per_frame, V, 3]
    """One corrective force a frame, held over its steps."""
    return forces.repeat_interleave(steps_per_frame, dim=0)


class _ImplicitEuler(torch.autograd.Function):
    """(x, v, F, density, stretching, bending, wind velocity) -> new velocity u with A u = b + h F.

    With the residual r = A u - b - h F = 0 and the gradient g of a loss by u, the adjoint solves Aᵀ w = g; the gradient by any input p is
    then -wᵀ ∂r/∂p, where ∂r/∂p at fixed u holds the matrix's own derivative. Automatic differentiation of the matrix-free residual
    supplies it.
    """

    @staticmethod
    def forward(ctx: Any, setting: _Setting, *tensors: Tensor) -> Tensor:
        positions, velocities, forces, density, stretching, bending, air = tensors
        cloth, material, wind = setting.cloth, Material(density, stretching, bending), setting.wind(air)
        state = {"positions": positions, "velocities": velocities}
        shared = (cloth, material, wind, setting.physics, setting.h)
        right = setting.h * forces - residual(*shared, **state, new_velocities=torch.zeros_like(velocities))
        (per_face, per_hinge), diagonal = system(*shared, **state)
        matrices = (per_face.numpy(), per_hinge.numpy())
        ctx.factor = cloth.matrix.factor(matrices, diagonal.repeat_interleave(3).numpy(), is_symmetric=wind is None)
        new = torch.from_numpy(ctx.factor.solve(_masked(right, cloth).numpy()))
        _check_motion(new * setting.h, cloth)
        ctx.setting = setting
        ctx.save_for_backward(new, positions, velocities, density, stretching, bending, air)
        return new

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        new, positions, velocities, density, stretching, bending, air = ctx.saved_tensors
        setting: _Setting = ctx.setting
        adjoint = torch.from_numpy(ctx.factor.solve(_masked(gradients[0], setting.cloth).numpy(), transposed=True))
        wanted = ctx.needs_input_grad[1:]
        by_force = setting.h * adjoint if wanted[2] else None
        inputs = (positions, velocities, density, stretching, bending, air)
        leaves = [tensor.detach().requires_grad_(is_wanted) for tensor, is_wanted in zip(inputs, (*wanted[:2], *wanted[3:]))]
        signed = _negative_gradients(setting, adjoint, new, leaves)
        return (None, signed[0], signed[1], by_force, *signed[2:])


def _negative_gradients(setting: _Setting, adjoint: Tensor, new: Tensor, leaves: list[Tensor]) -> list[Tensor | None]:
    """-∂(wᵀ r)/∂p for every leaf that asks for it."""
    chosen = [leaf for leaf in leaves if leaf.requires_grad]
    if not chosen:
        return [None] * len(leaves)
    with torch.enable_grad():
        work = _virtual_work(setting, adjoint, new, leaves)
    found = iter(torch.autograd.grad(work, chosen, allow_unused=True))
    gradients = [next(found) if leaf.requires_grad else None for leaf in leaves]
    return [None if gradient is None else -gradient for gradient in gradients]


def _virtual_work(setting: _Setting, adjoint: Tensor, new: Tensor, leaves: list[Tensor]) -> Tensor:  # []
    """wᵀ r as a function of everything that the step is differentiated by."""
    positions, velocities, density, stretching, bending, air = leaves
    balance = residual(
        setting.cloth,
        Material(density, stretching, bending),
        setting.wind(air),
        setting.physics,
        setting.h,
        positions=positions,
        velocities=velocities,
        new_velocities=new,
    )
    return (adjoint * balance).sum()


def _masked(
    values: Tensor,  # [V, 3]
    cloth: Cloth,
) -> Tensor:  # [V, 3]
    """Zero at pinned vertices."""
    return values * cloth.is_free[:, None]


def _check_motion(
    motion: Tensor,  # [V, 3]
    cloth: Cloth,
) -> None:
    hint = "use more steps per frame, smaller forces, or more damping"
    size = float((cloth.material_coordinates.amax(0) - cloth.material_coordinates.amin(0)).max())
    largest = float(motion.abs().max())  # NaN when any entry is
    if not largest < float("inf"):
        raise NumericsError("the new velocities are not finite", hint=hint)
    if largest > EXPLOSION * size:
        raise NumericsError(f"a vertex moves {largest:.3g} m in one step, {largest / size:.3g} times the sheet's size", hint=hint)
