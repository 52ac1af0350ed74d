"""Normals and areas against closed forms and finite differences."""

from __future__ import annotations

import torch

from recon_cli.core.normals import face_areas, face_normals, gather_rows, sum_rows, unit, vertex_normals


def _tetrahedron() -> tuple[torch.Tensor, torch.Tensor]:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    return vertices, faces


def test_areas_and_normals_of_a_corner_tetrahedron() -> None:
    vertices, faces = _tetrahedron()
    expected = torch.tensor([0.5, 0.5, 0.5, 3**0.5 / 2], dtype=torch.float64)
    torch.testing.assert_close(face_areas(vertices, faces), expected)
    outward = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0], [3**-0.5] * 3], dtype=torch.float64)
    torch.testing.assert_close(face_normals(vertices, faces), outward)


def test_area_vectors_of_a_closed_surface_cancel() -> None:
    vertices, faces = _tetrahedron()
    vertices = vertices + 0.1 * torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    total = (face_normals(vertices, faces) * face_areas(vertices, faces)[:, None]).sum(0)
    torch.testing.assert_close(total, torch.zeros(3, dtype=torch.float64), atol=1e-15, rtol=0)


def test_vertex_normals_are_weighted_by_area() -> None:
    vertices, faces = _tetrahedron()
    normals = vertex_normals(vertices, faces)
    torch.testing.assert_close(normals[0], torch.full((3,), -(3**-0.5), dtype=torch.float64))
    torch.testing.assert_close(normals[1], torch.tensor([1.0, 0, 0], dtype=torch.float64), atol=1e-15, rtol=0)


def test_degenerate_faces_and_lone_vertices_give_zero_without_nan() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]], dtype=torch.float64, requires_grad=True)
    faces = torch.tensor([[0, 1, 2]])
    normals = vertex_normals(vertices, faces)
    assert torch.equal(normals.detach(), torch.zeros(4, 3, dtype=torch.float64))
    (normals.sum() + face_normals(vertices, faces).sum()).backward()
    assert vertices.grad is not None
    assert torch.isfinite(vertices.grad).all()


def test_gradients_match_finite_differences() -> None:
    vertices, faces = _tetrahedron()
    vertices.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), vertices)
    assert torch.autograd.gradcheck(lambda v: face_normals(v, faces), vertices)
    assert torch.autograd.gradcheck(lambda v: face_areas(v, faces), vertices)
    assert torch.autograd.gradgradcheck(lambda v: face_areas(v, faces), vertices)


def test_gather_and_sum_match_indexing() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    index = torch.randint(0, 7, (5, 4), generator=generator)
    assert torch.equal(gather_rows(values, index), values[index])
    weights = torch.randn(5, 4, 3, dtype=torch.float64, generator=generator)
    (ours,) = torch.autograd.grad((gather_rows(values, index) * weights).sum(), values)
    (torchs,) = torch.autograd.grad((values[index] * weights).sum(), values)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(sum_rows(weights, index, count=7), ours)


def test_large_sums_repeat_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(200_000, 3, generator=generator)
    index = torch.randint(0, 50, (200_000,), generator=generator)
    first = sum_rows(values, index, count=50)
    assert all(torch.equal(first, sum_rows(values, index, count=50)) for _ in range(3))


def test_unit_keeps_zero() -> None:
    vectors = torch.tensor([[0.0, 0, 0], [3.0, 0, 4.0]])
    torch.testing.assert_close(unit(vectors), torch.tensor([[0.0, 0, 0], [0.6, 0, 0.8]]))
