"""The nearest point of a triangle, against many points of it, and points that follow their mesh."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.closest_points import ClosestPoints, SurfacePoints, closest_in_triangles
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from tests.metrics.solids import box, sphere


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-2, 2, width=32), min_size=12, max_size=12))
def test_no_other_point_of_the_triangle_is_nearer(numbers):
    values = torch.tensor(numbers, dtype=torch.float64)
    corners, point = values[:9].reshape(1, 3, 3), values[9:][None]
    steps = 60
    i, j = torch.meshgrid(torch.arange(steps + 1), torch.arange(steps + 1), indexing="ij")
    inside = i + j <= steps
    weights = torch.stack([i[inside], j[inside], steps - i[inside] - j[inside]], dim=-1).double() / steps
    sampled = float((weights @ corners[0] - point).norm(dim=-1).min())
    found = closest_in_triangles(point, corners)
    assert float(found.min()) >= 0
    assert float(found.sum()) == pytest.approx(1, abs=1e-12)
    distance = float((found @ corners[0] - point).norm())
    reach = float((corners.roll(-1, 1) - corners).norm(dim=-1).max()) / steps
    assert distance - 1e-9 <= sampled <= distance + reach + 1e-9


def test_the_search_agrees_with_all_triangles_tried():
    mesh = sphere(8, centre=(500.0, 0, 0))
    points = mesh.vertices.mean(dim=0) + 3 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    corners = mesh.vertices[mesh.faces]
    tried = torch.stack([(closest_in_triangles(p.expand(len(corners), 3), corners)[:, None] @ corners)[:, 0] for p in points])
    least = (tried - points[:, None]).norm(dim=-1).amin(dim=1)
    found = ClosestPoints(mesh)(points).on(mesh.vertices)
    torch.testing.assert_close((found - points).norm(dim=-1), least, rtol=0, atol=1e-9)


def test_a_point_on_the_surface_is_its_own_nearest_and_moves_with_it():
    mesh = box()
    points = torch.tensor([[0.3, 0.2, 1.0], [1.0, 0.25, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)
    found = ClosestPoints(mesh)(points)
    torch.testing.assert_close(found.on(mesh.vertices), points, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.on(2 * mesh.vertices + 1), 2 * points + 1, rtol=0, atol=1e-12)


def test_points_hang_between_their_corners():
    hung = SurfacePoints(torch.tensor([[2, 0, 1]]), torch.tensor([[0.5, 0.25, 0.25]]))
    assert hung.on(torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])).tolist() == [[1, 1, 2]]


def test_a_mesh_without_faces_is_refused():
    with pytest.raises(InputError, match="no faces"):
        ClosestPoints(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)))
