"""``recon npm fit``: a body's shape and poses from a depth sequence."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.options import Device, DryRun, Json, Overwrite, PrintRecipe, Quiet, RecipeName, Resume, Seed, Set, Verbose
from recon_cli.core.errors import UsageError


class Scale(StrEnum):
    """Whether the body has the size of the model's."""

    known = "known"
    unknown = "unknown"


Depth = Annotated[
    Path | None,
    typer.Argument(metavar="DEPTH", help="A folder of depth maps (EXR, PFM, 16-bit PNG), or a scene with depth/.", show_default=False),
]
RunOut = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run folder.", show_default=False)]
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", metavar="JSON", help="The depth camera; without, cameras.json beside the maps.", show_default=False),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE|RUN", help="A trained model; without, the one that ships with recon.", show_default=False),
]
Up = Annotated[
    str,
    typer.Option("--up", metavar="auto|AXIS|camera", help="What is up: +y, -z … of the world, or the picture's; auto looks for a floor."),
]
Unit = Annotated[
    str | None,
    typer.Option(
        "--unit", metavar="m|cm|mm|N", help="What the depths are in, or how many of them a unit of the model has.", show_default=False
    ),
]
ScaleOption = Annotated[Scale, typer.Option("--scale", help="Whether the body is as large as the model's; unknown: it is estimated.")]
Masks = Annotated[
    Path | None,
    typer.Option("--masks", metavar="DIR", help="A mask a depth map; without, masks/ beside the maps, or made ones.", show_default=False),
]


def fit(
    depth: Depth = None,
    out: RunOut = None,
    camera: CameraFile = None,
    model: Model = None,
    up: Up = "auto",
    unit: Unit = None,
    scale: ScaleOption = Scale.known,
    masks: Masks = None,
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
    """Find the shape of a body and its pose in every frame of a depth sequence.

    Floor, walls and still things around the body are left out. Prints the run folder: out/meshes has a mesh a frame with the same vertices,
    out/overlay pictures of them on the depth, and report.html says which frames are doubtful, and why.
    """
    from recon_cli.config.recipe import load_recipe, recipe_text
    from recon_cli.systems.npm.config import NpmRecipe

    chosen = load_recipe(recipe, NpmRecipe, set_)
    if print_recipe:
        sys.stdout.write(recipe_text(chosen))
        return
    from recon_cli.run.npm_fit import FitJob, check
    from recon_cli.run.npm_fit import fit as run_fit
    from recon_cli.run.npm_inputs import FitSources

    job = FitJob(
        sources=FitSources(_given(depth, "DEPTH"), camera, masks, up, unit, is_scale_known=scale is Scale.known),
        recipe=chosen,
        out=_given(out, "-o"),
        model=model,
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
        record = run_fit(job, console)
        console.note(f"report: {record['report']}")
    emit(record if json else record["run"], json=json)


def _given(path: Path | None, name: str) -> Path:
    if path is None:
        raise UsageError(f"{name} is missing", hint="recon npm fit DEPTH -o RUN, with --camera camera.json where none lies beside the maps")
    return path
