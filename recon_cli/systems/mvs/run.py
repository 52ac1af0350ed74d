"""Multi-view stereo: calibrated pictures to depth maps, one group of views after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.core.scene import Scene
from recon_cli.kernels.patch_search import PictureSet
from recon_cli.systems.mvs.config import MvsRecipe, SrdfEpoch
from recon_cli.systems.mvs.estimates import Planes, depth_maps
from recon_cli.systems.mvs.prior_choice import PriorSources, choose_prior
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.priors import PatchPrior
from recon_cli.systems.mvs.search import build_pictures, resized_planes, search_view, start_planes
from recon_cli.systems.mvs.srdf import Group, optimise, voters
from recon_cli.systems.mvs.start import depth_intervals
from recon_cli.systems.mvs.views import camera_groups, neighbour_views

Sink = Callable[[Sequence[int], DepthMaps], None]
INTERVAL_SIZE = 200
"""Longest side of the maps that bound the depths [px]."""


def run(
    scene: Scene,
    config: MvsRecipe,
    *,
    hooks: Hooks | None = None,
    intervals: DepthIntervals | None = None,
    groups: Sequence[Sequence[int]] | None = None,
    sink: Sink | None = None,
    network: PriorNetwork | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> DepthMaps | None:
    """Depth maps of all views, or of some groups of them.

    A group is solved by itself: its maps are the same whether other groups are computed beside it, before it, or elsewhere.

    Args:
        scene: the calibrated pictures.
        config: the recipe.
        hooks: progress, notes, and the wish to stop.
        intervals: where the surface may lie; found as ``config.start`` says when not given.
        groups: views of each group to solve; all of them, as ``camera_groups`` makes them, when not given.
        sink: takes each finished group's views and maps; nothing is kept and None is returned then.
        network: weights of the learned prior, if the recipe asks for it.
        seed: of the random changes of the search.
        device: where to compute.

    Returns:
        The maps of all solved views in the order of the scene, or None with a sink.

    Raises:
        InputError: views do not overlap, or nothing bounds the depths.
        NumericsError: the optimisation diverged.
        StoppedError: the hooks asked to stop; finished groups have been handed to ``sink``.
    """
    hooks, device = hooks or NoHooks(), torch.device(device)
    if intervals is None:
        intervals = depth_intervals(scene, config.start, max_size=INTERVAL_SIZE)
    chosen = [list(group) for group in groups] if groups is not None else camera_groups(intervals, config.views)
    pictures = build_pictures(scene, config.search, device)
    solver = _Solver(scene, config, intervals, pictures, _ranked(intervals, config), network, seed, device)
    done: dict[int, tuple[DepthMaps, int]] = {}
    progress = _Progress(hooks, total=sum(map(len, chosen)) * (config.search.enabled + len(config.srdf.epochs)))
    for views in chosen:
        maps = solver.solve(views, progress)
        if sink is not None:
            sink(views, maps)
        else:
            done.update({view: (maps, place) for place, view in enumerate(views)})
    return None if sink is not None else _gathered(done)


@dataclass
class _Progress:
    """Counts finished views of all passes."""

    hooks: Hooks
    total: int
    done: int = 0

    def step(self, count: int = 1, **numbers: float) -> None:
        self.done += count
        self.hooks.progress(self.done, max(self.total, 1), **numbers)
        if self.hooks.should_stop() and self.done < self.total:
            raise StoppedError("stopped between two views", hint="run the same command again with --resume to go on")


@dataclass(frozen=True)
class _Solver:
    """All that the groups share."""

    scene: Scene
    config: MvsRecipe
    intervals: DepthIntervals
    pictures: PictureSet
    ranked: Tensor  # [C, C - 1]
    network: PriorNetwork | None
    seed: int
    device: torch.device

    def solve(self, views: Sequence[int], progress: _Progress) -> DepthMaps:
        """The maps of one group."""
        if not self.config.srdf.epochs:
            # Nobody asks for the planes again: a view's are forgotten once its maps are made.
            return DepthMaps.joined([depth_maps([self._start(view, progress)], self.scene.cameras[view]) for view in views])
        estimates = [self._start(view, progress) for view in views]
        for epoch in self.config.srdf.epochs:
            estimates = self._pass(views, estimates, epoch, progress)
        return depth_maps(estimates, self.scene.cameras.chosen(views))

    def _sources(self, view: int) -> list[int]:
        return [other for other in self.ranked[view].tolist() if other >= 0][: self.config.views.neighbours]

    def _start(self, view: int, progress: _Progress) -> Planes:
        if not self.config.search.enabled:
            return start_planes(self.pictures, view, self._top_level(), self.intervals)
        sources = self._sources(view)
        if not sources:
            raise InputError(
                f"view {self.scene.cameras.names[view]} shares nothing with any other",
                hint="leave it out with --leave-out, or check its camera",
            )
        found = search_view(self.pictures, view, sources, self.intervals, self.config.search, seed=self.seed)
        progress.step(cost=float(found.costs[found.is_known].mean()) if bool(found.is_known.any()) else float("nan"))
        return found

    def _top_level(self) -> int:
        return min(max((epoch.level for epoch in self.config.srdf.epochs), default=0), self.pictures.levels - 1)

    def _pass(self, views: Sequence[int], estimates: Sequence[Planes], epoch: SrdfEpoch, progress: _Progress) -> list[Planes]:
        level = min(epoch.level, self.pictures.levels - 1)
        at_level = [resized_planes(self.pictures, view, level, estimate) for view, estimate in zip(views, estimates, strict=True)]
        group = Group(
            views=views,
            cameras=self.pictures.cameras[level].chosen(views),
            estimates=at_level,
            voters=voters(self.ranked, views, self.config.srdf.neighbours),
            sources=[self._sources(view) for view in views],
        )
        scene = self.scene if level == 0 else scene_at(self.scene, self.pictures, level)
        prior = choose_prior(PriorSources(scene, self.pictures, level, self.intervals, self.network), self.config, self.device)
        finished = optimise(group, prior, self.config.srdf, epoch)
        progress.step(len(views))
        return finished if level else self._measured(group, finished)

    def _measured(self, group: Group, estimates: Sequence[Planes]) -> list[Planes]:
        """The same planes with the cost of their patches, which is what confidence is made of."""
        prior = PatchPrior(self.pictures, 0, self.intervals, self.config.search, self.config.srdf.patch_scale)
        return [_with_costs(prior, group, place, estimate) for place, estimate in enumerate(estimates)]


def _with_costs(prior: PatchPrior, group: Group, place: int, estimate: Planes) -> Planes:
    width = estimate.costs.shape[1]
    pixels = estimate.is_known.reshape(-1).nonzero()[:, 0]
    positions = torch.stack([pixels % width, pixels.div(width, rounding_mode="floor")], dim=-1).to(torch.int32)
    depth = estimate.depth().reshape(-1)[pixels]
    slopes = estimate.planes.reshape(-1, 3)[pixels, 1:]
    costs = prior.costs(group.views[place], group.sources[place], positions, depth[:, None], slopes)[:, 0]
    return estimate.with_depth(pixels, depth, costs)


def scene_at(scene: Scene, pictures: PictureSet, level: int) -> Scene:
    """The scene with its pictures averaged down to a level of the pyramid."""
    cameras = pictures.cameras[level]
    sizes = [(height, width) for width, height in cameras.size.tolist()]
    images = tuple(_shrunk(image, size) for image, size in zip(scene.images, sizes, strict=True))
    masks = None if scene.masks is None else tuple(pictures.picture(view, level)[1].cpu() for view in range(len(scene)))
    return Scene(cameras, images, masks, scene.points, scene.bounds)


def _shrunk(image: Tensor, size: tuple[int, int]) -> Tensor:
    small = F.interpolate(image.permute(2, 0, 1)[None].to(torch.float32), size=size, mode="area")
    return small[0].permute(1, 2, 0).round().to(torch.uint8).contiguous()


def _ranked(intervals: DepthIntervals, config: MvsRecipe) -> Tensor:  # [C, C - 1]
    """All others of each view in the order of their use; -1 for those that share nothing."""
    return neighbour_views(intervals, config.views.model_copy(update={"neighbours": len(intervals)}))


def _gathered(done: dict[int, tuple[DepthMaps, int]]) -> DepthMaps:
    """One set of maps in the order of the scene."""
    return DepthMaps.joined([maps.chosen([place]) for _, (maps, place) in sorted(done.items())])
