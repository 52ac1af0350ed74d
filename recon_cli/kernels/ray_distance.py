"""Signed ray distances of depth maps (Zins et al. 2022): the torch side of ``ray_distance_steps``."""

from __future__ import annotations

import math
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
        others: maps that vote, each once, without ``view``.
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
        own = (maps.offsets[samples.view] + samples.pixels).long()
        energy, slope = torch.empty_like(samples.offsets), torch.empty_like(samples.offsets)
        # The kernel multiplies the factors into it.
        products = samples.scores.clone()
        ctx.rays = [_struct(MapSet(depths.detach(), maps.offsets, maps.cameras), samples), consistency.struct(), samples.pixels]
        arguments = [*ctx.rays, depths.detach()[own].contiguous(), samples.offsets, samples.depths, products, energy, slope]
        launch_bands(steps.measure_energy, len(energy), arguments, device=depths.device)
        ctx.save_for_backward(depths, own, samples.offsets, samples.depths, products, energy, slope)
        ctx.peak = _steepest(maps.cameras.chosen(samples.others), consistency)
        return energy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        depths, own, offsets, samples, products, energy, slope = ctx.saved_tensors
        upstream = gradients[0].contiguous()
        total = sum_rows((upstream * slope)[:, None], own, count=len(depths))[:, 0]
        # Sums of whole numbers are exact in any order. No sum is larger than that of the steepest slopes of all samples, so that 2^61
        # units for it leave room for rounding; what is not finite makes the unit, and with it the result, NaN.
        bound = (upstream.double() * energy / offsets).abs().sum() * ctx.peak
        scale = 2.0**61 / bound.clamp(min=1e-250)
        sums = torch.zeros(len(depths), dtype=torch.int64, device=depths.device)
        lanes = _lanes(len(own), depths.device)
        voters = ctx.rays[0].offsets.shape[0]
        arguments = [*ctx.rays, offsets, samples, products, upstream, scale.reshape(1), lanes, sums]
        launch_bands(steps.add_slopes, voters * lanes, arguments, device=depths.device)
        return total + (sums / scale).to(total), None, None, None


def _lanes(count: int, device: torch.device) -> int:
    """Number of parts of the rays that may add to a map at once: Warp's additions are atomic on CUDA only."""
    return count if device.type == "cuda" else 1


def _steepest(cameras: Cameras, consistency: Consistency) -> float:
    """Largest slope of the bell of Eq. 3 by a depth of these cameras, for an offset of 1."""
    corners = torch.tensor([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=torch.float64)
    size = torch.cat([cameras.size, torch.ones_like(cameras.size[:, :1])], dim=1).double().cpu()
    rays = torch.linalg.inv(cameras.K.double().cpu())[:, None] @ (corners * size[:, None])[..., None]
    # exp(-t²) has its steepest slope, sqrt(2 / e), at t² = 1/2.
    return math.sqrt(2 / math.e / consistency.variance) * float(rays.norm(dim=2).max()) if len(cameras) else 0.0


def climb(maps: MapSet, samples: Samples, consistency: Consistency, *, steps_up: int = 5) -> tuple[Tensor, Tensor]:  # [P], [P, S]
    """Closed-form ascent of each ray's energy while the other maps are held, and the weight of each sample there.

    With the other factors fixed the energy is a sum of bells about the samples; each step moves the depth to their weighted mean.
    """
    own = maps.depths[(maps.offsets[samples.view] + samples.pixels).long()].contiguous()
    risen, weights = torch.empty_like(own), samples.scores.clone()
    shared = [_struct(maps, samples), consistency.struct(), samples.pixels, own]
    arguments = [*shared, samples.offsets, samples.depths, steps_up, risen, weights]
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
