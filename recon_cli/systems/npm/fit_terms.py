"""What pulls at a body's vertices: depth points, the silhouette, and the space in front of the depth.

Every term is a 3 x 3 weight and a force at each vertex. Summed they give the normal equations of any unknowns through the vertices'
derivatives: H = sum J^T W J, g = sum J^T f.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.systems.npm.fit_config import TermsConfig
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.vertex_motion import Moved

TOWARDS = 0.7
"""A vertex outside of the silhouette is drawn to this distance from it [px]: the nearest pixel's border is half a pixel off its middle."""
SILHOUETTE_REACH = (4.0, 0.01)
"""Scales, and share of the box beside them, at which a pull of the silhouette counts a quarter."""


@dataclass(frozen=True)
class Pulls:
    """On the vertices of B bodies.

    Attributes:
        weights: shape [B, v, 3, 3].
        forces: towards where they pull, shape [B, v, 3].
    """

    weights: Tensor
    forces: Tensor

    def __add__(self, other: Pulls) -> Pulls:
        return Pulls(self.weights + other.weights, self.forces + other.forces)


def pulls(moved: Moved, seen: Observed, config: TermsConfig, scale: float) -> Pulls:
    """All terms at a scale [box]."""
    found = depth_pulls(moved, seen, config, scale)
    return found + outside_pulls(moved.points, seen, config, scale) if config.silhouette else found


def robust(squared: Tensor, reach: float) -> Tensor:
    """Weights of Geman and McClure: 1 near zero, a quarter at the reach."""
    return (1 + squared / reach**2).square().reciprocal()


def depth_pulls(moved: Moved, seen: Observed, config: TermsConfig, scale: float) -> Pulls:
    """Every depth point draws the nearest vertex that faces the camera: its tangent plane fully, the vertex itself a little (L_icp)."""
    count, size = moved.points.shape[:2]
    nearest = nearest_facing(moved.points, moved.normals, seen.points)  # [B, N]
    rows = nearest[..., None].expand(-1, -1, 3)
    residual = seen.points - moved.points.gather(1, rows)
    weight = robust(residual.square().sum(dim=-1), config.reach * scale)
    total = moved.points.new_zeros(count, size).scatter_add(1, nearest, weight)
    drawn = torch.zeros_like(moved.points).scatter_add(1, rows, weight[..., None] * residual)
    factor = config.depth * config.count / (scale**2 * seen.points.shape[1])
    normals = moved.normals
    across = normals[..., :, None] * normals[..., None, :]
    metric = across + config.sliding * torch.eye(3)
    return Pulls(
        weights=factor * total[..., None, None] * metric,
        forces=factor * (metric @ drawn[..., None])[..., 0],
    )


def nearest_facing(vertices: Tensor, normals: Tensor, points: Tensor) -> Tensor:  # [B, v, 3], [B, v, 3], [B, N, 3] -> [B, N]
    """The nearest of the vertices that face the camera, of all where none does."""
    is_facing = (normals * vertices).sum(dim=-1) < 0
    found = []
    for frame, facing in enumerate(is_facing):
        chosen = facing.nonzero()[:, 0] if bool(facing.any()) else torch.arange(len(facing), device=facing.device)
        candidates = vertices[frame, chosen]
        # About the middle, where the squares that the distances are made of are small.
        middle = candidates.mean(dim=0)
        found.append(chosen[torch.cdist(points[frame] - middle, candidates - middle).argmin(dim=1)])
    return torch.stack(found)


@dataclass(frozen=True)
class Beside:
    """Vertices that fall outside of the silhouette.

    Attributes:
        residual: way to the silhouette, across the ray [box], 0 for all others, shape [B, v, 2].
        is_out: whether a vertex is one, shape [B, v].
    """

    residual: Tensor
    is_out: Tensor

    @property
    def squared(self) -> Tensor:  # [B, v]
        """Squared length of the way [squared box]."""
        return self.residual.square().sum(dim=-1)


def beside(points: Tensor, seen: Observed, config: TermsConfig) -> Beside:  # [B, v, 3]
    """How far points are beside the silhouette."""
    at, pixel = seen.pixels(points)  # [B, v, 2], [B, v]
    is_out = seen.beyond.flatten(1).gather(1, pixel) > config.margin
    target = seen.nearest.flatten(1, 2).gather(1, pixel[..., None].expand(-1, -1, 2)).flip(-1) + 0.5
    way = target - at
    length = way.norm(dim=-1).clamp(min=1e-6)
    way = way * ((length - TOWARDS) / length).clamp(min=0)[..., None]
    residual = way * points[..., 2:].clamp(min=1e-3) / seen.K.diagonal()[:2]
    return Beside(residual * is_out[..., None], is_out)


def outside_pulls(points: Tensor, seen: Observed, config: TermsConfig, scale: float) -> Pulls:
    """Vertices beside the silhouette are drawn to it, vertices in front of the depth are pushed back."""
    factor = config.silhouette * config.count / (scale**2 * points.shape[1])
    aside, front = _to_silhouette(points, seen, config, scale), _in_front(points, seen, config, scale)
    return Pulls(factor * (aside.weights + front.weights), factor * (aside.forces + front.forces))


def _to_silhouette(points: Tensor, seen: Observed, config: TermsConfig, scale: float) -> Pulls:
    found = beside(points, seen, config)
    weight = robust(found.squared, SILHOUETTE_REACH[0] * scale + SILHOUETTE_REACH[1]) * found.is_out
    slope = points[..., :2] / points[..., 2:].clamp(min=1e-3)
    rows = torch.cat([torch.eye(2).expand(*points.shape[:2], 2, 2), -slope[..., None]], dim=-1)  # [B, v, 2, 3]
    return Pulls(
        weights=weight[..., None, None] * (rows.mT @ rows),
        forces=weight[..., None] * (rows.mT @ found.residual[..., None])[..., 0],
    )


def _in_front(points: Tensor, seen: Observed, config: TermsConfig, scale: float) -> Pulls:
    _, pixel = seen.pixels(points)
    gap = seen.depth.flatten(1).gather(1, pixel) - points[..., 2]
    is_front = (seen.beyond.flatten(1).gather(1, pixel) == 0) & (gap > config.clearance + scale)
    weight = robust(gap.square(), config.reach * scale + SILHOUETTE_REACH[1]) * is_front
    along = torch.zeros(3, 3)
    along[2, 2] = 1.0
    forces = torch.zeros_like(points)
    forces[..., 2] = weight * gap
    return Pulls(weight[..., None, None] * along, forces)
