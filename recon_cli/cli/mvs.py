"""``recon mvs``: depth maps and a surface from calibrated pictures."""

from __future__ import annotations

import sys
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.mvs_train_prior import train_prior
from recon_cli.cli.options import (
    Device,
    DryRun,
    Json,
    MaxSize,
    MemoryLimit,
    Overwrite,
    PrintRecipe,
    Quiet,
    RecipeName,
    Resume,
    Seed,
    Set,
    ShardText,
    Verbose,
)
from recon_cli.core.errors import UsageError

if TYPE_CHECKING:
    from recon_cli.run.mvs import MvsJob
    from recon_cli.run.mvs_inputs import MvsSources

app = typer.Typer()


class Start(StrEnum):
    """What bounds the depths at first."""

    auto = "auto"
    hull = "hull"
    points = "points"
    bounds = "bounds"
    mesh = "mesh"
    depth = "depth"


class DepthKind(StrEnum):
    """What a number in a depth map means."""

    z = "z"
    ray = "ray"


def _checked_size(size: float | None) -> float | None:
    if size is not None and not 0.0 < size < inf:
        raise typer.BadParameter(f"{size:g} is not a size; expected a positive number")
    return size


SceneFolder = Annotated[
    Path | None,
    typer.Argument(metavar="SCENE", help="A folder with cameras.json, images/, and masks/ if there are any.", show_default=False),
]
RunOut = Annotated[Path | None, typer.Option("-o", "--out", metavar="RUN", help="The run folder.", show_default=False)]
Views = Annotated[
    str | None,
    typer.Option("--views", metavar="N|NAME,…", help="Use so many views, evenly spread, or only these.", show_default=False),
]
LeaveOut = Annotated[
    str | None, typer.Option("--leave-out", metavar="NAME,…", help="Hold these views out, for evaluation.", show_default=False)
]
StartOption = Annotated[
    Start | None, typer.Option("--start", help="What bounds the depths at first; without, the recipe decides.", show_default=False)
]
StartMesh = Annotated[
    Path | None, typer.Option("--mesh", metavar="FILE", help="A rough surface to begin with (PLY or OBJ).", show_default=False)
]
StartDepth = Annotated[
    Path | None, typer.Option("--depth", metavar="DIR", help="Depth maps to begin with (EXR or PFM, one a view).", show_default=False)
]
DepthKindOption = Annotated[
    DepthKind | None, typer.Option("--depth-kind", help="Whether these hold z or the length of the ray. [z]", show_default=False)
]
Watertight = Annotated[bool, typer.Option("--watertight", help="Close the surface where no picture shows it.")]
Voxel = Annotated[
    float | None,
    typer.Option("--voxel", metavar="SIZE", help="Resolution of the fusion in scene units.", callback=_checked_size, show_default=False),
]


@app.command()
def depth(
    scene: SceneFolder = None,
    out: RunOut = None,
    views: Views = None,
    leave_out: LeaveOut = None,
    max_size: MaxSize = None,
    start: StartOption = None,
    mesh: StartMesh = None,
    depth: StartDepth = None,
    depth_kind: DepthKindOption = None,
    recipe: RecipeName = "mvs_default",
    set_: Set = None,
    print_recipe: PrintRecipe = False,
    shard: ShardText = None,
    memory_limit: MemoryLimit = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = True,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Depth, normal and confidence maps of every view.

    Prints the run folder; report.html in it shows the maps. With --shard i/N several machines share a scene, each with a folder of its
    own; `recon mvs fuse` takes them all.
    """
    from recon_cli.run.shards import Shard

    changes = _changes(set_, start=start, mesh=mesh, depth=depth)
    if print_recipe:
        _print_recipe(recipe, changes)
        return
    sources = _sources(scene, views, leave_out, max_size, mesh, depth, depth_kind)
    settings = {"seed": seed, "device": device, "overwrite": overwrite, "resume": resume, "memory_limit": memory_limit}
    job = _job(sources, recipe, changes, out, **settings, shard=Shard.parse(shard), has_fusion=False)
    _carry_out(job, dry_run=dry_run, console=Console(quiet=quiet, verbose=verbose), json=json)


@app.command()
def run(
    scene: SceneFolder = None,
    out: RunOut = None,
    views: Views = None,
    leave_out: LeaveOut = None,
    max_size: MaxSize = None,
    start: StartOption = None,
    mesh: StartMesh = None,
    depth: StartDepth = None,
    depth_kind: DepthKindOption = None,
    voxel: Voxel = None,
    watertight: Watertight = False,
    recipe: RecipeName = "mvs_default",
    set_: Set = None,
    print_recipe: PrintRecipe = False,
    memory_limit: MemoryLimit = None,
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = True,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Depth maps of every view, and one surface of them all.

    Says first how long it will take and how much memory it needs. Prints the run folder: out/mesh.ply and out/points.ply are the surface,
    report.html shows it.
    """
    changes = _changes(set_, start=start, mesh=mesh, depth=depth, voxel=voxel, watertight=watertight)
    if print_recipe:
        _print_recipe(recipe, changes)
        return
    sources = _sources(scene, views, leave_out, max_size, mesh, depth, depth_kind)
    settings = {"seed": seed, "device": device, "overwrite": overwrite, "resume": resume, "memory_limit": memory_limit}
    job = _job(sources, recipe, changes, out, **settings)
    _carry_out(job, dry_run=dry_run, console=Console(quiet=quiet, verbose=verbose), json=json)


@app.command()
def fuse(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCENE|RUN…", help="A scene folder with depth/, a run, or all shards of a run.", show_default=False),
    ] = None,
    out: Annotated[
        str | None, typer.Option("-o", "--out", metavar="FILE.ply|-", help="The surface; - writes it to stdout.", show_default=False)
    ] = None,
    scene: Annotated[
        Path | None, typer.Option("--scene", metavar="DIR", help="Where the runs' scene is, if it has moved.", show_default=False)
    ] = None,
    points: Annotated[bool, typer.Option("--points", help="Write the point cloud instead of the mesh.")] = False,
    voxel: Voxel = None,
    watertight: Watertight = False,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME|FILE", help="A shipped recipe, or a YAML file; without, the run's own.", show_default=False),
    ] = None,
    set_: Set = None,
    print_recipe: PrintRecipe = False,
    memory_limit: MemoryLimit = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """One surface from depth maps: of a run, of its shards, or of a scene folder that has depth maps.

    Prints the file's path, or the file itself with -o -.
    """
    from recon_cli.run.hooks import DisplayHooks
    from recon_cli.run.mvs_fuse import DEFAULT_RECIPE, FuseJob, check, fuse_files, recipe_of

    changes = _changes(set_, voxel=voxel, watertight=watertight)
    if print_recipe and not sources:
        _print_recipe(recipe or DEFAULT_RECIPE, changes)
        return
    hint = "recon mvs fuse RUN -o mesh.ply"
    places = _given(sources, "a run or a scene folder", hint)
    chosen = recipe_of(places[0], recipe, changes)
    if print_recipe:
        from recon_cli.config.recipe import recipe_text

        sys.stdout.write(recipe_text(chosen))
        return
    target = _given(out, "-o", hint)
    if target == "-" and json:
        raise UsageError("--json and -o - both want stdout", hint="write the surface to a file, or leave --json out")
    job = FuseJob(places, target, chosen, scene, "points" if points else "mesh", memory_limit, device, overwrite)
    with Console(quiet=quiet, verbose=verbose) as console:
        hooks = DisplayHooks(console)
        record = check(job, hooks) if dry_run else fuse_files(job, hooks)
    if dry_run or json:
        emit(record, json=json)
    elif target != "-":
        emit(target)


app.command(name="train-prior")(train_prior)


def _carry_out(job: MvsJob, *, dry_run: bool, console: Console, json: bool) -> None:
    from recon_cli.run.mvs import check, reconstruct

    if dry_run:
        emit(check(job), json=json)
        return
    with console:
        record = reconstruct(job, console)
        console.note(f"report: {record['report']}")
    emit(record if json else record["run"], json=json)


def _job(sources: MvsSources, recipe: str, changes: list[str], out: Path | None, **settings: Any) -> MvsJob:
    from recon_cli.config.recipe import load_recipe
    from recon_cli.run.mvs import MvsJob
    from recon_cli.systems.mvs.config import MvsRecipe

    chosen = load_recipe(recipe, MvsRecipe, changes)
    return MvsJob(sources=sources, recipe=chosen, out=_given(out, "-o", _EXAMPLE), command=command_line(), **settings)


def _sources(
    scene: Path | None,
    views: str | None,
    leave_out: str | None,
    max_size: int | None,
    mesh: Path | None,
    depth: Path | None,
    depth_kind: DepthKind | None,
) -> MvsSources:
    from recon_cli.run.mvs_inputs import MvsSources

    if depth_kind is not None and depth is None:
        raise UsageError(f"--depth-kind {depth_kind}: --depth is missing", hint="--depth DIR says which depth maps these are")
    return MvsSources(
        scene=_given(scene, "the scene folder", _EXAMPLE),
        max_size=max_size,
        views=int(views) if views is not None and views.isdecimal() else _names(views),
        leave_out=_names(leave_out) or (),
        mesh=mesh,
        depth=depth,
        depth_kind=(depth_kind or DepthKind.z).value,
    )


def _changes(
    texts: list[str] | None,
    *,
    start: Start | None = None,
    mesh: Path | None = None,
    depth: Path | None = None,
    voxel: float | None = None,
    watertight: bool = False,
) -> list[str]:
    """Flags that stand for recipe keys, after what --set says."""
    for name, path in (("mesh", mesh), ("depth", depth)):
        if path is not None and start not in (None, Start(name)):
            raise UsageError(f"--{name} and --start {start} exclude each other", hint=f"--{name} alone starts from it")
        if path is None and start == name:
            raise UsageError(f"--start {name}: --{name} is missing", hint=f"--{name} {'FILE' if name == 'mesh' else 'DIR'} says which")
    if mesh is not None and depth is not None:
        raise UsageError("--mesh and --depth exclude each other", hint="start from one of them")
    source = start or ("mesh" if mesh is not None else "depth" if depth is not None else None)
    changes = list(texts or ())
    changes += [f"start.source={source}"] if source is not None else []
    changes += [f"fusion.voxel={voxel!r}"] if voxel is not None else []
    changes += ["fusion.watertight=true"] if watertight else []
    return changes


def _print_recipe(name: str, changes: list[str]) -> None:
    from recon_cli.config.recipe import load_recipe, recipe_text
    from recon_cli.systems.mvs.config import MvsRecipe

    sys.stdout.write(recipe_text(load_recipe(name, MvsRecipe, changes)))


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between them."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{text!r}: expected names of views with commas between them")
    return names


def _given(value: Any, what: str, hint: str) -> Any:
    if not value:
        raise UsageError(f"{what} is missing", hint=hint)
    return value


_EXAMPLE = "recon mvs run scene -o runs/scene"
