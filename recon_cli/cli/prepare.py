"""``recon prepare``: raw captures into scene folders."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.options import Format, Json, MaxSize, Out, Overwrite, Quiet
from recon_cli.cli.prepare_cameras import cameras
from recon_cli.cli.prepare_hull import hull
from recon_cli.cli.prepare_synth import synth
from recon_cli.core.errors import UsageError

app = typer.Typer()
app.command()(cameras)
app.command()(hull)
app.command()(synth)

Start = Annotated[int, typer.Option("--start", min=0, metavar="N", help="First frame.")]
Stop = Annotated[int | None, typer.Option("--stop", min=1, metavar="N", help="The frame after the last one.", show_default=False)]
Stride = Annotated[int, typer.Option("--stride", min=1, metavar="N", help="Take every Nth frame.")]
Tolerance = Annotated[
    float | None,
    typer.Option(
        "--tolerance",
        min=0,
        metavar="T",
        help="Largest difference to the background: 8-bit levels in any channel (24), or degrees of hue with --chroma (40).",
        show_default=False,
    ),
]


@app.command()
def frames(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video file, or a folder of pictures.")],
    out: Out,
    start: Start = 0,
    stop: Stop = None,
    stride: Stride = 1,
    max_size: MaxSize = None,
    format_: Annotated[Format, typer.Option("--format", help="png is lossless, jpg is small.")] = Format.png,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write the frames of a video as numbered pictures; the folder appears when it is whole."""
    from recon_cli.io.video import open_video
    from recon_cli.io.whole_folder import check_new_folder
    from recon_cli.prepare.frames import CONTENTS, write_frames

    check_new_folder(out, overwrite=overwrite, contents=CONTENTS)
    clip = open_video(video, start=start, stop=stop, stride=stride, max_size=max_size)
    with _telling(quiet) as tell:
        write_frames(clip, out, suffix=format_.value, overwrite=overwrite, progress=tell)
    emit(_pictures_record(out, clip) if json else out, json=json)


@app.command()
def masks(
    out: Out,
    video: Annotated[Path | None, typer.Argument(metavar="[VIDEO]", help="A video file, or a folder of pictures.")] = None,
    background: Annotated[
        str | None,
        typer.Option("--background", metavar="auto|R,G,B|NAME", help="The background's colour; auto sees it at the image border."),
    ] = None,
    chroma: Annotated[
        str | None,
        typer.Option("--chroma", metavar="green|R,G,B|NAME", help="The hue of the wall behind, however lit.", show_default=False),
    ] = None,
    depth: Annotated[
        Path | None, typer.Option("--depth", metavar="DIR", help="Depth maps (EXR) instead of colour.", show_default=False)
    ] = None,
    near: Annotated[float, typer.Option("--near", metavar="Z", help="Smallest depth of the object.")] = 0.0,
    far: Annotated[float | None, typer.Option("--far", metavar="Z", help="Largest depth of the object.", show_default=False)] = None,
    tolerance: Tolerance = None,
    keep: Annotated[int, typer.Option("--keep", min=1, metavar="N", help="Keep the N largest components.")] = 1,
    largest_hole: Annotated[
        int | None, typer.Option("--largest-hole", min=0, metavar="PX", help="Leave larger holes open.", show_default=False)
    ] = None,
    dilate: Annotated[int, typer.Option("--dilate", min=0, metavar="PX", help="Grow the mask first, over shadows on the object.")] = 0,
    erode: Annotated[int, typer.Option("--erode", min=0, metavar="PX", help="Then shrink it.")] = 0,
    start: Start = 0,
    stop: Stop = None,
    stride: Stride = 1,
    max_size: MaxSize = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write masks (0 and 255) of the object in a clip: by background colour (the default), chroma key or depth."""
    if sum(choice is not None for choice in (background, chroma, depth)) > 1:
        raise UsageError("--background, --chroma and --depth exclude each other; expected one")
    if video is None and depth is None:
        raise UsageError("no VIDEO given", hint="recon prepare masks clip.mp4 -o masks")
    if depth is not None and max_size is not None:
        raise UsageError("--max-size does not go with --depth: masks have the size of the depth maps")
    from recon_cli.io.video import open_video
    from recon_cli.io.whole_folder import check_new_folder
    from recon_cli.prepare.frames import CONTENTS, write_frames
    from recon_cli.prepare.masks import ColorMasks, WatchedMasks

    settings = replace(_mask_settings(background, chroma, tolerance, keep, largest_hole), dilate=dilate, erode=erode)
    check_new_folder(out, overwrite=overwrite, contents=CONTENTS)
    clip = None if video is None else open_video(video, start=start, stop=stop, stride=stride, max_size=max_size)
    if depth is not None:
        made: Any = _depth_masks(depth, settings, near, far, slice(start, stop, stride), clip)
    else:
        made = ColorMasks(clip, settings)  # type: ignore[arg-type]
    watched = WatchedMasks(made)
    with Console(quiet=quiet) as console:
        write_frames(watched, out, overwrite=overwrite, progress=lambda done, total: console.progress(done, total, {}))
        if watched.empty:
            first = ", ".join(f"{index:06d}" for index in watched.empty[:3])
            console.warn(f"{len(watched.empty)} of {len(watched)} masks are empty: {first}{' …' if len(watched.empty) > 3 else ''}")
    emit(_pictures_record(out, watched) if json else out, json=json)


@contextmanager
def _telling(quiet: bool):
    with Console(quiet=quiet) as console:
        yield lambda done, total: console.progress(done, total, {})


def _pictures_record(out: Path, pictures: Any) -> dict[str, Any]:
    return {"path": str(out), "count": len(pictures), "width": pictures.width, "height": pictures.height}


def _mask_settings(background: str | None, chroma: str | None, tolerance: float | None, keep: int, largest_hole: int | None) -> Any:
    from recon_cli.prepare.masks import MaskSettings, parse_color

    given: dict[str, Any] = {"keep": keep, "largest_hole": largest_hole}
    if background not in (None, "auto"):
        given["background"] = parse_color(background, option="--background")
    if chroma is not None:
        given["chroma"] = parse_color(chroma, option="--chroma")
    if tolerance is not None:
        given["tolerance" if chroma is None else "hue_tolerance"] = tolerance
    return MaskSettings(**given)


def _depth_masks(folder: Path, settings: Any, near: float, far: float | None, chosen: slice, clip: Any) -> Any:
    from recon_cli.core.errors import InputError
    from recon_cli.io.surfaces import names_in
    from recon_cli.prepare.masks import DepthMasks

    if far is None:
        raise UsageError("--depth needs --far", hint="give the largest depth of the object, in the maps' units")
    paths = [folder / name for name in names_in(folder, (".exr",), expected="depth maps (EXR)")][chosen]
    if clip is not None and len(clip) != len(paths):
        raise InputError(f"{len(paths)} depth maps but {len(clip)} frames; expected one for each", path=folder)
    size = None if clip is None else (clip.width, clip.height)
    return DepthMasks(paths, settings, near=near, far=far, size=size)
