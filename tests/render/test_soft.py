"""Soft mode against a dense twin written from the paper: every face at every pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.render.builtin import BuiltinRenderer
from recon_cli.render.protocol import RenderSettings
from tests.render.scenes import HEIGHT, WIDTH, camera, two_sheets


def _to_segment(pixel: Tensor, a: Tensor, b: Tensor) -> Tensor:
    along = (((pixel - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1)).clamp(0, 1)
    return ((pixel - a - along[..., None] * (b - a)) ** 2).sum(-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _dense(points: Tensor, faces: Tensor, colors: Tensor, settings: RenderSettings) -> tuple[Tensor, Tensor]:
    """Colour [H, W, 3] and silhouette [H, W] from the sums over all faces."""
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    pixel = torch.stack([column, row], dim=-1)[..., None, :].double() + 0.5
    a, b, c = points[faces].unbind(1)
    parts = [(b, c), (c, a), (a, b)]
    edges = torch.stack([_cross((q - p)[:, :2].expand(HEIGHT, WIDTH, -1, 2), pixel - p[:, :2]) for p, q in parts], dim=-1)
    screen = edges / edges.sum(-1, keepdim=True)
    squared = torch.stack([_to_segment(pixel, p[:, :2], q[:, :2]) for p, q in parts], dim=-1).amin(-1) * (2 / min(WIDTH, HEIGHT)) ** 2
    distance = torch.where((screen > 0).all(-1), squared, -squared)
    weights = (screen / points[faces][..., 2]).clamp(min=0)
    weights = weights / weights.sum(-1, keepdim=True)
    depth = (weights * points[faces][..., 2]).sum(-1)
    near_enough = distance > -((settings.blur_radius(WIDTH, HEIGHT) * 2 / min(WIDTH, HEIGHT)) ** 2)
    coverage = torch.sigmoid(distance / settings.sigma) * near_enough
    z = (settings.depth_range[1] - depth) / (settings.depth_range[1] - settings.depth_range[0])
    share = coverage * torch.exp(z / settings.gamma)
    background = torch.exp(torch.tensor(1e-10 / settings.gamma, dtype=torch.float64))
    seen = (weights[..., None] * colors[faces]).sum(-2)
    behind = torch.tensor(settings.background, dtype=torch.float64)
    color = ((share[..., None] * seen).sum(-2) + background * behind) / (share.sum(-1) + background)[..., None]
    return color, 1 - (1 - coverage).prod(-1)


def test_matches_the_dense_sums() -> None:
    mesh, view = two_sheets(), camera()
    assert mesh.colors is not None
    pixels, depth = view.project(mesh.vertices)
    points = torch.cat([pixels[0], depth[0, :, None]], dim=-1)
    for gamma in (0.05, 0.2):
        settings = RenderSettings(
            mode="soft", sigma=2e-3, gamma=gamma, faces_per_pixel=len(mesh.faces), background=(0.3, 0.2, 0.9), depth_range=(0.5, 5.0)
        )
        rendered = BuiltinRenderer().render(mesh, view, settings=settings)
        color, silhouette = _dense(points, mesh.faces, mesh.colors, settings)
        torch.testing.assert_close(rendered.silhouette[0], silhouette, atol=1e-9, rtol=0)
        torch.testing.assert_close(rendered.color[0], color, atol=1e-7, rtol=0)


def test_an_outline_is_half_covered() -> None:
    from recon_cli.core.mesh import Mesh

    view = camera()
    corners = torch.tensor([[[10.5, 2.5], [24.5, 2.5], [10.5, 20.5]]], dtype=torch.float64)
    vertices = view.unproject(corners, torch.full((1, 3), 2.0, dtype=torch.float64))[0]
    rendered = BuiltinRenderer().render(Mesh(vertices, torch.tensor([[0, 1, 2]])), view, settings=RenderSettings(mode="soft", sigma=0.03))
    torch.testing.assert_close(rendered.silhouette[0, 10, 10], torch.tensor(0.5, dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(rendered.silhouette[0, 10, 13]) > float(rendered.silhouette[0, 10, 11]) > 0.5 > float(rendered.silhouette[0, 10, 9])
