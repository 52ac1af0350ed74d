"""The job behind ``recon npm train``: folders of bodies, training, model, figures, report."""

from __future__ import annotations

import json
import shlex
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from recon_cli.config.recipe import recipe_text
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.io.digest import digest
from recon_cli.io.meshes import write_mesh
from recon_cli.io.records import write_json
from recon_cli.run.device import choose_device
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display, RunHooks
from recon_cli.run.npm_bodies import JoinedBodies, check_bodies
from recon_cli.run.npm_estimate import estimate
from recon_cli.run.npm_launch import launched
from recon_cli.run.npm_model_file import NAME, write_model
from recon_cli.run.npm_train_figures import figures
from recon_cli.run.npm_train_page import TrainingShown, training_page
from recon_cli.run.origin import RunFacts, library_versions
from recon_cli.run.report import write_page
from recon_cli.run.resuming import Numbers, resumed_state, units_done
from recon_cli.run.signals import StopSignals
from recon_cli.systems.npm.bodies import all_poses_taken
from recon_cli.systems.npm.config import NpmRecipe
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.guesses_training import learn_guesses
from recon_cli.systems.npm.learning import Learned, learn
from recon_cli.systems.npm.network_training import TrainedNetworks, train_networks

SHOWN_CELLS = 96
"""Cells along the box in which the page looks for the surfaces of networks."""
BADLY_REGISTERED, UNREACHED = 3.0, 0.03
"""Times the median error of registration, and distance of a body's point from the model [box], from which an identity is named."""
SHOWN_NAMES = 8


@dataclass(frozen=True)
class TrainJob:
    """One training as asked for.

    Attributes:
        bodies: folders of bodies.
        recipe: how to train.
        out: the run folder.
        command: the command line, for the record.
        seed: of every draw.
        device: where networks are trained, as ``--device`` names it.
        overwrite, resume: what may become of a run that is already in ``out``.
    """

    bodies: tuple[Path, ...]
    recipe: NpmRecipe
    out: Path
    command: Sequence[str] = ("recon", "npm", "train")
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    resume: bool = True

    @property
    def most_poses(self) -> int:
        """Poses that take part at most."""
        return self.recipe.poses if self.recipe.model == "skinned" else self.recipe.networks.poses

    def switches(self, fingerprint: str) -> dict[str, Any]:
        """What ``plan_run`` and ``RunFolder.create`` ask."""
        return {"overwrite": self.overwrite, "resume": self.resume, "fresh": not self.resume, "fingerprint": fingerprint}


def check(job: TrainJob) -> dict[str, Any]:
    """Read all meshes and check recipe and output without computing or writing, and say what a run would do.

    Raises:
        InputError, UsageError: what a run would raise before its first step.
    """
    device = choose_device(job.device)
    bodies = JoinedBodies(job.bodies)
    plan = plan_run(job.out, **job.switches(_fingerprint(job, bodies)))
    needed = estimate(check_bodies(bodies, job.most_poses), job.recipe, device)
    return {"plan": plan, "out": str(job.out), "model": job.recipe.model, **needed.record()}


def train(job: TrainJob, display: Display) -> dict[str, Any]:
    """Run the job and return its record: folder, model, report, sizes and errors; without words in all processes of torchrun but the first.

    Raises:
        InputError, UsageError: before anything is computed, or when an output cannot be written.
        NumericsError: the training diverged; the last good checkpoint is in the run folder.
        StoppedError: a signal asked to stop; running the job again goes on.
    """
    with launched(job.device) as (device, rank):
        if job.recipe.model == "skinned" and _is_one_of_several():
            raise UsageError("the skinned model is learned by one process", hint="start recon npm train without torchrun")
        bodies = JoinedBodies(job.bodies)
        if rank == 0:
            return _train_first(job, bodies, torch.device("cpu") if job.recipe.model == "skinned" else device, display)
        with StopSignals():
            train_networks(bodies, job.recipe.networks, seed=job.seed, resume=_told(None), device=device)
    return {}


def _train_first(job: TrainJob, bodies: JoinedBodies, device: torch.device, display: Display) -> dict[str, Any]:
    started = time.monotonic()
    fingerprint = _fingerprint(job, bodies)
    plan_run(job.out, **job.switches(fingerprint))
    needed = estimate(check_bodies(bodies, job.most_poses), job.recipe, device)
    with RunFolder.create(job.out, **job.switches(fingerprint)) as folder, StopSignals() as stop:
        folder.write_header(recipe_text(job.recipe), job.command, job.seed, str(device))
        hooks = RunHooks(folder, display, stop=stop)
        hooks.note(needed.sentence())
        state = resumed_state(folder, hooks.note, lambda numbers: _done(job.recipe, numbers))
        trained = _trained(job, bodies, hooks, _told(state), device)
        record = _write(job, folder, hooks, bodies, trained, started)
        folder.log(record)
        folder.finish()
    return record


def _trained(
    job: TrainJob, bodies: JoinedBodies, hooks: RunHooks, state: Mapping[str, Tensor] | None, device: torch.device
) -> Learned | TrainedNetworks:
    if job.recipe.model == "skinned":
        return learn(bodies, job.recipe, seed=job.seed, hooks=hooks, resume=state)
    return train_networks(bodies, job.recipe.networks, seed=job.seed, hooks=hooks, resume=state, device=device)


def _fingerprint(job: TrainJob, bodies: JoinedBodies) -> str:
    """Stands for all that decides the result: recipe, seed, names and contents of the meshes."""
    settings = {"recipe": recipe_text(job.recipe), "seed": job.seed, "names": list(bodies.names)}
    return digest(json.dumps(settings, sort_keys=True), bodies.files(job.most_poses))


def _done(recipe: NpmRecipe, numbers: Numbers) -> str:
    """How far a training had come, of a checkpoint's numbers."""
    if "rounds" in numbers:  # kept once before the first of them, when the warps were the last progress
        return f"{numbers['rounds']:.0f} of {recipe.skin.rounds} rounds of poses, joints and weights"
    return units_done("warps" if recipe.model == "skinned" else "steps")(numbers)


def _is_one_of_several() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _told(state: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    """The first process's state in all of them."""
    if not _is_one_of_several():
        return state
    said = [state]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def _write(
    job: TrainJob, folder: RunFolder, hooks: RunHooks, bodies: JoinedBodies, trained: Learned | TrainedNetworks, started: float
) -> dict[str, Any]:
    """Everything in out/, the most valuable first, and the report; the record of the run."""
    poses = all_poses_taken(bodies, job.most_poses)
    hooks.note("learning where fits begin")
    guesses = learn_guesses(trained, bodies, poses, job.recipe.views, seed=job.seed)
    _write_model(job, folder.out / NAME, trained, guesses)
    found = figures(trained, bodies, poses)
    shown = _drawable(trained)
    template, warnings = _mean_body(shown), _warnings(found)
    for text in warnings:
        hooks.warn(text)
    if template is not None:
        write_mesh(folder.out / "template.ply", template.with_vertices(shown.model.box.outside(template.vertices).float()))
    else:
        warnings.append("The mean of the shape codes has no surface in the box: train longer.")
    samples = _samples(bodies, poses, found, shown)
    seconds = round(time.monotonic() - started, 3)
    write_json(folder.out / "training.json", {**found, "seconds": seconds})
    write_page(folder.report, training_page(TrainingShown(shown, found, template, samples, seconds, warnings), _facts(job, seconds)))
    kept = ("identities", "poses", "parts", "shape_size", "pose_size", "registration_error", "shape_error", "model_error")
    places = {"run": str(folder.path), "model": str(folder.out / NAME), "report": str(folder.report)}
    return {**places, **{key: found[key] for key in kept if key in found}, "seconds": seconds}


def _write_model(job: TrainJob, path: Path, trained: Learned | TrainedNetworks, guesses: FirstGuesses) -> None:
    """The model, with the codes of its training bodies and what fits begin from beside it."""
    training = {"shapes": trained.shapes, "identity": trained.identity.int()}
    sizes = {"identities": len(trained.shapes), "poses": len(trained.poses)}
    origin = {"recipe": job.recipe.model_dump(mode="json"), "seed": job.seed, **sizes}
    write_model(path, trained.model, training=training, starts=guesses.tensors(), origin=origin)


def _drawable(trained: Learned | TrainedNetworks) -> Learned | TrainedNetworks:
    """The same with surfaces that are quickly found."""
    if isinstance(trained, Learned):
        return trained
    return replace(trained, model=replace(trained.model, resolution=min(trained.model.resolution, SHOWN_CELLS)))


def _mean_body(shown: Learned | TrainedNetworks) -> Mesh | None:
    """The surface of the mean shape [box]; None where networks have none."""
    try:
        return shown.model.surface(shown.shapes.mean(dim=0)).to("cpu")
    except InputError:
        return None


def _warnings(found: Mapping[str, Any]) -> list[str]:
    errors: Mapping[str, float] = found.get("registration_errors", {})
    bound = BADLY_REGISTERED * statistics.median(errors.values()) if errors else 0.0
    bad = [f"{name} ({1000 * error:.1f})" for name, error in errors.items() if error > bound]
    unreached = [f"{name} ({1000 * error:.0f})" for name, error in found["farthest"].items() if error > UNREACHED]
    warnings = []
    for space in ("shape", "pose"):
        if not found[f"{space}_size"]:
            warnings.append(f"The model has no space of {space}s: the bodies have one {space}. Train on more of them.")
    if bad:
        warnings.append(
            f"The template fits some identities far worse than the median one; mean distance in thousandths of the box: {_some(bad)}."
        )
    if unreached:
        warnings.append(f"The model does not reach all of some identities; largest distance in thousandths of the box: {_some(unreached)}.")
    return warnings


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN_NAMES} more" if len(words) > SHOWN_NAMES else ""
    return ", ".join(words[:SHOWN_NAMES]) + more


def _samples(
    bodies: JoinedBodies, poses: Sequence[tuple[int, int]], found: Mapping[str, Any], shown: Learned | TrainedNetworks
) -> list[tuple[int, str, Mesh]]:
    """Training poses for the page, from the best reproduced to the worst, with their surfaces [box]."""
    errors = found["model_errors"]
    errors = dict(enumerate(errors)) if isinstance(errors, list) else {int(pose): error for pose, error in errors.items()}
    ranked = sorted(errors, key=lambda pose: errors[pose])
    places = {round(share * (len(ranked) - 1)) for share in (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)}
    samples = []
    for pose in (ranked[place] for place in sorted(places)):
        identity, number = poses[pose]
        surface = bodies.canonical(identity).with_vertices(shown.model.box.inside(bodies.posed(identity, number)))
        samples.append((pose, f"{bodies.names[identity]}, pose {number}: {1000 * errors[pose]:.1f}", surface))
    return samples


def _facts(job: TrainJob, seconds: float) -> RunFacts:
    facts = {
        "bodies": ", ".join(str(folder) for folder in job.bodies),
        "time": f"{seconds:.1f} s",
        "seed": str(job.seed),
        "versions": library_versions(),
    }
    title = " + ".join(folder.resolve().name for folder in job.bodies)
    return RunFacts(title=title, command=shlex.join(job.command), recipe_text=recipe_text(job.recipe), facts=facts)
