"""The job behind ``recon npm fit``: read depth and model, check, fit, write, report."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recon_cli.config.recipe import recipe_text
from recon_cli.core.errors import StoppedError
from recon_cli.io.atomic import write_bytes
from recon_cli.io.digest import digest
from recon_cli.run.charts import charts_png
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.npm_fit_page import FitShown, curves_of, fit_page, shown_frames
from recon_cli.run.npm_inputs import FitSources, FolderFrames, load_frames
from recon_cli.run.npm_model_file import ModelFile, read_model_file
from recon_cli.run.npm_outputs import FittedBody, write_body
from recon_cli.run.npm_overlay import FILM, draw_overlays
from recon_cli.run.npm_solve import Solver, check_solver, first_guesses, solve
from recon_cli.run.origin import RunFacts, library_versions, title_of
from recon_cli.run.report import write_page
from recon_cli.run.resuming import resumed_state, units_done
from recon_cli.run.signals import StopSignals
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.doubt import LIMITS
from recon_cli.systems.npm.fitted import Fitted

UNITS = {"newton": "windows", "published": "iterations"}
"""What a solver counts."""
SHOWN_AS = {"spread": "distance of other solutions [box]"}


@dataclass(frozen=True)
class FitJob:
    """One fit as asked for.

    Attributes:
        sources: the depth sequence.
        recipe: how to fit.
        out: the run folder.
        model: a model's file or the run of a training; None takes the model that ships with recon.
        command: the command line, for the record.
        seed: of every random choice.
        device: where to compute, as ``--device`` names it.
        overwrite, resume: what may become of a run that is already in ``out``.
    """

    sources: FitSources
    recipe: NpmRecipe
    out: Path
    model: Path | None = None
    command: Sequence[str] = ("recon", "npm", "fit")
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    resume: bool = True

    def switches(self, fingerprint: str) -> dict[str, Any]:
        """What ``plan_run`` and ``RunFolder.create`` ask."""
        return {"overwrite": self.overwrite, "resume": self.resume, "fresh": not self.resume, "fingerprint": fingerprint}


def check(job: FitJob) -> dict[str, Any]:
    """Check recipe, model, inputs and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first step.
    """
    choose_device(job.device)
    model = _model(job)
    notes: list[str] = []
    frames = load_frames(job.sources, model.model.box.side, notes.append)
    plan = plan_run(job.out, **job.switches(_fingerprint(job, model)))
    return {
        "plan": plan,
        "out": str(job.out),
        "model": str(model.path),
        "frames": len(frames),
        "size": [frames.camera.width, frames.camera.height],
        "without_body": len(frames.empty),
        "up": None if frames.up is None else frames.up.tolist(),
        "notes": notes,
    }


def fit(job: FitJob, display: Display, *, solver: Solver = solve) -> dict[str, Any]:
    """Run the job and return its record: folder, report, and the numbers of the verdict.

    Raises:
        InputError, UsageError: before anything is computed, or when an output cannot be written.
        NumericsError: the fit diverged; its last good checkpoint is in the run folder.
        StoppedError: a signal asked to stop; running the job again goes on.
    """
    device = choose_device(job.device)
    model = _model(job)
    fingerprint = _fingerprint(job, model)
    plan_run(job.out, **job.switches(fingerprint))
    said = _Said(display.note)
    frames = load_frames(job.sources, model.model.box.side, said)
    torch.manual_seed(job.seed)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        for sentence in said.sentences:  # from before there was a folder
            folder.log({"note": sentence})
        hooks = RunHooks(folder, display, stop=stop, shown_as=SHOWN_AS)
        state = resumed_state(folder, hooks.note, units_done(UNITS[job.recipe.solver]))
        started = time.monotonic()
        settings = {"is_scale_known": job.sources.is_scale_known, "seed": job.seed, "resume": state, "device": device}
        fitted = solver(model, frames, job.recipe, hooks=hooks, **settings)
        seconds = time.monotonic() - started
        display.note("writing meshes, pictures and report")
        body = FittedBody(model.model, fitted)
        shown = _write(job, folder, body, frames, model.digest, seconds, said.sentences, _drawing_progress(display, stop))
        record = _record(folder, fitted, frames, seconds, time.monotonic() - started)
        write_page(folder.report, fit_page(shown, _facts(job, model, str(device))))
        folder.log(record)
        folder.finish()
    if record["doubtful"]:
        display.note(f"{record['doubtful']} of {len(frames)} frames are doubtful: the report says which and why")
    return record


def _model(job: FitJob) -> ModelFile:
    """The model, with what fits begin from."""
    model = read_model_file(job.model)
    check_solver(model, job.recipe)
    first_guesses(model)
    return model


class _Said:
    """Sentences that are shown, and kept for the page."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self.sentences: list[str] = []

    def __call__(self, text: str) -> None:
        self.sentences.append(text)
        self._show(text)


def _write(
    job: FitJob,
    folder: RunFolder,
    body: FittedBody,
    frames: FolderFrames,
    model_digest: str,
    seconds: float,
    notes: Sequence[str],
    drawn: Callable[[int, int], None],
) -> FitShown:
    """Everything in out/, the most valuable first."""
    reach = write_body(folder.out, body, frames.camera, frames.names, model_digest)
    limits = LIMITS[job.recipe.solver]
    write_bytes(folder.out / "curves.png", charts_png(curves_of(body.fitted.quality, limits)))
    pictures = draw_overlays(body, frames, folder.out, reach, shown=shown_frames(body.fitted.quality), progress=drawn)
    return FitShown(body, frames.names, frames.camera, frames.empty, pictures, folder.out / FILM, seconds, limits, tuple(notes))


def _drawing_progress(display: Display, stop: StopSignals) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        display.progress(done, total, {})
        if stop.request is not None and done < total:
            raise StoppedError(f"stopped after {done} of {total} pictures", hint="run the same command again with --resume to go on")

    return progress


def _fingerprint(job: FitJob, model: ModelFile) -> str:
    """Stands for all that decides the result: recipe, model, contents of the inputs, options, seed."""
    sources = {name: str(value) for name, value in vars(job.sources).items() if not isinstance(value, Path)}
    settings = {"recipe": recipe_text(job.recipe), "seed": job.seed, "model": model.digest, **sources}
    # A file that is missing is left to the reader of the sequence, who knows what it was for.
    return digest(json.dumps(settings, sort_keys=True), [path for path in job.sources.paths() if path.exists()])


def _record(folder: RunFolder, fitted: Fitted, frames: FolderFrames, fit_seconds: float, seconds: float) -> dict[str, Any]:
    quality = fitted.quality
    return {
        "run": str(folder.path),
        "report": str(folder.report),
        "frames": len(frames),
        "without_body": len(frames.empty),
        "doubtful": int(quality.is_doubtful.sum()),
        "residual": float(quality.residual.nanmedian()),
        "unexplained": float(quality.unexplained.nanmean()),
        "unit": fitted.unit,
        "fit_seconds": round(fit_seconds, 3),
        "write_seconds": round(seconds - fit_seconds, 3),
    }


def _facts(job: FitJob, model: ModelFile, device: str) -> RunFacts:
    facts = {
        "depth": str(job.sources.depth),
        "model": f"{model.path} ({model.digest[:12]})",
        "upward direction": job.sources.up,
        "scale": "the model's" if job.sources.is_scale_known else "estimated",
        "seed": str(job.seed),
        "device": device,
        "versions": library_versions(),
    }
    return RunFacts(title_of(job.sources.depth), shlex.join(job.command), recipe_text(job.recipe), facts)
