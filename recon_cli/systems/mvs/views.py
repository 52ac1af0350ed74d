"""Which views look at each other: the sources of each view, and groups of views that are solved together."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.errors import InputError
from recon_cli.systems.mvs.config import ViewsConfig

_SAMPLES = 256  # points of each view that its overlap is measured on
_TINY = 1e-200  # keeps float64 from dividing by 0, in scene units however small


def neighbour_views(intervals: DepthIntervals, config: ViewsConfig) -> Tensor:  # [C, K] int64
    """For each view the others that see the same surface from the most useful angles, best first; -1 where there are no more.

    A pair's value is the mean over points of the first view (middles of its depth intervals) of an angle weight that rises from 0
    to ``config.best_angle``, then falls, where the second view has the point in its picture; a difference in footprint counts against it.

    Raises:
        InputError: no two views overlap.
    """
    values = pair_values(intervals, config)
    count = min(config.neighbours, len(intervals) - 1)
    ordered = values.sort(dim=1, descending=True, stable=True)
    chosen = torch.where(ordered.values > 0, ordered.indices, torch.full_like(ordered.indices, -1))[:, :count]
    if count == 0 or (chosen < 0).all():
        raise InputError("no two views see the same part of the scene", hint="give pictures that overlap, or check the cameras")
    return chosen


def pair_values(intervals: DepthIntervals, config: ViewsConfig) -> Tensor:  # [C, C]
    """Value of every second view for every first one, 0 where they share nothing."""
    cameras = intervals.cameras
    centres = cameras.world_from_camera[:, :3, 3]
    values = torch.zeros(len(cameras), len(cameras), dtype=torch.float64)
    for view in range(len(cameras)):
        points, depth = middle_points(intervals, view)
        if len(points) == 0:
            continue
        pixels, depths = cameras.project(points)
        is_seen = (depths > 0) & (pixels > 0).all(-1) & (pixels < cameras.size[:, None].to(pixels)).all(-1)
        weight = _angle_weight(centres, view, points, config) * _footprint_weight(cameras, view, depth, depths)
        values[view] = (weight * is_seen).mean(dim=1)
    values.fill_diagonal_(0)
    return values


def middle_points(intervals: DepthIntervals, view: int) -> tuple[Tensor, Tensor]:  # [N, 3], [N]
    """A fixed number of points in the middle (of inverse depth) of a view's intervals, spread over its pixels, and their depths."""
    near, far = intervals.near[view].double().cpu(), intervals.far[view].double().cpu()
    places = (far > 0).reshape(-1).nonzero()[:, 0]
    if len(places) == 0:
        return torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    places = places[torch.linspace(0, len(places) - 1, min(_SAMPLES, len(places))).round().long()]
    depth = 2 / (1 / near.reshape(-1)[places] + 1 / far.reshape(-1)[places])
    width = near.shape[1]
    pixels = torch.stack([places % width, places // width], dim=-1).double() + 0.5
    return intervals.cameras[view].unproject(pixels[None], depth[None])[0], depth


def _angle_weight(centres: Tensor, view: int, points: Tensor, config: ViewsConfig) -> Tensor:  # [C, N]
    rays = torch.nn.functional.normalize(points[None] - centres[:, None], dim=-1, eps=_TINY)
    angle = torch.rad2deg((rays * rays[view]).sum(-1).clamp(-1, 1).acos())
    rising = (angle / config.best_angle).clamp(max=1)
    falling = torch.exp(-(angle - config.best_angle).clamp(min=0).square() / (2 * config.angle_spread**2))
    return torch.where(angle < config.largest_angle, rising * falling, torch.zeros_like(angle))


def _footprint_weight(cameras: Cameras, view: int, depth: Tensor, depths: Tensor) -> Tensor:  # [C, N]
    """1 where a pixel covers as much of the surface in both views, less where one is much finer."""
    focal = cameras.K[:, 0, 0]
    ratio = (depths.clamp(min=_TINY) / focal[:, None]) / (depth / focal[view])
    return torch.minimum(ratio, 1 / ratio).clamp(0, 1)


def camera_groups(intervals: DepthIntervals, config: ViewsConfig) -> list[list[int]]:
    """Views in groups of at most ``config.group_size``, neighbours in position and gaze together (Section 4.1 of Zins et al. 2022).

    The largest group is halved along the direction in which its cameras spread most, until all are small enough; the groups and the
    views in each are in ascending order.
    """
    cameras = intervals.cameras
    centres, gaze = cameras.world_from_camera[:, :3, 3], cameras.camera_from_world[:, 2, :3]
    spread = (centres - centres.mean(dim=0)).norm(dim=1).mean().clamp(min=_TINY)
    places = torch.cat([centres / spread, gaze], dim=1)
    groups = [list(range(len(cameras)))]
    while max(map(len, groups)) > config.group_size:
        largest = max(groups, key=len)
        groups.remove(largest)
        groups += _halves(largest, places)
    return sorted(groups)


def _halves(group: list[int], places: Tensor) -> list[list[int]]:
    own = places[group] - places[group].mean(dim=0)
    axis = torch.linalg.eigh(own.T @ own).eigenvectors[:, -1]
    order = (own @ axis).argsort(stable=True).tolist()
    middle = len(group) // 2
    return [sorted(group[i] for i in order[:middle]), sorted(group[i] for i in order[middle:])]
