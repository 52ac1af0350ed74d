"""The matrix-free balance against the assembled system and the paper's equations."""

import pytest
import torch

from recon_cli.systems.sft.balance import Physics, elastic_forces, gather, masses, residual, system
from recon_cli.systems.sft.cloth import make_cloth
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.wind import Wind, air_flow, wind_forces

PHYSICS = Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.5, stretching_damping=0.01, bending_damping=0.02)


@pytest.fixture
def scene(make_sheet, normal):
    mesh = make_sheet(jitter=0.1)
    positions = mesh.vertices + 0.02 * normal(*mesh.vertices.shape)
    return make_cloth(mesh), published(), positions, normal(*positions.shape)


@pytest.mark.parametrize("windy", [False, True])
def test_system_is_the_residual_s_matrix(scene, normal, windy):
    cloth, material, positions, velocities = scene
    wind = Wind(normal(3), drag=0.3) if windy else None
    shared = (cloth, material, wind, PHYSICS, 0.01)
    state = {"positions": positions, "velocities": velocities}
    new = normal(*positions.shape)
    (per_face, per_hinge), diagonal = system(*shared, **state)
    product = gather(
        cloth,
        (per_face @ new[cloth.faces].flatten(1)[..., None])[..., 0].view(-1, 3, 3),
        (per_hinge @ new[cloth.hinges].flatten(1)[..., None])[..., 0].view(-1, 4, 3),
    )
    product = product + diagonal[:, None] * new
    change = residual(*shared, **state, new_velocities=new) - residual(*shared, **state, new_velocities=torch.zeros_like(new))
    torch.testing.assert_close(product, change, rtol=1e-9, atol=1e-12)
    symmetric = torch.allclose(per_face, per_face.mT, rtol=0, atol=1e-12)
    assert symmetric != windy


def test_balance_is_newton_s_law_for_a_small_step(scene, normal):
    """Divided by h, the residual tends to M a - f as h tends to zero."""
    cloth, material, positions, velocities = scene
    wind, h = Wind(normal(3)), 1e-9
    physics = Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.5)
    acceleration = normal(*positions.shape)
    balance = residual(
        cloth, material, wind, physics, h, positions=positions, velocities=velocities, new_velocities=velocities + h * acceleration
    )
    flow = air_flow(wind, positions[cloth.faces], velocities[cloth.faces])
    air = gather(cloth, wind_forces(wind, flow)[:, None].expand(-1, 3, -1), torch.zeros(len(cloth.hinges), 4, 3, dtype=torch.float64))
    mass = masses(cloth, material)[:, None]
    forces = elastic_forces(cloth, material, positions) + air + mass * (torch.tensor([0.0, 9.81, 0.0]) - 0.5 * velocities)
    torch.testing.assert_close(balance / h, mass * acceleration - forces, rtol=1e-5, atol=1e-5)


def test_batches_are_the_single_balances(scene, normal):
    cloth, material, positions, _ = scene
    stack = [torch.stack([positions + 0.01 * normal(*positions.shape) for _ in range(3)]) for _ in range(3)]
    wind = Wind(normal(3), drag=0.1)
    names = ("positions", "velocities", "new_velocities")
    together = residual(cloth, material, wind, PHYSICS, 0.02, **dict(zip(names, stack)))
    for index in range(3):
        alone = residual(cloth, material, wind, PHYSICS, 0.02, **{name: value[index] for name, value in zip(names, stack)})
        torch.testing.assert_close(together[index], alone, rtol=1e-12, atol=1e-14)
