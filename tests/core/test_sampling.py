"""Points drawn on a surface lie on it and are spread by area."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.sampling import sample_surface


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _soup(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    vertices = torch.randn(3 * count, 3, generator=_generator(4), dtype=torch.float64)
    return vertices, torch.arange(3 * count).reshape(count, 3)


def test_points_are_the_barycentric_combination_of_their_face():
    vertices, faces = _soup(7)
    points, face_index, barycentric = sample_surface(vertices, faces, 1000, generator=_generator())
    for i in range(0, 1000, 97):
        corners = [vertices[k] for k in faces[face_index[i]].tolist()]
        slow = sum(float(w) * corner for w, corner in zip(barycentric[i], corners, strict=True))
        torch.testing.assert_close(points[i], slow)
    assert bool((barycentric >= 0).all())
    torch.testing.assert_close(barycentric.sum(dim=-1), torch.ones(1000, dtype=torch.float64))


def test_a_face_gets_points_in_proportion_to_its_area():
    vertices, faces = _soup(6)
    corners = vertices[faces]
    areas = 0.5 * torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    count = 200_000
    _, face_index, _ = sample_surface(vertices, faces, count, generator=_generator())
    share = areas / areas.sum()
    seen = torch.bincount(face_index, minlength=6) / count
    standard_error = (share * (1 - share) / count).sqrt()
    assert bool(((seen - share).abs() < 4.5 * standard_error).all())


def test_points_are_uniform_within_a_triangle():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)
    count = 100_000
    points, _, _ = sample_surface(vertices, torch.tensor([[0, 1, 2]]), count, generator=_generator())
    # Moments of the uniform distribution over the unit right triangle: E x = 1/3, E x² = 1/6, E xy = 1/12.
    x, y = points[:, 0], points[:, 1]
    for seen, expected in ((x, 1 / 3), (y, 1 / 3), (x * x, 1 / 6), (y * y, 1 / 6), (x * y, 1 / 12)):
        assert abs(float(seen.mean()) - expected) < 4.5 * float(seen.std()) / math.sqrt(count)


def test_a_face_without_area_gets_no_point():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    faces = torch.tensor([[0, 1, 3], [0, 1, 2], [0, 0, 2], [1, 3, 0]])
    _, face_index, _ = sample_surface(vertices, faces, 5000, generator=_generator())
    assert face_index.unique().tolist() == [1]


def test_the_same_seed_gives_the_same_points():
    vertices, faces = _soup(5)
    first, second, third = (sample_surface(vertices, faces, 50, generator=_generator(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_gradients_reach_the_vertices():
    vertices, faces = _soup(3)
    vertices.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: sample_surface(v, faces, 20, generator=_generator())[0], (vertices,))


@pytest.mark.parametrize("faces", [torch.zeros(0, 3, dtype=torch.int64), torch.tensor([[0, 1, 1]])])
def test_a_mesh_without_area_is_refused(faces):
    with pytest.raises(InputError, match="area"):
        sample_surface(torch.rand(3, 3), faces, 5, generator=_generator())


def test_a_vertex_that_is_not_finite_is_refused():
    vertices, faces = _soup(3)
    vertices[4, 1] = math.nan
    with pytest.raises(InputError, match="finite area"):
        sample_surface(vertices, faces, 5, generator=_generator())
