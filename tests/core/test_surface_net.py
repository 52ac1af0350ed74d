from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.surface_net import surface_net
from recon_cli.core.topology import check_manifold


def lattice(side: int) -> torch.Tensor:  # [side³, 3]
    return torch.stack(torch.meshgrid(*[torch.arange(side)] * 3, indexing="ij"), dim=-1).reshape(-1, 3)


def volume(mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def is_closed(faces: torch.Tensor) -> bool:
    """Every directed edge has as many partners as it appears times."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = int(faces.max()) + 1
    there, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    return torch.equal(there.sort().values, back.sort().values)


def test_a_sphere_has_its_volume_and_its_distances():
    places, radius = lattice(24), 8.3
    values = radius - (places - torch.tensor([11.2, 11.7, 12.1])).norm(dim=1)
    mesh = surface_net(places, values)
    assert is_closed(mesh.faces)
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.02)
    distance = (mesh.vertices - torch.tensor([11.2, 11.7, 12.1])).norm(dim=1) - radius
    assert float(distance.abs().max()) < 0.12
    assert len(mesh.vertices) - len(mesh.faces) // 2 == 2  # Euler's formula of a sphere


def test_only_the_samples_beside_the_surface_are_needed_in_any_order():
    places = lattice(16)
    values = 5.1 - (places - 7.5).norm(dim=1)
    whole = surface_net(places, values)
    near = torch.nonzero(values.abs() < 1.8)[:, 0].flip(0)
    sparse = surface_net(places[near] - 100, values[near])
    assert torch.equal(sparse.faces, whole.faces)
    assert torch.allclose(sparse.vertices + 100, whole.vertices)


def test_any_pattern_of_signs_closes():
    generator = torch.Generator().manual_seed(4)
    places = lattice(9)
    values = torch.randn(len(places), generator=generator)
    values[((places == 0) | (places == 8)).any(dim=1)] = -1.0
    mesh = surface_net(places, values)
    assert is_closed(mesh.faces)
    assert volume(mesh) > 0


@pytest.mark.parametrize("seed", range(4))
def test_any_pattern_of_signs_is_manifold(seed):
    """Thousands of cells with several sheets in every arrangement, those that touch along a face among them."""
    places = lattice(21)
    values = torch.rand(len(places), generator=torch.Generator().manual_seed(seed)) - (0.2 + 0.2 * seed)
    values[((places == 0) | (places == 20)).any(dim=1)] = -1.0
    check_manifold(surface_net(places, values))


def test_samples_that_no_cut_edge_has_change_nothing():
    places = lattice(9)
    values = torch.rand(len(places), generator=torch.Generator().manual_seed(1)) - 0.7
    values[((places == 0) | (places == 8)).any(dim=1)] = -1.0
    field = values.view(9, 9, 9)
    is_needed = torch.zeros(9, 9, 9, dtype=torch.bool)
    for axis in range(3):
        is_cut = (field > 0).movedim(axis, 0)[1:] != (field > 0).movedim(axis, 0)[:-1]
        is_needed.movedim(axis, 0)[1:] |= is_cut
        is_needed.movedim(axis, 0)[:-1] |= is_cut
    needed = is_needed.flatten()
    assert not bool(needed.all())
    whole, sparse = surface_net(places, values), surface_net(places[needed], values[needed])
    assert torch.equal(sparse.faces, whole.faces)
    assert torch.allclose(sparse.vertices, whole.vertices)


def test_nothing_inside_is_nothing():
    assert len(surface_net(lattice(3), -torch.ones(27)).faces) == 0
    assert len(surface_net(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0)).vertices) == 0
