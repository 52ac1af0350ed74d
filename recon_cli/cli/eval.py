"""``recon eval``: compare a reconstruction with a reference."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.eval_surfaces import distance, dtu, fscore
from recon_cli.cli.eval_views import depth, photometric, silhouette
from recon_cli.cli.options import Json, Quiet, Seed, Verbose
from recon_cli.core.errors import UsageError

app = typer.Typer()


class Align(StrEnum):
    """Whether the prediction is moved onto the reference first."""

    none = "none"
    rigid = "rigid"


Samples = Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Points drawn by area on a mesh; a cloud's points are taken.")]
AlignOption = Annotated[
    Align, typer.Option("--align", help="none: as they lie; rigid: the prediction is moved onto the reference by ICP first.")
]
FrameRange = Annotated[
    str | None,
    typer.Option(
        "--frames", metavar="A:B[:STEP]", help="Compare frames A to B - 1 only, by the number in their names.", show_default=False
    ),
]


@app.command()
def chamfer(
    a: Annotated[str, typer.Argument(metavar="PREDICTION", help="PLY or OBJ; - reads standard input.")],
    b: Annotated[str, typer.Argument(metavar="REFERENCE", help="PLY or OBJ; - reads standard input.")],
    samples: Samples = 30_000,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Chamfer distance of two meshes or point clouds, squared and plain, each direction and the sum."""
    if a == b == "-":
        raise UsageError("both inputs are -; expected at most one from standard input")
    from recon_cli.io.surfaces import read_surface
    from recon_cli.metrics.chamfer import FORMULA
    from recon_cli.metrics.sequence import PROTOCOLS, Comparison, compare

    error = compare(read_surface(a), read_surface(b), Comparison(samples=samples, seed=seed, align=align.value))
    numbers = error.chamfer.record()
    emit({**numbers, "a": a, "b": b, "seed": seed, "align": PROTOCOLS[align.value], "formula": FORMULA}, json=json)


@app.command()
def sequence(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION_DIR", help="Meshes or clouds, one a frame.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE_DIR", help="Meshes or clouds, one a frame.")],
    frames: FrameRange = None,
    samples: Samples = 30_000,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Errors of every frame of a sequence and their mean.

    With --json one record a frame, then the mean; else the mean, with the frames on stderr under -v. Meshes with the same number of
    vertices are compared vertex by vertex, too.
    """
    chosen = _frame_range(frames)
    from recon_cli.io.surfaces import read_surface, surface_names
    from recon_cli.metrics.frame_names import match_frames
    from recon_cli.metrics.sequence import Comparison, compare_sequence, mean_errors, side_length

    pairs = {number: names for number, *names in match_frames(surface_names(prediction), surface_names(reference), frames=chosen)}

    def load(frame: int) -> tuple[Any, Any]:
        first, second = pairs[frame]
        return read_surface(prediction / first), read_surface(reference / second)

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
    emit(_summary(mean, frames=len(errors), seed=seed, align=align), json=json)


def _summary(mean: dict[str, float], *, frames: int, seed: int, align: Align) -> dict[str, Any]:
    from recon_cli.metrics.chamfer import FORMULA
    from recon_cli.metrics.sequence import PROTOCOLS, VERTEX_FORMULAS

    formulas = {"chamfer": FORMULA, **({} if "vertex_error" not in mean else VERTEX_FORMULAS)}
    return {"frames": frames, "mean": mean, "seed": seed, "align": PROTOCOLS[align.value], "formulas": formulas}


def _frame_line(error: Any) -> str:
    vertices = f"  vertex error {error.vertices.vertex_error:.4g}" if error.vertices else ""
    return f"frame {error.frame}: squared Chamfer {error.chamfer.squared:.4g}  plain {error.chamfer.plain:.4g}{vertices}"


def _frame_range(text: str | None) -> range | None:
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts) or (len(parts) == 3 and int(parts[2]) == 0):
        raise UsageError(f"--frames {text!r} is no range; expected FIRST:LAST or FIRST:LAST:STEP, last excluded", hint="--frames 0:50")
    return range(*(int(part) for part in parts))


for _command in (dtu, fscore, distance, depth, photometric, silhouette):
    app.command()(_command)
