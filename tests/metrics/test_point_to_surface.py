"""Distances to spheres, planes and triangles."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.metrics.point_to_surface import distance_to_surface, point_distances


def _square(origin: float = 0.0, side: float = 1.0) -> Mesh:
    vertices = torch.tensor([[0.0, 0, 0], [side, 0, 0], [side, side, 0], [0, side, 0]], dtype=torch.float64) + origin
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def test_points_above_beside_and_beyond_a_corner():
    points = torch.tensor([[0.3, 0.6, 0.25], [0.3, 0.6, -0.25], [1.5, 0.5, 0], [1.3, 1.4, 0], [0.5, 0.5, 0]], dtype=torch.float64)
    expected = torch.tensor([0.25, 0.25, 0.5, 0.5, 0], dtype=torch.float64)
    assert torch.allclose(distance_to_surface(points, _square()), expected, atol=1e-12)


def test_millimetres_far_from_the_origin_keep_their_digits():
    mesh = _square(origin=600.0, side=200.0)
    generator = torch.Generator().manual_seed(0)
    points = 600 + 200 * torch.rand(500, 3, generator=generator, dtype=torch.float64)
    points[:, 2] = 600 + 0.01
    assert float((distance_to_surface(points, mesh) - 0.01).abs().max()) < 1e-9


def test_a_point_of_the_surface_is_at_zero():
    mesh = _square(origin=600.0)
    assert float(distance_to_surface(mesh.vertices, mesh).max()) < 1e-12


def test_the_numbers_of_known_distances():
    found = point_distances(torch.arange(1, 101).double(), thresholds=[10, 50.5])
    assert (found.median, found.mean, found.points) == (50, 50.5, 100)
    assert found.percentiles == {90: 90, 95: 95, 99: 99}
    assert found.within == {10: 0.1, 50.5: 0.5}
    assert found.rms == pytest.approx(math.sqrt(338350 / 100))
    assert found.record()["within"] == {"10": 0.1, "50.5": 0.5}
    assert point_distances(torch.tensor([2.5])).percentiles == {90: 2.5, 95: 2.5, 99: 2.5}


def test_nothing_to_measure_is_refused():
    empty = torch.zeros(0, 3)
    with pytest.raises(InputError, match="no points"):
        point_distances(distance_to_surface(empty, _square()))
    with pytest.raises(InputError, match="no faces"):
        distance_to_surface(torch.zeros(1, 3), Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)))
    with pytest.raises(InputError, match="1 of 2 points have a NaN"):
        distance_to_surface(torch.tensor([[0.0, 0, 0], [math.nan, 0, 0]]), _square())
