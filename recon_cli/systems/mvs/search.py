"""Search for slanted patches, one view after the other, coarse to fine: the photometric start of every depth map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.core.depth_maps import DepthIntervals
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import NOTHING, Match, PictureSet, Problem, Round, improve, relate, sweep
from recon_cli.systems.mvs.config import SearchConfig
from recon_cli.systems.mvs.detail import add_detail
from recon_cli.systems.mvs.estimates import Planes


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
        sources: views to compare with, the best first; the first ``config.sources`` are taken, ``config.detail_sources`` for the last
            steps of each resolution.
        intervals: where each pixel's surface may lie, at any resolution.
        config: how.
        seed: of the random changes.
    """
    found: Planes | None = None
    usable = [int(source) for source in sources if source >= 0][: max(config.sources, config.detail_sources)]
    for level in range(pictures.levels - 1, -1, -1):
        wide = level_problem(pictures, view, level, usable, intervals, config)
        problem = wide.of_first(config.sources)
        if found is None:
            planes, costs = sweep(problem, config.sweep_planes)
        else:
            planes, costs = _finer(found.planes, found.costs, problem)
        strengths = torch.zeros_like(costs)
        rounds = config.final_rounds if level == 0 else config.rounds
        if rounds == 0:
            improve(problem, planes, costs, strengths, Round(reach=0, tries=0, steps=0), seed=0)  # what the planes cost here
        for index in range(rounds):
            tried = Round(
                reach=config.reach,
                same=config.same,
                tries=config.tries,
                disparity=config.disparity * 0.5**index,
                steps=config.newton_steps,
                damping=config.damping,
                smoothness=config.smoothness,
                jump=config.jump,
            )
            improve(problem, planes, costs, strengths, tried, seed=_seed(seed, view, level, index))
        found = Planes(planes, costs)
        if config.detail_rounds:
            found = add_detail(wide.of_first(config.detail_sources), found, config)
    assert found is not None
    return found


def level_problem(
    pictures: PictureSet, view: int, level: int, sources: Sequence[int], intervals: DepthIntervals, config: SearchConfig
) -> Problem:
    """One view at one resolution, with its sources at the resolution that shows the surface in pixels of the same size."""
    mask = pictures.picture(view, level)[1]
    ranges = _ranges(intervals, view, mask)
    pixels = (mask & (ranges[..., 1] > 0)).reshape(-1).nonzero()[:, 0].to(torch.int32)
    places = [(source, _source_level(pictures, view, level, source, intervals)) for source in sources]
    indices, rotations, translations = relate(pictures, view, level, places)
    match = Match(
        best=min(config.best, len(sources)),
        noise=(config.noise or pictures.noise) / 2**level,
        mismatch=config.mismatch,
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


def start_planes(pictures: PictureSet, view: int, level: int, intervals: DepthIntervals) -> Planes:
    """Planes that face the camera where the rays enter their intervals, or at the intervals' guess where they have one."""
    mask = pictures.picture(view, level)[1]
    ranges = _ranges(intervals, view, mask)
    inverse_depth = ranges[..., 1]
    if intervals.depth is not None:
        guess = intervals.depth[view].to(mask.device)
        guess = F.interpolate(guess[None, None], size=mask.shape, mode="nearest")[0, 0]
        inverse_depth = torch.where(guess > 0, 1 / guess.clamp(min=1e-30), inverse_depth)
    is_known = mask & (inverse_depth > 0)
    planes = torch.stack([inverse_depth, torch.zeros_like(inverse_depth), torch.zeros_like(inverse_depth)], dim=-1)
    return Planes(planes.contiguous(), torch.where(is_known, 1.0, NOTHING))


def resized_planes(pictures: PictureSet, view: int, level: int, estimate: Planes) -> Planes:
    """A view's planes at another resolution of the pyramid."""
    mask = pictures.picture(view, level)[1]
    if estimate.costs.shape == mask.shape:
        return estimate
    planes = _planes_at(estimate.planes, mask.shape[0], mask.shape[1])
    costs = F.interpolate(estimate.costs[None, None], size=mask.shape, mode="nearest")[0, 0]
    is_known = mask & (costs < NOTHING) & (planes[..., 0] > 0)
    return Planes(planes, torch.where(is_known, costs, torch.full_like(costs, NOTHING)))


def _finer(planes: Tensor, costs: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """Hypotheses of a coarser resolution as a start of a finer one: each pixel takes the plane of the pixel above it."""
    height, width = problem.ranges.shape[:2]
    finer = _planes_at(planes, height, width)
    inverse_depth = finer[..., 0].clamp(min=problem.ranges[..., 0], max=problem.ranges[..., 1])
    blank = torch.full((height, width), NOTHING, dtype=torch.float32, device=costs.device)
    return torch.cat([inverse_depth[..., None], finer[..., 1:]], dim=-1).contiguous(), blank


def _planes_at(planes: Tensor, height: int, width: int) -> Tensor:  # [height, width, 3]
    """Planes read at the pixel centres of another size: the plane of the pixel that covers each, extended to it."""
    old_height, old_width = planes.shape[:2]
    x = (torch.arange(width, device=planes.device) + 0.5) * (old_width / width)
    y = (torch.arange(height, device=planes.device) + 0.5) * (old_height / height)
    column, row = x.long().clamp(max=old_width - 1), y.long().clamp(max=old_height - 1)
    taken = planes[row[:, None], column[None]]
    across, down = (x - column - 0.5)[None, :], (y - row - 0.5)[:, None]
    inverse_depth = taken[..., 0] + taken[..., 1] * across + taken[..., 2] * down
    return torch.stack([inverse_depth, taken[..., 1] * (old_width / width), taken[..., 2] * (old_height / height)], dim=-1).contiguous()


def _seed(seed: int, view: int, level: int, index: int) -> int:
    return (seed * 1_000_003 + view * 10_007 + level * 101 + index) % 2**30
