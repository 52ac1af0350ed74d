"""Chamfer distances whose value is known."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.core.procrustes import Similarity
from recon_cli.metrics.chamfer import chamfer, rigid_icp, surface_points


def _square(z: float = 0.0) -> Mesh:
    vertices = torch.tensor([[0.0, 0, z], [1, 0, z], [1, 1, z], [0, 1, z]], dtype=torch.float64)
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def _cloud(seed: int, count: int = 200) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_points_against_points_agree_with_the_formula_written_out():
    first, second = _cloud(0), _cloud(1, 150)
    found = chamfer(first, second)
    nearest_a = [min(math.dist(a, b) for b in second.tolist()) for a in first.tolist()]
    nearest_b = [min(math.dist(a, b) for a in first.tolist()) for b in second.tolist()]
    assert found.squared == pytest.approx(sum(d * d for d in nearest_a) / 200 + sum(d * d for d in nearest_b) / 150, rel=1e-12)
    assert found.plain == pytest.approx(sum(nearest_a) / 200 + sum(nearest_b) / 150, rel=1e-12)
    assert (found.samples_a, found.samples_b) == (200, 150)


def test_a_mesh_is_at_distance_zero_from_itself():
    points = surface_points(_square(), samples=500, seed=3)
    found = chamfer(points, surface_points(_square(), samples=500, seed=3))
    assert found.squared == found.plain == 0.0


def test_a_square_shifted_along_its_normal_is_at_exactly_that_distance():
    first, second = (surface_points(_square(z), samples=2000, seed=0) for z in (0.0, 0.25))
    found = chamfer(first, second)
    assert found.squared_a_to_b == pytest.approx(0.0625, rel=1e-12)
    assert found.squared == pytest.approx(0.125, rel=1e-12)
    assert found.plain == pytest.approx(0.5, rel=1e-12)
    assert found.c_l2 == found.record()["c_l2"] == 0.5 * found.squared


def test_swapping_the_sides_swaps_the_directions():
    first, second = _cloud(2), _cloud(3, 90)
    there, back = chamfer(first, second), chamfer(second, first)
    assert (there.squared_a_to_b, there.plain_b_to_a) == (back.squared_b_to_a, back.plain_a_to_b)
    assert there.squared == back.squared


def test_points_of_a_set_are_taken_as_they_are():
    points = torch.rand(17, 3)
    assert torch.equal(surface_points(PointSet(points), samples=5, seed=0), points.double())


def test_the_sampling_floor_falls_with_the_number_of_samples():
    # The mean squared distance to the nearest of n random points per unit area of a plane is 1 / (pi n).
    for count in (2000, 8000):
        first, second = (surface_points(_square(), samples=count, seed=seed) for seed in (0, 1))
        assert chamfer(first, second).squared_a_to_b == pytest.approx(1 / (math.pi * count), rel=0.1)


def test_icp_undoes_a_small_motion():
    angle = 0.05
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]], dtype=torch.float64)
    bumps = surface_points(_square(), samples=3000, seed=0)
    bumps = bumps + torch.stack([0 * bumps[:, 0], 0 * bumps[:, 0], 0.2 * torch.sin(5 * bumps[:, 0]) * torch.cos(4 * bumps[:, 1])], dim=-1)
    moved = Similarity(rotation, torch.tensor([0.01, -0.02, 0.03], dtype=torch.float64))(bumps)
    assert chamfer(moved, bumps).squared > 1e-4
    assert chamfer(rigid_icp(moved, bumps)(moved), bumps).squared < 1e-20


def test_an_empty_side_is_refused():
    with pytest.raises(InputError, match="no points"):
        chamfer(torch.rand(3, 3), torch.zeros(0, 3))
