"""Signed ray distances of depth maps (Zins et al. 2022): the torch side of ``ray_distance_steps``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from torch import Tensor
from torch.autograd import Function

from recon_cli.core.cameras import Cameras
from recon_cli.core.normals import sum_rows
from recon_cli.kernels import ray_distance_steps as steps
from recon_cli.kernels.launch import as_vectors, launch_bands


@dataclass(frozen=True)
class Consistency:
    """Eq. 3 of the paper.

    Attributes:
        variance: sigma_d in units of the sampling offset squared.
        occlusion: Gamma_SRDF.
        edge: relative spread of four neighbouring depths above which the nearest is read instead of their mixture.
    """

    variance: float = 0.32
    occlusion: float = 0.1
    edge: float = 0.02

    def struct(self) -> Any:
        """As the kernels take it."""
        kernel = steps.Kernel()
        kernel.variance, kernel.occlusion, kernel.edge = self.variance, self.occlusion, self.edge
        return kernel


@dataclass(frozen=True)
class MapSet:
    """Depth maps of V views, one after the other.

    Attributes:
        depths: z [scene units], 0 where nothing is known, float32.
        offsets: start of each map, int64.
        cameras: V cameras at the size of the maps.
    """

    depths: Tensor  # [N]
    offsets: Tensor  # [V]
    cameras: Cameras

    @staticmethod
    def pack(maps: Sequence[Tensor], cameras: Cameras) -> MapSet:
        """Copy maps [H, W] into one block of memory."""
        counts = torch.tensor([values.numel() for values in maps])
        offsets = (counts.cumsum(0) - counts).to(maps[0].device)
        return MapSet(torch.cat([values.reshape(-1) for values in maps]).to(torch.float32), offsets, cameras)

    def map(self, view: int) -> Tensor:  # [H, W]
        """One map, a view of the common memory."""
        width, height = self.cameras.size[view].tolist()
        start = int(self.offsets[view])
        return self.depths[start : start + width * height].reshape(height, width)


@dataclass(frozen=True)
class Samples:
    """Points on rays of one map.

    Attributes:
        view: the map whose rays are sampled.
        others: maps that vote, without ``view``.
        pixels: row * W + column of each ray's pixel, int32.
        offsets: half of the sampled interval [scene units], float32.
        depths: z of each sample in the view, float32.
        scores: photo-consistency of each sample in [0, 1], float32.
    """

    view: int
    others: tuple[int, ...]
    pixels: Tensor  # [P]
    offsets: Tensor  # [P]
    depths: Tensor  # [P, S]
    scores: Tensor  # [P, S]


def ray_energy(
    depths: Tensor,  # [N]
    maps: MapSet,
    samples: Samples,
    consistency: Consistency,
) -> Tensor:  # [P]
    """Energy of the samples of each ray: the sum of C_SRDF C_Φ (Eq. 2), C_SRDF the product over the map itself and the others (Eq. 3).

    Differentiable by ``depths``, which stand for ``maps.depths``: by the ray's own depth, and by the depths of the other maps where the
    samples fall on them. At a pixel without depth there is no energy.
    """
    return _RayEnergy.apply(depths, maps, samples, consistency)  # pyright: ignore[reportReturnType]


class _RayEnergy(Function):
    @staticmethod
    def forward(ctx: Any, depths: Tensor, maps: MapSet, samples: Samples, consistency: Consistency) -> Tensor:
        count, each = samples.depths.shape
        energy, own_gradient = samples.depths.new_empty(count), samples.depths.new_empty(count)
        rows = count if depths.requires_grad else 0
        gradients = samples.depths.new_empty(rows, each, 4 * len(samples.others))
        corners = torch.empty(gradients.shape, dtype=torch.int64, device=depths.device)
        own = (maps.offsets[samples.view] + samples.pixels).long()
        current = MapSet(depths.detach(), maps.offsets, maps.cameras)
        shared = [_struct(current, samples), consistency.struct(), samples.pixels, depths.detach()[own].contiguous()]
        outputs = [energy, own_gradient, gradients, corners]
        launch_bands(
            steps.measure_energy, count, [*shared, samples.offsets, samples.depths, samples.scores, *outputs], device=depths.device
        )
        ctx.save_for_backward(own, own_gradient, gradients, corners)
        ctx.size = len(depths)
        return energy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        own, own_gradient, others, corners = ctx.saved_tensors
        upstream = gradients[0]
        total = sum_rows((upstream * own_gradient)[:, None], own, count=ctx.size)[:, 0]
        if corners.numel():
            values = (upstream[:, None, None] * others).reshape(-1)
            is_active = values != 0
            total = total + sum_rows(values[is_active][:, None], corners.reshape(-1)[is_active], count=ctx.size)[:, 0]
        return total, None, None, None


def climb(maps: MapSet, samples: Samples, consistency: Consistency, *, steps_up: int = 5) -> tuple[Tensor, Tensor]:  # [P], [P, S]
    """Closed-form ascent of each ray's energy while the other maps are held, and the weight of each sample there.

    With the other factors fixed the energy is a sum of bells about the samples; each step moves the depth to their weighted mean.
    """
    own = maps.depths[(maps.offsets[samples.view] + samples.pixels).long()].contiguous()
    risen, weights = torch.empty_like(own), torch.empty_like(samples.depths)
    shared = [_struct(maps, samples), consistency.struct(), samples.pixels, own]
    arguments = [*shared, samples.offsets, samples.depths, samples.scores, steps_up, risen, weights]
    launch_bands(steps.ascend, len(own), arguments, device=own.device)
    return risen, weights


def _struct(maps: MapSet, samples: Samples) -> Any:
    """Maps and their relation to the sampled view as the kernels take them."""
    device, cameras = maps.depths.device, maps.cameras
    others = list(samples.others)
    reference = cameras[samples.view]
    rotations, translations = reference.pixel_maps(cameras.chosen(others))
    struct = steps.Maps()
    struct.depths = wp.from_torch(maps.depths)
    struct.offsets = wp.from_torch(maps.offsets[others].contiguous())
    struct.sizes = wp.from_torch(cameras.size[others].to(device, torch.int32).contiguous())
    struct.rotations = _matrices(rotations, device)
    struct.translations = as_vectors(torch.empty(len(others), 3, device=device).copy_(translations))
    struct.rays = _matrices(torch.linalg.inv(cameras.K[others]), device)
    struct.reference_ray = wp.mat33f(torch.linalg.inv(reference.K[0]).flatten().tolist())
    struct.reference_width = int(reference.width)
    return struct


def _matrices(values: Tensor, device: torch.device) -> Any:
    # An empty product has strides of its own, which Warp refuses.
    held = torch.empty(len(values), 3, 3, dtype=torch.float32, device=device).copy_(values)
    return wp.from_torch(held, dtype=wp.mat33f)
