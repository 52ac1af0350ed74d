"""Outlines: the gradient of covered area against the area of polygons."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon_cli.kernels.rasterize import rasterize
from recon_cli.render.antialias import Outline, antialias, opposite_corners

WIDTH, HEIGHT = 320, 240


def _draw(pixels: Tensor, depth: Tensor, faces: Tensor, values: Tensor) -> Tensor:  # [H, W, D]
    """Faces of constant value, antialiased; the last value is the background's."""
    points = torch.cat([pixels, depth[:, None]], dim=-1)
    fragments = rasterize(points, faces, WIDTH, HEIGHT)
    face = fragments.face[..., 0]
    image = values[torch.where(face < 0, len(faces), face).long()]
    return antialias(image, face, fragments.depth[..., 0], Outline(points, faces, opposite_corners(faces), 1e-6))


def _area(polygon: Tensor) -> Tensor:
    following = polygon.roll(-1, dims=0)
    return 0.5 * (polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]).sum().abs()


def _polygon(count: int, *, turn: float, radius: float = 100.0) -> Tensor:
    angles = torch.arange(count, dtype=torch.float64) * 2 * torch.pi / count + turn
    return torch.tensor([160.3, 119.6], dtype=torch.float64) + radius * torch.stack([angles.cos(), angles.sin()], dim=-1)


def _fan(count: int) -> Tensor:
    return torch.stack([torch.zeros(count - 2, dtype=torch.int64), torch.arange(1, count - 1), torch.arange(2, count)], dim=-1)


def _silhouette(polygon: Tensor) -> Tensor:
    faces = _fan(len(polygon))
    values = torch.cat([torch.ones(len(faces), 1), torch.zeros(1, 1)]).double()
    return _draw(polygon, torch.ones(len(polygon), dtype=torch.float64), faces, values)


@pytest.mark.parametrize("turn", [0.1, 0.7, 1.3, 2.2])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_covered_area_and_its_gradient_are_the_polygons(count: int, turn: float) -> None:
    """d(area)/d(vertex) is the boundary integral of the normal motion, which for a polygon the shoelace formula gives."""
    polygon = _polygon(count, turn=turn).requires_grad_(True)
    covered, area = _silhouette(polygon).sum(), _area(polygon.detach())
    assert abs(float((covered - area).detach())) < 0.003 * float(area)
    (ours,), (exact,) = torch.autograd.grad(covered, polygon), torch.autograd.grad(_area(polygon), polygon)
    assert float((ours - exact).norm()) < 0.04 * float(exact.norm())
    # Moving the polygon as a whole changes nothing; growing it about the origin counts its area twice.
    assert float(ours.sum(0).abs().max()) < 0.02 * float(exact.abs().sum())
    assert abs(float(((ours * polygon).sum() - 2 * area).detach())) < 0.02 * float(area)


def test_an_upright_edge_is_exact() -> None:
    """A rectangle's area is width times height for every place of its right side within a pixel."""
    for shift in torch.linspace(0, 1, 11, dtype=torch.float64):
        right = (40 + shift).requires_grad_(True)
        left, top, bottom = (torch.tensor(value, dtype=torch.float64) for value in (10.25, 5.0, 25.0))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        covered = _silhouette(torch.stack([torch.stack(corner) for corner in corners])).sum()
        assert abs(float((covered - 20 * (right - 10.25)).detach())) < 1e-9
        (slope,) = torch.autograd.grad(covered, right)
        assert abs(float(slope) - 20) < 1e-9


def test_outlines_are_found_where_faces_are_smaller_than_a_pixel() -> None:
    """A disc whose rim of 120 edges is finer than the pixels, cut into a fan of slivers."""
    polygon = _polygon(120, turn=0.1, radius=6.0).requires_grad_(True)
    covered, area = _silhouette(polygon).sum(), _area(polygon.detach())
    assert abs(float((covered - area).detach())) < 0.01 * float(area)
    growth = float((torch.autograd.grad(covered, polygon)[0] * (polygon - polygon.mean(0)).detach()).sum())
    assert abs(growth - 2 * float(area)) < 0.05 * 2 * float(area)


def test_gradients_match_finite_differences() -> None:
    polygon = _polygon(5, turn=0.37).requires_grad_(True)
    weights = torch.rand(HEIGHT, WIDTH, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: (_silhouette(p) * weights).sum(), polygon)


def test_the_nearer_outline_moves_before_the_farther_surface() -> None:
    """Moving a red square over a blue one trades blue for red; the hidden outline of the blue one gets no gradient."""
    near = _polygon(4, turn=0.5, radius=45.0).requires_grad_(True)
    far = _polygon(4, turn=0.2, radius=105.0).requires_grad_(True)
    faces = torch.cat([_fan(4), _fan(4) + 4])
    depth = torch.tensor([1.0] * 4 + [2.0] * 4, dtype=torch.float64)
    values = torch.tensor([[1.0, 0]] * 2 + [[0, 1.0]] * 2 + [[0, 0]], dtype=torch.float64)
    red, blue = _draw(torch.cat([near, far]), depth, faces, values).sum(dim=(0, 1))
    by_near = torch.autograd.grad(_area(near), near)[0]
    red_near, red_far = torch.autograd.grad(red, (near, far), retain_graph=True)
    blue_near, _ = torch.autograd.grad(blue, (near, far))
    assert float((red_near - by_near).norm()) < 0.08 * float(by_near.norm())
    torch.testing.assert_close(blue_near, -red_near)
    assert float(red_far.abs().max()) == 0


def test_folds_are_outlines_and_inner_edges_are_not() -> None:
    """Two faces folded over each other end at their common edge; laid flat they do not."""
    pixels = torch.tensor([[20.3, 10.0], [20.3, 50.0], [50.0, 30.0], [45.0, 29.0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [1, 0, 3]])
    depth = torch.tensor([1.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    values = torch.tensor([[1.0], [1.0], [0.0]], dtype=torch.float64)
    folded = _draw(pixels, depth, faces, values)[30]
    assert abs(float(folded[20] - 0.7)) < 1e-9  # the edge x = 20.3 cuts 0.3 off the pixel [20, 21)
    flat = torch.cat([pixels[:3], torch.tensor([[0.0, 30.0]], dtype=torch.float64)])
    marked = torch.tensor([[1.0], [0.5], [0.0]], dtype=torch.float64)
    row = _draw(flat, torch.ones(4, dtype=torch.float64), faces, marked)[30]
    assert float(row[19]) == 0.5
    assert float(row[20]) == 1.0


def test_opposite_corners() -> None:
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    assert opposite_corners(faces).tolist() == [[5, -1, -1], [-1, -1, 0]]
    three_on_an_edge = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    assert opposite_corners(three_on_an_edge)[:, 2].tolist() == [-1, -1, -1]
