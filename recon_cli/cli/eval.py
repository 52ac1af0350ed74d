"""``recon eval``: compare a reconstruction with a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.eval_bodies import epe, iou
from recon_cli.cli.eval_frames import Align, AlignOption, Box, FrameRange, frame_range, unit_of
from recon_cli.cli.eval_surfaces import distance, dtu, expect_one_stream, fscore
from recon_cli.cli.eval_views import depth, photometric, silhouette
from recon_cli.cli.options import Json, Quiet, Seed, Verbose

app = typer.Typer()


Samples = Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Points drawn by area on a mesh; a cloud's points are taken.")]


@app.command()
def chamfer(
    a: Annotated[str, typer.Argument(metavar="PREDICTION", help="PLY or OBJ; - reads standard input.")],
    b: Annotated[str, typer.Argument(metavar="REFERENCE", help="PLY or OBJ; - reads standard input.")],
    samples: Samples = 30_000,
    box: Box = None,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Chamfer distance of two meshes or point clouds, squared and plain, each direction and the sum.

    c_l2 is half the squared sum, as neural parametric models report it (with --box reference --samples 100000).
    """
    expect_one_stream(a, b)
    from recon_cli.io.surfaces import read_surface
    from recon_cli.metrics.chamfer import FORMULA
    from recon_cli.metrics.frame_pairs import in_units_of
    from recon_cli.metrics.sequence import PROTOCOLS, Comparison, compare

    first, second = read_surface(a), read_surface(b)
    unit = unit_of(box, lambda: second)
    first, second = in_units_of(unit.side, first), in_units_of(unit.side, second)
    numbers = compare(first, second, Comparison(samples=samples, seed=seed, align=align.value)).chamfer.record()
    notes = {"seed": seed, "unit": unit.words, "align": PROTOCOLS[align.value], "formula": FORMULA}
    emit({**numbers, "a": a, "b": b, **notes}, json=json)


@app.command()
def sequence(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION_DIR", help="Meshes or clouds, one a frame.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE_DIR", help="Meshes or clouds, one a frame.")],
    frames: FrameRange = None,
    samples: Samples = 30_000,
    box: Box = None,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Errors of every frame of a sequence and their mean.

    With --json one record a frame, then the mean; else the mean, with the frames on stderr under -v. Meshes with the same number of
    vertices are compared vertex by vertex, too. --align rigid moves every frame for the Chamfer distance; similarity is one transform
    for the whole sequence and all figures.
    """
    chosen = frame_range(frames)
    from recon_cli.io.surfaces import read_surface, surface_names
    from recon_cli.metrics.frame_names import match_frames
    from recon_cli.metrics.frame_pairs import in_units_of
    from recon_cli.metrics.sequence import Comparison, compare_sequence, mean_errors, side_length

    pairs = {number: names for number, *names in match_frames(surface_names(prediction), surface_names(reference), frames=chosen)}
    unit = unit_of(box, lambda: read_surface(reference / next(iter(pairs.values()))[1]))

    def load(frame: int) -> tuple[Any, Any]:
        first, second = pairs[frame]
        return in_units_of(unit.side, read_surface(prediction / first)), in_units_of(unit.side, read_surface(reference / second))

    errors = compare_sequence(load, list(pairs), Comparison(samples=samples, seed=seed, align=align.value))
    mean = mean_errors(errors)
    if "vertex_error" in mean:
        side = side_length(load(next(iter(pairs)))[1])
        mean |= {"side": side, "vertex_error_relative": mean["vertex_error"] / side}
    with Console(quiet=quiet, verbose=verbose) as console:
        for error in errors:
            if json:
                emit(error.record(), json=True)
            else:
                console.detail(_frame_line(error))
    emit({"frames": len(errors), "mean": mean, "seed": seed, "unit": unit.words, **_protocol(mean, align)}, json=json)


def _protocol(mean: dict[str, float], align: Align) -> dict[str, Any]:
    from recon_cli.metrics.chamfer import FORMULA
    from recon_cli.metrics.sequence import PROTOCOLS, VERTEX_FORMULAS

    formulas = {"chamfer": FORMULA, **({} if "vertex_error" not in mean else VERTEX_FORMULAS)}
    return {"align": PROTOCOLS[align.value], "formulas": formulas}


def _frame_line(error: Any) -> str:
    vertices = f"  vertex error {error.vertices.vertex_error:.4g}" if error.vertices else ""
    return f"frame {error.frame}: squared Chamfer {error.chamfer.squared:.4g}  plain {error.chamfer.plain:.4g}{vertices}"


for _command in (iou, epe, dtu, fscore, distance, depth, photometric, silhouette):
    app.command()(_command)
