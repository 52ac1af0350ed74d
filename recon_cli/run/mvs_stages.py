"""The stages of a multi-view stereo run: groups of views solved and written one after the other, then one surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.scene import Scene
from recon_cli.run.folder import RunFolder
from recon_cli.run.hooks import RunHooks
from recon_cli.run.memory import give_back_memory
from recon_cli.run.mvs_fuse import FusedViews, confirm_depths, fuse_confirmed
from recon_cli.run.mvs_inputs import MvsInputs
from recon_cli.run.mvs_maps import read_run_maps
from recon_cli.run.mvs_outputs import MESH, POINTS, FinishedViews, write_filtered, write_maps, write_origin, write_surface
from recon_cli.run.mvs_prior_weights import read_network
from recon_cli.run.shards import Shard
from recon_cli.run.stage_times import StageTimes
from recon_cli.systems.mvs.config import MvsRecipe
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.run import INTERVAL_SIZE, run
from recon_cli.systems.mvs.start import depth_intervals
from recon_cli.systems.mvs.views import camera_groups, neighbour_views


@dataclass(frozen=True)
class MvsStages:
    """A run while it is being carried out.

    Attributes:
        inputs: what it works on.
        recipe: how.
        folder: where the results go.
        hooks: progress, notes, and the wish to stop.
        times: time of each stage.
        warnings: all that were given so far.
    """

    inputs: MvsInputs
    recipe: MvsRecipe
    folder: RunFolder
    hooks: RunHooks
    times: StageTimes
    warnings: list[str] = field(default_factory=list)

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Say which views take no part against the user's wish, and why."""
        for name, reason in reasons.items():
            self.warnings.append(f"view {name} is left out: {reason}")
            self.hooks.warn(self.warnings[-1])

    def solve(self, shard: Shard, params: Mapping[str, Any], *, seed: int, device: torch.device) -> Scene:
        """Compute and write the maps of a shard's groups that are not there yet; return the shard's views.

        Raises:
            InputError: nothing bounds the depths, no two views overlap, or the shard has no group.
            NumericsError: the optimisation diverged.
            StoppedError: a stop was asked for; what is finished is on the disk.
        """
        scene = self.inputs.scene
        with self.times.stage("bounds of the depths"):
            intervals = depth_intervals(scene, self.recipe.start, mesh=self.inputs.mesh, maps=self.inputs.maps, max_size=INTERVAL_SIZE)
            groups = shard.part_of(self._groups(intervals))
        if not groups:
            raise InputError(f"--shard {shard}: there are fewer groups of views than parts", hint="use fewer parts, or smaller groups")
        views = sorted(view for group in groups for view in group)
        write_origin(self.folder.out, scene.cameras.chosen(views), dict(params))
        missing = self._missing(groups)
        if missing:
            with self.times.stage("depth maps"):
                run(
                    scene,
                    self.recipe,
                    hooks=self.hooks,
                    intervals=intervals,
                    groups=missing,
                    sink=self._write,
                    network=self._network(),
                    seed=seed,
                    device=device,
                )
        give_back_memory()
        return scene.chosen(views)

    def fuse(self, scene: Scene, *, memory_limit: int | None, device: torch.device) -> FusedViews:
        """Filter and fuse the maps of the views, and write the surface.

        Raises:
            InputError: the volume would not fit, or no depth is confirmed.
            StoppedError: a stop was asked for.
        """
        self.hooks.note("filtering and fusing depth maps")
        with self.times.stage("filter"):
            # From the disk, so that a resumed run and fused shards see the same bytes as a run in one piece.
            maps = confirm_depths(scene, read_run_maps(self.folder.out), self.recipe, hooks=self.hooks, device=device)
            give_back_memory()
        with self.times.stage("writing depth maps"):
            write_filtered(self.folder.out, maps)
        with self.times.stage("fusion"):
            fused = fuse_confirmed(scene, maps, self.recipe, memory_limit=memory_limit, hooks=self.hooks, device=device)
        with self.times.stage("writing the surface"):
            write_surface(self.folder.out / MESH, fused.fused.mesh)
            write_surface(self.folder.out / POINTS, fused.fused.points)
        return fused

    def _network(self) -> PriorNetwork | None:
        """Weights of the learned prior, where the recipe asks for it."""
        settings = self.recipe.srdf
        if settings.prior != "learned" or not settings.epochs:
            return None
        return read_network(None if settings.prior_file is None else Path(settings.prior_file))

    @property
    def _finished(self) -> FinishedViews:
        return FinishedViews.of(self.folder.checkpoints)

    def _groups(self, intervals: DepthIntervals) -> list[list[int]]:
        """All groups, without the views that no other view can be compared with."""
        names = intervals.cameras.names
        others = neighbour_views(intervals, self.recipe.views).tolist()
        lonely = {view for view, row in enumerate(others) if max(row) < 0}
        self.leave_out({names[view]: "it shares nothing with any other view" for view in sorted(lonely)})
        groups = ([view for view in group if view not in lonely] for group in camera_groups(intervals, self.recipe.views))
        return [group for group in groups if group]

    def _missing(self, groups: Sequence[Sequence[int]]) -> list[Sequence[int]]:
        """The groups whose maps are not on the disk."""
        done = self._finished.names() if self.folder.resumed else set()
        names = self.inputs.scene.cameras.names
        missing = [group for group in groups if not done.issuperset(names[view] for view in group)]
        if len(missing) < len(groups):
            total, left = (sum(map(len, some)) for some in (groups, missing))
            done_groups = f"{len(groups) - len(missing)} of {len(groups)} groups"
            self.hooks.note(f"the maps of {total - left} of {total} views are kept ({done_groups}), {left} views remain")
        return missing

    def _write(self, views: Sequence[int], maps: DepthMaps) -> None:
        with self.times.stage("writing depth maps"):
            write_maps(self.folder.out, maps)
            self._finished.add([self.inputs.scene.cameras.names[view] for view in views])
