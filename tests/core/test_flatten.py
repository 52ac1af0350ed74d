"""Developable surfaces come back isometric, whatever their meshing; others fold or stretch and say so."""

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.flatten import edge_strain, flatten
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold


def irregular_sheet(count=14, *, hole=False, seed=0):
    """A Delaunay mesh of random points in the unit square, counter-clockwise, optionally with a hole in the middle."""
    from scipy.spatial import Delaunay

    generator = torch.Generator().manual_seed(seed)
    axis = torch.linspace(0, 1, count, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    inner = ((points > 0) & (points < 1)).all(dim=1, keepdim=True)
    points = points + 0.3 / count * inner * torch.randn(points.shape, generator=generator, dtype=torch.float64)
    faces = torch.from_numpy(Delaunay(points.numpy()).simplices).long()
    a, b = points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    faces = torch.where((cross < 0)[:, None], faces[:, [0, 2, 1]], faces)[cross.abs() > 1e-4]
    if hole:
        faces = faces[(points[faces].mean(dim=1) - 0.5).norm(dim=1) > 0.2]
        used, faces = torch.unique(faces, return_inverse=True)
        points = points[used]
    return points, faces


def rolled(points):
    """Roll the plane about a slanted axis into a cylinder of radius 0.4."""
    turn = math.radians(30)
    along, across = (
        points @ points.new_tensor([math.cos(turn), math.sin(turn)]),
        points @ points.new_tensor([-math.sin(turn), math.cos(turn)]),
    )
    return torch.stack([0.4 * torch.sin(along / 0.4), across, 0.4 * torch.cos(along / 0.4)], dim=1)


@pytest.mark.parametrize("hole", [False, True])
def test_rolled_sheet_is_laid_out_again(hole):
    points, faces = irregular_sheet(hole=hole)
    check_manifold(Mesh(rolled(points), faces))
    # Random chords of a cylinder are nearly, not exactly, developable: they are up to (edge / radius)² / 24 shorter than the arcs.
    strain = edge_strain(rolled(points), faces, flatten(rolled(points), faces))
    assert strain.mean < 5e-4
    assert strain.largest < 4e-3


def test_folded_strips_are_laid_out_exactly():
    """Quads between parallel lines stay plane when the sheet is rolled along them: an exactly developable polyhedron."""
    axis = torch.linspace(0, 1, 9, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    corner = torch.arange(81).view(9, 9)
    a, b, c, d = corner[:-1, :-1].flatten(), corner[1:, :-1].flatten(), corner[1:, 1:].flatten(), corner[:-1, 1:].flatten()
    faces = torch.cat([torch.stack([a, b, c], dim=1), torch.stack([a, c, d], dim=1)])
    bent = torch.stack([0.3 * torch.sin(points[:, 0] / 0.3), points[:, 1], 0.3 * torch.cos(points[:, 0] / 0.3)], dim=1)
    assert edge_strain(bent, faces, flatten(bent, faces)).largest < 1e-9


def test_flat_sheet_in_space_keeps_its_shape_and_handedness():
    points, faces = irregular_sheet(seed=3)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn).sign()
    lifted = torch.cat([points, torch.zeros(len(points), 1)], dim=1) @ turn.T + 2.0
    flat = flatten(lifted, faces)
    assert edge_strain(lifted, faces, flat).largest < 1e-9
    a, b = flat[faces[:, 1]] - flat[faces[:, 0]], flat[faces[:, 2]] - flat[faces[:, 0]]
    assert bool((a[:, 0] * b[:, 1] > a[:, 1] * b[:, 0]).all())


@pytest.mark.parametrize("degrees", [0.0, 70.0, 200.0])
def test_first_axis_follows_the_world_s_x(degrees):
    points, faces = irregular_sheet(count=6)
    turn = math.radians(degrees)
    spun = points @ points.new_tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    flat = flatten(torch.cat([spun, torch.zeros(len(points), 1)], dim=1), faces)
    torch.testing.assert_close(flat, spun - spun.mean(dim=0), rtol=0, atol=1e-8)


def test_first_axis_follows_y_where_x_runs_straight_through():
    points, faces = irregular_sheet(count=6)
    upright = torch.stack([torch.zeros(len(points)), points[:, 0], points[:, 1]], dim=1).double()  # normal along x
    torch.testing.assert_close(flatten(upright, faces), points - points.mean(dim=0), rtol=0, atol=1e-8)


def test_dome_reports_the_strain_it_must_have():
    points, faces = irregular_sheet()
    centred = points - 0.5
    dome = torch.cat([centred, -0.5 * (centred * centred).sum(dim=1, keepdim=True)], dim=1)
    strain = edge_strain(dome, faces, flatten(dome, faces))
    assert 1e-3 < strain.mean < 0.05


def test_closed_and_broken_surfaces_are_refused():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    with pytest.raises(InputError, match="closed"):
        flatten(vertices, torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]))
    apart = torch.cat([vertices[:3], vertices[:3] + 5])
    with pytest.raises(InputError, match="2 pieces"):
        flatten(apart, torch.tensor([[0, 1, 2], [3, 4, 5]]))
