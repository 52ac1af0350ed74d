"""Small scenes for the renderer's tests, in float64."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh

WIDTH, HEIGHT = 30, 22


def camera(width: int = WIDTH, height: int = HEIGHT) -> Cameras:
    """Looks along z from a place and pose that favour no axis."""
    view = Cameras.pinhole(width=width, height=height, fx=1.1 * width, fy=1.13 * width, cx=0.51 * width, cy=0.48 * height)
    pose = torch.eye(4, dtype=torch.float64)
    angles = torch.tensor([0.05, -0.08, 0.11], dtype=torch.float64)
    skew = torch.zeros(3, 3, dtype=torch.float64)
    skew[0, 1], skew[0, 2], skew[1, 2] = -angles[2], angles[1], -angles[0]
    pose[:3, :3] = torch.linalg.matrix_exp(skew - skew.T)
    pose[:3, 3] = torch.tensor([0.02, -0.03, 2.0])
    return replace(view, camera_from_world=pose[None])


def sheet(cells: int = 3, *, seed: int = 0, wave: float = 0.15) -> Mesh:
    """A waving square about the origin that fits the picture, textured, its second half on another piece of the texture."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*[torch.linspace(-0.5, 0.5, cells + 1, dtype=torch.float64)] * 2, indexing="ij")
    z = wave * torch.sin(5 * x + 3 * y)
    vertices = torch.stack([1.1 * x, 0.8 * y, z], dim=-1).reshape(-1, 3)
    vertices = vertices + 0.02 * torch.randn(vertices.shape, generator=generator, dtype=torch.float64)
    first = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).reshape(-1)
    below = first + cells + 1
    # Counter-clockwise as the camera sees them, with y down.
    faces = torch.cat([torch.stack([first, below, first + 1], -1), torch.stack([first + 1, below, below + 1], -1)])
    uvs = torch.stack([x + 0.5, 0.5 - y], dim=-1).reshape(-1, 2) * 0.8 + 0.1
    shifted = torch.cat([uvs, uvs.flip(-1)])
    face_uvs = torch.cat([faces[: len(first)], faces[len(first) :] + len(uvs)])
    texture = torch.rand(8, 9, 3, generator=generator, dtype=torch.float64)
    return Mesh(vertices, faces, shifted, face_uvs, texture)


def two_sheets() -> Mesh:
    """A small coloured square before a larger one, seen from behind."""
    near, far = sheet(1, seed=1, wave=0.0), sheet(2, seed=2, wave=0.1)
    vertices = torch.cat([0.5 * near.vertices + torch.tensor([0.07, 0.05, -0.4]), far.vertices])
    faces = torch.cat([near.faces.flip(-1), far.faces + len(near.vertices)])
    colors = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Mesh(vertices, faces, colors=colors)


def weights(shape: torch.Size, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
