"""The job behind ``recon sft fit``: load, check, fit, write, report."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon_cli.config.recipe import recipe_text
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.io.digest import digest
from recon_cli.run.checkpoints import Checkpoints
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.origin import RunFacts, library_versions, title_of
from recon_cli.run.report import write_page
from recon_cli.run.sft_film import Film, FilmOptions, shoot
from recon_cli.run.sft_inputs import SftSources, load_inputs
from recon_cli.run.sft_outputs import write_curves, write_surface
from recon_cli.run.sft_page import edge_change, sft_page
from recon_cli.run.sft_params import fitted_physics, write_physics
from recon_cli.run.signals import StopSignals
from recon_cli.systems.sft.config import SftRecipe
from recon_cli.systems.sft.result import SftInputs, SftResult
from recon_cli.systems.sft.run import run

# From the peaks of fits at 960x540 (747 MB) and 1920x1080 (923 MB) with 1,024 vertices, and a margin.
LIBRARY_BYTES = 720 * 2**20
BYTES_PER_PIXEL = 130


@dataclass(frozen=True)
class FitJob:
    """One fit as asked for.

    Attributes:
        sources: the inputs.
        recipe: how to fit.
        out: the run folder.
        command: the command line, for the record.
        seed: of every random choice.
        device: where to compute, as ``--device`` names it.
        has_obj: also write every frame as OBJ with texture coordinates.
        film: what is drawn of every frame.
        overwrite, resume: what may become of a run that is already in ``out``.
    """

    sources: SftSources
    recipe: SftRecipe
    out: Path
    command: Sequence[str] = ("recon", "sft", "fit")
    seed: int = 0
    device: str = "auto"
    has_obj: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    overwrite: bool = False
    resume: bool = True

    def switches(self, fingerprint: str) -> dict[str, Any]:
        """What ``plan_run`` and ``RunFolder.create`` ask."""
        return {"overwrite": self.overwrite, "resume": self.resume, "fresh": not self.resume, "fingerprint": fingerprint}


def check(job: FitJob) -> dict[str, Any]:
    """Check recipe, inputs and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first frame.
    """
    choose_device(job.device)
    plan = plan_run(job.out, **job.switches(_fingerprint(job)))
    inputs = load_inputs(job.sources, job.recipe)
    frames, vertices = len(inputs.frames), len(inputs.template.vertices)
    return {
        "plan": plan,
        "out": str(job.out),
        "method": job.recipe.method,
        "frames": frames,
        "size": [inputs.frames.width, inputs.frames.height],
        "fps": inputs.fps,
        "vertices": vertices,
        "faces": len(inputs.template.faces),
        "masks": "background colour" if job.sources.masks is None else str(job.sources.masks),
        "memory_mb": round(estimated_memory(inputs, job.recipe) / 2**20),
    }


def fit(job: FitJob, display: Display) -> dict[str, Any]:
    """Run the job and return its record: folder, report, and the numbers of the verdict.

    Raises:
        InputError, UsageError: before anything is computed, or when an output cannot be written.
        NumericsError: the fit diverged; its last good checkpoint is in the run folder.
        StoppedError: a signal asked to stop; running the job again goes on.
    """
    started = time.monotonic()
    device = choose_device(job.device)
    fingerprint = _fingerprint(job)
    plan_run(job.out, **job.switches(fingerprint))
    inputs = load_inputs(job.sources, job.recipe)
    torch.manual_seed(job.seed)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        hooks = RunHooks(folder, display, stop=stop)
        result = run(inputs, job.recipe, hooks=hooks, resume=_state(folder), device=device)
        fitted = time.monotonic()
        display.note("writing meshes, depth maps, film and report")
        film = _write(job, folder, inputs, result, _drawing_progress(display, stop))
        seconds = {"fit_seconds": fitted - started, "write_seconds": time.monotonic() - fitted}
        record = _record(folder, result, film, seconds)
        write_page(folder.report, sft_page(result, film, _facts(job, device, record), overlay=folder.out / "overlay.mp4"))
        folder.log(record)
        folder.finish()
    return record


def estimated_memory(inputs: SftInputs, recipe: SftRecipe) -> int:
    """Bytes that a fit needs at its peak, libraries included, from the sizes of what it holds at once; a rough guide for a scheduler."""
    frames, vertices = len(inputs.frames), len(inputs.template.vertices)
    pixels = inputs.frames.width * inputs.frames.height
    surface = frames * vertices * 3 * 8
    steps = (frames - 1) * recipe.simulation.steps_per_frame * vertices * 3 * 8
    return LIBRARY_BYTES + BYTES_PER_PIXEL * pixels + 3 * (surface + steps)


def _fingerprint(job: FitJob) -> str:
    """Stands for all that decides the result: recipe, contents of the inputs, chosen frames, seed."""
    sources = {name: str(value) for name, value in vars(job.sources).items() if not isinstance(value, Path)}
    settings = json.dumps({"recipe": recipe_text(job.recipe), "seed": job.seed, **sources}, sort_keys=True)
    return digest(settings, _existing(job.sources))


def _existing(sources: SftSources) -> list[Path]:
    """All input paths, each of which must exist."""
    paths = list(sources.paths())
    for path in paths:
        if not path.exists():
            raise InputError("does not exist", path=path, hint="check the path")
    return paths


def _state(folder: RunFolder) -> Mapping[str, Tensor] | None:
    """The state to go on from, if this run was interrupted."""
    saved = Checkpoints(folder.checkpoints).latest() if folder.resumed else None
    return None if saved is None else saved[0]


def _write(job: FitJob, folder: RunFolder, inputs: SftInputs, result: SftResult, drawn: Callable[[int, int], None]) -> Film:
    """Everything in out/, the most valuable first."""
    write_surface(folder.out, result, has_obj=job.has_obj, workers=job.film.workers)
    write_physics(folder.out, fitted_physics(result, job.recipe))
    film = shoot(inputs, result, folder.out, job.film, progress=drawn)
    write_curves(folder.out, result, film)
    return film


def _drawing_progress(display: Display, stop: StopSignals) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        display.progress(done, total, {})
        if stop.request is not None and done < total:
            raise StoppedError(f"stopped after {done} of {total} pictures", hint="run the same command again with --resume to go on")

    return progress


def _record(folder: RunFolder, result: SftResult, film: Film, seconds: Mapping[str, float]) -> dict[str, Any]:
    return {
        "run": str(folder.path),
        "report": str(folder.report),
        "frames": len(result.positions),
        "vertices": result.positions.shape[1],
        "overlap": float(np.mean(film.overlap)),
        "difference": float(np.mean(film.difference)),
        "edge_change": float(edge_change(result).mean()),
        "replay_error_m": result.replay_error,
        **{name: round(value, 3) for name, value in seconds.items()},
    }


def _facts(job: FitJob, device: torch.device, record: Mapping[str, Any]) -> RunFacts:
    facts = {
        "video": str(job.sources.video),
        "template": str(job.sources.template),
        "method": job.recipe.method,
        "time": f"{record['fit_seconds']:.1f} s to fit, {record['write_seconds']:.1f} s to write the files",
        "seed": str(job.seed),
        "device": str(device),
        "versions": library_versions(),
    }
    return RunFacts(title=title_of(job.sources.video), command=shlex.join(job.command), recipe_text=recipe_text(job.recipe), facts=facts)
