"""Even points on triangles."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core import lattice
from recon_cli.core.errors import InputError
from recon_cli.core.lattice import lattice_points


def _triangle(*corners: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(corners, dtype=torch.float64), torch.tensor([[0, 1, 2]])


def test_a_right_triangle_gets_the_whole_lattice():
    points = lattice_points(*_triangle((0, 0, 5), (1, 0, 5), (0, 1, 5)), 0.25)
    expected = {(i / 4, j / 4, 5.0) for i in range(5) for j in range(5 - i)}
    assert set(map(tuple, points.tolist())) == expected
    assert len(points) == 15


def test_every_place_of_a_triangle_is_near_a_point():
    vertices, faces = _triangle((0, 0, 0), (3, 0.2, 0), (1, 1.7, 0.4))
    points = lattice_points(vertices, faces, 0.1)
    weights = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inside = (weights / weights.sum(1, keepdim=True)) @ vertices
    assert float(torch.cdist(inside, points).min(dim=1).values.max()) < 0.1
    assert len(points) < 1.5 * 0.5 * 3 * 1.7 / 0.1**2


def test_corners_are_among_the_points_and_slivers_give_little_else():
    vertices, faces = _triangle((0, 0, 0), (0.01, 0, 0), (0, 0.01, 0))
    assert sorted(lattice_points(vertices, faces, 0.2).tolist()) == sorted(vertices.tolist())
    line, _ = _triangle((0, 0, 0), (1, 0, 0), (2, 0, 0))
    assert torch.isfinite(lattice_points(line, faces, 0.5)).all()


@pytest.mark.parametrize("side", [1e5, 1e300])
def test_more_points_than_memory_are_refused(side):
    with pytest.raises(InputError, match=r"points on this mesh, at most 2e\+08 are made"):
        lattice_points(*_triangle((0, 0, 0), (side, 0, 0), (0, side, 0)), 0.2)


def test_many_faces_are_done_in_chunks(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    vertices = torch.rand(60, 3, generator=generator, dtype=torch.float64)
    faces = torch.randint(0, 60, (200, 3), generator=generator)
    whole = lattice_points(vertices, faces, 0.1)
    monkeypatch.setattr(lattice, "_POINTS_AT_ONCE", 500)
    assert torch.equal(lattice_points(vertices, faces, 0.1), whole)


def test_what_cannot_be_sampled_is_refused():
    vertices, faces = _triangle((0, 0, 0), (1, 0, 0), (0, 1, 0))
    with pytest.raises(InputError, match="positive spacing"):
        lattice_points(vertices, faces, 0.0)
    with pytest.raises(InputError, match="NaN"):
        lattice_points(vertices * math.nan, faces, 0.1)
    assert len(lattice_points(vertices, faces[:0], 0.1)) == 0
