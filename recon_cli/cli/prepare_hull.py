"""``recon prepare hull``: the visual hull of a scene's masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.options import Json, MaxSize, Out, Overwrite


def hull(
    scene: Annotated[Path, typer.Argument(metavar="SCENE", help="A scene folder with masks, or its cameras.json.")],
    out: Out,
    resolution: Annotated[int, typer.Option("--resolution", min=16, max=1024, metavar="N", help="Cells along its longest side.")] = 192,
    tolerance: Annotated[
        int | None,
        typer.Option(
            "--tolerance", min=0, max=7, metavar="N", help="Masks that may be wrong about a place. [one in 25]", show_default=False
        ),
    ] = None,
    minimum_views: Annotated[
        int | None,
        typer.Option(
            "--min-views", min=1, metavar="N", help="Pictures that must show a place. [one in 10, at least 3]", show_default=False
        ),
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option("--leave-out", metavar="NAME,…", help="Do not ask these views.", show_default=False)
    ] = None,
    max_size: MaxSize = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Carve the visual hull of a scene's masks and write its closed surface, PLY or OBJ; objects may be cut by the pictures' borders."""
    from recon_cli.io.streams import is_stream
    from recon_cli.prepare.hull import HullOptions, write_hull

    names = tuple(name.strip() for name in leave_out.split(",")) if leave_out else ()
    options = HullOptions(resolution, tolerance, minimum_views, max_size, names)
    record = write_hull(scene, out, options, overwrite=overwrite, note=Console().note)
    if not is_stream(out):
        emit(record if json else out, json=json)
