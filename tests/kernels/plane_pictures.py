"""Two to five pictures of a textured slanted plane, whose inverse depth is known at every pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras

NORMAL = torch.tensor([0.25, -0.15, 1.0], dtype=torch.float64)  # n · X = 1.5 in the first camera's axes
DISTANCE = 1.5
SIZES = ((88, 64), (96, 70), (80, 66), (88, 64), (90, 60))


def cameras(count: int = 5) -> Cameras:
    """The first at the origin, the others beside it, slightly turned, of other sizes and focal lengths."""
    K, poses, sizes = [], [], []
    for index in range(count):
        width, height = SIZES[index]
        angle = torch.tensor(0.12 * (-1) ** index * ((index + 1) // 2), dtype=torch.float64)
        turn = torch.tensor([[angle.cos(), 0, -angle.sin()], [0, 1, 0], [angle.sin(), 0, angle.cos()]], dtype=torch.float64)
        pose = torch.eye(4, dtype=torch.float64)
        place = DISTANCE * torch.stack([angle.sin(), 0.06 * angle.sign() * (index // 2), 1 - angle.cos()]).double()
        pose[:3, :3], pose[:3, 3] = turn, -turn @ place
        focal = 80.0 + 5 * index
        K.append(torch.tensor([[focal, 0, width / 2 + 0.7], [0, focal * 1.01, height / 2 - 0.4], [0, 0, 1]], dtype=torch.float64))
        poses.append(pose)
        sizes.append([width, height])
    return Cameras(torch.stack(K), torch.stack(poses), torch.tensor(sizes), tuple(f"{i:03d}" for i in range(count)))


def true_plane(camera: Cameras) -> Tensor:  # [H, W, 3]
    """Inverse depth and its change per pixel of the plane as a camera sees it."""
    world_from_camera = camera.world_from_camera[0]
    normal = world_from_camera[:3, :3].T @ NORMAL
    offset = DISTANCE - NORMAL @ world_from_camera[:3, 3]
    coefficients = torch.linalg.inv(camera.K[0]).T @ (normal / offset)
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    inverse_depth = coefficients[0] * x + coefficients[1] * y + coefficients[2]
    return torch.stack([inverse_depth, coefficients[0].expand_as(x), coefficients[1].expand_as(x)], dim=-1)


def pictures(batch: Cameras, *, samples: int = 3) -> tuple[Tensor, ...]:
    """The plane's pattern as each camera sees it, averaged over samples x samples points of a pixel."""
    return tuple(_picture(batch[index], samples) for index in range(len(batch)))


def _picture(camera: Cameras, samples: int) -> Tensor:  # [H, W, 3] uint8
    total = torch.zeros(camera.height, camera.width, dtype=torch.float64)
    plane = true_plane(camera)
    for down in range(samples):
        for across in range(samples):
            dx, dy = (across + 0.5) / samples - 0.5, (down + 0.5) / samples - 0.5
            y, x = torch.meshgrid(torch.arange(camera.height) + 0.5 + dy, torch.arange(camera.width) + 0.5 + dx, indexing="ij")
            inverse_depth = plane[..., 0] + plane[..., 1] * dx + plane[..., 2] * dy
            points = camera.unproject(torch.stack([x, y], dim=-1).reshape(1, -1, 2).double(), 1 / inverse_depth.reshape(1, -1))[0]
            total += _pattern(points).reshape(total.shape)
    return (total / samples**2 * 255).round().clamp(0, 255).to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous()


def _pattern(points: Tensor) -> Tensor:  # [N, 3] -> [N]
    """Waves of many directions and lengths, in [0, 1]."""
    value = torch.full((len(points),), 0.5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    for _ in range(12):
        direction = torch.randn(3, generator=generator, dtype=torch.float64)
        value += 0.045 * torch.sin(points @ (22 * direction) + 6 * torch.rand(1, generator=generator, dtype=torch.float64))
    return value.clamp(0, 1)
