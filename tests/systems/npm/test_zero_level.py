"""Surfaces found from coarse cells to fine ones."""

import math

import pytest
import torch

from recon_cli.core.topology import check_manifold, edge_faces
from recon_cli.systems.npm.zero_level import zero_level

CPU = torch.device("cpu")


def ball(centre, radius, scale=1.0):
    return lambda points: scale * ((points - torch.tensor(centre)).norm(dim=1) - radius)


def is_closed(mesh):
    check_manifold(mesh)
    return not bool(edge_faces(mesh.faces).is_boundary.any())


def volume(mesh):
    a, b, c = mesh.vertices[mesh.faces].double().unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("cells", [10, 33, 64, 100])
def test_a_ball_is_found_in_any_grid(cells):
    mesh = zero_level(ball([0.1, -0.05, 0.2], 0.3), reach=0.6, cells=cells, device=CPU)
    assert is_closed(mesh)
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * 0.3**3, rel=20 / cells**2)
    assert float(((mesh.vertices - torch.tensor([0.1, -0.05, 0.2])).norm(dim=1) - 0.3).abs().max()) < 0.6 / cells


def test_few_points_are_asked_for():
    asked = 0

    def counted(points):
        nonlocal asked
        asked += len(points)
        return ball([0.0, 0.0, 0.0], 0.4)(points)

    mesh = zero_level(counted, reach=0.55, cells=128, device=CPU)
    assert asked < 7 * len(mesh.vertices) < 0.15 * 129**3


def test_what_is_no_distance_closes_all_the_same():
    def steep(points):  # changes twenty times faster than a distance, so that coarse cells miss thin parts
        return 20 * ((points[:, 0] / 0.45).square() + (points[:, 1:] / 0.012).square().sum(dim=1) - 1)

    mesh = zero_level(steep, reach=0.55, cells=128, device=CPU)
    assert is_closed(mesh)
    assert float(mesh.vertices[:, 0].abs().max()) == pytest.approx(0.45, abs=0.01)


def test_a_body_that_leaves_the_cube_is_closed_at_its_rim():
    mesh = zero_level(ball([0.5, 0.0, 0.0], 0.3), reach=0.55, cells=64, device=CPU)
    assert is_closed(mesh)
    assert 0.5 < float(mesh.vertices.max()) < 0.55


def test_the_largest_piece_is_kept():
    def both(points):
        return torch.minimum(ball([-0.2, 0.0, 0.0], 0.2)(points), ball([0.3, 0.3, 0.3], 0.08)(points))

    mesh = zero_level(both, reach=0.55, cells=64, device=CPU)
    assert is_closed(mesh)
    assert float(mesh.vertices[:, 0].max()) < 0.02


def test_nothing_inside_has_no_faces():
    assert not len(zero_level(lambda points: torch.ones(len(points)), reach=0.5, cells=32, device=CPU).faces)
