"""``recon sft``: a deforming surface from one clip and a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.options import Device, DryRun, Json, MaxSize, Out, Overwrite, PrintRecipe, Quiet, RecipeName, Resume, Seed, Set, Verbose
from recon_cli.core.errors import UsageError

app = typer.Typer()

Video = Annotated[
    Path | None, typer.Option("--video", metavar="FILE|DIR", help="The clip: a video file, or a folder of frames.", show_default=False)
]
Template = Annotated[
    Path | None,
    typer.Option("--template", metavar="MESH", help="The surface in the first frame (PLY or OBJ), in metres.", show_default=False),
]
CameraFile = Annotated[
    Path | None, typer.Option("--camera", metavar="JSON", help="cameras.json, or plain width, height, fx, fy, cx, cy.", show_default=False)
]
Masks = Annotated[
    Path | None,
    typer.Option("--masks", metavar="DIR", help="One mask a frame; without, the background colour decides.", show_default=False),
]
Fov = Annotated[
    float | None, typer.Option("--fov", metavar="DEG", help="Horizontal field of view, where no camera is known.", show_default=False)
]
Background = Annotated[
    str | None,
    typer.Option("--background", metavar="R,G,B", help="Background colour, 0 to 255, for masks made from it.", show_default=False),
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", metavar="F", help="Frames of the video per second of real time, where it does not say.", show_default=False),
]
Start = Annotated[int, typer.Option("--start", min=0, metavar="N", help="First frame; the template is the surface in it.")]
Stop = Annotated[int | None, typer.Option("--stop", min=1, metavar="N", help="The frame after the last one.", show_default=False)]
Stride = Annotated[int, typer.Option("--stride", min=1, metavar="N", help="Take every Nth frame.")]


@app.command()
def fit(
    video: Video = None,
    template: Template = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="The run folder.", show_default=False)] = None,
    camera: CameraFile = None,
    masks: Masks = None,
    fov: Fov = None,
    background: Background = None,
    fps: Fps = None,
    start: Start = 0,
    stop: Stop = None,
    stride: Stride = 1,
    max_size: MaxSize = None,
    obj: Annotated[bool, typer.Option("--obj", help="Write every frame as OBJ with texture coordinates, too.")] = False,
    depth: Annotated[bool, typer.Option("--depth/--no-depth", help="Write a depth map (EXR and coloured PNG) of every frame.")] = True,
    recipe: RecipeName = "sft_default",
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
    """Reconstruct a deforming surface from one clip and a template.

    Prints the run folder; report.html in it shows the result.
    """
    from recon_cli.config.recipe import load_recipe, recipe_text
    from recon_cli.systems.sft.config import SftRecipe

    chosen = load_recipe(recipe, SftRecipe, set_)
    if print_recipe:
        sys.stdout.write(recipe_text(chosen))
        return
    from recon_cli.prepare.masks import parse_color
    from recon_cli.run.sft import FitJob, check
    from recon_cli.run.sft import fit as run_fit
    from recon_cli.run.sft_film import FilmOptions
    from recon_cli.run.sft_inputs import SftSources

    job = FitJob(
        sources=SftSources(
            video=_given(video, "--video"),
            template=_given(template, "--template"),
            camera=camera,
            masks=masks,
            fov=fov,
            background=None if background is None else parse_color(background, option="--background"),
            fps=fps,
            start=start,
            stop=stop,
            stride=stride,
            max_size=max_size,
        ),
        recipe=chosen,
        out=_given(out, "-o"),
        command=command_line(),
        seed=seed,
        device=device,
        has_obj=obj,
        film=FilmOptions(has_depth=depth),
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


@app.command()
def simulate(
    out: Out,
    template: Template = None,
    run: Annotated[Path | None, typer.Option("--run", metavar="RUN", help="Replay this finished run exactly.", show_default=False)] = None,
    material: Annotated[
        str, typer.Option("--material", metavar="NAME", help="ten_fabrics, eight_fabrics, or a fabric's name.")
    ] = "ten_fabrics",
    wind: Annotated[str, typer.Option("--wind", metavar="X,Y,Z", help="Velocity of the air in m/s; still air resists.")] = "0,0,0",
    gravity: Annotated[str, typer.Option("--gravity", metavar="X,Y,Z", help="In m/s²; y points down.")] = "0,9.81,0",
    pins: Annotated[
        str, typer.Option("--pins", metavar="WHICH", help="none, corners, top, indices (0,31), or a file of indices.")
    ] = "none",
    frames: Annotated[int, typer.Option("--frames", min=1, metavar="N", help="Frames to play, the start included.")] = 50,
    fps: Annotated[float, typer.Option("--fps", min=0.001, metavar="F", help="Frames per second of real time.")] = 25.0,
    steps_per_frame: Annotated[int, typer.Option("--steps-per-frame", min=1, metavar="N", help="Simulator steps between two frames.")] = 4,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Also draw out/simulation.mp4.")] = False,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Play the cloth simulator forward from a template, or replay a finished run.

    Writes out/meshes/000000.ply … and prints the run folder.
    """
    from recon_cli.run.sft_simulate import SimulateJob
    from recon_cli.run.sft_simulate import simulate as run_simulation

    if run is not None and template is not None:
        raise UsageError("--run and --template exclude each other", hint="--run replays a finished run with its own template and physics")
    job = SimulateJob(
        out=out,
        template=template,
        run=run,
        material=material,
        wind=_vector(wind, "--wind"),
        gravity=_vector(gravity, "--gravity"),
        pins=pins,
        frames=frames,
        fps=fps,
        steps_per_frame=steps_per_frame,
        has_film=video,
        overwrite=overwrite,
        command=command_line(),
    )
    with Console(quiet=quiet, verbose=verbose) as console:
        record = run_simulation(job, console)
    emit(record if json else record["run"], json=json)


@app.command()
def render(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.mp4|DIR", help="A film, or a folder of pictures.", show_default=False)],
    camera: Annotated[
        Path | None,
        typer.Option("--camera", metavar="JSON", help="One camera, or one a frame; without, the run's own.", show_default=False),
    ] = None,
    orbit: Annotated[
        float | None, typer.Option("--orbit", metavar="DEG", help="Circle the surface by so many degrees.", show_default=False)
    ] = None,
    mode: Annotated[str, typer.Option("--mode", metavar="color|depth|normal", help="What is drawn.")] = "color",
    light: Annotated[
        str, typer.Option("--light", metavar="flat|head|X,Y,Z", help="Unlit, a lamp at the camera, or towards a lamp.")
    ] = "flat",
    frame: Annotated[int | None, typer.Option("--frame", min=0, metavar="N", help="Hold this frame.", show_default=False)] = None,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Size of an orbit's pictures in pixels.")] = "960x720",
    background: Annotated[str, typer.Option("--background", metavar="R,G,B", help="Colour behind the surface, 0 to 255.")] = "18,20,26",
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.001, metavar="F", help="Of a film; the run's own by default.", show_default=False)
    ] = None,
    backend: Annotated[str, typer.Option("--backend", metavar="builtin|pytorch3d", help="The renderer.")] = "builtin",
    device: Device = "auto",
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Draw a finished run from any camera: colour, depth or normals, as a film or as pictures.

    Prints the path of what was drawn.
    """
    from recon_cli.prepare.masks import parse_color
    from recon_cli.run.sft_render import MODES, RenderJob
    from recon_cli.run.sft_render import render as run_render

    if mode not in MODES:
        raise UsageError(f"--mode {mode}: expected one of {', '.join(MODES)}")
    job = RenderJob(
        run=run,
        out=out,
        camera=camera,
        orbit=orbit,
        mode=mode,
        light=light,
        frame=frame,
        size=_size(size),
        background=parse_color(background, option="--background"),
        fps=fps,
        backend=backend,
        device=device,
        overwrite=overwrite,
    )
    with Console(quiet=quiet, verbose=verbose) as console:
        emit(run_render(job, console), json=json)


def _given(path: Path | None, flag: str) -> Path:
    if path is None:
        raise UsageError(f"{flag} is missing", hint="recon sft fit --video clip.mp4 --template template.obj --camera camera.json -o run")
    return path


def _vector(text: str, flag: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{flag} {text}: expected three numbers with commas between them, such as 0,9.81,0") from None
    return x, y, z


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--size {text}: expected width and height, such as 960x720") from None
    if not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise UsageError(f"--size {text}: expected both between 16 and 8192 px")
    return width, height
