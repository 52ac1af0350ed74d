"""Points on and off the surface that the photo-consistency network learns from (Zins et al. 2022, Section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.prior_config import SamplingConfig
from recon_cli.systems.mvs.prior_geometry import sources_from_reference

SMALLEST_INVERSE = 0.05
"""Least inverse depth of a drawn point, as a share of the surface's: farther points go in front instead."""
SMOOTH = 0.02
"""Largest second difference of inverse depth over three pixels, as a share of it, where a tilt is taken from the depth map."""


@dataclass(frozen=True)
class TrainingScene:
    """Pictures and their exact depth, pixel by pixel, 0 where there is none."""

    scene: Scene
    depths: DepthMaps


class TrainingScenes(Protocol):
    """Scenes that are made or read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> TrainingScene: ...


@dataclass(frozen=True)
class PriorSamples:
    """Points on the rays of P pixels of one view.

    Attributes:
        view: the reference.
        sources: the views it is compared with.
        pixels: column and row, shape [P, 2], int32.
        depth: z of a point on the surface, then of one off it, shape [P, 2], float32 [scene units].
        slopes: tilt of the surface, 0 where it is not told, shape [P, 2].
        offset: distance of the second point from the first [px of disparity, median of the sources], negative in front, shape [P].
    """

    view: int
    sources: tuple[int, ...]
    pixels: Tensor
    depth: Tensor
    slopes: Tensor
    offset: Tensor


def draw_samples(item: TrainingScene, config: SamplingConfig, generator: torch.Generator) -> PriorSamples:
    """One step's points: a random reference, some of the cameras near it, random pixels that see the surface.

    Raises:
        InputError: the scene has fewer than two cameras, or no depth in any view.
    """
    cameras = item.scene.cameras
    views = [view for view, depth in enumerate(item.depths.depth) if bool((depth > 0).any())]
    if len(cameras) < 2 or not views:
        raise InputError(f"a training scene has {len(cameras)} cameras, {len(views)} of them with depth; expected two and one at least")
    view = views[_integer(len(views), generator)]
    sources = draw_sources(cameras, view, config, generator)
    return samples_of_view(item, view, sources, config, generator)


def draw_sources(cameras: Cameras, view: int, config: SamplingConfig, generator: torch.Generator) -> tuple[int, ...]:
    """K - 1 of the min(2 K, nearest) cameras nearest to a view, for a random K: far enough that some do not see what it sees."""
    count = config.fewest_cameras + _integer(config.most_cameras - config.fewest_cameras + 1, generator)
    near = nearest_cameras(cameras, view)[: min(2 * count, config.nearest)]
    order = torch.randperm(len(near), generator=generator)[: count - 1]
    return tuple(near[i] for i in order.tolist())


def nearest_cameras(cameras: Cameras, view: int) -> list[int]:
    """All other cameras, the nearest first."""
    centres = cameras.world_from_camera[:, :3, 3]
    order = (centres - centres[view]).norm(dim=1).argsort(stable=True).tolist()
    return [other for other in order if other != view]


def samples_of_view(
    item: TrainingScene, view: int, sources: Sequence[int], config: SamplingConfig, generator: torch.Generator
) -> PriorSamples:
    """Random pixels of a view that see the surface, each with a point on it and one in front or behind."""
    depth_map = item.depths.depth[view]
    places = (depth_map > 0).reshape(-1).nonzero()[:, 0]
    places = places[torch.randint(len(places), (config.pixels,), generator=generator)]
    width = depth_map.shape[1]
    pixels = torch.stack([places % width, places // width], dim=-1).to(torch.int32)
    depth = depth_map.reshape(-1)[places]
    rate = disparity_rate(item.scene.cameras, view, sources, pixels, depth)
    size, sign = _distances(config, generator), 1.0 - 2.0 * torch.randint(2, (config.pixels,), generator=generator)
    # A smaller inverse depth lies behind the surface; it must stay in front of infinity.
    inverse = 1 / depth - sign * size / rate
    sign = torch.where(inverse < SMALLEST_INVERSE / depth, -torch.ones_like(sign), sign)
    off = 1 / (1 / depth - sign * size / rate)
    slopes = _told_slopes(inverse_slopes(depth_map).reshape(-1, 2)[places], config, generator)
    return PriorSamples(view, tuple(sources), pixels, torch.stack([depth, off], dim=1), slopes, sign * size)


def disparity_rate(cameras: Cameras, view: int, sources: Sequence[int], pixels: Tensor, depth: Tensor) -> Tensor:  # [P]
    """Pixels that a point moves in the middle one of the sources per unit of inverse depth in the view."""
    maps = sources_from_reference(cameras, view, sources)  # [K, 3, 4]
    homogeneous = torch.cat([pixels + 0.5, torch.ones(len(pixels), 1), 1 / depth[:, None]], dim=1).double()  # [P, 4]
    place = torch.einsum("kij,pj->kpi", maps, homogeneous)
    shift = maps[:, None, :, 3]
    moved = (shift[..., :2] - place[..., :2] / place[..., 2:] * shift[..., 2:]) / place[..., 2:]  # [K, P, 2]
    return moved.norm(dim=-1).median(dim=0).values.float().clamp(min=1e-12)


def inverse_slopes(depth: Tensor) -> Tensor:  # [H, W] -> [H, W, 2]
    """Change of 1 / z per pixel along x and y, 0 where the surface breaks or is not known on both sides."""
    inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-30), torch.nan)
    slopes = torch.zeros(*depth.shape, 2)
    for axis, inner in ((1, (slice(None), slice(1, -1))), (0, (slice(1, -1), slice(None)))):
        length = depth.shape[axis]
        before, after = inverse.narrow(axis, 0, length - 2), inverse.narrow(axis, 2, length - 2)
        middle = inverse.narrow(axis, 1, length - 2)
        is_smooth = (before + after - 2 * middle).abs() < SMOOTH * middle  # false for NaN
        slopes[(*inner, 1 - axis)] = torch.where(is_smooth, (after - before) / 2, torch.zeros_like(middle))
    return slopes


def _distances(config: SamplingConfig, generator: torch.Generator) -> Tensor:  # [P]
    ticket, place = torch.rand(2, config.pixels, generator=generator)
    least, largest = config.least_offset, config.largest_offset
    spread = least * torch.exp(place * math.log(largest / least))
    near = least + place * (config.near_offset - least)
    return torch.where(ticket < config.near_share, near, spread)


def _told_slopes(slopes: Tensor, config: SamplingConfig, generator: torch.Generator) -> Tensor:  # [P, 2]
    is_told = torch.rand(len(slopes), 1, generator=generator) < config.slope_share
    noisy = slopes * (1 + config.slope_noise * torch.randn(len(slopes), 2, generator=generator))
    return noisy * is_told


def _integer(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (1,), generator=generator))
