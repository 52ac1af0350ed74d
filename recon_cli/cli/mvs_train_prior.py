"""``recon mvs train-prior``: train the photo-consistency network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.options import Device, DryRun, Json, MaxSize, Overwrite, PrintRecipe, Quiet, RecipeName, Resume, Seed, Set, Verbose
from recon_cli.core.errors import UsageError

Scenes = Annotated[
    list[Path] | None,
    typer.Argument(metavar="SCENES…", help="Scene folders with depth/, or DTU's training folder; none: rendered rigs.", show_default=False),
]
RunOut = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run folder.", show_default=False)]
Synthetic = Annotated[
    int | None,
    typer.Option(
        "--synthetic",
        min=0,
        metavar="N",
        help="Rendered rigs to train on; without, none beside SCENES, else the recipe's number.",
        show_default=False,
    ),
]


def train_prior(
    scenes: Scenes = None,
    out: RunOut = None,
    synthetic: Synthetic = None,
    max_size: MaxSize = None,
    recipe: RecipeName = "mvs_prior",
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
    """Train the network that scores photo-consistency, on scenes with exact depth.

    Prints the run folder; out/mvs_prior.safetensors in it holds the weights, for --set srdf.prior=learned and srdf.prior_file=RUN.
    """
    from recon_cli.config.recipe import load_recipe, recipe_text
    from recon_cli.systems.mvs.prior_config import PriorConfig

    chosen = load_recipe(recipe, PriorConfig, set_)
    if print_recipe:
        sys.stdout.write(recipe_text(chosen))
        return
    if out is None:
        raise UsageError("-o is missing", hint="-o RUN names the folder of the training")
    from recon_cli.run.mvs_prior import PriorJob, check, train

    job = PriorJob(
        scenes=tuple(scenes or ()),
        recipe=chosen,
        out=out,
        synthetic=synthetic,
        max_size=max_size,
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
        record = train(job, console)
        console.note(f"report: {record['report']}")
    emit(record if json else record["run"], json=json)
