"""The energy of the published fit: E = L_r + L_c + L_t + L_icp (Palafox et al. 2021, test-time optimisation)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recon_cli.core.nearest import nearest_squared_distance
from recon_cli.core.normals import gather_rows
from recon_cli.systems.npm.parametric_model import ParametricModel


def posed_points(
    model: ParametricModel,
    shape: Tensor,  # [S]
    poses: Tensor,  # [B, P]
    roots: Tensor,  # [B, 3, 3]
    places: Tensor,  # [B, 3]
    points: Tensor,  # [N, 3]
) -> Tensor:  # [B, N, 3]
    """Where points near the canonical surface are in every frame, in the camera's axes: root (x + flow(x) - pivot) + place [box]."""
    spread = points.expand(len(poses), -1, -1)
    moved = spread + model.flow(shape, poses, spread) - model.pivot(shape)
    return moved @ roots.mT + places[:, None]


def reconstruction(
    distance: Tensor,  # [N]
    observed: Tensor,  # [B, N]
    is_observed: Tensor,  # [B, N]
    *,
    clamp: float,
) -> Tensor:  # [B]
    """L_r = M_o |clamp(f(s, x)) - [x + flow(s, p, x)]_sdf|: mean over the observed points of a frame; 0 where there is none.

    Args:
        distance: the model's signed distance of canonical points [box].
        observed: the depth's signed distance where the points are in every frame [box].
        is_observed: the mask M_o.
        clamp: largest distance that counts [box].
    """
    difference = (distance.clamp(-clamp, clamp) - observed.clamp(-clamp, clamp)).abs()
    return torch.where(is_observed, difference, 0.0).sum(dim=1) / is_observed.sum(dim=1).clamp(min=1)


def code_prior(codes: Tensor) -> Tensor:  # [..., C] -> [...]
    """L_c: the squared length of codes."""
    return codes.square().sum(dim=-1)


def temporal(posed: Tensor) -> Tensor:  # [B, N, 3] -> [B - 1]
    """L_t: how far points move from each frame to the next.

    Half the mean square of the coordinates' differences, linear from 1 on; the flow moves a point, not the code: codes far apart may be
    close poses.
    """
    moved = functional.smooth_l1_loss(posed[1:], posed[:-1], reduction="none")
    return moved.mean(dim=(1, 2))


def icp(depth: Tensor, surface: Tensor) -> Tensor:  # [M, 3], [N, 3] -> []
    """L_icp of a frame: mean squared distance of the depth's points from the nearest posed surface point [box²]; 0 without any."""
    if not len(surface):
        return surface.sum()
    _, index = nearest_squared_distance(depth, surface)
    return (depth - gather_rows(surface, index)).square().sum(dim=-1).mean()
