"""Wind on a plate in closed form, and its derivatives."""

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.systems.sft.wind import Wind, air_flow, wind_derivatives, wind_forces, wind_matrices, wind_product

PLATE = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 3, 0]]], dtype=torch.float64)  # area 3, normal z


def air(*velocity):
    return torch.tensor(velocity, dtype=torch.float64)


@pytest.mark.parametrize("speed", [2.0, -2.0])
def test_pressure_is_quadratic_and_along_the_normal(speed):
    wind = Wind(air(5.0, 0.0, speed), air_density=1.5)
    force = 3 * wind_forces(wind, air_flow(wind, PLATE, torch.zeros_like(PLATE)))[0]
    torch.testing.assert_close(force, air(0.0, 0.0, 1.5 * 3 * abs(speed) * speed))


def test_drag_is_linear_and_tangential_and_motion_counts():
    wind = Wind(air(4.0, 1.0, 0.0), air_density=1.0, drag=0.2)
    moving = torch.zeros_like(PLATE) + air(1.0, 0.0, 0.0)
    force = 3 * wind_forces(wind, air_flow(wind, PLATE, moving))[0]
    torch.testing.assert_close(force, 0.2 * 3 * air(3.0, 1.0, 0.0))


def test_derivatives_agree_with_automatic_ones(normal):
    wind = Wind(normal(3), air_density=1.2, drag=0.3)
    corners, speeds = normal(6, 3, 3).requires_grad_(), normal(6, 3, 3).requires_grad_()
    flow = air_flow(wind, corners, speeds)
    forces = wind_forces(wind, flow)
    by_position, by_velocity = wind_matrices(flow, wind_derivatives(wind, flow))
    for axis in range(3):
        expected = torch.autograd.grad(forces[:, axis].sum(), (corners, speeds), retain_graph=True)
        for corner in range(3):
            torch.testing.assert_close(by_position[:, 3 * corner + axis], expected[0].flatten(1), rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(by_velocity[:, 3 * corner + axis], expected[1].flatten(1), rtol=1e-10, atol=1e-10)


def test_product_is_the_matrices_times_the_motion(normal):
    wind = Wind(normal(3), drag=0.3)
    flow = air_flow(wind, normal(6, 3, 3), normal(6, 3, 3))
    derivatives = wind_derivatives(wind, flow)
    motion, acceleration = normal(6, 3, 3), normal(6, 3, 3)
    by_position, by_velocity = wind_matrices(flow, derivatives)
    expected = by_position @ motion.flatten(1)[..., None] + by_velocity @ acceleration.flatten(1)[..., None]
    product = wind_product(flow, derivatives, motion, acceleration)
    torch.testing.assert_close(product, expected[:, :3, 0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(product, expected[:, 6:, 0], rtol=1e-10, atol=1e-10)


def test_wrong_winds_are_refused():
    with pytest.raises(InputError, match="three finite"):
        Wind(air(1.0, float("nan"), 0.0))
    with pytest.raises(InputError, match="negative"):
        Wind(air(0.0, 0.0, 0.0), drag=-1.0)
