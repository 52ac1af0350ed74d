"""``recon npm train``: learn spaces of shape and pose from registered bodies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.options import Device, DryRun, Json, Overwrite, PrintRecipe, Quiet, RecipeName, Resume, Seed, Set, Verbose
from recon_cli.core.errors import UsageError

Bodies = Annotated[
    list[Path] | None,
    typer.Argument(metavar="BODIES…", help="Folders with manifest.jsonl, canonical and posed meshes.", show_default=False),
]
RunOut = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run folder.", show_default=False)]


def train(
    bodies: Bodies = None,
    out: RunOut = None,
    recipe: RecipeName = "npm_default",
    set_: Set = None,
    print_recipe: PrintRecipe = False,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = True,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Learn spaces of shape and pose from folders of registered bodies.

    Prints the run folder; out/npm_model.safetensors in it is the model, report.html shows what it has learned. The default model is
    learned on the CPU; --recipe npm_paper trains the networks of the paper, with torchrun on several GPUs.
    """
    from recon_cli.config.recipe import load_recipe, recipe_text
    from recon_cli.systems.npm.config import NpmRecipe

    chosen = load_recipe(recipe, NpmRecipe, set_)
    if print_recipe:
        sys.stdout.write(recipe_text(chosen))
        return
    if not bodies:
        raise UsageError("BODIES is missing", hint="give a folder with manifest.jsonl; recon prepare synth bodies makes one")
    if out is None:
        raise UsageError("-o is missing", hint="-o RUN names the folder of the training")
    from recon_cli.run.npm_train import TrainJob, check
    from recon_cli.run.npm_train import train as run_training

    job = TrainJob(
        bodies=tuple(bodies),
        recipe=chosen,
        out=out,
        command=command_line(),
        seed=seed,
        device=device,
        overwrite=overwrite,
        resume=resume,
    )
    if dry_run:
        emit(check(job), json=json)
        return
    with Console(quiet=quiet, verbose=verbose) as console:
        record = run_training(job, console)
        if not record:  # one of torchrun's processes that only help
            return
        console.note(f"report: {record['report']}")
    emit(record if json else record["run"], json=json)
