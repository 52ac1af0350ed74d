"""Exact depth maps of a sphere or a plane, from cameras of different sizes around it."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.scene import Scene

RADIUS, DISTANCE = 1.0, 5.0
CENTRE = torch.tensor([7.0, -3.0, 20.0], dtype=torch.float64)
SIZES = ((72, 60), (90, 66), (60, 80))


def looking_at(places: Tensor, target: Tensor, *, sizes=SIZES) -> Cameras:
    """Cameras at places [C, 3] that look at a point; principal points off the middle, focal lengths as the sizes."""
    K, poses, size = [], [], []
    for i, place in enumerate(places.double()):
        forward = (target - place) / (target - place).norm()
        up = torch.tensor([0.0, 1.0, 0.0] if abs(float(forward[1])) < 0.9 else [1.0, 0.0, 0.0], dtype=torch.float64)
        right = torch.linalg.cross(up, forward)
        right /= right.norm()
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ place
        width, height = sizes[i % len(sizes)]
        focal = 1.9 * min(width, height)
        K.append(torch.tensor([[focal, 0, width / 2 + 1.3], [0, 1.02 * focal, height / 2 - 0.7], [0, 0, 1]], dtype=torch.float64))
        poses.append(pose)
        size.append([width, height])
    return Cameras(torch.stack(K), torch.stack(poses), torch.tensor(size))


def around() -> Cameras:
    """Fourteen cameras: along the axes and towards the corners of a cube, so that every place is seen by several."""
    axes = [[s if k == a else 0.0 for k in range(3)] for a in range(3) for s in (-1.0, 1.0)]
    corners = [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
    directions = torch.tensor(axes + corners, dtype=torch.float64)
    return looking_at(CENTRE + DISTANCE * directions / directions.norm(dim=1, keepdim=True), CENTRE)


def rays(camera: Cameras) -> tuple[Tensor, Tensor]:  # [3], [H, W, 3]
    """The camera's place and the world vectors whose z-depth is one, through the pixels' centres."""
    rows, columns = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).double()
    place = camera.world_from_camera[0, :3, 3]
    points = camera.unproject(pixels, torch.ones(pixels.shape[:2], dtype=torch.float64))[0]
    return place, (points - place).reshape(camera.height, camera.width, 3)


def sphere_depth(camera: Cameras, *, radius: float = RADIUS) -> Tensor:  # [H, W]
    place, ray = rays(camera)
    offset = place - CENTRE
    half = (ray @ offset) / ray.square().sum(-1)
    gap = (offset @ offset - radius**2) / ray.square().sum(-1)
    root = half.square() - gap
    return torch.where(root > 0, -half - root.clamp(min=0).sqrt(), 0.0).float()


def plane_depth(camera: Cameras, point: Tensor, normal: Tensor) -> Tensor:  # [H, W]
    place, ray = rays(camera)
    depth = ((point - place) @ normal) / (ray @ normal)
    return torch.where(depth > 0, depth, 0.0).float()


def sphere_maps() -> DepthMaps:
    cameras = around()
    return DepthMaps(cameras, tuple(sphere_depth(cameras[i]) for i in range(len(cameras))))


def scene_of(maps: DepthMaps) -> Scene:
    """Pictures whose colour is the surface's normal at each pixel, and masks of the depths."""
    images = []
    for i, depth in enumerate(maps.depth):
        place, ray = rays(maps.cameras[i])
        normal = (place + ray * depth[..., None].double() - CENTRE) / RADIUS
        color = (127.5 + 120 * normal).round().clamp(0, 255).to(torch.uint8)
        images.append(torch.where((depth > 0)[..., None], color, 0).to(torch.uint8))
    return Scene(maps.cameras, tuple(images), tuple(depth > 0 for depth in maps.depth))


def all_others(count: int) -> Tensor:  # [C, C - 1]
    return torch.tensor([[j for j in range(count) if j != i] for i in range(count)])


def nearest_views(cameras: Cameras, count: int) -> Tensor:  # [C, K]
    places = cameras.world_from_camera[:, :3, 3]
    gaps = torch.cdist(places, places) + 1e9 * torch.eye(len(cameras), dtype=torch.float64)
    return gaps.argsort(dim=1, stable=True)[:, :count]
