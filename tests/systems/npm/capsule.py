"""A body whose signed distance and poses are formulae: a capsule that has a radius and a length and bends two ways."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.skinning import rotation
from recon_cli.systems.npm.start import Start

RADIUS, HALF = 0.12, 0.35
K = torch.tensor([[160.0, 0.0, 64.0], [0.0, 160.0, 80.0], [0.0, 0.0, 1.0]])
SIZE = (160, 128)
UNIT = 1.8


@dataclass(frozen=True)
class Capsule:
    """Along y. A shape code [2] changes radius and half length by tenths of themselves, a pose code [2] bends it towards x and z."""

    box: Box = field(default_factory=lambda: Box(torch.zeros(3, dtype=torch.float64), UNIT))
    shape_size: int = 2
    pose_size: int = 2

    def sizes(self, shape: Tensor) -> tuple[Tensor, Tensor]:
        return RADIUS * (1 + 0.1 * shape[0]), HALF * (1 + 0.1 * shape[1])

    def distance(self, shape: Tensor, points: Tensor) -> Tensor:
        radius, half = self.sizes(shape)
        along = points[:, 1] - torch.maximum(torch.minimum(points[:, 1], half), -half)
        return torch.linalg.vector_norm(torch.stack([points[:, 0], along, points[:, 2]], dim=1), dim=1) - radius

    def flow(self, shape: Tensor, pose: Tensor, points: Tensor) -> Tensor:
        bend = points[..., 1:2].square()
        none = torch.zeros_like(bend)
        return torch.cat([pose[:, None, :1] * bend, none, pose[:, None, 1:] * bend], dim=-1)

    def pivot(self, shape: Tensor) -> Tensor:
        _, half = self.sizes(shape)
        return torch.stack([torch.zeros_like(half), -0.5 * half, torch.zeros_like(half)])

    def surface(self, shape: Tensor) -> Mesh:
        radius, half = (float(size) for size in self.sizes(shape.detach()))
        rings, segments = 25, 32
        slope = torch.linspace(-math.pi / 2, math.pi / 2, rings)[1:-1]
        levels = torch.cat([slope[slope < 0], torch.zeros(16), slope[slope > 0]])
        shift = torch.cat([torch.full((11,), -half), torch.linspace(-half, half, 16), torch.full((11,), half)])
        angle = 2 * math.pi * torch.arange(segments) / segments
        x, z = (radius * levels.cos()[:, None] * turn for turn in (angle.cos(), angle.sin()))
        y = (shift + radius * levels.sin())[:, None].expand_as(x)
        ring = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
        ends = torch.tensor([[0.0, -half - radius, 0.0], [0.0, half + radius, 0.0]])
        index = torch.arange(len(levels) * segments).reshape(-1, segments)
        a, b, c, d = index[:-1], index[:-1].roll(-1, 1), index[1:], index[1:].roll(-1, 1)
        sides = torch.cat([torch.stack([a, d, b], -1).reshape(-1, 3), torch.stack([a, c, d], -1).reshape(-1, 3)])
        south, north = len(ring), len(ring) + 1
        caps = [torch.stack([torch.full((segments,), south), index[0], index[0].roll(-1)], 1)]
        caps.append(torch.stack([torch.full((segments,), north), index[-1].roll(-1), index[-1]], 1))
        return Mesh(torch.cat([ring, ends]), torch.cat([sides, *caps]))


@dataclass(frozen=True)
class CapsuleFrames:
    """Depth of capsules in poses that are known; implements ``DepthFrames``."""

    maps: tuple[Tensor, ...]
    K: Tensor = field(default_factory=lambda: K)
    up: Tensor | None = None

    def __len__(self) -> int:
        return len(self.maps)

    def depth(self, frame: int) -> Tensor:
        return self.maps[frame]


def truth(frames: int = 4, seed: int = 0) -> Start:
    """What a capsule does: it bends and drifts slowly, about 1.4 boxes before the camera."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, frames)[:, None]
    poses = 0.6 * torch.sin(2 * time * torch.tensor([1.0, 1.4]) + torch.rand(2, generator=generator))
    turns = 0.3 * (time - 0.5) * torch.tensor([0.2, 1.0, 0.5])
    places = torch.tensor([0.0, -0.15, 1.4]) + 0.05 * (time - 0.5) * torch.tensor([1.0, 0.3, 0.5])
    return Start(torch.tensor([1.0, -1.0]), poses, rotation(turns), places, UNIT)


def posed(model: Capsule, body: Start) -> tuple[Tensor, Tensor]:  # [T, V, 3], [F, 3]
    """Vertices in the camera's axes [box]."""
    mesh = model.surface(body.shape)
    points = mesh.vertices.expand(len(body), -1, -1)
    moved = points + model.flow(body.shape, body.poses, points) - model.pivot(body.shape)
    return moved @ body.roots.mT + body.places[:, None], mesh.faces


def seen(model: Capsule, body: Start) -> CapsuleFrames:
    """What a camera sees of it."""
    vertices, faces = posed(model, body)
    return CapsuleFrames(tuple(UNIT * depth_of(one, faces) for one in vertices))


def depth_of(vertices: Tensor, faces: Tensor) -> Tensor:  # [H, W]
    """z-depth of a mesh in the camera's axes."""
    import numpy as np
    import open3d

    tensor = open3d.core.Tensor
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(tensor(vertices.numpy().astype(np.float32)), tensor(faces.numpy().astype(np.uint32)))
    height, width = SIZE
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1) @ torch.linalg.inv(K).T
    found = scene.cast_rays(tensor(torch.cat([torch.zeros_like(rays), rays], dim=-1).numpy().astype(np.float32)))["t_hit"].numpy()
    return torch.from_numpy(np.where(np.isfinite(found), found, 0.0).astype(np.float32))
