"""The search for outlines between pixels, on pictures small enough to count."""

from __future__ import annotations

import torch

from recon_cli.kernels.outline_crossings import Crossings, find_crossings
from recon_cli.kernels.rasterize import rasterize
from recon_cli.render.antialias import opposite_corners

WIDTH, HEIGHT = 20, 12


def _search(points: torch.Tensor, faces: torch.Tensor, *, near: float = 1e-6) -> Crossings:
    fragments = rasterize(points, faces, WIDTH, HEIGHT)
    return find_crossings(fragments.face[..., 0], fragments.depth[..., 0], points, faces, opposite_corners(faces), near=near)


def _square(left: float, top: float, size: float, depth: float) -> tuple[torch.Tensor, torch.Tensor]:
    corners = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]) * size + torch.tensor([left, top])
    return torch.cat([corners, torch.full((4, 1), depth)], dim=-1), torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_a_square_is_crossed_once_in_each_row_and_column_of_each_side() -> None:
    points, faces = _square(4.2, 3.2, 5.0, 1.0)
    found = _search(points, faces)
    sideways, upright = ~found.is_upright, found.is_upright
    assert int(sideways.sum()) == int(upright.sum()) == 10
    inner_column, inner_row = found.inner % WIDTH, found.inner // WIDTH
    assert sorted(set(inner_column[sideways].tolist())) == [4, 8]
    assert sorted(set(inner_row[upright].tolist())) == [3, 7]
    assert torch.equal((found.outer - found.inner).abs(), torch.where(upright, WIDTH, 1))
    edges = torch.stack([faces.reshape(-1)[3 * (found.corner // 3) + (found.corner % 3 + k) % 3] for k in (1, 2)], -1)
    assert {frozenset(edge) for edge in edges.tolist()} == {frozenset(e) for e in ((0, 1), (1, 2), (2, 3), (3, 0))}


def test_the_nearer_surface_owns_the_outline() -> None:
    (near, near_faces), (far, far_faces) = _square(4.2, 3.2, 5.0, 1.0), _square(0.2, 0.2, 11.0, 2.0)
    found = _search(torch.cat([far, near]), torch.cat([far_faces, near_faces + 4]))
    is_of_near = found.corner // 3 >= 2
    assert int(is_of_near.sum()) == 20
    # The far square's other two sides have no pixels beyond them.
    assert int((~is_of_near).sum()) == 22


def test_a_surface_that_goes_on_has_no_outline_within() -> None:
    points, faces = _square(-5.0, -5.0, 40.0, 1.0)
    assert len(_search(points, faces).inner) == 0


def test_a_neighbour_that_is_not_drawn_leaves_an_outline() -> None:
    points, faces = _square(-5.0, -5.0, 40.0, 1.0)
    points = torch.cat([points[:3], torch.tensor([[-5.0, 35.0, 0.0]])])
    found = _search(points, faces)
    assert len(found.inner) > 0
    assert bool((found.corner == 1).all())  # opposite the diagonal of the face that is drawn
