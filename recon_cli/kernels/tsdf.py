"""Fusing depth maps into truncated signed distances on a sparse grid (Curless and Levoy 1996)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.tsdf import BLOCK, SparseGrid, TsdfVolume, block_coordinates
from recon_cli.kernels.consistency import edge_shares
from recon_cli.kernels.launch import launch_bands
from recon_cli.kernels.slopes import fit_slopes

_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Integration:
    """How samples are weighed.

    Attributes:
        truncation: distance at which signed distances are cut off [voxels].
        free_space: a voxel is free when the views that look through it outweigh those that see a surface near it this
            many times; otherwise they have no say, lest rays that pass a rim wear it off.
        tilt: tangent of the largest tilt against the picture; steeper steps between neighbouring pixels are edges.
        footprint: size of a pixel at the surface whose weight is one [scene units]; smaller pixels weigh more.
    """

    truncation: float = 3.0
    free_space: float = 3.0
    tilt: float = 10.0
    footprint: float = 1.0


@dataclass(frozen=True)
class Sums:
    """What all views say of the voxels of a grid.

    Attributes:
        moment: weighted sum of the distances over the truncation, of views that see a surface near, shape [B, 512].
        weight: sum of their weights, shape [B, 512].
        free: sum of the weights of views that look through, shape [B, 512].
    """

    moment: Tensor  # [B, 512]
    weight: Tensor  # [B, 512]
    free: Tensor  # [B, 512]


def touched_grid(maps: DepthMaps, voxel: float, *, truncation: float = 3.0) -> SparseGrid:
    """The blocks within the truncation [voxels] of any depth, along its ray, and a voxel and a half to its sides.

    The grid is anchored to multiples of a block in world coordinates near the points, whatever the order of the views.
    """
    origin = _origin(maps, voxel)
    device = maps.depth[0].device if len(maps) else torch.device("cpu")
    keys = [torch.empty(0, dtype=torch.int64, device=device)]
    keys += [_touched(maps, view, origin, voxel, truncation) for view in range(len(maps))]
    return SparseGrid(origin, voxel, block_coordinates(torch.unique(torch.cat(keys))))


def integrate(
    maps: DepthMaps,
    grid: SparseGrid,
    integration: Integration = Integration(),
    *,
    each: Callable[[int], None] | None = None,
) -> TsdfVolume:
    """Average the signed distances of all maps on a grid; see ``accumulate``."""
    sums = accumulate(maps, grid, integration, each=each)
    return TsdfVolume(grid, _decided(sums, integration.free_space), sums.weight, integration.truncation * grid.voxel)


def accumulate(
    maps: DepthMaps,
    grid: SparseGrid,
    integration: Integration = Integration(),
    *,
    each: Callable[[int], None] | None = None,
) -> Sums:
    """Add up what all maps say of the voxels of a grid.

    A voxel's distance in a view is that to the local plane of the surface, not along the ray, so that slanted views
    tell the same as frontal ones. Depth is interpolated in 1 / z, exactly on planes, and never across edges. A
    sample's weight is its confidence times the cosine of the angle of view and the squared sharpness of its pixel;
    behind the surface it falls to zero, farther in front of it than the truncation it counts as a look through.

    Args:
        maps: depth maps, 0 where nothing is known.
        grid: the blocks to fill.
        integration: how samples are weighed.
        each: called with the number of maps done.
    """
    device = grid.blocks.device
    sums = Sums(*(torch.zeros(len(grid), BLOCK**3, device=device) for _ in range(3)))
    for view in range(len(maps)):
        _add_view(maps, view, grid, integration, sums)
        if each is not None:
            each(view + 1)
    return sums


def _decided(sums: Sums, free_space: float) -> Tensor:  # [B, 512]
    """The mean distance; 1 where voxels are free, NaN where nothing is known. Overwrites ``sums.moment``."""
    distance = sums.moment.div_(sums.weight.clamp(min=_LEAST_WEIGHT))
    distance.masked_fill_(sums.weight <= _LEAST_WEIGHT, torch.nan)
    return distance.masked_fill_((sums.free > free_space * sums.weight) & (sums.free > _LEAST_WEIGHT), 1.0)


def _origin(maps: DepthMaps, voxel: float) -> Tensor:  # [3]
    """The lowest corner of some of the points, at a multiple of a block."""
    low = torch.full((3,), torch.inf, dtype=torch.float64)
    for view in range(len(maps)):
        depth = maps.depth[view][::8, ::8]
        rows, columns = torch.nonzero(depth > 0, as_tuple=True)
        if len(rows):
            pixels = torch.stack([columns, rows], dim=-1)[None] * 8 + 0.5
            points = maps.cameras[view].to("cpu", torch.float64).unproject(pixels.cpu().double(), depth[rows, columns].cpu().double()[None])
            low = torch.minimum(low, points[0].amin(dim=0))
    side = BLOCK * voxel
    return torch.where(torch.isfinite(low), (low / side).floor() * side, 0.0)


def _touched(maps: DepthMaps, view: int, origin: Tensor, voxel: float, truncation: float) -> Tensor:  # [N] int64
    from recon_cli.kernels import tsdf_steps as kernels

    depth = maps.depth[view]
    seen = depth[depth > 0]
    if not len(seen):
        return torch.empty(0, dtype=torch.int64, device=depth.device)
    footprint = float(seen.median()) / float(maps.cameras.K[view, 0, 0])
    # Points at most two voxels apart miss no block, for each touches what lies a voxel and a half around it.
    stride = max(1, int(2 * voxel / footprint))
    columns, rows = -(-depth.shape[1] // stride), -(-depth.shape[0] // stride)
    segments = -(-columns // kernels.SEGMENT) * rows
    keys = torch.empty(segments, kernels.SEGMENT * kernels.SLOTS, dtype=torch.int64, device=depth.device)
    arguments = (depth.contiguous(), view_struct(maps.cameras, view, origin, voxel), stride, truncation, 1.5, keys)
    launch_bands(kernels.touch_blocks, segments, arguments, device=depth.device)
    return torch.unique(keys[keys >= 0])


def _add_view(maps: DepthMaps, view: int, grid: SparseGrid, integration: Integration, sums: Sums) -> None:
    from recon_cli.kernels import tsdf_steps as kernels

    depth = maps.depth[view].contiguous()
    chosen = _visible_blocks(maps, view, grid)
    if not len(chosen):
        return
    edge = float(edge_shares(maps.cameras, integration.tilt)[view])
    slopes = fit_slopes(depth, edge=edge)
    confidence = torch.ones_like(depth) if maps.confidence is None else maps.confidence[view].float()
    height, width = depth.shape
    arguments = (
        grid.blocks,
        chosen,
        depth.view(-1),
        slopes.view(-1, 2),
        confidence.flatten(),
        width,
        height,
        view_struct(maps.cameras, view, grid.origin, grid.voxel),
        grid.voxel,
        integration.truncation,
        integration.footprint,
        edge,
        sums.moment,
        sums.weight,
        sums.free,
    )
    launch_bands(kernels.integrate, len(chosen) * BLOCK**2, arguments, device=depth.device)


def _visible_blocks(maps: DepthMaps, view: int, grid: SparseGrid) -> Tensor:  # [N] int32
    """Blocks whose sphere meets the view's picture and is not behind its farthest depth."""
    depth = maps.depth[view]
    farthest = float(depth.max()) if depth.numel() else 0.0
    camera = maps.cameras[view].to(grid.blocks.device, torch.float64)
    centres = (grid.blocks.double() + 0.5) * (BLOCK * grid.voxel) + grid.origin.to(grid.blocks.device)
    pixels, z = camera.project(centres)
    radius = BLOCK * grid.voxel * 3**0.5 / 2
    reach = radius * float(camera.K[0].abs().max()) * 1.5 / (z[0] - radius).clamp(min=1e-12)
    size = camera.size[0].to(pixels)
    inside = ((pixels[0] > -reach[:, None]) & (pixels[0] < size + reach[:, None])).all(dim=-1)
    # A block around the camera's plane has no bounds on the picture; its voxels are tested one by one.
    is_near = z[0].abs() <= radius
    is_chosen = (is_near | (inside & (z[0] > 0))) & (z[0] - radius < farthest)
    return is_chosen.nonzero()[:, 0].to(torch.int32)


def view_struct(cameras: Cameras, view: int, origin: Tensor, voxel: float):
    """A camera in grid coordinates, composed in float64: positions near the grid keep their fractions of a pixel."""
    import warp as wp

    from recon_cli.kernels.tsdf_steps import View

    camera = cameras[view].to("cpu", torch.float64)
    K, pose, world = camera.K[0], camera.camera_from_world[0], camera.world_from_camera[0]
    anchor = origin.cpu().double()
    struct = View()
    struct.project = wp.mat33f(*(K @ pose[:3, :3] * voxel).flatten().tolist())
    struct.offset = wp.vec3f(*(K @ (pose[:3, :3] @ anchor + pose[:3, 3])).tolist())
    struct.ray = wp.mat33f(*(world[:3, :3] @ torch.linalg.inv(K) / voxel).flatten().tolist())
    struct.centre = wp.vec3f(*((world[:3, 3] - anchor) / voxel).tolist())
    struct.focal = wp.vec3f(float(K[0, 0]), float(K[0, 1]), float(K[1, 1]))
    struct.middle = wp.vec2f(float(K[0, 2]), float(K[1, 2]))
    return struct
