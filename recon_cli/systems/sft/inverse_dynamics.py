"""The corrective forces that make the simulator follow given positions exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.sft.balance import Physics, residual
from recon_cli.systems.sft.cloth import Cloth
from recon_cli.systems.sft.materials import Material
from recon_cli.systems.sft.simulator import ClothState, step
from recon_cli.systems.sft.wind import Wind


def inverse_dynamics(
    cloth: Cloth,
    material: Material,
    positions: Tensor,  # [T, V, 3]
    *,
    h: float,
    steps_per_frame: int = 1,
    start_velocities: Tensor | None = None,  # [V, 3]
    wind: Wind | None = None,
    physics: Physics | None = None,
) -> Tensor:  # [(T - 1) steps_per_frame, V, 3]
    """Corrective forces [N] of every step with which ``simulate`` replays ``positions`` [m], from rest unless told otherwise.

    Eq. 3-5 are linear in the corrective force, so that each step's is (A u - b) / h for the velocity u that leads to the next position.
    The state that it is taken at is the simulator's own, not the given one: cloth under compression buckles, which multiplies differences
    from step to step, and rounding would otherwise grow until the replay leaves the path. Pinned vertices have no force.

    Raises:
        InputError: a shape does not fit, or a pinned vertex moves.
        NumericsError: a step's system is singular.
    """
    path = in_between(positions, h=h, steps_per_frame=steps_per_frame, start_velocities=start_velocities)
    _check_path(cloth, path)
    start = torch.zeros_like(path[0]) if start_velocities is None else start_velocities
    state, forces = ClothState(path[0], start), []
    with torch.no_grad():
        for target in path[1:]:
            forces.append(step_force(cloth, material, state, target, h=h, wind=wind, physics=physics))
            state = step(cloth, material, state, h=h, forces=forces[-1], wind=wind, physics=physics)
    return torch.stack(forces)


def step_force(
    cloth: Cloth,
    material: Material,
    state: ClothState,
    target: Tensor,  # [V, 3]
    *,
    h: float,
    wind: Wind | None = None,
    physics: Physics | None = None,
) -> Tensor:  # [V, 3]
    """Corrective force [N] with which one step takes ``state`` to the positions ``target`` [m]."""
    balance = residual(
        cloth,
        material,
        wind,
        physics or Physics(),
        h,
        positions=state.positions,
        velocities=state.velocities,
        new_velocities=(target - state.positions) / h,
    )
    return balance / h * cloth.is_free[:, None]


def in_between(
    positions: Tensor,  # [T, V, 3]
    *,
    h: float,
    steps_per_frame: int,
    start_velocities: Tensor | None = None,  # [V, 3]
) -> Tensor:  # [(T - 1) steps_per_frame + 1, V, 3]
    """Positions [m] at every step: a cubic spline through the frames that leaves the first with the start velocity (rest unless given).

    The frames themselves are kept to the last bit.
    """
    from scipy.interpolate import CubicSpline

    if steps_per_frame == 1 or len(positions) < 2:
        return positions
    start = torch.zeros_like(positions[0]) if start_velocities is None else start_velocities
    frames = h * steps_per_frame * torch.arange(len(positions), dtype=torch.float64)
    bounds = ((1, start.numpy()), (2, torch.zeros_like(start).numpy()))
    times = h * torch.arange((len(positions) - 1) * steps_per_frame + 1, dtype=torch.float64)
    spline = CubicSpline(frames.numpy(), positions.numpy(), bc_type=bounds)  # pyright: ignore[reportArgumentType]
    path = torch.from_numpy(spline(times.numpy()))
    path[::steps_per_frame] = positions
    return path


def path_velocities(
    path: Tensor,  # [S + 1, V, 3]
    *,
    h: float,
    start_velocities: Tensor | None = None,  # [V, 3]
) -> Tensor:  # [S + 1, V, 3]
    """Velocities [m/s] of the simulator on a path of positions: backward differences, the start's as given or zero."""
    start = torch.zeros_like(path[0]) if start_velocities is None else start_velocities
    return torch.cat([start[None], (path[1:] - path[:-1]) / h])


def _check_path(cloth: Cloth, path: Tensor) -> None:
    count = len(cloth.vertex_area)
    if path.ndim != 3 or tuple(path.shape[1:]) != (count, 3) or path.dtype != torch.float64 or len(path) < 2:
        raise InputError(f"positions are {path.dtype} of shape {list(path.shape)}, expected float64 [T, {count}, 3] with T of at least 2")
    pinned = ~cloth.is_free
    if bool(pinned.any()):
        motion = float((path[:, pinned] - path[:1, pinned]).abs().max())
        if motion > 1e-9:
            raise InputError(f"a pinned vertex moves by {motion:.3g} m in the given positions", hint="unpin vertices that move")
