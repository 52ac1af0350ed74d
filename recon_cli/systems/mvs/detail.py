"""The last rounds of a view: windows that follow the surface instead of planes through it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.kernels.consistency import edge_shares
from recon_cli.kernels.patch_search import PictureSet
from recon_cli.kernels.slopes import fit_slopes
from recon_cli.kernels.surface_windows import SurfaceStep, follow_surface
from recon_cli.systems.mvs.config import SearchConfig
from recon_cli.systems.mvs.estimates import Planes
from recon_cli.systems.mvs.search import level_problem

# Tangent of the largest tilt against the picture that is not an edge.
_TILT = 10.0


def add_detail(
    pictures: PictureSet, view: int, sources: Sequence[int], intervals: DepthIntervals, config: SearchConfig, found: Planes
) -> Planes:
    """The planes of a view after ``config.detail_rounds`` steps of every pixel at full resolution.

    Args:
        pictures: of all views.
        view: the view.
        sources: views to compare with, the best first; the first ``config.detail_sources`` are taken.
        intervals: where each pixel's surface may lie, at any resolution.
        config: how.
        found: what the search found.
    """
    if not config.detail_rounds:
        return found
    wider = config.model_copy(update={"sources": config.detail_sources})
    problem = level_problem(pictures, view, 0, sources, intervals, wider)
    edge = float(edge_shares(pictures.cameras[0][view], _TILT)[0])
    step = SurfaceStep(config.damping, config.smoothness, config.jump)
    inverse_depths, costs = 1 / found.depth().clamp(min=1e-30) * found.is_known, found.costs
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
