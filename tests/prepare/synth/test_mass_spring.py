"""The sheet obeys mechanics: moduli, conservation, rest, pins and wind."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.mass_spring import ADDED_MASS, AIR_DENSITY, GRAVITY, Fabric, HangingSheet, Wind
from recon_cli.prepare.synth.sheet import hexagonal_sheet

SIZE = (0.5, 0.4)
AREA = SIZE[0] * SIZE[1]


def _wind(velocity=(0.0, 0.0, 0.0)) -> Wind:
    none = np.zeros((1, 3))
    return Wind(np.array(velocity), none, none, np.zeros(1), np.zeros(1), calm=1.0, onset=0.0, rise=1.0)


def _hanging(*, spacing: float = 0.03, pins=(), wind: Wind | None = None, **fabric: float) -> tuple[HangingSheet, np.ndarray]:
    sheet = hexagonal_sheet(SIZE, spacing, np.random.default_rng(1))
    flat = np.concatenate([sheet.points, np.ones((len(sheet.points), 1))], axis=-1)
    values = {"density": 0.2, "stiffness": 200.0, "bending": 1e-4, **fabric}
    return HangingSheet(sheet, Fabric(**values), wind or _wind(), pins=np.array(pins, dtype=int), start=flat), flat


def _energy(hanging: HangingSheet, positions: np.ndarray) -> float:
    arm = positions[hanging.springs[:, 1]] - positions[hanging.springs[:, 0]]
    stretch = np.linalg.norm(arm, axis=-1) - hanging.rest
    return float(0.5 * (hanging.spring_constants * stretch**2).sum() + 0.5 * (positions * (hanging._bending @ positions)).sum())


def _bumpy(flat: np.ndarray, amount: float = 2e-3) -> np.ndarray:
    return flat + amount * np.random.default_rng(2).standard_normal(flat.shape)


def test_masses_and_weights_add_up():
    hanging, _ = _hanging()
    assert hanging.weights.sum() == pytest.approx(0.2 * AREA * GRAVITY)
    assert hanging.masses.sum() == pytest.approx((0.2 + ADDED_MASS) * AREA)


def test_inner_forces_are_the_slope_of_the_energy():
    hanging, flat = _hanging(spacing=0.1)
    hanging.positions = _bumpy(flat)
    forces = hanging._internal()
    step = 1e-6
    for vertex in range(0, len(flat), 5):
        for axis in range(3):
            shift = np.zeros_like(flat)
            shift[vertex, axis] = step
            slope = (_energy(hanging, hanging.positions + shift) - _energy(hanging, hanging.positions - shift)) / (2 * step)
            assert forces[vertex, axis] == pytest.approx(-slope, rel=1e-5, abs=1e-7)


def test_inner_forces_neither_push_nor_turn_the_whole():
    hanging, flat = _hanging()
    hanging.positions = _bumpy(flat)
    hanging.velocities = 0.1 * np.random.default_rng(3).standard_normal(flat.shape)
    forces = hanging._internal()
    size = np.abs(forces).sum()
    assert np.abs(forces.sum(axis=0)).max() < 1e-12 * size
    # Dashpots act along springs, so they keep the angular momentum; only the linearised bending may turn a rotated sheet, not a flat one.
    springs_only = forces + hanging._bending @ hanging.positions
    assert np.abs(np.cross(hanging.positions, springs_only).sum(axis=0)).max() < 1e-12 * size


def test_a_flat_sheet_at_rest_feels_no_inner_force():
    hanging, _ = _hanging()
    assert np.abs(hanging._internal()).max() < 1e-9


def test_stretching_meets_the_modulus():
    hanging, flat = _hanging(spacing=0.02, bending=0.0)
    strain = 1e-3
    stretched = flat * np.array([1 + strain, 1.0, 1.0])
    # Springs on triangles have Poisson's ratio 1/3; without sideways contraction the modulus is E / (1 - 1/9).
    assert _energy(hanging, stretched) == pytest.approx(0.5 * 200.0 * 9 / 8 * strain**2 * AREA, rel=0.03)


def test_bending_meets_the_stiffness():
    hanging, flat = _hanging(spacing=0.015, bending=1e-3)
    radius = 2.0
    angle = flat[:, 0] / radius
    rolled = np.stack([radius * np.sin(angle), flat[:, 1], radius * np.cos(angle)], axis=-1)
    bending = 0.5 * float((rolled * (hanging._bending @ rolled)).sum())
    inside = (SIZE[0] - 0.015) * (SIZE[1] - 0.015)  # the rim does not count
    assert bending == pytest.approx(0.5 * 1e-3 / radius**2 * inside, rel=0.05)


def test_energy_does_not_grow_at_the_stable_step_without_air():
    hanging, flat = _hanging(spacing=0.06, damping=0.0)
    hanging._external = lambda time: np.zeros_like(flat)  # type: ignore[method-assign]
    hanging.positions = _bumpy(flat, 1e-4)
    start = _energy(hanging, hanging.positions)
    step = hanging.stable_step()
    energies = []
    for k in range(40):
        hanging.run(50 * k * step, 50 * (k + 1) * step, step)
        kinetic = 0.5 * float((hanging.masses[:, None] * hanging.velocities**2).sum())
        energies.append(kinetic + _energy(hanging, hanging.positions))
    # Leapfrog's energy swings around a constant; growth would be exponential.
    assert max(energies) < 2 * start
    assert np.mean(energies[-10:]) == pytest.approx(np.mean(energies[:10]), rel=0.1)


def test_pinned_vertices_stay_and_the_rest_falls():
    hanging, flat = _hanging(spacing=0.06, pins=[0, 3])
    hanging.run(0.0, 0.05, hanging.stable_step())
    np.testing.assert_array_equal(hanging.positions[[0, 3]], flat[[0, 3]])
    assert (hanging.positions[:, 1] - flat[:, 1]).mean() > 1e-3


def test_wind_through_a_still_sheet_presses_with_the_dynamic_pressure():
    hanging, _ = _hanging(wind=_wind((0.0, 0.0, 2.0)))
    np.testing.assert_allclose(hanging._air(0.0).sum(axis=0), [0, 0, AIR_DENSITY * AREA * 4.0], atol=1e-12)


def test_a_sheet_that_moves_with_the_wind_feels_none():
    hanging, flat = _hanging(wind=_wind((1.0, 0.5, 2.0)))
    hanging.velocities = np.broadcast_to([1.0, 0.5, 2.0], flat.shape)
    assert np.abs(hanging._air(0.0)).max() < 1e-15


def test_wind_grows_from_calm_to_full_strength():
    wind = Wind(np.array([0.0, 0, 3.0]), np.zeros((1, 3)), np.zeros((1, 3)), np.zeros(1), np.zeros(1), calm=0.2, onset=1.0, rise=2.0)
    speeds = [wind.velocity(np.zeros((1, 3)), time)[0, 2] for time in (-5.0, 1.0, 2.0, 3.0, 9.0)]
    np.testing.assert_allclose(speeds, [0.6, 0.6, 1.8, 3.0, 3.0])
