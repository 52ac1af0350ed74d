"""Lights against closed forms, a quadrature and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.normals import unit
from recon_cli.render.lights import Lights, shade


def _directions(count: int) -> Tensor:
    """Evenly spread over the sphere (a golden spiral)."""
    i = torch.arange(count, dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * i / count, i * torch.pi * (1 + 5**0.5)
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=-1)


def _white(count: int) -> Tensor:
    return torch.ones(count, 3, dtype=torch.float64)


def _lights(**values: Tensor) -> Lights:
    return Lights(**values).to(dtype=torch.float64)


def test_default_lights_change_nothing() -> None:
    normals = _directions(20)
    color, units = shade(_white(20) * 0.3, 2.5 * normals, _lights())
    torch.testing.assert_close(color, _white(20) * 0.3)
    torch.testing.assert_close(units, normals)


def test_a_directional_light_follows_the_cosine() -> None:
    lights = _lights(ambient=torch.zeros(3), directions=torch.tensor([[0.0, 0, -2]]), colors=torch.tensor([[1.0, 0.5, 0]]))
    normals = torch.tensor([[0.0, 0, -1], [0, 3**0.5 / 2, -0.5], [0, 0, 1]], dtype=torch.float64)
    color, _ = shade(_white(3), normals, lights)
    expected = torch.tensor([[1.0, 0.5, 0], [0.5, 0.25, 0], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(color, expected)


def test_spherical_harmonics_are_orthonormal() -> None:
    normals = _directions(20_000)
    basis = []
    for k in range(9):
        harmonics = torch.zeros(9, 3)
        harmonics[k] = 1
        basis.append(shade(_white(20_000), normals, _lights(ambient=torch.zeros(3), harmonics=harmonics))[0][:, 0])
    table = torch.stack(basis)
    torch.testing.assert_close(4 * torch.pi * table @ table.T / 20_000, torch.eye(9, dtype=torch.float64), atol=2e-3, rtol=0)


def test_gradients_match_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 3), (5, 3), (3,), (2, 3), (2, 3), (9, 3)]
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_(True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda albedo, normals, *lights: shade(albedo, normals, Lights(*lights)), inputs)


def test_lights_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"colors of the lights has shape \[2, 3\], expected \[1, 3\]"):
        Lights(directions=unit(torch.ones(1, 3)), colors=torch.ones(2, 3))
