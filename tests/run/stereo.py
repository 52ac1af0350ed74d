"""A tiny scene for multi-view stereo: a patterned ball that five small cameras look at, with its exact depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.core.scene import Scene
from recon_cli.io.scenes import write_scene
from recon_cli.render.protocol import get_renderer

WIDTH, HEIGHT, FOCAL, DISTANCE, RADIUS = 64, 48, 80.0, 4.0, 1.0


@dataclass(frozen=True)
class StereoScene:
    """The scene on the disk and what it shows.

    Attributes:
        folder: the scene folder.
        scene: its views.
        depth: exact depths.
        mesh: the ball.
    """

    folder: Path
    scene: Scene
    depth: DepthMaps
    mesh: Mesh


def make_stereo_scene(folder: Path, *, views: int = 5, scale: int = 1, step: float = 9.0) -> StereoScene:
    """Write the scene; ``step`` is the angle between neighbouring cameras [degrees], ``scale`` multiplies the size of the pictures."""
    mesh, cameras = ball(), arc(views, scale=scale, step=step)
    drawn = get_renderer("builtin").render(mesh, cameras)
    images = tuple((color.clamp(0, 1) * 255).round().to(torch.uint8) for color in drawn.color)
    masks = tuple(face >= 0 for face in drawn.face)
    depth = DepthMaps(cameras, tuple(values.float() for values in drawn.depth))
    scene = Scene(cameras, images, masks)
    write_scene(folder, scene)
    return StereoScene(folder, scene, depth, mesh)


def arc(count: int, *, scale: int = 1, step: float = 9.0) -> Cameras:
    """Cameras on a circle about the y axis that look at the origin, named a, b, c, …"""
    poses = torch.stack([_pose(math.radians(step * (k - (count - 1) / 2))) for k in range(count)])
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]], dtype=torch.float64)
    K[:2] *= scale
    size = torch.tensor([[WIDTH * scale, HEIGHT * scale]] * count)
    return Cameras(K.expand(count, 3, 3).clone(), poses, size, tuple("abcdefghijklmnop"[:count]))


def ball(rings: int = 60) -> Mesh:
    """A sphere about the origin with a smooth pattern of colours."""
    polar = torch.linspace(0, math.pi, rings + 1, dtype=torch.float64)
    around = torch.linspace(0, 2 * math.pi, 2 * rings + 1, dtype=torch.float64)[:-1]
    theta, phi = torch.meshgrid(polar, around, indexing="ij")
    points = RADIUS * torch.stack([theta.sin() * phi.cos(), theta.cos(), theta.sin() * phi.sin()], dim=-1).reshape(-1, 3)
    width = 2 * rings
    a = (torch.arange(rings)[:, None] * width + torch.arange(width)).reshape(-1)
    right = (torch.arange(rings)[:, None] * width + (torch.arange(width) + 1) % width).reshape(-1)
    faces = torch.cat([torch.stack([a, right, a + width], -1), torch.stack([right, right + width, a + width], -1)])
    return Mesh(points, faces, colors=pattern(points))


def pattern(points: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
    """Tinted greys in [0.1, 0.9] that vary over about a tenth of the ball."""
    generator = torch.Generator().manual_seed(5)
    waves = 11 * torch.randn(16, 3, generator=generator, dtype=torch.float64)
    phases = 6.3 * torch.rand(16, generator=generator, dtype=torch.float64)
    levels = torch.sin(points @ waves.T + phases)  # [N, 16]
    tints = torch.stack([levels[:, 0], levels[:, 1], levels[:, 2]], dim=-1)
    return (0.5 + 0.13 * levels.sum(dim=-1, keepdim=True) + 0.05 * tints).clamp(0.1, 0.9)


def _pose(angle: float) -> Tensor:  # [4, 4]
    """camera_from_world of a camera that stands at this angle from the negative z axis, y down."""
    turn = torch.eye(4, dtype=torch.float64)
    turn[0, 0] = turn[2, 2] = math.cos(angle)
    turn[0, 2], turn[2, 0] = math.sin(angle), -math.sin(angle)
    turn[2, 3] = DISTANCE
    return turn
