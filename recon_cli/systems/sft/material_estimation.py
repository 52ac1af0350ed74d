"""Material and wind that explain a motion with the least corrective force.

The corrective force of a step is A u - b over h (``balance``), linear in density, stretching and bending but for the parts that positive
semi-definiteness cuts off. Divided by the mass it is the acceleration that nothing modelled explains, and linear in the specific constants
stretching / density and bending / density and, with wind, in 1 / density. Without wind or other forces of known size no motion tells the
density apart from the stiffness, and the density stays as it was.

Minimised is the mean over steps of the square of that acceleration's smooth part (``virtual_fields``) plus a ridge towards the initial
values, by Gauss-Newton steps with bounds. A constant without influence on the motion keeps its initial value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.sft.balance import Physics, bending_residual, residual, stretching_residual, wind_impulse
from recon_cli.systems.sft.bending import angles_of, curvature_weights, resist
from recon_cli.systems.sft.cloth import Cloth
from recon_cli.systems.sft.curvature import cotangent_matrix
from recon_cli.systems.sft.inverse_dynamics import in_between, path_velocities
from recon_cli.systems.sft.materials import Material
from recon_cli.systems.sft.stretching import respond, sample_weights, strain_of
from recon_cli.systems.sft.wind import Wind

CHUNK = 8
# Layout of the unknowns: specific stretching, specific bending, specific volume 1 / density, wind velocity.
_STRETCHING, _BENDING, _VOLUME, _WIND = slice(0, 24), slice(24, 39), slice(39, 40), slice(40, 43)
# Range of measured fabrics about their mean: a constant per density may change by this factor either way, and density by its own.
LARGEST_FACTOR = 10.0
DENSITY_FACTOR = 2.0
LARGEST_WIND = 30.0  # m/s, a storm
# Relative decrease of the objective below which another step is not worth its time.
SETTLED = 1e-2


@dataclass(frozen=True)
class EstimationSettings:
    """How a material is estimated.

    Attributes:
        ridge: weight [(m/s²)²] of the squared relative change of each constant.
        wind_scale: wind [m/s] that weighs as much in the ridge as a constant's doubling.
        iterations: Gauss-Newton steps at most.
        fields: smooth fields that the forces' work is taken on.
        estimates_density: whether density may change; it then needs wind.
    """

    ridge: float = 1e-3
    wind_scale: float = 5.0
    iterations: int = 4
    fields: int = 24
    estimates_density: bool = True


@dataclass(frozen=True)
class MaterialEstimate:
    """The outcome.

    Attributes:
        material, wind: the estimate; ``wind`` is None when none was given.
        initial_acceleration, acceleration: root mean square [m/s²] of what the corrective forces do, before and after.
        information: share of each of the 43 unknowns that the motion decides rather than the ridge, in [0, 1]: 24 stretching, 15 bending,
            density, wind velocity.
        bounded: how many of the 39 elastic constants stand at a bound: the motion asks for what no measured fabric is.
    """

    material: Material
    wind: Wind | None
    initial_acceleration: float
    acceleration: float
    information: Tensor  # [43]
    bounded: int = 0


def estimate_material(
    cloth: Cloth,
    initial: Material,
    positions: Tensor,  # [T, V, 3]
    *,
    h: float,
    steps_per_frame: int = 1,
    wind: Wind | None = None,
    physics: Physics | None = None,
    settings: EstimationSettings | None = None,
) -> MaterialEstimate:
    """Material and, if a wind is given to start from, its velocity, from positions [m] over time.

    Raises:
        InputError: there are fewer than three frames.
    """
    if len(positions) < 3:
        raise InputError(f"{len(positions)} frames tell nothing of a material, expected at least 3")
    path = in_between(positions, h=h, steps_per_frame=steps_per_frame)
    settings = settings or EstimationSettings()
    # The first step's velocity is not known from the positions: leave it out and start from the second.
    motion = _Motion(cloth, path[1:], path_velocities(path, h=h)[1:], physics or Physics(), h, virtual_fields(cloth, settings.fields))
    with torch.no_grad():
        return _gauss_newton(motion, initial.detach(), wind, settings)


@dataclass(frozen=True)
class _Motion:
    cloth: Cloth
    path: Tensor  # [S + 1, V, 3]
    velocities: Tensor  # [S + 1, V, 3]
    physics: Physics
    h: float
    fields: Tensor  # [K, V]

    def chunks(self) -> Iterator[dict[str, Tensor]]:
        for first in range(0, len(self.path) - 1, CHUNK):
            stop = min(first + CHUNK, len(self.path) - 1)
            yield {
                "positions": self.path[first:stop],
                "velocities": self.velocities[first:stop],
                "new_velocities": self.velocities[first + 1 : stop + 1],
            }

    def smooth(self, acceleration: Tensor) -> Tensor:  # [C, V, 3] -> [C, K, 3]
        """Virtual work on the smooth fields, scaled so that squares add up to the mean square over area and steps."""
        return (self.fields @ acceleration) / (len(self.path) - 1) ** 0.5


def virtual_fields(
    cloth: Cloth,
    count: int,
) -> Tensor:  # [K, V]
    """The ``count`` smoothest vibration modes of the sheet, orthonormal by area, times their area weights over the square root of the area.

    Positions that were tracked carry errors of a tenth of a millimetre from vertex to vertex, which stiff cloth answers with
    accelerations of hundreds of m/s². Minimising those makes any cloth look soft. Work on smooth fields averages most of them out (the
    virtual fields method of Pierron and Grédiac 2012): elastic forces balance each other over distances short against a field's.
    """
    import numpy as np
    from scipy.linalg import eigh
    from scipy.sparse import diags
    from scipy.sparse.linalg import eigsh

    flat = cloth.material_coordinates.numpy()
    stiffness, areas = cotangent_matrix(np.column_stack([flat, np.zeros(len(flat))]), cloth.faces.numpy())
    if count >= len(flat) // 4:
        modes = eigh(stiffness.toarray(), np.diag(areas))[1][:, : min(count, len(flat))]
    else:
        # Smoothest first: the eigenvalues nearest to a shift just below zero.
        shift = -1e-3 / areas.sum()
        modes = eigsh(stiffness, k=count, M=diags(areas).tocsc(), sigma=shift, v0=np.ones(len(flat)))[1]
    weight = areas * cloth.is_free.numpy()
    return torch.from_numpy(np.ascontiguousarray(modes.T * weight / np.sqrt(weight.sum())))


def _gauss_newton(motion: _Motion, initial: Material, wind: Wind | None, settings: EstimationSettings) -> MaterialEstimate:
    from scipy.optimize import lsq_linear

    start = _pack(initial, wind)
    scale = _scales(start, wind, settings)
    lower, upper = _bounds(start, scale)
    unknowns = start.clone()
    first = cost = _mean_square(motion, unknowns, wind)
    objective = _objective(start, scale, settings)
    information = torch.zeros_like(start)
    for _ in range(settings.iterations):
        normal, gradient = _normal_equations(motion, unknowns, wind)
        normal, gradient = normal * scale[:, None] * scale, gradient * scale
        information = _information(normal, scale, settings.ridge)
        ridge = settings.ridge * torch.eye(len(start), dtype=torch.float64)
        root = torch.linalg.cholesky(normal + ridge)
        now = torch.where(scale > 0, (unknowns - start) / scale.clamp(min=1e-300), torch.zeros_like(start))
        right = torch.linalg.solve_triangular(root, (normal @ now - gradient)[:, None], upper=False)[:, 0]
        found = torch.from_numpy(lsq_linear(root.mT.numpy(), right.numpy(), bounds=(lower.numpy(), upper.numpy()), tol=1e-14).x)
        change = torch.where(scale > 0, found * scale, torch.zeros_like(start)) + start - unknowns
        before = cost
        unknowns, cost = _descend(unknowns, change, lambda u: objective(u, _mean_square(motion, u, wind)), before)
        if before - cost <= SETTLED * before:
            break
    material, air = _unpack(unknowns, wind)
    relative = (unknowns - start) / scale.clamp(min=1e-300)
    bounded = int((((relative <= lower + 1e-6) | (relative >= upper - 1e-6)) & (scale > 0))[: _VOLUME.start].sum())
    return MaterialEstimate(material, air, first**0.5, _mean_square(motion, unknowns, wind) ** 0.5, information, bounded)


def _objective(start: Tensor, scale: Tensor, settings: EstimationSettings) -> Callable[[Tensor, float], float]:
    def value(unknowns: Tensor, mean_square: float) -> float:
        relative = torch.where(scale > 0, (unknowns - start) / scale.clamp(min=1e-300), torch.zeros_like(start))
        return mean_square + settings.ridge * float(relative.square().sum())

    return value


def _descend(unknowns: Tensor, change: Tensor, objective: Callable[[Tensor], float], here: float) -> tuple[Tensor, float]:
    """The longest of a few halvings of the change that lowers the objective, or no change at all."""
    for halvings in range(6):
        candidate = unknowns + change * 0.5**halvings
        there = objective(candidate)
        if there < here:
            return candidate, there
    return unknowns, here


def _pack(material: Material, wind: Wind | None) -> Tensor:  # [43]
    velocity = torch.zeros(3, dtype=torch.float64) if wind is None else wind.velocity.detach()
    specific = torch.cat([material.stretching.flatten(), material.bending.flatten(), torch.ones(1, dtype=torch.float64)]) / material.density
    return torch.cat([specific, velocity])


def _unpack(unknowns: Tensor, wind: Wind | None) -> tuple[Material, Wind | None]:
    density = 1 / unknowns[_VOLUME][0]
    material = Material(density, (unknowns[_STRETCHING] * density).view(6, 4), (unknowns[_BENDING] * density).view(3, 5))
    return material, None if wind is None else replace(wind, velocity=unknowns[_WIND])


def _scales(start: Tensor, wind: Wind | None, settings: EstimationSettings) -> Tensor:  # [43]
    """Size of one relative unit of each unknown; zero for those that stay."""
    scale = start.abs()
    for part in (_STRETCHING, _BENDING):
        scale[part] = scale[part].clamp(min=0.1 * float(scale[part].mean()))
    if wind is None or not settings.estimates_density:
        scale[_VOLUME] = 0.0
    scale[_WIND] = 0.0 if wind is None else settings.wind_scale
    return scale


def _bounds(start: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:  # [43], [43]
    """Bounds of the relative changes: constants stay within the range of fabrics, published negative ones fall no further."""
    safe = scale.clamp(min=1e-300)
    lower = (1 / LARGEST_FACTOR - 1) * start.clamp(min=0) / safe
    upper = torch.full_like(start, LARGEST_FACTOR - 1)
    lower[_VOLUME], upper[_VOLUME] = 1 / DENSITY_FACTOR - 1, DENSITY_FACTOR - 1
    lower[_WIND], upper[_WIND] = (-LARGEST_WIND - start[_WIND]) / safe[_WIND], (LARGEST_WIND - start[_WIND]) / safe[_WIND]
    still = scale == 0
    lower[still], upper[still] = -1.0, 1.0
    return torch.minimum(lower, torch.full_like(lower, -1e-12)), upper


def _information(normal: Tensor, scale: Tensor, ridge: float) -> Tensor:  # [43]
    """Diagonal of (N + ridge)⁻¹ N: 1 where the motion alone decides, 0 where the ridge does."""
    identity = torch.eye(len(scale), dtype=torch.float64)
    return torch.linalg.solve(normal + ridge * identity, normal).diagonal().clamp(0, 1) * (scale > 0)


def _mean_square(motion: _Motion, unknowns: Tensor, wind: Wind | None) -> float:
    return sum(float(motion.smooth(_acceleration(motion, unknowns, wind, chunk)).square().sum()) for chunk in motion.chunks())


def _acceleration(motion: _Motion, unknowns: Tensor, wind: Wind | None, chunk: dict[str, Tensor]) -> Tensor:  # [C, V, 3]
    """What is left unexplained [m/s²]."""
    material, air = _unpack(unknowns, wind)
    balance = residual(motion.cloth, material, air, motion.physics, motion.h, **chunk)
    return balance / (motion.h * material.density * motion.cloth.vertex_area[:, None])


def _normal_equations(motion: _Motion, unknowns: Tensor, wind: Wind | None) -> tuple[Tensor, Tensor]:  # [43, 43], [43]
    normal, gradient = torch.zeros(43, 43, dtype=torch.float64), torch.zeros(43, dtype=torch.float64)
    for chunk in motion.chunks():
        value = motion.smooth(_acceleration(motion, unknowns, wind, chunk)).flatten()
        columns = torch.stack([motion.smooth(column).flatten() for column in _columns(motion, unknowns, wind, chunk)])
        normal += columns @ columns.mT
        gradient += columns @ value
    return normal, gradient


def _columns(motion: _Motion, unknowns: Tensor, wind: Wind | None, chunk: dict[str, Tensor]) -> Iterator[Tensor]:
    """Derivatives of ``_acceleration`` by the 43 unknowns, each [C, V, 3]."""
    specific_mass = motion.h * motion.cloth.vertex_area[:, None]
    for per_corner, elements in _element_columns(motion, unknowns, chunk):
        yield _summed(motion.cloth, per_corner, elements) / specific_mass
    if wind is None:
        yield from torch.zeros(4, *chunk["positions"].shape, dtype=torch.float64)
        return

    def impulse(velocity: Tensor) -> Tensor:  # [C, F, 3, 3]
        return wind_impulse(motion.cloth, replace(wind, velocity=velocity), motion.h, **chunk)[..., None, :].expand(-1, -1, 3, -1)

    velocity, volume = unknowns[_WIND], unknowns[_VOLUME]
    yield -_summed(motion.cloth, impulse(velocity), motion.cloth.faces) / specific_mass
    for by_axis in _derivatives(impulse, velocity):
        yield -volume * _summed(motion.cloth, by_axis, motion.cloth.faces) / specific_mass


def _element_columns(motion: _Motion, unknowns: Tensor, chunk: dict[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Derivatives of the elements' residuals [N s per kg/m²] by the 24 + 15 specific constants, with the elements' vertices.

    An element's residual depends on the samples through its own interpolated constants alone: one derivative by each of those, spread by
    the interpolation weights, gives all columns.
    """
    cloth, physics, h = motion.cloth, motion.physics, motion.h
    samples, motions = unknowns[_STRETCHING].view(6, 4), chunk["new_velocities"]
    deformation, strain = strain_of(cloth, chunk["positions"])
    weights = sample_weights(strain)  # [C, F, 6]
    constants = weights @ samples

    def stretched(constants: Tensor) -> Tensor:
        return stretching_residual(cloth, respond(deformation, strain, constants), physics, h, motions[..., cloth.faces, :])

    by_constant = _derivatives(stretched, constants)
    for sample in range(6):
        for entry in range(4):
            yield weights[..., sample, None, None] * by_constant[entry], cloth.faces
    change, slope = angles_of(cloth, chunk["positions"])
    curvature = curvature_weights(cloth, change)  # [C, H, 5]
    stiffness = (curvature * (cloth.hinge_direction @ unknowns[_BENDING].view(3, 5))).sum(-1)

    def bent(constants: Tensor) -> Tensor:
        return bending_residual(resist(cloth, change, slope, constants[..., 0]), physics, h, motions[..., cloth.hinges, :])

    (by_stiffness,) = _derivatives(bent, stiffness[..., None])
    for direction in range(3):
        for place in range(5):
            share = cloth.hinge_direction[:, direction] * curvature[..., place]
            yield share[..., None, None] * by_stiffness, cloth.hinges


def _derivatives(function: Callable[[Tensor], Tensor], argument: Tensor) -> list[Tensor]:
    """Derivatives of an element-wise function by each entry of its argument's last axis.

    Forward derivatives from two reverse passes: the gradient of w · f by the argument is linear in w, and its gradient by w is wanted.
    """
    with torch.enable_grad():
        argument = argument.detach().requires_grad_()
        value = function(argument)
        weights = torch.zeros_like(value, requires_grad=True)
        (pulled,) = torch.autograd.grad((value * weights).sum(), argument, create_graph=True)
        sums = [pulled[..., entry].sum() for entry in range(argument.shape[-1])]
        return [torch.autograd.grad(total, weights, retain_graph=True)[0] for total in sums]


def _summed(cloth: Cloth, per_corner: Tensor, elements: Tensor) -> Tensor:  # [C, V, 3]
    total = per_corner.new_zeros((len(per_corner), len(cloth.vertex_area), 3))
    return total.index_add(1, elements.flatten(), per_corner.flatten(1, 2))
