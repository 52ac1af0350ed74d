"""Explicit mass-spring dynamics of a hanging sheet in gusty wind.

On purpose another way than any fit in this package: springs of one stiffness on an irregular mesh instead of measured anisotropic
fabrics on the template, bending through a quadratic energy, and leapfrog steps far below the stability limit instead of implicit Euler.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recon_cli.prepare.synth.sheet import Sheet

Array = np.ndarray

GRAVITY = 9.81
"""Standard gravity [m/s²], along +y (down)."""

AIR_DENSITY = 1.2
"""Density of air [kg/m³]."""

ADDED_MASS = 0.2
"""Air that swings with the sheet [kg/m²]: ρ λ / π for waves of λ = 0.5 m (both sides, potential flow), taken as equal in all directions."""

AIR_INTERVAL = 4
"""Steps between two evaluations of the air's forces, which change a hundred times more slowly than the springs'."""


@dataclass(frozen=True)
class Fabric:
    """What the sheet is made of.

    Attributes:
        density: mass per area [kg/m²].
        stiffness: Young's modulus times thickness [N/m].
        bending: bending stiffness [N·m].
        damping: share of the critical damping of a spring.
        drag: tangential drag coefficient.
    """

    density: float
    stiffness: float
    bending: float
    damping: float = 0.02
    drag: float = 0.03


@dataclass(frozen=True)
class Wind:
    """A steady stream with travelling waves on it, and a strength that grows from calm.

    Attributes:
        steady: velocity [m/s] at full strength, shape [3].
        gusts: velocity amplitude [m/s] of each wave, shape [W, 3].
        wave_vectors: of each wave [rad/m], shape [W, 3].
        frequencies: of each wave [rad/s], shape [W].
        phases: of each wave [rad], shape [W].
        calm: strength before the onset, in [0, 1].
        onset: time [s] at which the strength begins to grow.
        rise: time [s] over which the strength grows from calm to one.
    """

    steady: Array  # [3]
    gusts: Array  # [W, 3]
    wave_vectors: Array  # [W, 3]
    frequencies: Array  # [W]
    phases: Array  # [W]
    calm: float
    onset: float
    rise: float

    def velocity(self, points: Array, time: float) -> Array:  # [N, 3] -> [N, 3]
        """Air velocity [m/s] at points [m] and a time [s]."""
        share = min(max((time - self.onset) / self.rise, 0.0), 1.0)
        strength = self.calm + (1 - self.calm) * share * share * (3 - 2 * share)
        waves = np.sin(points @ self.wave_vectors.T - self.frequencies * time + self.phases)  # [N, W]
        return strength * (self.steady + waves @ self.gusts)


class HangingSheet:
    """A sheet whose pinned vertices stay where they start.

    Args:
        sheet: rest shape.
        fabric: material.
        wind: air.
        pins: indices of vertices that do not move.
        start: positions [m] at the start, shape [V, 3].
    """

    def __init__(self, sheet: Sheet, fabric: Fabric, wind: Wind, *, pins: Array, start: Array) -> None:
        self.faces, self.fabric, self.wind = sheet.faces, fabric, wind
        self.springs, areas, spring_areas = _connect(sheet)
        self.rest = np.linalg.norm(sheet.points[self.springs[:, 1]] - sheet.points[self.springs[:, 0]], axis=-1)  # [E]
        # On equilateral triangles this is sqrt(3)/2 of the modulus a spring, which makes Young's modulus times thickness as asked.
        self.spring_constants = fabric.stiffness * spring_areas / self.rest**2  # [E] N/m
        self.weights = GRAVITY * fabric.density * areas  # [V] N
        self.masses = (fabric.density + ADDED_MASS) * areas  # [V] kg
        ends = self.springs.T.reshape(-1)
        pair_mass = 0.5 * (self.masses[self.springs[:, 0]] + self.masses[self.springs[:, 1]])
        self.dashpots = 2 * fabric.damping * np.sqrt(self.spring_constants * pair_mass)  # [E] N·s/m
        self._difference = _difference_matrix(ends, len(sheet.points))
        self._gather = self._difference.T.tocsr()
        self._corner_sum = _corner_sum_matrix(sheet.faces, len(sheet.points))
        self._bending = _bending_matrix(sheet, fabric.bending)
        self._free = np.ones((len(sheet.points), 1))
        self._free[pins] = 0.0
        self.positions, self.velocities = start.copy(), np.zeros_like(start)

    def stable_step(self) -> float:
        """Four fifths of the longest stable time step [s], from Gershgorin's bound on the highest frequency."""
        spring_rows = np.bincount(self.springs.reshape(-1), weights=np.repeat(self.spring_constants, 2))
        bending_rows = np.asarray(abs(self._bending).sum(axis=1)).reshape(-1)
        highest = np.sqrt(((2 * spring_rows + bending_rows) / self.masses).max())
        return 0.8 * 2.0 / float(highest)

    def forces(self, time: float) -> Array:  # [V, 3]
        """All forces [N] at the present positions and velocities and a time [s]."""
        return self._internal() + self._external(time)

    def _external(self, time: float) -> Array:  # [V, 3]
        return self._air(time) + self.weights[:, None] * np.array([0.0, 1.0, 0.0])

    def _internal(self) -> Array:  # [V, 3]
        arm, motion = self._difference @ self.positions, self._difference @ self.velocities
        length = np.sqrt(np.einsum("ed,ed->e", arm, arm))
        closing = np.einsum("ed,ed->e", arm, motion) / length
        tension = self.spring_constants * (length - self.rest) + self.dashpots * closing
        return -(self._gather @ (arm * (tension / length)[:, None])) - self._bending @ self.positions

    def _air(self, time: float) -> Array:  # [V, 3]
        a, b, c = (self.positions[self.faces[:, k]] for k in range(3))
        normal = _cross(b - a, c - a)  # twice the area
        doubled = np.sqrt(np.einsum("fd,fd->f", normal, normal))
        normal /= doubled[:, None]
        velocity = self.velocities
        moving = (velocity[self.faces[:, 0]] + velocity[self.faces[:, 1]] + velocity[self.faces[:, 2]]) / 3
        relative = self.wind.velocity((a + b + c) / 3, time) - moving
        through = np.einsum("fd,fd->f", relative, normal)
        along = relative - through[:, None] * normal
        # Dynamic pressure on a plate of drag coefficient 2, and a skin drag along it.
        pressure = AIR_DENSITY * 0.5 * doubled * through * np.abs(through)
        skin = AIR_DENSITY * 0.5 * doubled * self.fabric.drag * np.linalg.norm(along, axis=-1)
        return self._corner_sum @ ((pressure[:, None] * normal + skin[:, None] * along) / 3)

    def run(self, start: float, stop: float, step: float, *, extra_drag: float = 0.0) -> None:
        """Leapfrog from time ``start`` to ``stop`` [s]; ``extra_drag`` [1/s] slows everything, to settle sooner."""
        count = max(1, int(np.ceil((stop - start) / step - 1e-9)))
        step = (stop - start) / count
        inverse_mass = self._free / self.masses[:, None]
        external = np.zeros_like(self.positions)
        for k in range(count):
            if k % AIR_INTERVAL == 0:
                external = self._external(start + k * step)
            acceleration = (self._internal() + external) * inverse_mass - extra_drag * self.velocities
            self.velocities = self.velocities + step * acceleration
            self.positions = self.positions + step * self.velocities

    def frames(self, count: int, fps: float) -> Iterator[Array]:  # [V, 3]
        """Positions [m] at ``count`` frames from time 0."""
        step = self.stable_step()
        for frame in range(count):
            yield self.positions.copy()
            if frame + 1 < count:
                self.run(frame / fps, (frame + 1) / fps, step)


def _cross(first: Array, second: Array) -> Array:  # numpy's own costs three times as much on small rows
    x = first[:, 1] * second[:, 2] - first[:, 2] * second[:, 1]
    y = first[:, 2] * second[:, 0] - first[:, 0] * second[:, 2]
    z = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.stack([x, y, z], axis=-1)


def _connect(sheet: Sheet) -> tuple[Array, Array, Array]:  # [E, 2], [V], [E]
    """Springs along the edges, the area [m²] of each vertex and the area of the faces beside each spring."""
    a, b, c = (sheet.points[sheet.faces[:, k]] for k in range(3))
    first, second = b - a, c - a
    face_areas = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    sides = np.sort(sheet.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=-1)
    springs, index = np.unique(sides, axis=0, return_inverse=True)
    spring_areas = np.bincount(index.reshape(-1), weights=np.repeat(face_areas, 3))
    areas = np.bincount(sheet.faces.reshape(-1), weights=np.repeat(face_areas / 3, 3), minlength=len(sheet.points))
    return springs, areas, spring_areas


def _difference_matrix(ends: Array, count: int):  # scipy csr_matrix [E, V]
    from scipy.sparse import csr_matrix

    edges = len(ends) // 2
    rows = np.tile(np.arange(edges), 2)
    signs = np.repeat([-1.0, 1.0], edges)
    return csr_matrix((signs, (rows, ends)), shape=(edges, count))


def _corner_sum_matrix(faces: Array, count: int):  # scipy csr_matrix [V, F]
    from scipy.sparse import csr_matrix

    columns = np.repeat(np.arange(len(faces)), 3)
    return csr_matrix((np.ones(faces.size), (faces.reshape(-1), columns)), shape=(count, len(faces)))


def _bending_matrix(sheet: Sheet, stiffness: float):  # scipy csr_matrix [V, V]
    """Quadratic bending of a flat rest shape: B Lᵀ M⁻¹ L with the cotangent Laplacian (Bergou et al. 2006, Sec. 3).

    Rows of the rim are left out of L: a cotangent row there sees the rim's slope instead of a curvature.
    """
    from scipy.sparse import coo_matrix, diags

    count = len(sheet.points)
    corners = sheet.points[sheet.faces]
    entries = []
    areas = np.zeros(count)
    for k in range(3):
        i, j = sheet.faces[:, (k + 1) % 3], sheet.faces[:, (k + 2) % 3]
        first, second = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        cross = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
        weight = 0.5 * np.einsum("fd,fd->f", first, second) / cross
        entries += [(i, j, weight), (j, i, weight), (i, i, -weight), (j, j, -weight)]
        np.add.at(areas, sheet.faces[:, k], cross / 6)
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    laplacian = coo_matrix((values, (rows, columns)), shape=(count, count)).tocsr()
    inside = (sheet.points > 0).all(axis=-1) & (sheet.points < np.array(sheet.size)).all(axis=-1)
    return (stiffness * laplacian.T @ diags(inside / areas) @ laplacian).tocsr()
