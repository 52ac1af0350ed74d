"""Times of a whole render, forward and backward, at 960 x 540 beside the same picture in plain torch and, if installed, PyTorch3D.

Run: python benchmarks/bench_render.py
722 faces, texture, ambient and directional light; gradients to vertices and texture. Plain torch is given the face image
for nothing and does not antialias: it measures what per-pixel autograd costs.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from bench_rasterizer import milliseconds, on_screen, sheet
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import unit, vertex_normals
from recon_cli.kernels.launch import worker_count
from recon_cli.kernels.rasterize import rasterize
from recon_cli.render.lights import Lights
from recon_cli.render.protocol import RenderSettings, get_renderer

WIDTH, HEIGHT = 960, 540
CAMERA = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=528, fy=528, cx=480, cy=270)
LIGHTS = Lights(ambient=torch.full((3,), 0.5), directions=torch.tensor([[0.3, -0.5, -1.0]]), colors=torch.full((1, 3), 0.6))


def leaves(mesh: Mesh) -> Mesh:
    """The mesh with vertices and texture that ask for gradients."""
    assert mesh.texture is not None
    return replace(mesh, vertices=mesh.vertices.clone().requires_grad_(True), texture=mesh.texture.clone().requires_grad_(True))


def whole_render(name: str, settings: RenderSettings) -> Callable[[], object]:
    renderer, mesh = get_renderer(name), leaves(sheet(19))

    def work() -> None:
        rendered = renderer.render(mesh, CAMERA, lights=LIGHTS, settings=settings)
        ((rendered.color - 0.3).abs().mean() + (rendered.silhouette - 0.5).square().mean()).backward()

    return work


def plain_torch() -> Callable[[], object]:
    mesh = leaves(sheet(19))
    face = rasterize(on_screen(mesh, CAMERA), mesh.faces, WIDTH, HEIGHT).face[..., 0]
    row, column = torch.nonzero(face >= 0, as_tuple=True)
    seen = face[row, column].long()
    centres = torch.stack([column, row], dim=-1) + 0.5

    def work() -> None:
        corners = on_screen(mesh, CAMERA)[mesh.faces[seen]]  # [M, 3, 3]
        color = _shaded(mesh, corners, seen, centres)
        image = torch.zeros(HEIGHT, WIDTH, 3).index_put((row, column), color)
        (image - 0.3).abs().mean().backward()

    return work


def _shaded(mesh: Mesh, corners: Tensor, seen: Tensor, centres: Tensor) -> Tensor:
    assert mesh.texture is not None
    assert mesh.uvs is not None
    assert mesh.face_uvs is not None
    q = []
    for i in range(3):
        a, b = corners[:, (i + 1) % 3, :2], corners[:, (i + 2) % 3, :2]
        q.append(((b - a)[:, 0] * (centres - a)[:, 1] - (b - a)[:, 1] * (centres - a)[:, 0]) / corners[:, i, 2])
    weights = torch.stack(q, dim=-1)
    weights = (weights / weights.sum(-1, keepdim=True))[..., None]
    uv = (weights * mesh.uvs[mesh.face_uvs[seen]]).sum(1)
    normal = unit((weights * vertex_normals(mesh.vertices, mesh.faces)[mesh.faces[seen]]).sum(1))
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=-1)[None, None]
    albedo = torch.nn.functional.grid_sample(mesh.texture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False)
    towards = normal @ unit(LIGHTS.directions).T
    return albedo[0, :, 0].T * (LIGHTS.ambient + towards.clamp(min=0) @ LIGHTS.colors)


def main() -> None:
    contenders = {
        "built-in, antialiased": (whole_render("builtin", RenderSettings()), 15),
        "built-in, soft, 1 face a pixel": (whole_render("builtin", RenderSettings(mode="soft")), 15),
        "plain torch, no outlines": (plain_torch(), 7),
    }
    if importlib.util.find_spec("pytorch3d") is not None:
        contenders["PyTorch3D, soft, 1 face a pixel"] = (whole_render("pytorch3d", RenderSettings(mode="soft")), 1)
    else:
        print("PyTorch3D is not installed; it is left out", file=sys.stderr)
    base = 0.0
    print(f"722 faces, {WIDTH} x {HEIGHT}, forward and backward, {worker_count()} cores, {torch.get_num_threads()} torch threads")
    for name, (work, repeats) in contenders.items():
        taken = milliseconds(work, repeats)
        base = base or taken
        print(f"  {name:34s}{taken:10.1f} ms {taken / base:8.1f} x")


if __name__ == "__main__":
    main()
