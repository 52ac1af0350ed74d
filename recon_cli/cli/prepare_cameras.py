"""``recon prepare cameras``: calibrated pictures of other programs into scene folders, and back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.options import Json, Out, Overwrite, Quiet
from recon_cli.core.errors import UsageError


class CameraFormat(StrEnum):
    """Formats that are read."""

    auto = "auto"
    colmap = "colmap"
    nerfstudio = "nerfstudio"
    idr = "idr"
    mvsnet = "mvsnet"
    middlebury = "middlebury"
    strecha = "strecha"


class Target(StrEnum):
    """Formats that are written."""

    colmap = "colmap"
    colmap_text = "colmap-text"
    nerfstudio = "nerfstudio"


class FirstPixel(StrEnum):
    """Where the centre of the top-left pixel may lie."""

    corner = "0"
    half = "0.5"


def cameras(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A dataset's folder or camera file; a scene folder with --to.")],
    out: Out,
    format_: Annotated[CameraFormat, typer.Option("--format", help="What SOURCE is; auto looks into it.")] = CameraFormat.auto,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="The pictures, if not beside the cameras.", show_default=False)
    ] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="A mask for each picture, black = ignore.", show_default=False)
    ] = None,
    bounds: Annotated[
        str | None,
        typer.Option("--bounds", metavar="X0,Y0,Z0,X1,Y1,Z1", help="A box around the object, in world units.", show_default=False),
    ] = None,
    first_pixel: Annotated[
        FirstPixel | None,
        typer.Option("--first-pixel", help="Centre of the top-left pixel in SOURCE, if not its format's.", show_default=False),
    ] = None,
    to: Annotated[
        Target | None, typer.Option("--to", help="Write SOURCE, a scene folder, for another program.", show_default=False)
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Symbolic links instead of copies of pictures and masks.")] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Calibrated pictures of COLMAP, nerfstudio, IDR, MVSNet, Middlebury or Strecha as a scene folder; lens distortion is removed."""
    if to is not None:
        given = {"--images": images, "--masks": masks, "--bounds": bounds, "--first-pixel": first_pixel}
        for name in (name for name, value in given.items() if value is not None):
            raise UsageError(f"{name} does not go with --to: the scene folder says it", hint="leave it out")
        record = _export(source, out, to.value, link=link, overwrite=overwrite)
    else:
        box = None if bounds is None else _parse_bounds(bounds)
        pixel = None if first_pixel is None else float(first_pixel.value)
        with Console(quiet=quiet) as console:
            record = _import(
                source, out, console, format=format_.value, images=images, masks=masks, pixel=pixel, box=box, link=link, overwrite=overwrite
            )
    emit(record if json else out, json=json)


def _import(
    source: Path,
    out: Path,
    console: Console,
    *,
    format: str,
    images: Path | None,
    masks: Path | None,
    pixel: float | None,
    box: list[list[float]] | None,
    link: bool,
    overwrite: bool,
) -> dict[str, Any]:
    import torch

    from recon_cli.io.importers.formats import read_dataset
    from recon_cli.io.whole_folder import check_new_folder
    from recon_cli.prepare.cameras import CONTENTS, write_scene_folder

    check_new_folder(out, overwrite=overwrite, contents=CONTENTS)
    name, imported = read_dataset(source, format=format, images=images, masks=masks, first_pixel=pixel)
    written = write_scene_folder(
        imported,
        out,
        bounds=None if box is None else torch.tensor(box, dtype=torch.float64),
        link=link,
        overwrite=overwrite,
        progress=lambda done, total: console.progress(done, total, {}),
    )
    for note in written.notes:
        console.warn(note)
    counts = {key: getattr(written, key) for key in ("views", "masks", "straightened", "depth_maps", "points")}
    return {"path": str(out), "format": name, **counts, "notes": list(written.notes)}


def _export(source: Path, out: Path, to: str, *, link: bool, overwrite: bool) -> dict[str, Any]:
    from recon_cli.prepare.export_cameras import export_scene_folder

    return {"path": str(out), "format": to, "views": export_scene_folder(source, out, to=to, link=link, overwrite=overwrite)}


def _parse_bounds(text: str) -> list[list[float]]:
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    box = [numbers[:3], numbers[3:]]
    if len(numbers) != 6 or not all(low < high < float("inf") and low > float("-inf") for low, high in zip(*box)):
        raise UsageError(
            f"--bounds {text!r} is no box, expected X0,Y0,Z0,X1,Y1,Z1 with each first value below the second",
            hint="such as --bounds=-1,-1,-1,1,1,1",
        )
    return box
