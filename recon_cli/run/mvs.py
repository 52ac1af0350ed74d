"""The jobs behind ``recon mvs depth`` and ``recon mvs run``: load, check, estimate, compute group by group, fuse, report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recon_cli.config.recipe import recipe_text
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.scene import Scene
from recon_cli.io.digest import digest
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.memory import hold_maps_apart
from recon_cli.run.mvs_estimate import MEGABYTE, Estimate, check_memory, estimate
from recon_cli.run.mvs_fuse import FusedViews
from recon_cli.run.mvs_inputs import MvsInputs, MvsSources, load_inputs
from recon_cli.run.mvs_page import MvsShown, mvs_page
from recon_cli.run.mvs_show import shown_views
from recon_cli.run.mvs_stages import MvsStages
from recon_cli.run.origin import RunFacts, library_versions
from recon_cli.run.report import write_page
from recon_cli.run.shards import Shard
from recon_cli.run.signals import StopSignals
from recon_cli.run.stage_times import StageTimes, peak_memory_mb
from recon_cli.systems.mvs.config import MvsRecipe


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
        """Time and memory that the job needs.

        Raises:
            InputError: more than it may have, or what its fusion needs is not there.
        """
        if self.has_fusion and self.recipe.fusion.watertight and scene.masks is None:
            raise InputError(
                "has no masks, which a closed surface needs: they bound what no view sees",
                path=self.sources.scene,
                hint="add masks, or leave --watertight out",
            )
        needed = estimate(scene, self.recipe, share=1 / self.shard.count, has_fusion=self.has_fusion)
        check_memory(needed, self.memory_limit, scene)
        return needed


def check(job: MvsJob) -> dict[str, Any]:
    """Check recipe, inputs, memory and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first view.
    """
    choose_device(job.device)
    plan = plan_run(job.out, **job.switches(_fingerprint(job)))
    inputs = load_inputs(job.sources)
    needed = job.estimate(inputs.scene)
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
    hold_maps_apart()
    fingerprint = _fingerprint(job)
    plan_run(job.out, **job.switches(fingerprint))
    times = StageTimes()
    with times.stage("reading the scene"):
        inputs = load_inputs(job.sources, display.note)
    needed = job.estimate(inputs.scene)
    torch.manual_seed(job.seed)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        hooks = RunHooks(folder, display, stop=stop)
        hooks.note(needed.sentence())
        stages = MvsStages(inputs, job.recipe, folder, hooks, times)
        stages.leave_out(inputs.skipped)
        scene = stages.solve(job.shard, _params(job, inputs), seed=job.seed, device=device)
        if job.has_fusion and hooks.should_stop():
            raise StoppedError("stopped before the fusion", hint="run the same command again with --resume to go on")
        fused = stages.fuse(scene, memory_limit=job.memory_limit, device=device) if job.has_fusion else None
        shown = _shown(stages, scene, fused, needed)
        with times.stage("page"):
            write_page(folder.report, mvs_page(shown, _facts(job, str(device))))
        record = _record(folder, shown, fused, needed, times)
        folder.log(record)
        folder.finish()
    return record


def _shown(stages: MvsStages, scene: Scene, fused: FusedViews | None, needed: Estimate) -> MvsShown:
    with stages.times.stage("pictures for the page"):
        views, colors = shown_views(scene, stages.folder.out, fused, stages.recipe.views)
    return MvsShown(
        views,
        scene.cameras,
        colors,
        surface=None if fused is None else fused.fused.mesh,
        seconds=stages.times.seconds,
        memory_mb=(peak_memory_mb(), round(needed.memory / MEGABYTE)),
        warnings=stages.warnings,
    )


def _record(folder: RunFolder, shown: MvsShown, fused: FusedViews | None, needed: Estimate, times: StageTimes) -> dict[str, Any]:
    return {
        "run": str(folder.path),
        "report": str(folder.report),
        "views": len(shown.views),
        "found": sum(view.found for view in shown.views) / len(shown.views),
        **({} if fused is None else fused.record()),
        "seconds": {name: round(seconds, 3) for name, seconds in times.seconds.items()},
        "peak_mb": times.peaks,
        "memory_mb": peak_memory_mb(),
        "estimate": needed.record(),
        "warnings": list(shown.warnings),
    }


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
