"""Interpolation on screen against rays cast into the scene."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.rasterize import rasterize
from recon_cli.kernels.runs import Runs, runs_by_face
from recon_cli.render.interpolate import interpolate_corners, screen_faces
from tests.render.scenes import HEIGHT, WIDTH, camera, sheet


def _points(mesh: Mesh, view: Cameras) -> Tensor:
    pixels, depth = view.project(mesh.vertices)
    return torch.cat([pixels[0], depth[0, :, None]], dim=-1)


def _runs(points: Tensor, faces: Tensor) -> Runs:
    return runs_by_face(rasterize(points, faces, WIDTH, HEIGHT).face, face_count=len(faces))


def test_positions_lie_on_the_rays_of_their_pixels() -> None:
    """Interpolating the vertices' world positions must give the point where the pixel's ray meets the face."""
    mesh, view = sheet(), camera()
    points = _points(mesh, view)
    runs = _runs(points, mesh.faces)
    found = interpolate_corners(screen_faces(points, mesh.faces, near=0.0), mesh.vertices[mesh.faces], runs)
    pixels, _ = view.project(found)
    centres = torch.stack([runs.pixel % WIDTH, runs.pixel // WIDTH], dim=-1) + 0.5
    torch.testing.assert_close(pixels[0], centres.double(), atol=1e-10, rtol=0)
    corners = mesh.vertices[mesh.faces[runs.face]]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert float(((found - corners[:, 0]) * normal).sum(-1).abs().max()) < 1e-14


def test_float32_is_accurate_for_small_faces_far_from_the_corner() -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.tensor([[1900.1, 1060.2], [1903.3, 1060.9], [1901.2, 1063.7]])
    points = torch.cat([corners, torch.tensor([[2.0], [2.5], [3.0]])], dim=-1)
    faces = torch.tensor([[0, 1, 2]])
    runs = runs_by_face(rasterize(points, faces, 1920, 1080).face, face_count=1)
    attributes = torch.rand(1, 3, 2, generator=generator)
    single = interpolate_corners(screen_faces(points, faces, near=0.0), attributes, runs)
    double = interpolate_corners(screen_faces(points.double(), faces, near=0.0), attributes.double(), runs)
    assert len(single) > 0
    torch.testing.assert_close(single.double(), double, atol=2e-6, rtol=0)


def test_facing_tells_the_side() -> None:
    mesh = sheet(wave=0.0)
    points = _points(mesh, camera())
    assert bool((screen_faces(points, mesh.faces, near=0.0).facing == 1).all())
    assert bool((screen_faces(points, mesh.faces.flip(-1), near=0.0).facing == -1).all())


def test_gradients_match_finite_differences() -> None:
    mesh = sheet()
    points = _points(mesh, camera()).requires_grad_(True)
    attributes = torch.rand(len(mesh.faces), 3, 2, dtype=torch.float64).requires_grad_(True)
    runs = _runs(points, mesh.faces)

    def values(points: Tensor, attributes: Tensor) -> Tensor:
        return interpolate_corners(screen_faces(points, mesh.faces, near=0.0), attributes, runs)

    assert torch.autograd.gradcheck(values, (points, attributes), fast_mode=True)


def test_faces_that_are_not_drawn_leave_no_nan() -> None:
    points = torch.tensor([[5.0, 5, 2], [20, 5, 2], [5, 20, 2], [1e30, -1e30, -1e-12], [5, 5, 0]], dtype=torch.float64).requires_grad_(True)
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [1, 2, 4], [0, 0, 1]])
    runs = _runs(points, faces)
    values = interpolate_corners(screen_faces(points, faces, near=0.1), torch.ones(4, 3, 1, dtype=torch.float64), runs)
    values.square().sum().backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
