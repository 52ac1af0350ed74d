"""The truncated signed distance field of one depth map, looked up at points."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.masks import fill_holes
from recon_cli.systems.npm.observed import depth_points
from recon_cli.systems.npm.published_config import DepthFieldConfig

MANY = 10_000
"""Queries from which on threads are worth their start."""


class ProjectiveTsdf:
    """What a depth map says of the signed distance of points: positive before the surface, negative behind it, and where it says nothing.

    The sign is projective: that of the depth at a point's pixel less the point's own. Points more than ``behind`` behind the surface,
    outside of the picture, behind the camera or on the ray of a small hole are unobserved. The size is the distance along the ray or from
    the nearest point of the depth, whichever is less: each alone is an upper bound of the distance from the seen surface. Along the ray
    it is exact at the surface, but far too large where the surface is slanted or beside the silhouette; to the nearest of the depth's
    points it is right from a pixel's width on. Palafox et al. 2021 take the latter on a grid of 256 nodes a side.

    A lookup is differentiable, by piecewise formulae and not through a grid: along the ray by z and by the bilinear interpolation of the
    depth, where the four pixels around are of one surface (elsewhere the depth of the point's own pixel is taken, a constant); to the
    nearest point by the direction from it.

    Args:
        depth: z-depth of the body [box], 0 where there is none of it, shape [H, W].
        K: intrinsics of the camera [px], shape [3, 3].
        config: clamp, how far behind the surface is seen, and which distance.

    Raises:
        InputError: there is no depth at all.
    """

    def __init__(self, depth: Tensor, K: Tensor, config: DepthFieldConfig) -> None:
        if not bool((depth > 0).any()):
            raise InputError("a depth map has nothing of the body, expected at least one pixel of it")
        self._depth, self._K, self._config = depth, K.to(depth), config
        self.points = depth_points(depth, self._K)
        is_body = (depth > 0).cpu()
        self._is_hole = ((fill_holes(is_body, largest=config.hole) > 0) & ~is_body).to(depth.device)
        self._nearest = _Nearest(self.points, config.clamp) if config.distance == "nearest" else None

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:  # [N, 3] -> [N], [N]
        """Signed distance within the clamp [box], and whether it is observed; points in the camera's axes [box]."""
        clamp = self._config.clamp
        along, is_body, is_observed = self._along_ray(points)
        size = torch.where(is_body, along.abs(), clamp)
        if self._nearest is not None:
            away, is_past = self._nearest(points, is_observed)
            size = torch.minimum(size, away)
            if not self._config.past_rim:
                is_observed = is_observed & (is_body | ~is_past)
        distance = torch.where(is_body & (along < 0), -size, size)
        return distance.clamp(-clamp, clamp), is_observed

    def _along_ray(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distance along the ray to the depth, whether there is some, and whether the point is observed; 3 of shape [N]."""
        height, width = self._depth.shape
        projected = points @ self._K.T
        is_before = points[:, 2] > 0
        z = torch.where(is_before, points[:, 2], 1.0)
        place = projected[:, :2] / z[:, None]  # [N, 2], column and row
        limit = place.new_tensor([width, height])
        is_inside = is_before & ((place >= 0) & (place < limit)).all(dim=1)
        place = torch.where(is_inside[:, None], place, 0.5 * limit)
        column, row = place.detach().long().unbind(dim=1)
        is_body = self._depth[row, column] > 0
        gap = self._depth_at(place, row, column) - z
        is_seen = torch.where(is_body, gap >= -self._config.behind, ~self._is_hole[row, column])
        ray = torch.linalg.vector_norm(points, dim=1) / z
        return gap * ray, is_body, is_inside & is_seen

    def _depth_at(self, place: Tensor, row: Tensor, column: Tensor) -> Tensor:  # [N, 2], [N], [N] -> [N]
        """Depth, interpolated between the four pixels around where they are of one surface, else of the pixel itself."""
        height, width = self._depth.shape
        left = (place[:, 0].detach() - 0.5).floor().long().clamp(0, max(0, width - 2))
        top = (place[:, 1].detach() - 0.5).floor().long().clamp(0, max(0, height - 2))
        right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
        four = torch.stack([self._depth[r, c] for r in (top, bottom) for c in (left, right)])  # [4, N]
        is_one = (four.amin(dim=0) > 0) & (four.amax(dim=0) - four.amin(dim=0) < self._config.clamp / 2)
        x, y = place[:, 0] - 0.5 - left, place[:, 1] - 0.5 - top
        upper, lower = four[0] + x * (four[1] - four[0]), four[2] + x * (four[3] - four[2])
        return torch.where(is_one, upper + y * (lower - upper), self._depth[row, column])


class _Nearest:
    """The nearest points of a depth map, up to a reach."""

    def __init__(self, points: Tensor, reach: float) -> None:
        from scipy.spatial import KDTree

        self._points, self._reach = points, reach
        self._tree = KDTree(points.double().cpu().numpy(), balanced_tree=False)

    def __call__(self, queries: Tensor, is_wanted: Tensor) -> tuple[Tensor, Tensor]:  # [N, 3], [N] -> [N], [N]
        """Distance from the nearest point, the reach where there is none or it is not wanted, and whether the query lies behind it."""
        wanted = torch.nonzero(is_wanted)[:, 0]
        asked = queries.detach()[wanted].double().cpu().numpy()
        workers = -1 if len(asked) >= MANY else 1
        _, index = self._tree.query(asked, distance_upper_bound=self._reach, workers=workers)
        found = torch.from_numpy(index).to(queries.device)
        is_near = found < len(self._points)
        near, found = wanted[is_near], found[is_near]
        distance = torch.linalg.vector_norm(queries[near] - self._points[found], dim=1)
        is_past = torch.zeros_like(is_wanted).index_put((near,), queries[near, 2] > self._points[found, 2])
        return torch.full_like(queries[:, 0], self._reach).index_put((near,), distance), is_past
