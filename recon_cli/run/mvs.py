"""The jobs behind ``recon mvs depth`` and ``recon mvs run``: load, check, estimate, compute group by group, fuse, report."""

from __future__ import annotations

import json
import resource
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recon_cli.config.recipe import recipe_text
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.scene import Scene
from recon_cli.io.digest import digest
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.mvs_estimate import Estimate, check_memory, estimate
from recon_cli.run.mvs_fuse import FusedViews, fuse_maps
from recon_cli.run.mvs_inputs import MvsInputs, MvsSources, load_inputs
from recon_cli.run.mvs_maps import read_run_maps
from recon_cli.run.mvs_outputs import MESH, POINTS, FinishedViews, write_filtered, write_maps, write_origin, write_surface
from recon_cli.run.mvs_page import MvsShown, mvs_page
from recon_cli.run.mvs_show import shown_views
from recon_cli.run.origin import RunFacts, library_versions
from recon_cli.run.report import write_page
from recon_cli.run.shards import Shard
from recon_cli.run.signals import StopSignals
from recon_cli.systems.mvs.config import MvsRecipe
from recon_cli.systems.mvs.run import INTERVAL_SIZE
from recon_cli.systems.mvs.run import run as solve
from recon_cli.systems.mvs.start import depth_intervals
from recon_cli.systems.mvs.views import camera_groups


@dataclass(frozen=True)
class MvsJob:
    """One reconstruction as asked for.

    Attributes:
        sources: the inputs.
        recipe: how to reconstruct.
        out: the run folder.
        command: the command line, for the record.
        seed: of every random choice.
        device: where to compute, as ``--device`` names it.
        shard: which part of the groups is computed here.
        has_fusion: whether the maps are fused, too.
        memory_limit: a run that is estimated to need more is refused [MB]; None for no limit.
        overwrite, resume: what may become of a run that is already in ``out``.
    """

    sources: MvsSources
    recipe: MvsRecipe
    out: Path
    command: Sequence[str] = ("recon", "mvs", "run")
    seed: int = 0
    device: str = "auto"
    shard: Shard = field(default_factory=Shard)
    has_fusion: bool = True
    memory_limit: int | None = None
    overwrite: bool = False
    resume: bool = True

    def switches(self, fingerprint: str) -> dict[str, Any]:
        """What ``plan_run`` and ``RunFolder.create`` ask."""
        return {"overwrite": self.overwrite, "resume": self.resume, "fresh": not self.resume, "fingerprint": fingerprint}

    def estimate(self, scene: Scene) -> Estimate:
        """Time and memory that the job needs."""
        return estimate(scene, self.recipe, share=1 / self.shard.count, has_fusion=self.has_fusion)


def check(job: MvsJob) -> dict[str, Any]:
    """Check recipe, inputs, memory and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first view.
    """
    choose_device(job.device)
    plan = plan_run(job.out, **job.switches(_fingerprint(job)))
    inputs = load_inputs(job.sources)
    needed = job.estimate(inputs.scene)
    check_memory(needed, job.memory_limit, inputs.scene)
    return {
        "plan": plan,
        "out": str(job.out),
        **needed.record(),
        "size": inputs.scene.cameras.size.max(dim=0).values.tolist(),
        "masks": inputs.scene.masks is not None,
        "skipped": dict(inputs.skipped),
        "shard": str(job.shard),
    }


def reconstruct(job: MvsJob, display: Display) -> dict[str, Any]:
    """Run the job and return its record: folder, report, and the numbers of the verdict.

    Raises:
        InputError, UsageError: before anything is computed, or when an output cannot be written.
        NumericsError: the optimisation diverged.
        StoppedError: a signal asked to stop; running the job again goes on with the groups that are missing.
    """
    device = choose_device(job.device)
    fingerprint = _fingerprint(job)
    plan_run(job.out, **job.switches(fingerprint))
    timer = Timer()
    with timer.stage("reading the scene"):
        inputs = load_inputs(job.sources, display.note)
    needed = job.estimate(inputs.scene)
    check_memory(needed, job.memory_limit, inputs.scene)
    torch.manual_seed(job.seed)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        hooks = RunHooks(folder, display, stop=stop)
        warnings = _warn(inputs, hooks)
        hooks.note(needed.sentence())
        views = _solve(job, inputs, folder, hooks, timer, device)
        _raise_if_asked(stop)
        fused = _fuse(job, inputs.scene.chosen(views), folder, hooks, timer) if job.has_fusion else None
        record = _finish(job, inputs.scene.chosen(views), fused, folder, timer, (needed, warnings, str(device)))
        folder.finish()
    return record


class Timer:
    """Wall time of the stages of a job."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage of that name."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


def peak_memory_mb() -> int:
    """Largest memory that this process has had [MB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)


def _solve(job: MvsJob, inputs: MvsInputs, folder: RunFolder, hooks: RunHooks, timer: Timer, device: torch.device) -> list[int]:
    """Compute and write the maps of this shard's groups that are not there yet; return the shard's views."""
    scene, names = inputs.scene, inputs.scene.cameras.names
    with timer.stage("bounds of the depths"):
        intervals = depth_intervals(scene, job.recipe.start, mesh=inputs.mesh, maps=inputs.maps, max_size=INTERVAL_SIZE)
    groups = job.shard.part_of(camera_groups(intervals, job.recipe.views))
    if not groups:
        raise InputError(f"--shard {job.shard}: there are fewer groups of views than parts", hint="use fewer parts, or smaller groups")
    views = sorted(view for group in groups for view in group)
    write_origin(folder.out, scene.cameras.chosen(views), _params(job, inputs))
    finished = FinishedViews.of(folder.checkpoints)
    done = finished.names() if folder.resumed else set()
    missing = [group for group in groups if not done.issuperset(names[view] for view in group)]
    if len(missing) < len(groups):
        hooks.note(f"{len(groups) - len(missing)} of {len(groups)} groups of views are there already")

    def write(group: Sequence[int], maps: DepthMaps) -> None:
        with timer.stage("writing depth maps"):
            write_maps(folder.out, maps)
            finished.add([names[view] for view in group])

    if missing:
        start, before = time.monotonic(), timer.seconds.get("writing depth maps", 0.0)
        solve(scene, job.recipe, hooks=hooks, intervals=intervals, groups=missing, sink=write, seed=job.seed, device=device)
        spent = time.monotonic() - start - (timer.seconds.get("writing depth maps", 0.0) - before)
        timer.seconds["depth maps"] = spent
    return views


def _fuse(job: MvsJob, scene: Scene, folder: RunFolder, hooks: RunHooks, timer: Timer) -> FusedViews:
    hooks.note("filtering and fusing depth maps")
    with timer.stage("filter and fusion"):
        # From the disk, so that a resumed run and fused shards see the same bytes as a run in one piece.
        fused = fuse_maps(scene, read_run_maps(folder.out), job.recipe, memory_limit=job.memory_limit, hooks=hooks)
    with timer.stage("writing the surface"):
        write_surface(folder.out / MESH, fused.fused.mesh)
        write_surface(folder.out / POINTS, fused.fused.points)
        write_filtered(folder.out, fused.maps)
    return fused


def _finish(
    job: MvsJob, scene: Scene, fused: FusedViews | None, folder: RunFolder, timer: Timer, more: tuple[Estimate, list[str], str]
) -> dict[str, Any]:
    """Write the report and return the record of the run."""
    needed, warnings, device = more
    with timer.stage("report"):
        views, colors = shown_views(scene, folder.out, fused, job.recipe.views)
    shown = MvsShown(
        views,
        scene.cameras,
        colors,
        surface=None if fused is None else fused.fused.mesh,
        seconds=timer.seconds,
        memory_mb=(peak_memory_mb(), round(needed.memory / 2**20)),
        warnings=warnings,
    )
    write_page(folder.report, mvs_page(shown, _facts(job, device)))
    record = {
        "run": str(folder.path),
        "report": str(folder.report),
        "views": len(scene),
        "found": sum(view.found for view in views) / len(views),
        **({} if fused is None else fused.record()),
        "seconds": {name: round(seconds, 3) for name, seconds in timer.seconds.items()},
        "memory_mb": peak_memory_mb(),
        "estimate": needed.record(),
        "warnings": warnings,
    }
    folder.log(record)
    return record


def _warn(inputs: MvsInputs, hooks: RunHooks) -> list[str]:
    """Say which views are left out against the user's wish, and why."""
    warnings = [f"view {name} is left out: {reason}" for name, reason in inputs.skipped.items()]
    for text in warnings:
        hooks.warn(text)
    return warnings


def _params(job: MvsJob, inputs: MvsInputs) -> dict[str, Any]:
    """What fusing the maps later needs to know."""
    return {
        "scene": str(job.sources.scene.resolve()),
        "max_size": job.sources.max_size,
        "left_out": list(job.sources.leave_out),
        "skipped": dict(inputs.skipped),
        "shard": str(job.shard),
    }


def _facts(job: MvsJob, device: str) -> RunFacts:
    facts = {
        "scene": str(job.sources.scene),
        "left out for evaluation": ", ".join(job.sources.leave_out) or "nothing",
        "part of the job": str(job.shard),
        "seed": str(job.seed),
        "device": device,
        "versions": library_versions(),
    }
    return RunFacts(job.sources.scene.resolve().name, shlex.join(job.command), recipe_text(job.recipe), facts)


def _fingerprint(job: MvsJob) -> str:
    """Stands for all that decides the result: recipe, contents of the inputs, chosen views, shard, seed."""
    sources = {name: str(value) for name, value in vars(job.sources).items() if not isinstance(value, Path)}
    settings = {"recipe": recipe_text(job.recipe), "seed": job.seed, "shard": str(job.shard), **sources}
    # A file that is missing is left to the reader of the scene, who knows what it was for.
    return digest(json.dumps(settings, sort_keys=True), [path for path in job.sources.paths() if path.exists()])


def _raise_if_asked(stop: StopSignals) -> None:
    if stop.request is not None:
        raise StoppedError("stopped before the fusion", hint="run the same command again with --resume to go on")
