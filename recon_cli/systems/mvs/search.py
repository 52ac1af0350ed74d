"""Search for slanted patches, one view after the other, coarse to fine: the photometric start of every depth map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import NOTHING, Match, PictureSet, Problem, Round, improve, relate, sweep
from recon_cli.systems.mvs.config import SearchConfig


@dataclass(frozen=True)
class Planes:
    """A view's hypotheses at one resolution.

    Attributes:
        planes: inverse depth and its change per pixel along x and y, shape [H, W, 3].
        costs: 1 - NCC in [0, 2]; ``NOTHING`` off the object, shape [H, W].
    """

    planes: Tensor
    costs: Tensor


def build_pictures(scene: Scene, config: SearchConfig, device: torch.device) -> PictureSet:
    """The pyramid that all searches of a scene share; its coarsest pictures are about ``config.coarsest_size`` wide."""
    largest = int(scene.cameras.size.max())
    levels = 1 + max(0, math.ceil(math.log2(largest / config.coarsest_size)))
    return PictureSet.build(scene.images, scene.masks, scene.cameras, levels=levels, device=device)


def search_view(
    pictures: PictureSet,
    view: int,
    sources: Sequence[int],
    intervals: DepthIntervals,
    config: SearchConfig,
    *,
    seed: int,
) -> Planes:
    """The planes of a view at full resolution.

    Args:
        pictures: of all views.
        view: the view that is searched.
        sources: views to compare with, the best first; the first ``config.sources`` are taken.
        intervals: where each pixel's surface may lie, at any resolution.
        config: how.
        seed: of the random changes.
    """
    found: Planes | None = None
    for level in range(pictures.levels - 1, -1, -1):
        problem = level_problem(pictures, view, level, sources, intervals, config)
        if found is None:
            planes, costs = sweep(problem, config.sweep_planes)
        else:
            planes, costs = _finer(found.planes, found.costs, problem)
        rounds = config.final_rounds if level == 0 else config.rounds
        for index in range(rounds):
            tried = Round(
                reach=config.reach,
                tries=config.tries,
                disparity=config.disparity * 0.5**index,
                steps=config.newton_steps,
                damping=config.damping,
                good=config.good_cost,
            )
            improve(problem, planes, costs, tried, seed=_seed(seed, view, level, index))
        found = Planes(planes, costs)
    assert found is not None
    return found


def level_problem(
    pictures: PictureSet, view: int, level: int, sources: Sequence[int], intervals: DepthIntervals, config: SearchConfig
) -> Problem:
    """One view at one resolution, with the sources at the resolution that shows the surface in pixels of the same size."""
    mask = pictures.picture(view, level)[1]
    ranges = _ranges(intervals, view, mask)
    pixels = (mask & (ranges[..., 1] > 0)).reshape(-1).nonzero()[:, 0].to(torch.int32)
    chosen = [int(source) for source in sources if source >= 0][: config.sources]
    places = [(source, _source_level(pictures, view, level, source, intervals)) for source in chosen]
    indices, rotations, translations = relate(pictures, view, level, places)
    match = Match(
        best=min(config.best, len(chosen)),
        noise=config.noise,
        contrast=config.contrast,
        background_cost=config.background_cost,
        pattern=config.final_window if level == 0 else config.window,
    )
    return Problem(pictures, view, level, indices, rotations, translations, match, pixels, ranges)


def _ranges(intervals: DepthIntervals, view: int, mask: Tensor) -> Tensor:  # [H, W, 2]
    """Smallest and largest inverse depth of each pixel; a pixel without an interval takes the widest of those around it."""
    near, far = intervals.near[view].to(mask.device), intervals.far[view].to(mask.device)
    is_known = far > 0
    low = torch.where(is_known, 1 / far.clamp(min=1e-30), torch.full_like(far, torch.inf))
    high = torch.where(is_known, 1 / near.clamp(min=1e-30), torch.zeros_like(near))
    # Coarse intervals are read between their pixels: the widest of 3 x 3 holds for every place in the middle one.
    low = -F.max_pool2d(-low[None], 3, stride=1, padding=1)[0]
    high = F.max_pool2d(high[None], 3, stride=1, padding=1)[0]
    ranges = torch.stack([torch.where(high > 0, low, torch.zeros_like(low)), high])[None]
    return F.interpolate(ranges, size=mask.shape, mode="nearest")[0].permute(1, 2, 0).contiguous()


def _source_level(pictures: PictureSet, view: int, level: int, source: int, intervals: DepthIntervals) -> int:
    """Level at which a source's pixels cover about as much of the surface as the reference's do."""
    footprints = [_distance(intervals, i) / float(pictures.cameras[at].K[i, 0, 0]) for i, at in ((view, level), (source, 0))]
    return min(max(round(math.log2(footprints[0] / footprints[1])), 0), pictures.levels - 1)


def _distance(intervals: DepthIntervals, view: int) -> float:
    """Middle depth of a view's intervals [scene units]."""
    is_known = intervals.far[view] > 0
    if not bool(is_known.any()):
        return 1.0
    return float(((intervals.near[view] + intervals.far[view])[is_known] / 2).median())


def _finer(planes: Tensor, costs: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """Hypotheses of a coarser resolution as a start of a finer one: each pixel takes the plane of the pixel above it."""
    height, width = problem.ranges.shape[:2]
    coarse_height, coarse_width = costs.shape
    x = (torch.arange(width, device=costs.device) + 0.5) * (coarse_width / width)
    y = (torch.arange(height, device=costs.device) + 0.5) * (coarse_height / height)
    column, row = x.long().clamp(max=coarse_width - 1), y.long().clamp(max=coarse_height - 1)
    taken = planes[row[:, None], column[None]]
    across, down = (x - column - 0.5)[None, :], (y - row - 0.5)[:, None]
    inverse_depth = taken[..., 0] + taken[..., 1] * across + taken[..., 2] * down
    inverse_depth = inverse_depth.clamp(min=problem.ranges[..., 0], max=problem.ranges[..., 1])
    finer = torch.stack([inverse_depth, taken[..., 1] * (coarse_width / width), taken[..., 2] * (coarse_height / height)], dim=-1)
    blank = torch.full((height, width), NOTHING, dtype=torch.float32, device=costs.device)
    return finer.contiguous(), blank


def _seed(seed: int, view: int, level: int, index: int) -> int:
    return (seed * 1_000_003 + view * 10_007 + level * 101 + index) % 2**30
