"""The point cloud of consistent depth maps: one mean point a voxel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.normals import sum_rows, unit
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.core.tsdf import block_keys
from recon_cli.kernels.slopes import fit_slopes

# Sums that wait before they are merged, so that memory follows the size of the cloud and not the number of views.
_WAITING = 4_000_000


@dataclass(frozen=True)
class _Sums:
    """Weighted sums of points in voxels: keys ascending, rows of weight, position, normal and colour."""

    keys: Tensor  # [N]
    rows: Tensor  # [N, 10]


def fused_points(maps: DepthMaps, scene: Scene | None, *, origin: Tensor, voxel: float) -> PointSet:
    """Mean position, normal and colour of the depths in every voxel, weighted by confidence.

    Args:
        maps: consistent depth maps, 0 where nothing is known.
        scene: pictures of the same views in the same order; None gives no colours.
        origin: corner of the grid of voxels [scene units], shape [3].
        voxel: side of a voxel [scene units].
    """
    merged = _Sums(torch.empty(0, dtype=torch.int64), torch.empty(0, 10))
    waiting: list[_Sums] = []
    for view in range(len(maps)):
        waiting.append(_merged([_view_sums(maps, scene, view, origin.cpu(), voxel)]))
        if sum(len(sums.keys) for sums in waiting) > _WAITING:
            merged, waiting = _merged([merged, *waiting]), []
    rows = _merged([merged, *waiting]).rows
    mean = rows[:, 1:] / rows[:, :1]
    colors = None if scene is None else mean[:, 6:].clamp(0, 1)
    return PointSet((mean[:, :3].double() + origin.cpu()).float(), unit(mean[:, 3:6]), colors)


def pixel_normals(depth: Tensor, camera: Cameras) -> Tensor:  # [H, W] -> [H, W, 3]
    """World normals on the camera's side from the tilt of a depth map, 0 where there is none."""
    slopes = fit_slopes(depth.contiguous())
    K, pose = camera.K[0].float().to(depth.device), camera.camera_from_world[0].float().to(depth.device)
    rows, columns = torch.meshgrid(
        torch.arange(depth.shape[0], device=depth.device) + 0.5, torch.arange(depth.shape[1], device=depth.device) + 0.5, indexing="ij"
    )
    inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-30), 0.0)
    constant = inverse - slopes[..., 0] * columns - slopes[..., 1] * rows
    # The plane's pixels fulfil a . (u, v, 1) = 1 / z, its points n . X = 1 with n = K^T a, which looks away.
    away = torch.stack([slopes[..., 0], slopes[..., 1], constant], dim=-1) @ K
    return -unit(away @ pose[:3, :3]) * (depth > 0)[..., None]


def _view_sums(maps: DepthMaps, scene: Scene | None, view: int, origin: Tensor, voxel: float) -> _Sums:
    depth, camera = maps.depth[view].cpu(), maps.cameras[view].to("cpu", torch.float64)
    rows, columns = torch.nonzero(depth > 0, as_tuple=True)
    pixels = torch.stack([columns, rows], dim=-1).double() + 0.5
    points = camera.unproject(pixels[None], depth[rows, columns].double()[None])[0] - origin
    normals = pixel_normals(depth, camera) if maps.normals is None else maps.normals[view].cpu()
    weight = torch.ones(len(rows)) if maps.confidence is None else maps.confidence[view].cpu()[rows, columns].clamp(min=1e-3)
    colors = torch.zeros(len(rows), 3)
    if scene is not None:
        image = scene.images[view].cpu()
        scale = torch.tensor([image.shape[1] / depth.shape[1], image.shape[0] / depth.shape[0]], dtype=torch.float64)
        at = (pixels * scale).long()
        colors = image[at[:, 1], at[:, 0]].float() / 255
    values = torch.cat([points.float(), normals[rows, columns], colors], dim=-1) * weight[:, None]
    return _Sums(block_keys((points / voxel).floor()), torch.cat([weight[:, None], values], dim=-1))


def _merged(parts: list[_Sums]) -> _Sums:
    keys, index = torch.unique(torch.cat([part.keys for part in parts]), return_inverse=True)
    return _Sums(keys, sum_rows(torch.cat([part.rows for part in parts]), index, count=len(keys)))
