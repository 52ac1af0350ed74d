"""Irradiance against a torch twin and finite differences."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.normals import unit
from recon_cli.kernels.irradiance import irradiance


def _twin(normals: Tensor, polynomial: Tensor, directions: Tensor, colors: Tensor) -> tuple[Tensor, Tensor]:
    units = unit(normals)
    x, y, z = units.unbind(-1)
    basis = torch.stack([torch.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], dim=-1)
    return units, basis @ polynomial + (units @ directions.T).clamp(min=0) @ colors


def _inputs(count: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(count, 3), (9, 3), (2, 3), (2, 3)]
    values = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    values[2] = unit(values[2])
    return [value.requires_grad_(True) for value in values]


def test_matches_the_twin_forward_and_backward_across_chunks() -> None:
    inputs = _inputs(9000, torch.float64)
    weights = torch.randn(2, 9000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = irradiance(*inputs), _twin(*inputs)
    for mine, reference in zip(ours, theirs):
        torch.testing.assert_close(mine, reference)
    our_gradients = torch.autograd.grad(sum((v * w).sum() for v, w in zip(ours, weights)), inputs)
    their_gradients = torch.autograd.grad(sum((v * w).sum() for v, w in zip(theirs, weights)), inputs)
    for mine, reference in zip(our_gradients, their_gradients):
        torch.testing.assert_close(mine, reference)


def test_float32_matches_the_twin() -> None:
    inputs = _inputs(500, torch.float32)
    for mine, reference in zip(irradiance(*inputs), _twin(*inputs)):
        torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-5)


def test_gradients_match_finite_differences() -> None:
    assert torch.autograd.gradcheck(irradiance, _inputs(6, torch.float64))


def test_a_null_normal_stays_null() -> None:
    inputs = _inputs(4, torch.float64)
    with torch.no_grad():
        inputs[0][1] = 0
    units, light = irradiance(*inputs)
    assert torch.equal(units[1], torch.zeros(3, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(light.sum() + units.sum(), inputs[:1])
    assert torch.equal(gradient[1], torch.zeros(3, dtype=torch.float64))


def test_no_lamps_and_no_normals() -> None:
    inputs = _inputs(3, torch.float64)
    empty = torch.zeros(0, 3, dtype=torch.float64)
    units, _ = irradiance(inputs[0], inputs[1], empty, empty)
    assert units.shape == (3, 3)
    units, light = irradiance(empty, *inputs[1:])
    assert units.shape == light.shape == (0, 3)
