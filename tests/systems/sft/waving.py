"""A small waving sheet, drawn here from a finer mesh than the fit's: an input whose answer is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.rasterize import rasterize
from recon_cli.systems.sft.result import SftInputs

WIDTH, HEIGHT, SIDE = 200, 160, 0.6


class Images:
    """Frames held in memory."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.height, self.width = images.shape[1:3]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


@dataclass(frozen=True)
class Waving:
    inputs: SftInputs
    truth: Tensor  # [T, V, 3]


def sheet(count: int) -> tuple[Tensor, Tensor]:
    """Parameters in [0, 1]² of a grid and its faces, counter-clockwise seen from the camera."""
    steps = torch.linspace(0, 1, count, dtype=torch.float64)
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    index = torch.arange(count * count).reshape(count, count)
    a, b, c, d = (x.reshape(-1) for x in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = torch.cat([torch.stack([a, c, b], -1), torch.stack([a, d, c], -1)])
    return torch.stack([u, v], -1).reshape(-1, 2), faces


def pose(parameters: Tensor, time: float) -> Tensor:
    """Bend the sheet along a travelling wave that keeps lengths along x, and push it away a little.

    It is bent from the start: a flat sheet may bend either way with nearly the same image.
    """
    amplitude = 0.35
    fine = torch.linspace(0, 1, 400, dtype=torch.float64)
    slope = amplitude * torch.sin(2 * math.pi * (fine * 1.2 - time)) - amplitude * math.sin(-2 * math.pi * time)
    x = torch.cumulative_trapezoid(torch.cos(slope), fine)
    z = torch.cumulative_trapezoid(torch.sin(slope), fine)
    zero = torch.zeros(1, dtype=torch.float64)
    x, z = torch.cat([zero, x]), torch.cat([zero, z])
    place = parameters[:, 0] * 399
    low = place.long().clamp(max=398)
    share = place - low
    curve = torch.stack([x[low] * (1 - share) + x[low + 1] * share, z[low] * (1 - share) + z[low + 1] * share], -1)
    return torch.stack([SIDE * (curve[:, 0] - 0.5), SIDE * (parameters[:, 1] - 0.5), 1.2 + SIDE * curve[:, 1] + 0.05 * time], -1)


def paint(uv: Tensor) -> Tensor:
    """A smooth pattern without symmetries, in [0, 1]."""
    u, v = uv.unbind(-1)
    red = torch.sin(37 * u + 5 * torch.sin(9 * v)) * torch.sin(31 * v + 3 * u)
    green = torch.sin(23 * u - 29 * v) * torch.cos(17 * v * u + 11 * u)
    blue = torch.cos(41 * v + 7 * torch.cos(13 * u))
    return 0.5 + 0.45 * torch.stack([red, green, blue], -1)


def waving(frames: int = 8, vertices: int = 11) -> Waving:
    camera = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=230.0, fy=225.0, cx=101.0, cy=79.0)
    fine, fine_faces = sheet(60)
    coarse, faces = sheet(vertices)
    images, masks = [], []
    for t in range(frames):
        image, mask = draw(pose(fine, t / 25.0), fine, fine_faces, camera)
        images.append(image)
        masks.append(mask)
    truth = torch.stack([pose(coarse, t / 25.0) for t in range(frames)])
    template = Mesh(truth[0], faces)
    return Waving(SftInputs(Images(torch.stack(images)), Images(torch.stack(masks)), template, camera, 25.0), truth)


def draw(points: Tensor, parameters: Tensor, faces: Tensor, camera: Cameras) -> tuple[Tensor, Tensor]:
    """Image [H, W, 3] and mask [H, W], uint8, antialiased by 3x3 samples a pixel."""
    scale = 3
    big = camera.resized(scale * camera.width, scale * camera.height)
    pixels, depth = big.project(points)
    seen = rasterize(torch.cat([pixels[0], depth[0][:, None]], -1), faces, big.width, big.height)
    face = seen.face[..., 0].long()
    inside = face >= 0
    uv = (parameters[faces[face.clamp_min(0)]] * seen.barycentric[..., 0, :, None].double()).sum(-2)
    color = paint(uv) * inside[..., None]
    shape = (camera.height, scale, camera.width, scale)
    image = color.reshape(*shape, 3).mean(dim=(1, 3))
    cover = inside.double().reshape(shape).mean(dim=(1, 3))
    return (image * 255).round().to(torch.uint8), ((cover > 0.5) * 255).to(torch.uint8)
