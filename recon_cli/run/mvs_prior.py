"""The job behind ``recon mvs train-prior``: scenes, training, weights, measured curve, report."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon_cli.config.recipe import recipe_text
from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.atomic import write_bytes
from recon_cli.io.digest import digest
from recon_cli.io.records import write_json
from recon_cli.run.charts import charts_png
from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.mvs_prior_folders import FolderScenes, JoinedScenes
from recon_cli.run.mvs_prior_page import Measured, curve_charts, prior_page
from recon_cli.run.mvs_prior_scenes import RigScenes
from recon_cli.run.mvs_prior_weights import NAME, write_network
from recon_cli.run.origin import RunFacts, library_versions
from recon_cli.run.report import write_page
from recon_cli.run.signals import StopSignals
from recon_cli.systems.mvs.prior_config import PriorConfig
from recon_cli.systems.mvs.prior_correlation import CorrelationPrior
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_measures import measured, scored_points
from recon_cli.systems.mvs.prior_network import PriorNetwork
from recon_cli.systems.mvs.prior_training import Training, train_prior

HELD_OUT = 10**6
"""Number of the first rig that is only measured on."""
BATCHES = 8
"""References of a held-out rig."""


@dataclass(frozen=True)
class PriorJob:
    """One training as asked for.

    Attributes:
        scenes: scene folders with depth, or DTU folders in MVSNet's layout.
        recipe: how to train.
        out: the run folder.
        synthetic: number of rendered rigs; None takes the recipe's without ``scenes``, and none with them.
        max_size: longest side of the scenes' pictures [px].
        command: the command line, for the record.
        seed: of the weights, the rigs and every draw.
        device: where to compute, as ``--device`` names it.
        overwrite, resume: what may become of a run that is already in ``out``.
    """

    scenes: tuple[Path, ...]
    recipe: PriorConfig
    out: Path
    synthetic: int | None = None
    max_size: int | None = None
    command: Sequence[str] = ("recon", "mvs", "train-prior")
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    resume: bool = True

    @property
    def rigs(self) -> int:
        """Number of rigs to train on."""
        if self.synthetic is None:
            return 0 if self.scenes else self.recipe.rigs.count
        return self.synthetic

    def switches(self, fingerprint: str) -> dict[str, Any]:
        """What ``plan_run`` and ``RunFolder.create`` ask."""
        return {"overwrite": self.overwrite, "resume": self.resume, "fresh": not self.resume, "fingerprint": fingerprint}


def check(job: PriorJob) -> dict[str, Any]:
    """Check scenes and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first step.
    """
    choose_device(job.device)
    plan = plan_run(job.out, **job.switches(_fingerprint(job)))
    scenes = len(_scenes(job)) - job.rigs
    return {"plan": plan, "out": str(job.out), "rigs": job.rigs, "scenes": scenes, "steps": job.recipe.steps}


def train(job: PriorJob, display: Display) -> dict[str, Any]:
    """Run the job and return its record: folder, weights, report, and the measured curve in short.

    Raises:
        InputError, UsageError: before anything is computed, or when a scene turns out to be damaged or an output cannot be written.
        NumericsError: the training diverged; the last good checkpoint is in the run folder.
        StoppedError: a signal asked to stop; running the job again goes on.
    """
    started = time.monotonic()
    device = choose_device(job.device)
    fingerprint = _fingerprint(job)
    plan_run(job.out, **job.switches(fingerprint))
    scenes = _scenes(job)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        hooks = RunHooks(folder, display, stop=stop)
        training = train_prior(scenes, job.recipe, seed=job.seed, hooks=hooks, resume=_state(folder), device=device)
        write_network(folder.out / NAME, training.network, {"recipe": job.recipe.model_dump(mode="json"), "seed": job.seed})
        display.note("measuring on rigs that were not trained on")
        curves = measure(training.network, job.recipe, seed=job.seed, device=device)
        record = _record(folder, scenes, curves, time.monotonic() - started)
        _write(job, folder, training, curves, record, device)
        folder.log(record)
        folder.finish()
    return record


def measure(network: PriorNetwork, recipe: PriorConfig, *, seed: int, device: torch.device) -> Measured:
    """Classification on held-out rigs, by the network and by plain correlation (whose threshold is the best one for these very points)."""
    held_out = RigScenes(recipe.rigs, recipe.rigs.held_out, seed=seed, first=HELD_OUT)
    config = recipe.sampling.model_copy(update={"pixels": max(8, recipe.evaluation_pixels // BATCHES)})
    priors = [lambda scene: LearnedPrior(scene, network, device), CorrelationPrior]
    learned, correlation = scored_points(priors, held_out, config, batches=BATCHES, seed=seed)
    return Measured(measured(learned), measured(correlation, threshold=None))


def _scenes(job: PriorJob) -> JoinedScenes:
    """Scenes of the user's, then rendered ones; checked, but not yet read or rendered."""
    scenes = JoinedScenes(FolderScenes(job.scenes, max_size=job.max_size), RigScenes(job.recipe.rigs, job.rigs, seed=job.seed))
    if not len(scenes):
        raise UsageError("nothing to train on", hint="give scene folders with depth, or --synthetic N with N above 0")
    return scenes


def _fingerprint(job: PriorJob) -> str:
    """Stands for all that decides the result."""
    for path in job.scenes:
        if not path.exists():
            raise InputError("does not exist", path=path, hint="check the path")
    settings = {"recipe": recipe_text(job.recipe), "seed": job.seed, "rigs": job.rigs, "max_size": job.max_size}
    # Scenes may be tens of gigabytes: their names stand for them.
    return digest(json.dumps({**settings, "scenes": [str(path.resolve()) for path in job.scenes]}, sort_keys=True), ())


def _state(folder: RunFolder) -> Mapping[str, Tensor] | None:
    saved = Checkpoints(folder.checkpoints).latest() if folder.resumed else None
    return None if saved is None else saved[0]


def _record(folder: RunFolder, scenes: JoinedScenes, curves: Measured, seconds: float) -> dict[str, Any]:
    return {
        "run": str(folder.path),
        "weights": str(folder.out / NAME),
        "report": str(folder.report),
        "scenes": len(scenes),
        "auc": curves.learned.auc,
        "accuracy": curves.learned.accuracy,
        "correlation_auc": curves.correlation.auc,
        "correlation_accuracy": curves.correlation.accuracy,
        "seconds": round(seconds, 3),
    }


def _write(job: PriorJob, folder: RunFolder, training: Training, curves: Measured, record: Mapping[str, Any], device: torch.device) -> None:
    write_json(folder.out / "curve.json", {"learned": asdict(curves.learned), "correlation": asdict(curves.correlation)})
    write_bytes(folder.out / "curves.png", charts_png(curve_charts(training, curves)))
    facts = {
        "scenes": f"{len(job.scenes)} folders, {job.rigs} rendered rigs",
        "time": f"{record['seconds']:.1f} s",
        "seed": str(job.seed),
        "device": str(device),
        "versions": library_versions(),
    }
    origin = RunFacts(title="Photo-consistency", command=shlex.join(job.command), recipe_text=recipe_text(job.recipe), facts=facts)
    write_page(folder.report, prior_page(training, curves, origin))
