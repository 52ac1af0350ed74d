"""Forces from positions, and positions from those forces again."""

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.systems.sft.inverse_dynamics import in_between, inverse_dynamics, path_velocities
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.simulator import ClothState, Physics, Wind, make_cloth, simulate


def waving(mesh, count, *, height=0.02, pins=()):
    """A wave that grows from rest, in metres; pinned vertices stay."""
    time = torch.arange(count, dtype=torch.float64)[:, None]
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    positions = mesh.vertices.repeat(count, 1, 1)
    positions[..., 2] += height * (1 - torch.cos(time / 6)) * torch.sin(9 * x + 5 * y - time / 5)
    positions[..., 0] += 0.2 * height * (1 - torch.cos(time / 7)) * torch.cos(6 * x)
    positions[:, list(pins)] = mesh.vertices[list(pins)]
    return positions


@pytest.mark.parametrize("steps_per_frame", [1, 4])
@pytest.mark.parametrize("windy", [False, True])
def test_replay_is_exact(make_sheet, steps_per_frame, windy):
    mesh = make_sheet(7, 8, jitter=0.1)
    pins = [0, 7]
    cloth, material = make_cloth(mesh, pins=pins), published()
    positions, h = waving(mesh, 20, pins=pins), 1 / 30 / steps_per_frame
    wind = Wind(torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64), drag=0.1) if windy else None
    setting = {"wind": wind, "physics": Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.3)}
    forces = inverse_dynamics(cloth, material, positions, h=h, steps_per_frame=steps_per_frame, **setting)
    replay = simulate(
        cloth,
        material,
        ClothState.at_rest(positions[0]),
        steps=len(forces),
        h=h,
        forces=forces,
        steps_per_frame=steps_per_frame,
        **setting,
    )
    assert len(forces) == 19 * steps_per_frame
    assert float((replay - positions).abs().max()) < 1e-12
    assert float(forces[:, pins].abs().max()) == 0.0


def test_replay_of_a_thousand_vertices_over_fifty_frames_is_exact(make_sheet):
    """In-plane waves compress the cloth, which buckles: rounding would grow past any bound if the forces did not follow the replay."""
    mesh = make_sheet(32, 32, size=0.6, jitter=0.1)
    cloth, material = make_cloth(mesh), published()
    positions = waving(mesh, 50)
    forces = inverse_dynamics(cloth, material, positions, h=1 / 30)
    replay = simulate(cloth, material, ClothState.at_rest(positions[0]), steps=49, h=1 / 30, forces=forces)
    assert float((replay - positions).abs().max()) < 1e-9


def test_simulated_motion_gives_its_own_forces_back(make_sheet, normal):
    mesh = make_sheet(5, 5, jitter=0.1)
    cloth, material = make_cloth(mesh), published()
    forces, start = 0.002 * normal(8, 25, 3), 0.1 * normal(25, 3)
    positions = simulate(cloth, material, ClothState(mesh.vertices, start), steps=8, h=0.01, forces=forces)
    found = inverse_dynamics(cloth, material, positions, h=0.01, start_velocities=start)
    torch.testing.assert_close(found, forces, rtol=0, atol=1e-9)


def test_stillness_needs_no_force_and_gravity_needs_the_weight(make_sheet):
    mesh = make_sheet(5, 5)
    cloth, material = make_cloth(mesh), published()
    still = mesh.vertices.repeat(4, 1, 1)
    assert float(inverse_dynamics(cloth, material, still, h=0.01).abs().max()) < 1e-9
    held = inverse_dynamics(cloth, material, still, h=0.01, physics=Physics(gravity=(0.0, 9.81, 0.0)))
    weight = float(material.density) * 0.4 * 0.4 * 9.81
    torch.testing.assert_close(held.sum(dim=1), torch.tensor([0.0, -weight, 0.0], dtype=torch.float64).expand(3, 3), rtol=0, atol=1e-8)


def test_path_meets_frames_exactly_and_leaves_with_the_start_velocity(normal):
    frames, start = normal(6, 4, 3), normal(4, 3)
    path = in_between(frames, h=0.01, steps_per_frame=50, start_velocities=start)
    assert torch.equal(path[::50], frames)
    torch.testing.assert_close(path_velocities(path, h=0.01)[1], start, rtol=0, atol=0.1 * float(frames.abs().max()) / 0.5)
    assert torch.equal(in_between(frames, h=0.01, steps_per_frame=1), frames)


def test_spline_follows_a_smooth_path_closely():
    time = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None, None]
    path = in_between(1 - torch.cos(3 * time), h=0.01, steps_per_frame=10)
    fine = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None, None]
    inner = slice(0, 60)  # the free end is only of second order
    assert float((path - (1 - torch.cos(3 * fine)))[inner].abs().max()) < 1e-4
    assert math.isclose(float(path[-1, 0, 0]), 1 - math.cos(3.0))


def test_wrong_positions_are_refused(make_sheet):
    mesh = make_sheet(4, 4)
    cloth = make_cloth(mesh, pins=[2])
    positions = waving(mesh, 5)
    with pytest.raises(InputError, match="pinned vertex moves"):
        inverse_dynamics(cloth, published(), positions, h=0.01)
    with pytest.raises(InputError, match=r"expected float64 \[T, 16, 3\]"):
        inverse_dynamics(cloth, published(), positions[:, :7], h=0.01)
