"""``recon npm``: learned spaces of body shape and pose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recon_cli.cli.console import Console, command_line, emit
from recon_cli.cli.npm_fit import fit
from recon_cli.cli.npm_train import train
from recon_cli.cli.options import Json, Out, Overwrite, Quiet

if TYPE_CHECKING:
    from recon_cli.run.npm_interpolate import Progress

app = typer.Typer()
app.command()(fit)
app.command()(train)


class What(StrEnum):
    """What changes between two bodies."""

    shape = "shape"
    pose = "pose"
    both = "both"


Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE|RUN", help="The model of the codes; without, the one that ships with recon.", show_default=False),
]
_CODES = "of recon npm fit, or its codes.safetensors."


@app.command()
def interpolate(
    start: Annotated[Path, typer.Argument(metavar="A", help=f"The first body: a run {_CODES}")],
    end: Annotated[Path, typer.Argument(metavar="B", help="The last body, as A; it may be the same run.")],
    out: Out,
    what: Annotated[What, typer.Option("--what", help="What changes; the rest stays as in A.")] = What.both,
    frames: Annotated[int, typer.Option("--frames", min=2, metavar="N", help="Bodies on the path, both ends among them.")] = 21,
    frame_a: Annotated[int, typer.Option("--frame-a", min=0, metavar="I", help="Frame of A to begin with, the first is 0.")] = 0,
    frame_b: Annotated[int, typer.Option("--frame-b", min=0, metavar="I", help="Frame of B to end with.")] = 0,
    model: Model = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Bodies between two others, whose volume goes straight from one to the other.

    Writes meshes/ with fixed topology, codes.safetensors, volumes.json and report.html; prints the folder, which appears when it is whole.
    """
    from recon_cli.run.npm_interpolate import InterpolateJob, interpolate

    job = InterpolateJob(start, end, out, what.value, frames, frame_a, frame_b, model, overwrite, command_line())
    with _telling(quiet) as tell:
        record = interpolate(job, progress=tell)
    emit(record if json else out, json=json)


@app.command()
def transfer(
    poses: Annotated[Path, typer.Argument(metavar="POSES", help=f"The body that moves: a run {_CODES}")],
    shape: Annotated[Path, typer.Argument(metavar="SHAPE", help="The body that is put in its place, as POSES.")],
    out: Out,
    frame: Annotated[int, typer.Option("--frame", min=0, metavar="I", help="Frame of SHAPE, where every frame has its own shape.")] = 0,
    model: Model = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Poses of one body on the shape of another, on the same floor.

    Writes meshes/ with fixed topology, canonical.ply and codes.safetensors; prints the folder, which appears when it is whole.
    """
    from recon_cli.run.npm_transfer import TransferJob, transfer

    with _telling(quiet) as tell:
        record = transfer(TransferJob(poses, shape, out, frame, model, overwrite), progress=tell)
    emit(record if json else out, json=json)


@contextmanager
def _telling(quiet: bool) -> Iterator[Progress]:
    with Console(quiet=quiet) as console:
        yield lambda done, total: console.progress(done, total, {})
