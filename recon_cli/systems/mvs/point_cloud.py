"""The point cloud of consistent depth maps: one mean point a voxel."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.normals import sum_rows, unit
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.core.tsdf import BLOCK, SparseGrid
from recon_cli.kernels.consistency import edge_shares
from recon_cli.kernels.slopes import fit_slopes


def fused_points(maps: DepthMaps, scene: Scene | None, grid: SparseGrid) -> PointSet:
    """Mean position, normal and colour of the depths in every voxel, weighted by confidence.

    Args:
        maps: consistent depth maps, 0 where nothing is known.
        scene: pictures of the same views in the same order; None gives no colours.
        grid: blocks around all points; the cloud has its resolution and its order.
    """
    device = grid.blocks.device
    held = torch.zeros(len(grid) * BLOCK**3, dtype=torch.bool, device=device)
    for view in range(len(maps)):
        held[_places(maps, view, grid)[1]] = True
    number = held.cumsum(0, dtype=torch.int32) - 1
    total = torch.zeros(int(held.sum()), 10, device=device)
    for view in range(len(maps)):
        # Found a second time, for all views' places together would take more memory than their maps.
        pixel, voxel = _places(maps, view, grid)
        # A view's own voxels alone: sums over the whole cloud would be as large as it, for every view.
        own, place = number[voxel].long().unique(return_inverse=True)
        total[own] += sum_rows(_rows(maps, scene, view, grid, pixel), place, count=len(own))
    mean = total[:, 1:] / total[:, :1]
    points = mean[:, :3].double() * grid.voxel + grid.origin.to(device)
    return PointSet(points.float(), unit(mean[:, 3:6]), None if scene is None else mean[:, 6:].clamp(0, 1))


def pixel_normals(
    depth: Tensor,  # [H, W]
    pixel: Tensor,  # [N]
    camera: Cameras,
) -> Tensor:  # [N, 3]
    """World normals on the camera's side from the tilt of a depth map at some of its pixels (row by row)."""
    width = depth.shape[1]
    edge = float(edge_shares(camera)[0])
    slopes = fit_slopes(depth.contiguous(), edge=edge).view(-1, 2)[pixel]
    rows, columns = (pixel // width).float() + 0.5, (pixel % width).float() + 0.5
    constant = 1 / depth.flatten()[pixel] - slopes[:, 0] * columns - slopes[:, 1] * rows
    # The plane's pixels fulfil a . (u, v, 1) = 1 / z, its points n . X = 1 with n = K^T a, which looks away.
    away = torch.stack([slopes[:, 0], slopes[:, 1], constant], dim=-1) @ camera.K[0].to(depth)
    return -unit(away @ camera.camera_from_world[0, :3, :3].to(depth))


def _grid_points(maps: DepthMaps, view: int, grid: SparseGrid, pixel: Tensor) -> Tensor:  # [N] -> [N, 3]
    """Points of pixels in voxels from the grid's origin, composed in float64."""
    depth = maps.depth[view]
    camera = maps.cameras[view].to("cpu", torch.float64)
    world = camera.world_from_camera[0]
    ray = (world[:3, :3] @ torch.linalg.inv(camera.K[0]) / grid.voxel).to(depth)
    centre = ((world[:3, 3] - grid.origin.cpu()) / grid.voxel).to(depth)
    rows, columns = (pixel // depth.shape[1]).float() + 0.5, (pixel % depth.shape[1]).float() + 0.5
    homogeneous = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1) * depth.flatten()[pixel, None]
    return homogeneous @ ray.T + centre


def _places(maps: DepthMaps, view: int, grid: SparseGrid) -> tuple[Tensor, Tensor]:  # [N] int32, [N] int32
    """Pixels with a depth and the voxel that each falls into."""
    pixel = (maps.depth[view].flatten() > 0).nonzero()[:, 0]
    place = _grid_points(maps, view, grid, pixel).floor().int()
    block = torch.div(place, BLOCK, rounding_mode="floor")
    index = grid.find(block)
    local = place - block * BLOCK
    voxel = index * BLOCK**3 + local[:, 0] + BLOCK * local[:, 1] + BLOCK**2 * local[:, 2]
    is_held = index >= 0
    return pixel[is_held].int(), voxel[is_held]


def _rows(maps: DepthMaps, scene: Scene | None, view: int, grid: SparseGrid, pixel: Tensor) -> Tensor:  # [N] -> [N, 10]
    """Weight, and weighted position [voxels], normal and colour."""
    depth, camera, pixel = maps.depth[view], maps.cameras[view], pixel.long()
    values = [_grid_points(maps, view, grid, pixel)]
    if maps.normals is not None:
        values.append(maps.normals[view].reshape(-1, 3)[pixel])
    else:
        values.append(pixel_normals(depth, pixel, camera))
    values.append(torch.zeros_like(values[0]) if scene is None else _colors(scene.images[view].to(depth.device), depth, pixel))
    confidence = torch.ones_like(depth) if maps.confidence is None else maps.confidence[view].float()
    weight = confidence.flatten()[pixel, None].clamp(min=1e-3)
    return torch.cat([weight, torch.cat(values, dim=-1) * weight], dim=-1)


def _colors(image: Tensor, depth: Tensor, pixel: Tensor) -> Tensor:  # [N, 3]
    """Colours in [0, 1] of a depth map's pixels in a picture that may be larger."""
    height, width = depth.shape
    rows = ((pixel // width) * 2 + 1) * image.shape[0] // (2 * height)
    columns = ((pixel % width) * 2 + 1) * image.shape[1] // (2 * width)
    return image[rows, columns].float() / 255
