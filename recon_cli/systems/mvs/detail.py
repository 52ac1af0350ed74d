"""The last steps at a resolution: windows that follow the surface instead of planes through it."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.kernels.consistency import edge_shares
from recon_cli.kernels.patch_search import Problem
from recon_cli.kernels.slopes import fit_slopes
from recon_cli.kernels.surface_windows import SurfaceStep, follow_surface
from recon_cli.systems.mvs.config import SearchConfig
from recon_cli.systems.mvs.estimates import Planes


def add_detail(problem: Problem, found: Planes, config: SearchConfig) -> Planes:
    """The planes of a view after ``config.detail_rounds`` steps of every pixel.

    Args:
        problem: the view and the sources that these steps compare it with.
        found: what the search found at this resolution.
        config: how.
    """
    edge = float(edge_shares(problem.pictures.cameras[problem.level][problem.view])[0])
    step = SurfaceStep(config.damping, config.smoothness, config.jump)
    inverse_depths, costs = torch.where(found.is_known, found.planes[..., 0], 0.0), found.costs
    slopes = _slopes(inverse_depths, found, edge)
    for _ in range(config.detail_rounds):
        inverse_depths, costs = follow_surface(problem, inverse_depths, slopes, costs, step)
        inverse_depths = inverse_depths.clamp(min=0)
        slopes = _slopes(inverse_depths, found, edge)
    return Planes(torch.cat([inverse_depths[..., None], slopes], dim=-1).contiguous(), costs)


def _slopes(inverse_depths: Tensor, found: Planes, edge: float) -> Tensor:  # [H, W] -> [H, W, 2]
    """Tilt of the map itself, and of the search's planes where it has none: at lonely pixels."""
    fitted = fit_slopes(torch.where(inverse_depths > 0, 1 / inverse_depths.clamp(min=1e-30), 0.0), edge=edge)
    return torch.where((fitted != 0).any(dim=-1, keepdim=True), fitted, found.planes[..., 1:])
