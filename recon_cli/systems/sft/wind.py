"""Wind on the faces of a cloth, with the force's derivatives by the corners' positions and velocities.

Per face of area A, unit normal n, air velocity relative to the face r and r_n = r·n (the model of Narain et al. 2012):

    f = air_density A |r_n| r_n n + drag A (r - r_n n)

a third of it on each corner. With the area vector N (twice the area along n) and s = N·r it needs no unit normal:

    f = air_density |s| s N / (2 N·N) + drag (|N| r / 2 - s N / (2 |N|))
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class Wind:
    """Steady air.

    Attributes:
        velocity: of the air [m/s], shape [3]; may require a gradient.
        air_density: factor of the normal pressure [kg/m³]; φ-SfT keeps it at 1 (Sec. 3.4).
        drag: factor of the tangential force [kg/(m² s)].

    Raises:
        InputError: the velocity is not three finite numbers, or a factor is negative.
    """

    velocity: Tensor  # [3]
    air_density: float = 1.0
    drag: float = 0.0

    def __post_init__(self) -> None:
        if tuple(self.velocity.shape) != (3,) or not bool(torch.isfinite(self.velocity.detach()).all()):
            raise InputError(f"wind velocity is {self.velocity.detach().tolist()}, expected three finite numbers")
        if self.air_density < 0 or self.drag < 0:
            raise InputError(f"air density {self.air_density:g} and drag {self.drag:g} must not be negative")


@dataclass(frozen=True)
class AirFlow:
    """Area vectors and relative air of every face.

    Attributes:
        normal: area vectors, twice the area long [m²], shape [..., F, 3].
        relative: air velocity relative to the face [m/s], shape [..., F, 3].
        sides: the two sides from corner 0 [m], shape [..., F, 2, 3].
    """

    normal: Tensor  # [..., F, 3]
    relative: Tensor  # [..., F, 3]
    sides: Tensor  # [..., F, 2, 3]


def air_flow(
    wind: Wind,
    corners: Tensor,  # [..., F, 3, 3]
    speeds: Tensor,  # [..., F, 3, 3]
) -> AirFlow:
    """How the air meets faces with these corner positions [m] and velocities [m/s]."""
    sides = corners[..., 1:, :] - corners[..., :1, :]
    return AirFlow(torch.linalg.cross(sides[..., 0, :], sides[..., 1, :]), wind.velocity - speeds.mean(-2), sides)


def wind_forces(
    wind: Wind,
    flow: AirFlow,
) -> Tensor:  # [..., F, 3]
    """Force [N] on each of a face's three corners."""
    squared, through = _dot(flow.normal, flow.normal), _dot(flow.normal, flow.relative)
    size = squared.sqrt()
    pressure = (wind.air_density * through.abs() * through / (2 * squared)) * flow.normal
    drag = (0.5 * wind.drag) * (size * flow.relative - (through / size) * flow.normal)
    return (pressure + drag) / 3


def wind_derivatives(
    wind: Wind,
    flow: AirFlow,
) -> tuple[Tensor, Tensor]:  # [..., F, 3, 3], [..., F, 3, 3]
    """Derivatives of ``wind_forces`` by the area vector [N/m²] and by the relative air velocity [N s/m]."""
    normal, air = flow.normal, flow.relative
    squared, through = _dot(normal, normal)[..., None], _dot(normal, air)[..., None]
    size = squared.sqrt()
    identity = torch.eye(3, dtype=normal.dtype)
    outer, cross = normal[..., :, None] * normal[..., None, :], normal[..., :, None] * air[..., None, :]
    dense, light = wind.air_density * through.abs() / squared, 0.5 * wind.drag
    by_normal = dense * (cross + through * (0.5 * identity - outer / squared))
    by_normal = by_normal + (light / size) * (cross.mT - cross - through * (identity - outer / squared))
    by_air = dense * outer + light * (size * identity - outer / size)
    return by_normal / 3, by_air / 3


def wind_product(
    flow: AirFlow,
    derivatives: tuple[Tensor, Tensor],
    motion: Tensor,  # [..., F, 3, 3]
    acceleration: Tensor,  # [..., F, 3, 3]
) -> Tensor:  # [..., F, 3]
    """Change of ``wind_forces`` when corners move by ``motion`` [m] and speed up by ``acceleration`` [m/s]."""
    by_normal, by_air = derivatives
    moved = motion[..., 1:, :] - motion[..., :1, :]
    turn = torch.linalg.cross(moved[..., 0, :], flow.sides[..., 1, :]) + torch.linalg.cross(flow.sides[..., 0, :], moved[..., 1, :])
    return (by_normal @ turn[..., None])[..., 0] - (by_air @ acceleration.mean(-2)[..., None])[..., 0]


def wind_matrices(
    flow: AirFlow,
    derivatives: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:  # [F, 9, 9], [F, 9, 9]
    """The derivatives of the corner forces by the corners' positions [N/m] and velocities [N s/m]."""
    by_normal, by_air = derivatives
    # N = a × b: moving b by d adds a × d, moving a adds -b × d, and moving corner 0 both with the other sign.
    first, second = -_cross_matrix(flow.sides[..., 1, :]), _cross_matrix(flow.sides[..., 0, :])
    by_corner = by_normal @ torch.stack([-first - second, first, second], dim=-3).movedim(-3, 0)  # [3, F, 3, 3]
    row = by_corner.permute(1, 2, 0, 3).reshape(-1, 3, 9)
    return row.repeat(1, 3, 1), (by_air / -3).repeat(1, 3, 3)


def _dot(a: Tensor, b: Tensor) -> Tensor:  # [..., 1]
    return (a * b).sum(-1, keepdim=True)


def _cross_matrix(a: Tensor) -> Tensor:  # [..., 3, 3]
    """The matrix of b -> a × b."""
    zero = torch.zeros_like(a[..., 0])
    x, y, z = a.unbind(-1)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
